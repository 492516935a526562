"""What the tests of the way from a source into a snapshot share."""

import hmac
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import yaml
from jinja2.sandbox import SandboxedEnvironment

import sandbox
from sandbox.core.ports import Built
from sandbox.core.source import Source
from sandbox.drivers.sources.reader import CoreReader

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
SHIPPED = Path(sandbox.__file__).parent / "demo" / "core.yaml"
ODD = '割引 "表" 50%'


NAP = (
    "CREATE FUNCTION nap(int) RETURNS text {} LANGUAGE plpgsql AS "
    "'BEGIN PERFORM pg_sleep(0.02); RETURN repeat(''x'', 2000); END'; "
    "CREATE VIEW slow AS SELECT g AS id, nap(g) AS pad FROM generate_series(1, 3000) g; "
    "GRANT SELECT ON slow TO core_reader"
)


class Told:
    """Progress that remembers."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, int | None, int | None]] = []
        self.interrupted = 0.0

    def say(self, step: str, text: str, done: int | None = None, total: int | None = None) -> None:
        self.rows.append((text, done, total))

    def output(self, stream: str, chunk: bytes) -> None:
        raise AssertionError("a snapshot build runs no command")


def source_of(core: Any, tables: dict[str, Any] | None = None, **connection: Any) -> Source:
    text = SandboxedEnvironment().from_string(SHIPPED.read_text()).render(port=core.port)
    document = yaml.safe_load(text)
    document["connection"] |= {"host": core.host, "database": core.database, "user": core.user}
    document["connection"] |= connection
    if tables is not None:
        document["tables"] = {name: {"columns": columns} for name, columns in tables.items()}
    return Source.model_validate(document)


def build(core: Any, target: Path, source: Source | None = None, key: bytes = KEY) -> Built:
    return CoreReader(Path()).copy(source or source_of(core), core.password, key, target, Told())


@contextmanager
def opened(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    con = duckdb.connect(str(path), read_only=True)
    try:
        yield con
    finally:
        con.close()


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with opened(path) as con:
        return con.execute(query).fetchall()


@contextmanager
def changed(core: Any, there: str, back: str) -> Iterator[None]:
    core.psql(there)
    try:
        yield
    finally:
        core.psql(back)


@contextmanager
def written_meanwhile(write: Callable[[int], object]) -> Iterator[list[int]]:
    """Write 1, 2, 3 and so on beside what is done inside; give what has been written so far."""
    stop, written = threading.Event(), [0]

    def on_and_on() -> None:
        while not stop.is_set():
            write(written[-1] + 1)
            written.append(written[-1] + 1)

    writer = threading.Thread(target=on_and_on)
    writer.start()
    try:
        yield written
    finally:
        stop.set()
        writer.join()


def token(value: str, key: bytes = KEY) -> str:
    return hmac.new(key, value.encode(), "sha256").hexdigest()[:20]
