"""One reading of a source: done by a thread of its own, so that Ctrl-C always gets through.

An interrupted DuckDB rolls its PostgreSQL transaction back, and with 1.5.5 can then wait for an
answer that never comes (seen: a `count(*)` that was interrupted hung for an hour). So a reading
is stopped from both ends: DuckDB is interrupted, and the server is asked, over a second
connection, to end the sessions of the first. No query of ours goes on there for nobody.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from sandbox.core.errors import SandboxError, Unavailable
from sandbox.core.source import Source
from sandbox.drivers.sources.connection import SOURCE, attached

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TICK_SECONDS = 0.25
# After this, a thread that still waits for the network is left behind: it holds no file of ours.
_STOP_SECONDS = 10
_T = TypeVar("_T")


class Reading:
    """A connection to a source that one thread uses and another may stop."""

    def __init__(self, source: Source, password: str) -> None:
        self._source, self._password = source, password
        self._name = f"bimodal-sandbox-{uuid4().hex}"
        self._stopped = Event()
        self._con: DuckDBPyConnection | None = None

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Be connected meanwhile; raises Unavailable when the source does not answer."""
        with attached(self._source, self._password, self._name) as con:
            self._con = con
            try:
                yield
            finally:
                self._con = None

    def execute(self, statement: str, values: Sequence[object] = ()) -> "DuckDBPyConnection":
        """Run one DuckDB statement; raises Unavailable once the reading is stopped."""
        if self._con is None or self._stopped.is_set():
            raise Unavailable("The reading was stopped.", subject=self._source.name)
        return self._con.execute(statement, list(values))

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Run one SELECT in the source's own SQL, inside the current transaction."""
        return self.execute("FROM postgres_query(?, ?)", [SOURCE, query]).fetchall()

    def percent(self) -> float:
        """Return how far the running statement is, or -1 while that cannot be told."""
        import duckdb

        con = self._con
        try:
            return con.query_progress() if con else -1.0
        except duckdb.Error:  # it was closed just now
            return -1.0

    def stop(self) -> None:
        """End what runs, here and on the server; returns without waiting for it."""
        self._stopped.set()
        con = self._con
        if con is None:
            return
        con.interrupt()
        with (
            suppress(SandboxError),
            attached(self._source, self._password, f"{self._name}-stop") as second,
        ):
            second.execute("FROM postgres_query(?, ?)", [SOURCE, _end_sessions(self._name)])


def watched(reading: Reading, work: Callable[[], _T], tick: Callable[[], None]) -> _T:
    """Return what `work` returns from a thread, calling `tick` four times a second meanwhile.

    Whatever `work` raises is raised here. Ctrl-C, and whatever `tick` raises, stops `reading`.
    """
    results: list[_T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # raised again by the thread that waits
            failures.append(error)

    thread = Thread(target=run, daemon=True)
    try:
        thread.start()
        thread.join(_TICK_SECONDS)
        while thread.is_alive():
            tick()
            thread.join(_TICK_SECONDS)
    except BaseException:
        reading.stop()
        thread.join(_STOP_SECONDS)
        raise
    if failures:
        raise failures[0]
    return results[0]


def _end_sessions(name: str) -> str:
    # A login may end its own sessions; `name` is letters, digits and hyphens of our making.
    return (
        "SELECT pg_terminate_backend(pid) AS ended FROM pg_stat_activity "  # noqa: S608
        f"WHERE usename = session_user AND application_name = '{name}'"
    )
