"""The registry: an installation's memory in one SQLite file, through SQLAlchemy Core.

SQLAlchemy opens every transaction by an explicit BEGIN of ours. Python's own rule (begin at the
first write) forked the audit chain with eight writers, and `BEGIN DEFERRED` lost appends.
"""

import fcntl
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sandbox.core.audit import AuditEvent, Head, NewEvent, chained
from sandbox.core.errors import Conflict, Unavailable
from sandbox.core.lifecycle import LIVE, Sandbox, State
from sandbox.core.snapshot import Snapshot

# The newest script in `migrations/`; read here so that Alembic need not be asked (0.65 s).
HEAD = "0001"
FILE = "registry.db"
_MIGRATIONS = Path(__file__).parent / "migrations"

_META = sa.table("meta", sa.column("key"), sa.column("value"))
_SANDBOX = sa.table(
    "sandbox", *map(sa.column, ("id", "name", "state", "subnet", "created", "body"))
)
_SNAPSHOT = sa.table("snapshot", *map(sa.column, ("id", "source", "created", "body")))
_JOURNAL = sa.table("journal", *map(sa.column, ("id", "subject", "kind", "name")))
_EVENT = sa.table("event", *map(sa.column, ("seq", "prev", "hash", "body")))

# What SQLite says, what it means, and what to do.
_TROUBLE = {
    "SQLITE_BUSY": (
        "The registry is in use by another process, which does not let go.",
        "Try again; if it stays so, look for a sandbox command that hangs.",
    ),
    "SQLITE_FULL": (
        "The disk that holds the registry is full; nothing was changed.",
        "Free some space there, then try again.",
    ),
    "SQLITE_READONLY": (
        "The registry cannot be written.",
        "Check that you own the home and that its file system is not mounted read-only.",
    ),
    "SQLITE_CANTOPEN": (
        "The registry cannot be opened.",
        "Check that the home's state folder is there and that you own it.",
    ),
    "SQLITE_IOERR": (
        "The disk that holds the registry failed to read or write.",
        "Check the disk (dmesg), then try again.",
    ),
    "SQLITE_CORRUPT": (
        "The registry's file is damaged.",
        "Put it aside and restore it from a backup; the audit record is in it.",
    ),
    "SQLITE_NOTADB": (
        "The registry's file is not a registry.",
        "Put it aside and restore it from a backup; the audit record is in it.",
    ),
}


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
        noted = {"key": "head", "value": Head(seq=stored.seq, hash=stored.hash).model_dump_json()}
        if not self._change(sa.update(_META).where(_META.c.key == "head").values(noted)):
            self._change(sa.insert(_META).values(noted))
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
        query = sa.select(_META.c.value).where(_META.c.key == "head")
        noted = self._connection.execute(query).scalar()
        return None if noted is None else Head.model_validate_json(noted)

    def chain(self) -> Iterator[tuple[int, str, str, str]]:
        """Yield (seq, prev, hash, body) of every event in order, without reading the bodies."""
        query = sa.select(_EVENT).order_by(_EVENT.c.seq)
        yield from self._connection.execute(query, execution_options={"yield_per": 1000})

    def _bodies(self, query: sa.Select[Any]) -> Iterator[str]:
        return (body for (body,) in self._connection.execute(query))

    def _put(self, table: sa.TableClause, row: dict[str, Any]) -> None:
        if not self._change(sa.update(table).where(table.c.id == row["id"]).values(row)):
            self._change(sa.insert(table).values(row))

    def _change(self, statement: sa.Insert | sa.Update | sa.Delete) -> int:
        assert self._writes, "a transaction opened by reading() was asked to write"
        return self._connection.execute(statement).rowcount


