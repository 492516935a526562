"""Names and texts of strangers, as they are put into SQL: DuckDB reads back what was meant."""

import subprocess
import sys

import duckdb
import pytest

from sandbox.drivers.sources.connection import literal, quoted

ODD = ["plain", "O'Brien", "''", '"', '割引 "表"', "50% %s {}", "a\\", "\\' --", "a\nb\t", "", "😀"]


@pytest.mark.parametrize("text", ODD)
def test_a_text_stays_itself(text: str) -> None:
    assert duckdb.sql(f"SELECT {literal(text)}").fetchall() == [(text,)]
    assert literal(text) == str(duckdb.ConstantExpression(text))


@pytest.mark.parametrize("name", [text for text in ODD if text])
def test_a_name_stays_itself(name: str) -> None:
    assert duckdb.sql(f"SELECT 1 AS {quoted(name)}").columns == [name]
    with duckdb.connect() as con:
        con.execute(f"CREATE SCHEMA {quoted(name)}")
        con.execute(f"CREATE TABLE {quoted('memory', name, name)} AS SELECT 7 AS n")
        assert con.execute(f"FROM {quoted('memory', name, name)}").fetchall() == [(7,)]


def test_quoting_loads_no_library() -> None:
    # Each build, import and export starts a process that reads; these cost it 0.3 s.
    asked = (
        "import sys; from sandbox.drivers.sources.connection import literal, quoted; "
        "quoted('a'), literal('b'); print({'sqlalchemy', 'duckdb'} & {*sys.modules})"
    )
    ran = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"
