"""The registry: an installation's memory in one SQLite file, through SQLAlchemy Core.

SQLAlchemy opens every transaction by an explicit BEGIN of ours. Python's own rule (begin at the
first write) forked the audit chain with eight writers, and `BEGIN DEFERRED` lost appends.
"""

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sandbox.core.errors import Unavailable
from sandbox.drivers.registry.transaction import META, SqlTransaction
from sandbox.drivers.registry.trouble import explained, unavailable

# The newest script in `migrations/`; read here so that Alembic need not be asked (0.65 s).
HEAD = "0002"
FILE = "registry.db"
_MIGRATIONS = Path(__file__).parent / "migrations"


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
            raise unavailable("SQLITE_CORRUPT", self._path, found)
        return f"schema {revision}, journal {mode}, integrity ok"

    def close(self) -> None:
        """Close every connection to the file; the next use opens it again."""
        if engine := self.__dict__.pop("_engine", None):
            engine.dispose()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sa.Connection]:
        with explained(self._path), _begun(self._engine, begin) as connection:
            yield connection

    @cached_property
    def _installation(self) -> str:
        query = sa.select(META.c.value).where(META.c.key == "installation")
        with self._transaction("BEGIN") as connection:
            return str(connection.execute(query).scalar_one())

    @cached_property
    def _engine(self) -> sa.Engine:
        """The engine, on a file that has every table: made or migrated by one process at a time."""
        engine = _sqlite(self._path, self._wait_seconds)
        with ExitStack() as undo:
            undo.callback(engine.dispose)
            with explained(self._path), _only_one(self._folder):
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
                connection.execute(sa.insert(META).values(made))


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
        raise unavailable("SQLITE_CANTOPEN", folder, str(error)) from error
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
        raise unavailable("SQLITE_CANTOPEN", path, str(error)) from error