class SqlRegistry:
    """The registry in `folder`, made on first use; implements `ports.Registry`.

    `new_installation` makes the installation's id (12 hex digits), once in a registry's life.
    Whoever wants to write waits up to `wait_seconds` for the one who writes.
    """

    def __init__(
        self,
        folder: Path,
        new_installation: Callable[[], str] = lambda: secrets.token_hex(6),
        *,
        wait_seconds: float = 30,
    ) -> None:
        self._folder = folder
        self._path = folder / FILE
        self._new_installation = new_installation
        self._wait_seconds = wait_seconds

    @contextmanager
    def writing(self) -> Iterator[SqlTransaction]:
        """Open a transaction that writes: nobody else writes until it ends (BEGIN IMMEDIATE)."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield SqlTransaction(connection, writes=True)

    @contextmanager
    def reading(self) -> Iterator[SqlTransaction]:
        """Open a transaction that only reads, on one consistent state."""
        with self._transaction("BEGIN") as connection:
            yield SqlTransaction(connection, writes=False)

    def installation(self) -> str:
        """Return the id of this installation, made once with the registry."""
        return self._installation

    def check(self) -> str:
        """Return one line on the registry's health: schema, journal mode, integrity.

        Raises Unavailable when its file is damaged.
        """
        with self._transaction("BEGIN") as connection:
            revision = _revision(connection)
            mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
            found = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one())
        if found != "ok":
            raise _unavailable("SQLITE_CORRUPT", self._path, found)
        return f"schema {revision}, journal {mode}, integrity ok"

    def close(self) -> None:
        """Close every connection to the file; the next use opens it again."""
        if engine := self.__dict__.pop("_engine", None):
            engine.dispose()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sa.Connection]:
        with _explained(self._path), _begun(self._engine, begin) as connection:
            yield connection

    @cached_property
    def _installation(self) -> str:
        query = sa.select(_META.c.value).where(_META.c.key == "installation")
        with self._transaction("BEGIN") as connection:
            return str(connection.execute(query).scalar_one())

    @cached_property
    def _engine(self) -> sa.Engine:
        """The engine, on a file that has every table: made or migrated by one process at a time."""
        engine = _sqlite(self._path, self._wait_seconds)
        with ExitStack() as undo:
            undo.callback(engine.dispose)
            with _explained(self._path), _only_one(self._folder):
                _create_private(self._path)
                self._bring_up_to_date(engine)
            undo.pop_all()
        return engine

    def _bring_up_to_date(self, engine: sa.Engine) -> None:
        with _begun(engine, "BEGIN") as connection:
            found = _revision(connection)
        if found == HEAD:
            return
        if found is not None and found > HEAD:
            raise Unavailable(
                "The registry was made by a newer version of sandbox.",
                subject=str(self._path),
                hint="Upgrade: pip install --upgrade bimodal-sandbox",
                details={"schema": found, "known": HEAD},
            )
        with _begun(engine, "BEGIN IMMEDIATE") as connection:
            _upgrade(connection)
            if found is None:
                made = {"key": "installation", "value": self._new_installation()}
                connection.execute(sa.insert(_META).values(made))


@contextmanager
def _begun(engine: sa.Engine, begin: str) -> Iterator[sa.Connection]:
    """Open a transaction by the statement `begin`; it is kept unless the block raises."""
    with engine.connect() as connection, connection.execution_options(begin=begin).begin():
        yield connection


def _sqlite(path: Path, wait_seconds: float) -> sa.Engine:
    engine = sa.create_engine(
        sa.URL.create("sqlite+pysqlite", database=str(path)),
        connect_args={"timeout": wait_seconds, "isolation_level": None},
    )

    @sa.event.listens_for(engine, "connect")
    def _prepare(raw: Any, _: object) -> None:
        # Foreign bytes in a tampered event must fail its hash, not end the check.
        raw.text_factory = lambda stored: stored.decode("utf-8", "replace")
        raw.execute("PRAGMA journal_mode = WAL")
        raw.execute("PRAGMA synchronous = FULL")
        raw.execute("PRAGMA foreign_keys = ON")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options()["begin"])

    return engine


def _revision(connection: sa.Connection) -> str | None:
    """Return the schema's revision as Alembic noted it, without Alembic; None if fresh."""
    tables = "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"
    if connection.exec_driver_sql(tables).scalar() is None:
        return None
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def _upgrade(connection: sa.Connection) -> None:
    # Its import costs more than everything else here: only when a migration is due.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the system drops it when the process ends, however it ends."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _unavailable("SQLITE_CANTOPEN", folder, str(error)) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _create_private(path: Path) -> None:
    # SQLite gives the files beside it (-wal, -shm) the mode of this one.
    if path.exists():
        return
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        raise _unavailable("SQLITE_CANTOPEN", path, str(error)) from error


def _sortable(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Raise what the database says as Unavailable; bugs pass through."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        if not isinstance(error.orig, sqlite3.DatabaseError):
            raise
        if isinstance(error.orig, sqlite3.IntegrityError | sqlite3.ProgrammingError):
            raise
        name = getattr(error.orig, "sqlite_errorname", "")
        raise _unavailable(name, path, str(error.orig)) from error


def _unavailable(name: str, path: Path, said: str) -> Unavailable:
    general = "_".join(name.split("_")[:2])
    message, hint = _TROUBLE.get(general, ("The registry cannot be used.", "Run: sandbox doctor"))
    return Unavailable(message, subject=str(path), hint=hint, details={"sqlite": said})


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
