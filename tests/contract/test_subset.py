"""Rows are chosen by value, window and subject: the same by the same key, in every table."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from sandbox.core.errors import InvalidInput
from sandbox.core.source import Sample, Table
from sandbox.drivers.sources.masks import set_key
from sandbox.drivers.sources.subset import check_rows, plain_condition, sampled_condition

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
AS_OF = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
COLUMNS = {name: {"class": "internal"} for name in ("id", "status", "day", "paid", "o'\"x")}


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as made:
        set_key(made, KEY)
        made.execute(
            "CREATE TABLE live AS SELECT i AS id, (['paid', 'open', NULL, 'O''Brien'])[1 + i % 4] "
            "AS status, DATE '2026-11-23' - CAST(i % 100 AS INTEGER) AS day, i % 2 = 0 AS paid "
            "FROM range(2000) r(i)"
        )
        made.execute(
            "CREATE TABLE orders AS SELECT id AS who, n FROM live, range(3) r(n) WHERE id % 5 < 4"
        )
        yield made


def table(**chosen: Any) -> Table:
    return Table.model_validate({"columns": COLUMNS, **chosen})


def ids(con: duckdb.DuckDBPyConnection, condition: str) -> set[int]:
    return {row[0] for row in con.execute(f"SELECT id FROM live WHERE {condition}").fetchall()}


@pytest.mark.parametrize(
    ("chosen", "rows"),
    [
        ({}, 2000),
        ({"where": {"status": "paid"}}, 500),
        ({"where": {"status": ["paid", None]}}, 1000),
        ({"where": {"status": [None]}}, 500),
        ({"where": {"status": "O'Brien"}}, 500),
        ({"where": {"status": "x' OR true --"}}, 0),
        ({"where": {"id": [1, 5, 9, 9999]}}, 3),
        ({"where": {"paid": True}}, 1000),
        ({"where": {"paid": True, "status": "open"}}, 0),
        ({"since": {"column": "day", "days": 9}}, 200),
        ({"since": {"column": "day", "day": "2026-11-23"}}, 20),
        ({"where": {"paid": True}, "since": {"column": "day", "days": 9}}, 100),
    ],
)
def test_values_and_windows(con: duckdb.DuckDBPyConnection, chosen: Any, rows: int) -> None:
    assert len(ids(con, plain_condition(table(**chosen), AS_OF))) == rows


def sample(con: duckdb.DuckDBPyConnection, **chosen: Any) -> set[int]:
    condition, rows = sampled_condition(con, "live", Sample(by="id", **chosen), "true")
    found = ids(con, condition)
    assert len(found) == rows
    return found


def test_a_sample_is_of_its_size_and_the_same_each_time(con: duckdb.DuckDBPyConnection) -> None:
    tenth = sample(con, percent=10)
    assert 140 < len(tenth) < 260
    assert sample(con, percent=10) == tenth
    assert tenth < sample(con, percent=30)
    assert len(sample(con, percent=10, seed=1) & tenth) < 60
    assert len(sample(con, most=123)) == 123
    assert sample(con, most=50) < sample(con, most=60)
    assert sample(con, percent=10, most=50) < tenth
    assert len(sample(con, most=5000)) == 2000


def test_another_key_chooses_others(con: duckdb.DuckDBPyConnection) -> None:
    first = sample(con, percent=10)
    with duckdb.connect(":memory:") as other:
        set_key(other, OTHER_KEY)
        other.execute("CREATE TABLE live AS SELECT i AS id FROM range(2000) r(i)")
        assert len(sample(other, percent=10) & first) < 60


def test_tables_keep_the_same_subjects_whole(con: duckdb.DuckDBPyConnection) -> None:
    chosen = sample(con, percent=10)
    condition, rows = sampled_condition(con, "orders", Sample(by="who", percent=10), "true")
    found = con.execute(f"SELECT who, count(*) FROM orders WHERE {condition} GROUP BY who")
    kept = dict(found.fetchall())
    assert set(kept) == {who for who in chosen if who % 5 < 4}
    assert set(kept.values()) == {3}
    assert rows == 3 * len(kept)
    condition, rows = sampled_condition(con, "orders", Sample(by="who", most=100), "n = 0 OR n = 1")
    assert 98 <= rows <= 100


def test_rows_without_a_subject_are_in_no_sample(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE TABLE few AS SELECT * FROM (VALUES (1), (NULL)) t(id)")
    condition, rows = sampled_condition(con, "few", Sample(by="id", most=5), "true")
    assert rows == 1
    assert con.execute(f"SELECT id FROM few WHERE {condition}").fetchall() == [(1,)]


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        ({"since": {"column": "status", "days": 3}}, "needs a date"),
        ({"sample": {"by": "id", "percent": 3}}, "exact values"),
    ],
)
def test_what_does_not_fit_the_type_is_refused(chosen: Any, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        check_rows("t", table(**chosen), {"status": "VARCHAR", "id": "DOUBLE"})
