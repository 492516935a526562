"""The leak gate on files: keys and references hold, and k is what the source file wants."""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from sandbox.core.relations import Key, Reference, Relations
from sandbox.core.source import Table
from sandbox.drivers.sources.connection import GATED
from sandbox.drivers.sources.gate import Known, judge
from tests.contract.gate_bench import Bench


def test_keys_and_references_are_checked(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    file = tmp_path / "t.duckdb"
    con.execute(f"ATTACH '{file}' AS snapshot")
    con.execute("CREATE TABLE snapshot.main.a AS SELECT i AS id, i % 50 AS n FROM range(60) r(i)")
    con.execute("CREATE TABLE snapshot.main.b AS SELECT i + 55 AS a_id FROM range(10) r(i)")
    con.execute("INSERT INTO snapshot.main.b VALUES (NULL)")
    con.execute("DETACH snapshot")
    keep = {"class": "internal", "mask": "keep"}
    tables = {
        "a": Table.model_validate({"columns": {"id": keep, "n": keep}}),
        "b": Table.model_validate({"columns": {"a_id": keep}}),
    }
    good, bad = Key(table="a", columns=("id",)), Key(table="a", columns=("n",))
    pair = Key(table="a", columns=("id", "n"))
    held = Relations(
        unique=(good, bad, pair),
        references=(Reference(table="b", columns=("a_id",), key=good),),
    )
    report = judge(con, file, tables, Known(relations=held), lambda _: None)
    assert [(k.table, k.column, k.detector, k.count) for k in report.leaks] == [
        ("a", "n", "unique", 10),
        ("b", "a_id", "reference", 5),
    ]


def test_k_is_counted_on_what_stands_there(bench: Bench) -> None:
    """Forty who share a year, four who share the next; an empty value is a value."""
    bench.live(
        "i % 22 AS who, DATE '1980-06-01' + CAST(i // 40 * 366 AS INTEGER) AS born, "
        "CASE WHEN i % 40 < 38 THEN '%' END AS sex",
        44,
    )
    year = {"class": "quasi-identifier", "mask": {"method": "generalise", "to": "year"}}
    sex = {"class": "quasi-identifier", "mask": {"method": "generalise", "first": 1}}
    who = {"class": "personal", "mask": "hmac"}
    report = bench.judged({"who": who, "born": year, "sex": sex})
    (found,) = report.anonymity
    assert found.columns == ("born", "sex")
    assert (found.k, found.groups, found.few) == (2, 3, 6)


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ({"quasi": ["area"]}, ("area", 10, 2, 0)),
        ({"quasi": ["area"], "subject": "who"}, ("area", 2, 2, 20)),
        ({"quasi": ["area"], "k": 10}, ("area", 10, 2, 0)),
    ],
)
def test_k_counts_rows_or_people(con: duckdb.DuckDBPyConnection, tmp_path: Path,
                                 chosen: Any, found: Any) -> None:  # fmt: skip
    file = tmp_path / "t.duckdb"
    con.execute(f"ATTACH '{file}' AS snapshot")
    rows = "SELECT i % 2 AS area, i % 4 AS who FROM range(20) r(i)"
    con.execute(f"CREATE TABLE snapshot.main.t AS {rows}")
    con.execute("DETACH snapshot")
    keep = {"class": "internal", "mask": "keep"}
    table = Table.model_validate({"columns": {"area": keep, "who": keep}, **chosen})
    report = judge(con, file, {"t": table}, Known(), lambda _: None)
    (counted,) = report.anonymity
    assert (counted.columns[0], counted.k, counted.groups, counted.few) == found
    assert report.passed


def test_a_group_smaller_than_the_file_wants_stops_the_snapshot(bench: Bench) -> None:
    bench.live("i // 4 AS area", 22)
    columns = {"area": {"class": "internal", "mask": "keep"}}
    table = Table.model_validate({"columns": columns, "quasi": ["area"], "k": 4})
    bench.judged(columns)
    bench.con.execute(f"DETACH {GATED}")
    report = judge(bench.con, bench.file, {"t": table}, Known(), lambda _: None)
    assert [(k.column, k.detector, k.because) for k in report.leaks] == [
        ("(area)", "k", "the smallest group has 2, not 4")
    ]
    assert report.anonymity[0].few == 22
