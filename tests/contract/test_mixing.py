"""Rows of a snapshot stand in no order: else the n-th row would be the n-th customer."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest

from sandbox.drivers.sources.mixing import mixtures
from sandbox.drivers.sources.reader import CoreReader
from tests.contract.source_files import source

COUNT = 3000


class Quiet:
    def say(self, *told: Any) -> None:
        pass

    def output(self, stream: str, chunk: bytes) -> None:
        raise AssertionError("a build runs no command")


def test_the_number_of_a_row_tells_nothing_of_its_customer(tmp_path: Path) -> None:
    lines = (f"{number},{number}\n" for number in range(COUNT))
    (tmp_path / "customers.csv").write_text("id,same\n" + "".join(lines))
    columns = {
        "id": {"class": "personal", "mask": "integer-hmac", "type": "bigint"},
        "same": {"class": "internal", "type": "bigint"},
    }
    files = {"type": "csv", "files": {"customers": "customers.csv"}}
    wanted = source(files, {"customers": {"columns": columns}})
    made = tmp_path / "made"
    made.mkdir()
    CoreReader(tmp_path).copy(wanted, "", bytes(range(32)), made / "core.duckdb", Quiet())
    assert [file.name for file in made.iterdir()] == ["core.duckdb"]
    with duckdb.connect(str(made / "core.duckdb"), read_only=True) as con:
        there = con.execute("SELECT rowid, same FROM customers").fetchall()
    assert sorted(same for _, same in there) == list(range(COUNT))
    # One in all by chance; in the source's order every one.
    assert sum(row == same for row, same in there) < 20
    assert sum(later == one + 1 for (_, one), (_, later) in pairwise(there)) < 20


def test_duckdb_is_not_loaded_before_the_setting_of_its_allocator() -> None:
    # Without that setting its memory is not given back, and what was plain fills gaps of the file.
    loaded = "import sys, sandbox.drivers.sources.worker; sys.exit('_duckdb' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", loaded], check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9, 100, 129])
def test_every_row_is_in_one_mixture(rows: int) -> None:
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE whole AS SELECT range AS n FROM range({rows})")
        found = [con.execute(select).fetchall() for select in mixtures("whole", rows, 16)]
    assert sorted(n for part in found for (n,) in part) == list(range(rows))
    assert all(len(part) <= 16 for part in found)
