"""One transaction on the registry: its tables, and what is read from and written to them."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from sandbox.core.audit import AuditEvent, Head, NewEvent, chained
from sandbox.core.errors import Conflict
from sandbox.core.lifecycle import Sandbox
from sandbox.core.phases import LIVE, State
from sandbox.core.snapshot import Snapshot

_HEAD = "head"
META = sa.table("meta", sa.column("key"), sa.column("value"))
_SANDBOX = sa.table(
    "sandbox", *map(sa.column, ("id", "name", "state", "subnet", "created", "body"))
)
_SNAPSHOT = sa.table("snapshot", *map(sa.column, ("id", "source", "created", "body")))
_JOURNAL = sa.table("journal", *map(sa.column, ("id", "subject", "kind", "name")))
_EVENT = sa.table("event", *map(sa.column, ("seq", "prev", "hash", "body")))


class SqlTransaction:
    """One transaction on the registry; implements `ports.Transaction`."""

    def __init__(self, connection: sa.Connection, *, writes: bool) -> None:
        self._connection = connection
        self._writes = writes

    def sandboxes(self, states: Iterable[State] | None = None) -> list[Sandbox]:
        """Return sandboxes by creation, oldest first; all states without `states`."""
        query = sa.select(_SANDBOX.c.body).order_by(_SANDBOX.c.created, _SANDBOX.c.id)
        if states is not None:
            query = query.where(_SANDBOX.c.state.in_(list(states)))
        return [Sandbox.model_validate_json(body) for body in self._bodies(query)]

    def sandbox(self, name: str) -> Sandbox | None:
        """Return the live sandbox of that name, else the newest that had it, or None."""
        live = sa.case((_SANDBOX.c.state.in_(sorted(LIVE)), 0), else_=1)
        query = sa.select(_SANDBOX.c.body).where(_SANDBOX.c.name == name)
        query = query.order_by(live, _SANDBOX.c.created.desc(), _SANDBOX.c.id.desc()).limit(1)
        return next((Sandbox.model_validate_json(body) for body in self._bodies(query)), None)

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
            self._put(_SANDBOX, row)
        except sa.exc.IntegrityError as error:
            raise _taken(sandbox, str(error.orig)) from error

    def snapshots(self, source: str | None = None) -> list[Snapshot]:
        """Return snapshots, oldest first."""
        query = sa.select(_SNAPSHOT.c.body).order_by(_SNAPSHOT.c.created, _SNAPSHOT.c.id)
        if source is not None:
            query = query.where(_SNAPSHOT.c.source == source)
        return [Snapshot.model_validate_json(body) for body in self._bodies(query)]

    def snapshot(self, id: str) -> Snapshot | None:
        """Return one snapshot or None."""
        query = sa.select(_SNAPSHOT.c.body).where(_SNAPSHOT.c.id == id)
        return next((Snapshot.model_validate_json(body) for body in self._bodies(query)), None)

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """Insert or replace by id."""
        row = {
            "id": snapshot.id,
            "source": snapshot.source,
            "created": _sortable(snapshot.created),
            "body": snapshot.model_dump_json(),
        }
        self._put(_SNAPSHOT, row)

    def journal(self, subject: str, kind: str, name: str) -> None:
        """Note that an object of `subject` is about to be made."""
        self._change(sa.insert(_JOURNAL).values(subject=subject, kind=kind, name=name))

    def journaled(self, subject: str) -> list[tuple[str, str]]:
        """Return what was noted for `subject` as (kind, name), oldest first."""
        query = sa.select(_JOURNAL.c.kind, _JOURNAL.c.name).where(_JOURNAL.c.subject == subject)
        rows = self._connection.execute(query.order_by(_JOURNAL.c.id))
        return [(kind, name) for kind, name in rows]

    def forget_journal(self, subject: str) -> None:
        """Drop the notes of `subject`: everything they name is settled."""
        self._change(sa.delete(_JOURNAL).where(_JOURNAL.c.subject == subject))

    def record(self, event: NewEvent) -> AuditEvent:
        """Append an event to the chain."""
        last = self.events(last=1)
        stored = chained(event, last[0] if last else None)
        self._change(sa.insert(_EVENT).values(stored.model_dump()))
        self.note(_HEAD, Head(seq=stored.seq, hash=stored.hash).model_dump_json())
        return stored

    def events(self, *, subject: str | None = None, last: int | None = None) -> list[AuditEvent]:
        """Return events in order: of one subject, and at most the `last` ones, if given."""
        query = sa.select(_EVENT).order_by(_EVENT.c.seq.desc())
        if subject is not None:
            # Word for word as in the index `event_subject`: a bound path would miss it.
            about: sa.ColumnElement[str] = sa.literal_column("json_extract(body, '$.subject')")
            query = query.where(about == subject)
        if last is not None:
            query = query.limit(last)
        rows = self._connection.execute(query).all()
        return [AuditEvent.model_validate(row._asdict()) for row in reversed(rows)]

    def head(self) -> Head | None:
        """Return the last event as noted beside the chain; None if nothing was ever recorded."""
        noted = self.noted(_HEAD)
        return None if noted is None else Head.model_validate_json(noted)

    def chain(self) -> Iterator[tuple[int, str, str, str]]:
        """Yield (seq, prev, hash, body) of every event in order, without reading the bodies."""
        query = sa.select(_EVENT).order_by(_EVENT.c.seq)
        yield from self._connection.execute(query, execution_options={"yield_per": 1000})

    def note(self, key: str, value: str) -> None:
        """Keep one text under `key`, in place of what was there."""
        row = {"key": key, "value": value}
        if not self._change(sa.update(META).where(META.c.key == key).values(row)):
            self._change(sa.insert(META).values(row))

    def noted(self, key: str) -> str | None:
        """Return the text kept under `key`, or None."""
        query = sa.select(META.c.value).where(META.c.key == key)
        return self._connection.execute(query).scalar()

    def forget(self, key: str) -> None:
        """Drop the text kept under `key`; gone already is success."""
        self._change(sa.delete(META).where(META.c.key == key))

    def _bodies(self, query: sa.Select[Any]) -> Iterator[str]:
        return (body for (body,) in self._connection.execute(query))

    def _put(self, table: sa.TableClause, row: dict[str, Any]) -> None:
        if not self._change(sa.update(table).where(table.c.id == row["id"]).values(row)):
            self._change(sa.insert(table).values(row))

    def _change(self, statement: sa.Insert | sa.Update | sa.Delete) -> int:
        assert self._writes, "a transaction opened by reading() was asked to write"
        return self._connection.execute(statement).rowcount


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
