"""One transaction on the registry: what is read from and written to its tables."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from sandbox.core.asks import Ask
from sandbox.core.audit import AuditEvent, Head, NewEvent, chained
from sandbox.core.errors import Conflict
from sandbox.core.lifecycle import Sandbox
from sandbox.core.phases import LIVE, State
from sandbox.core.snapshot import Snapshot, SnapshotState
from sandbox.core.values import Value

V = TypeVar("V", bound=Value)

_HEAD = "head"
_EVENT_FIELDS = ("seq", "prev", "hash", "body")
_SANDBOXES = "SELECT body FROM sandbox ORDER BY created, id"
_SANDBOXES_IN = (
    "SELECT body FROM sandbox WHERE state IN (SELECT value FROM json_each(:states))"
    " ORDER BY created, id"
)
_SANDBOX = (
    "SELECT body FROM sandbox WHERE name = :name"
    " ORDER BY CASE WHEN state IN (SELECT value FROM json_each(:states)) THEN 0 ELSE 1 END,"
    " created DESC, id DESC LIMIT 1"
)
_REPLACE_SANDBOX = (
    "UPDATE sandbox SET name = :name, state = :state, subnet = :subnet, created = :created,"
    " body = :body WHERE id = :id"
)
_ADD_SANDBOX = (
    "INSERT INTO sandbox (id, name, state, subnet, created, body)"
    " VALUES (:id, :name, :state, :subnet, :created, :body)"
)
_SNAPSHOTS = "SELECT body FROM snapshot ORDER BY created, id"
_SNAPSHOTS_OF = "SELECT body FROM snapshot WHERE source = :source ORDER BY created, id"
_READY = (
    "SELECT source, json_extract(body, '$.manifest.experiment'), id FROM snapshot"
    " WHERE json_extract(body, '$.state') = :state"
    " ORDER BY created, id"
)
_REPLACE_SNAPSHOT = (
    "UPDATE snapshot SET source = :source, created = :created, body = :body WHERE id = :id"
)
_ADD_SNAPSHOT = (
    "INSERT INTO snapshot (id, source, created, body) VALUES (:id, :source, :created, :body)"
)
_ASKS = "SELECT body FROM ask ORDER BY created, id"
_ASKS_OF = "SELECT body FROM ask WHERE subject = :subject ORDER BY created, id"
_REPLACE_ASK = "UPDATE ask SET subject = :subject, created = :created, body = :body WHERE id = :id"
_ADD_ASK = "INSERT INTO ask (id, subject, created, body) VALUES (:id, :subject, :created, :body)"
_ADD_JOURNAL = "INSERT INTO journal (subject, kind, name) VALUES (:subject, :kind, :name)"
_ADD_EVENT = "INSERT INTO event (seq, prev, hash, body) VALUES (:seq, :prev, :hash, :body)"


class SqlTransaction:
    """One transaction on the registry; implements `ports.Transaction`."""

    def __init__(self, connection: sqlite3.Connection, *, writes: bool) -> None:
        self._connection = connection
        self._writes = writes

    def sandboxes(self, states: Iterable[State] | None = None) -> list[Sandbox]:
        """Return sandboxes by creation, oldest first; all states without `states`."""
        query = _SANDBOXES if states is None else _SANDBOXES_IN
        return list(self._read(Sandbox, query, states=_listed(states or ())))

    def sandbox(self, name: str) -> Sandbox | None:
        """Return the live sandbox of that name, else the newest that had it, or None."""
        return next(self._read(Sandbox, _SANDBOX, name=name, states=_listed(LIVE)), None)

    def save_sandbox(self, sandbox: Sandbox) -> None:
        """Insert or replace by id. Raises Conflict if another live one has its name or subnet."""
        row = {
            "id": sandbox.id,
            "name": sandbox.name,
            "state": sandbox.state.value,
            "subnet": sandbox.subnet,
            "created": _sortable(sandbox.created),
            "body": sandbox.model_dump_json(),
        }
        try:
            self._put(_REPLACE_SANDBOX, _ADD_SANDBOX, row)
        except sqlite3.IntegrityError as error:
            raise _taken(sandbox, str(error)) from error

    def snapshots(self, source: str | None = None) -> list[Snapshot]:
        """Return snapshots, oldest first."""
        query = _SNAPSHOTS if source is None else _SNAPSHOTS_OF
        return list(self._read(Snapshot, query, source=source))

    def snapshot(self, id: str) -> Snapshot | None:
        """Return one snapshot or None."""
        return next(self._read(Snapshot, "SELECT body FROM snapshot WHERE id = :id", id=id), None)

    def newest(self) -> dict[tuple[str, str], str]:
        """Return the id of the newest ready snapshot of each series, source and experiment."""
        rows = self._connection.execute(_READY, {"state": SnapshotState.READY.value})
        # Of those of one series the last one stays.
        return {(source, experiment or ""): version for source, experiment, version in rows}

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """Insert or replace by id."""
        row = {
            "id": snapshot.id,
            "source": snapshot.source,
            "created": _sortable(snapshot.created),
            "body": snapshot.model_dump_json(),
        }
        self._put(_REPLACE_SNAPSHOT, _ADD_SNAPSHOT, row)

    def asks(self, subject: str | None = None) -> list[Ask]:
        """Return asks, oldest first: of one subject, if given."""
        query = _ASKS if subject is None else _ASKS_OF
        return list(self._read(Ask, query, subject=subject))

    def ask(self, id: str) -> Ask | None:
        """Return one ask or None."""
        return next(self._read(Ask, "SELECT body FROM ask WHERE id = :id", id=id), None)

    def save_ask(self, ask: Ask) -> None:
        """Insert or replace by id."""
        row = {
            "id": ask.id,
            "subject": ask.subject,
            "created": _sortable(ask.asked_at),
            "body": ask.model_dump_json(),
        }
        self._put(_REPLACE_ASK, _ADD_ASK, row)

    def journal(self, subject: str, kind: str, name: str) -> None:
        """Note that an object of `subject` is about to be made."""
        self._change(_ADD_JOURNAL, {"subject": subject, "kind": kind, "name": name})

    def journaled(self, subject: str) -> list[tuple[str, str]]:
        """Return what was noted for `subject` as (kind, name), oldest first."""
        query = "SELECT kind, name FROM journal WHERE subject = ? ORDER BY id"
        return [(kind, name) for kind, name in self._connection.execute(query, [subject])]

    def forget_journal(self, subject: str) -> None:
        """Drop the notes of `subject`: everything they name is settled."""
        self._change("DELETE FROM journal WHERE subject = :subject", {"subject": subject})

    def record(self, event: NewEvent) -> AuditEvent:
        """Append an event to the chain."""
        last = self.events(last=1)
        stored = chained(event, last[0] if last else None)
        self._change(_ADD_EVENT, stored.model_dump())
        self.note(_HEAD, Head(seq=stored.seq, hash=stored.hash).model_dump_json())
        return stored

    def events(self, *, subject: str | None = None, last: int | None = None) -> list[AuditEvent]:
        """Return events in order: of one subject, and at most the `last` ones, if given."""
        query = "SELECT seq, prev, hash, body FROM event"
        if subject is not None:
            # Word for word as in the index `event_subject`.
            query += " WHERE json_extract(body, '$.subject') = :subject"
        # A limit below zero is none.
        query += " ORDER BY seq DESC LIMIT :last"
        chosen = {"subject": subject, "last": -1 if last is None else last}
        rows = self._connection.execute(query, chosen).fetchall()
        found = (dict(zip(_EVENT_FIELDS, row, strict=True)) for row in reversed(rows))
        return [AuditEvent.model_validate(one) for one in found]

    def head(self) -> Head | None:
        """Return the last event as noted beside the chain; None if nothing was ever recorded."""
        noted = self.noted(_HEAD)
        return None if noted is None else Head.model_validate_json(noted)

    def chain(self) -> Iterator[tuple[int, str, str, str]]:
        """Yield (seq, prev, hash, body) of every event in order, without reading the bodies."""
        yield from self._connection.execute("SELECT seq, prev, hash, body FROM event ORDER BY seq")

    def note(self, key: str, value: str) -> None:
        """Keep one text under `key`, in place of what was there."""
        row = {"key": key, "value": value}
        if not self._change("UPDATE meta SET value = :value WHERE key = :key", row):
            self._change("INSERT INTO meta (key, value) VALUES (:key, :value)", row)

    def noted(self, key: str) -> str | None:
        """Return the text kept under `key`, or None."""
        found = self._connection.execute("SELECT value FROM meta WHERE key = ?", [key]).fetchone()
        return None if found is None else str(found[0])

    def forget(self, key: str) -> None:
        """Drop the text kept under `key`; gone already is success."""
        self._change("DELETE FROM meta WHERE key = :key", {"key": key})

    def _read(self, kind: type[V], query: str, **values: str | None) -> Iterator[V]:
        """Yield the records of `kind` that a query for their bodies finds."""
        rows = self._connection.execute(query, values)
        return (kind.model_validate_json(body) for (body,) in rows)

    def _put(self, replacing: str, adding: str, row: Mapping[str, Any]) -> None:
        if not self._change(replacing, row):
            self._change(adding, row)

    def _change(self, statement: str, row: Mapping[str, Any]) -> int:
        assert self._writes, "a transaction opened by reading() was asked to write"
        return self._connection.execute(statement, row).rowcount


def _listed(states: Iterable[State]) -> str:
    return json.dumps([state.value for state in states])


def _sortable(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _taken(sandbox: Sandbox, said: str) -> Conflict:
    if "sandbox.subnet" in said:
        return Conflict(
            f"Subnet number {sandbox.subnet} belongs to another sandbox.",
            subject=sandbox.name,
            hint="Try again: the next attempt takes another subnet.",
        )
    return Conflict(
        f"There is already a sandbox named {sandbox.name}.",
        subject=sandbox.name,
        hint=f"Choose another name, or end that one: sandbox down {sandbox.name}",
    )
