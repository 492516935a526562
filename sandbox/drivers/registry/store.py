"""The registry: an installation's memory in one SQLite file.

Every transaction is opened by an explicit BEGIN of ours. Python's own rule (begin at the first
write) forked the audit chain with eight writers, and `BEGIN DEFERRED` lost appends.
"""

import fcntl
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from sandbox.core.errors import Unavailable
from sandbox.drivers.registry.transaction import SqlTransaction
from sandbox.drivers.registry.trouble import explained, unavailable

# The newest script in `migrations/`; read here so that Alembic need not be asked (0.65 s).
HEAD = "0003"
FILE = "registry.db"


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
        self._opened = False
        # Connections that nobody uses now. The last one to close would empty the journal file.
        self._idle: list[sqlite3.Connection] = []

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
            mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
            found = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        if found != "ok":
            raise unavailable("SQLITE_CORRUPT", self._path, found)
        return f"schema {revision}, journal {mode}, integrity ok"

    def close(self) -> None:
        """Close every connection to the file; the next use opens it again."""
        self._opened = False
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with explained(self._path):
            self._open()
            connection = self._take()
            try:
                with _begun(connection, begin):
                    yield connection
            finally:
                self._give_back(connection)

    @cached_property
    def _installation(self) -> str:
        query = "SELECT value FROM meta WHERE key = 'installation'"
        with self._transaction("BEGIN") as connection:
            return str(connection.execute(query).fetchone()[0])

    def _open(self) -> None:
        """Have a file with every table: made or migrated by one process at a time."""
        if self._opened:
            return
        with _only_one(self._folder):
            _create_private(self._path)
            self._bring_up_to_date()
        self._opened = True

    def _bring_up_to_date(self) -> None:
        connection = self._take()
        try:
            found = _revision(connection)
        finally:
            self._give_back(connection)
        if found == HEAD:
            return
        if found is not None and found > HEAD:
            self.close()
            raise Unavailable(
                "The registry was made by a newer version of sandbox.",
                subject=str(self._path),
                hint="Upgrade: pip install --upgrade bimodal-sandbox",
                details={"schema": found, "known": HEAD},
            )
        # Its imports cost more than everything else here: only when a migration is due.
        from sandbox.drivers.registry.upgrading import upgrade

        upgrade(self._path, HEAD, self._new_installation() if found is None else None)

    def _take(self) -> sqlite3.Connection:
        return self._idle.pop() if self._idle else self._connect()

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if connection.in_transaction:
            connection.close()
        else:
            self._idle.append(connection)

    def _connect(self) -> sqlite3.Connection:
        raw = sqlite3.connect(
            self._path, timeout=self._wait_seconds, isolation_level=None, check_same_thread=False
        )
        # Foreign bytes in a tampered event must fail its hash, not end the check.
        raw.text_factory = lambda stored: stored.decode("utf-8", "replace")
        try:
            raw.execute("PRAGMA journal_mode = WAL")
            raw.execute("PRAGMA synchronous = FULL")
            raw.execute("PRAGMA foreign_keys = ON")
        except BaseException:
            raw.close()
            raise
        return raw


@contextmanager
def _begun(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    """Open a transaction by the statement `begin`; it is kept unless the block raises."""
    try:
        connection.execute(begin)
        yield
        connection.execute("COMMIT")
    except BaseException:
        # On a full disk SQLite may have rolled back by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _revision(connection: sqlite3.Connection) -> str | None:
    """Return the schema's revision as Alembic noted it, without Alembic; None if fresh."""
    tables = "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"
    if connection.execute(tables).fetchone() is None:
        return None
    noted = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if noted is None else str(noted[0])


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
