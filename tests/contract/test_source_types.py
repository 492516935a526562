"""Parquet and SQLite, which have types of their own, as docs/sources.md says they arrive."""

from pathlib import Path

import pytest

from sandbox.core.errors import InvalidInput, Unavailable
from tests.contract.source_files import (
    kept,
    opened,
    read,
    source,
    types,
    write_by_duckdb,
    write_sqlite,
)


def test_types_of_parquet_arrive_as_they_are(tmp_path: Path) -> None:
    cells = (
        "SELECT [1, 2] AS list, {'a': 1, 'b': 'x'} AS struct, MAP {'k': 1} AS map, "
        "'a'::ENUM('a', 'b') AS enum, '\\x00\\xFF'::BLOB AS blob, 'NaN'::DOUBLE AS nan, "
        "'-Infinity'::DOUBLE AS inf, 1.5::DECIMAL(38,2) AS exact, TIME '12:00' AS hour, "
        "TIMESTAMPTZ '2026-01-01 00:00:00+09' AS at, '{\"a\": [1]}'::JSON AS json, "
        "18446744073709551615::UBIGINT AS big"
    )
    write_by_duckdb(tmp_path / "a.parquet", cells, "FORMAT parquet")
    wanted = source({"type": "parquet", "files": {"t": "a.parquet"}}, {"t": kept("list")})
    assert types(wanted, tmp_path, "t") == {
        "list": "INTEGER[]", "struct": "STRUCT(a INTEGER, b VARCHAR)",
        "map": "MAP(VARCHAR, INTEGER)", "enum": "VARCHAR", "blob": "BLOB", "nan": "DOUBLE",
        "inf": "DOUBLE", "exact": "DECIMAL(38,2)", "hour": "TIME",
        "at": "TIMESTAMP WITH TIME ZONE", "json": "JSON", "big": "UBIGINT",
    }  # fmt: skip
    assert read(wanted, tmp_path, "t") == [
        ("[1, 2]", "{'a': 1, 'b': x}", "{k=1}", "a", "\\x00\\xFF", "nan", "-inf", "1.50",
         "12:00:00", "2025-12-31 15:00:00+00", '{"a": [1]}', "18446744073709551615")
    ]  # fmt: skip
    (tmp_path / "a.parquet").write_text("a,b\n1,2\n")
    with pytest.raises(Unavailable, match="damaged, or not of the kind"):
        opened(wanted, tmp_path)


SQLITE = """
CREATE TABLE "a b" (i INTEGER PRIMARY KEY, n NUMERIC, d DECIMAL(10,2), r REAL, t TEXT, v VARCHAR(9),
  b BOOLEAN, bl BLOB, da DATE, dt DATETIME, j JSON, none, big BIGINT, c CHAR(8), UNIQUE (t, v));
INSERT INTO "a b" VALUES (1, 1.5, '12.34', 1.5, '😀', 'ｆ', 1, x'00ff', '2026-01-31',
  '2026-01-31 23:30:00', '{"a": 1}', 'x', 9223372036854775807, '12:00:00');
CREATE TABLE child (id INTEGER, far INTEGER REFERENCES "a b", t TEXT, v TEXT,
  FOREIGN KEY (t, v) REFERENCES "a b" (t, v));
CREATE UNIQUE INDEX half ON child (id) WHERE far IS NOT NULL;
CREATE VIEW shown AS SELECT i, CAST(d AS TEXT) AS d FROM "a b";
"""


def test_types_keys_and_references_of_sqlite(tmp_path: Path) -> None:
    write_sqlite(tmp_path / "core.db", SQLITE)
    wanted = source({"type": "sqlite", "file": "core.db"}, {"a b": kept("i")})
    dialect, con = opened(wanted, tmp_path)
    assert dialect.columns(con)["a b"] == {
        "i": "BIGINT", "n": "DOUBLE", "d": "DOUBLE", "r": "DOUBLE", "t": "VARCHAR",
        "v": "VARCHAR", "b": "BIGINT", "bl": "BLOB", "da": "DATE", "dt": "TIMESTAMP",
        "j": "VARCHAR", "none": "BLOB", "big": "BIGINT", "c": "VARCHAR",
    }  # fmt: skip
    assert list(dialect.columns(con)["shown"]) == ["i", "d"]
    assert dialect.rounded(con) == {("a b", "n"), ("a b", "d")}
    unique, references = dialect.relations(con)
    assert sorted(map(str, unique)) == ["a b(i)", "a b(t, v)"]
    assert sorted(map(str, references)) == [
        "child(far) in a b(i)", "child(t, v) in a b(t, v)",
    ]  # fmt: skip
    assert read(wanted, tmp_path, "shown") == [("1", "12.34")]


def test_a_value_of_another_type_in_sqlite_stops_with_a_way_out(tmp_path: Path) -> None:
    write_sqlite(tmp_path / "core.db", "CREATE TABLE t (a INTEGER); INSERT INTO t VALUES ('x');")
    wanted = source({"type": "sqlite", "file": "core.db"}, {"t": kept("a")})
    with pytest.raises(InvalidInput, match="does not fit the type") as caught:
        read(wanted, tmp_path, "t")
    assert "CAST(" in caught.value.hint
    (tmp_path / "core.db").write_text("no database at all, but long enough to be one" * 10)
    with pytest.raises(Unavailable, match="no SQLite database"):
        opened(wanted, tmp_path)
