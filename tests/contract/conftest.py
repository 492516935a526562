"""What several contract tests work on: the real registry, a file that the leak gate judges."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from sandbox.drivers.registry.store import SqlRegistry
from sandbox.drivers.sources.connection import GATED
from sandbox.drivers.sources.masks import set_key
from tests.contract.gate_bench import Bench
from tests.contract.masking import KEY


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[SqlRegistry]:
    made = SqlRegistry(tmp_path)
    yield made
    made.close()


# One for all: to define the macros of the masks takes longer than most tests.
@pytest.fixture(scope="module")
def keyed() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:", config={"threads": 2}) as made:
        set_key(made, KEY)
        yield made


@pytest.fixture
def con(keyed: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    yield keyed
    keyed.execute(f"DETACH {GATED}")
    keyed.execute("DROP TABLE IF EXISTS live")
    for (name,) in keyed.execute("SELECT sequence_name FROM duckdb_sequences()").fetchall():
        keyed.execute(f"DROP SEQUENCE temp.{name}")


@pytest.fixture
def bench(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> Bench:
    return Bench(con, tmp_path / "t.duckdb")
