"""Files of every kind that a source can be, made from the same rows."""

import csv
import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from sandbox.core.source import Source
from sandbox.drivers.sources.connection import connected, literal, load, quoted
from sandbox.drivers.sources.dialect import Dialect
from sandbox.drivers.sources.kinds import dialect_of

ODD = '割引 "表" 50%'
KEEP = {"class": "internal", "mask": "keep"}
LONG = "長い" * 20_000
# id, a name, a column with an odd name, an amount, a day, a note
NAMES = ("id", "氏名", 'a "b" 100%', "amount", "day", "note")
ROWS: list[tuple[Any, ...]] = [
    (1, "佐藤 花子", "😀 ｆｕｌｌ", "12.50", "2026-01-31", LONG),
    (2, "髙橋 太郎", "a, 'b'\n\"c\"", "-0.05", "1999-12-31", "50% [/x]"),
    (3, None, None, None, None, None),
]


def source(connection: dict[str, Any], tables: dict[str, Any], name: str = "core") -> Source:
    document = {
        "apiVersion": "sandbox.source/v1",
        "kind": "Source",
        "metadata": {"name": name},
        "connection": connection,
        "owners": {"extract": "it-data", "transform": "it-data"},
        "tables": tables,
    }
    return Source.model_validate_json(json.dumps(document), strict=True)


def kept(*columns: str, **types: str) -> dict[str, Any]:
    """Return a table whose columns are all kept, some with a type."""
    rules = {name: {**KEEP, "type": types.get(name, "")} for name in (*columns, *types)}
    return {"columns": rules}


def opened(wanted: Source, home: Path) -> tuple[Dialect, duckdb.DuckDBPyConnection]:
    con = connected()
    dialect = dialect_of(wanted, home)
    dialect.attach(con, "")
    dialect.begin(con)
    return dialect, con


def read(wanted: Source, home: Path, table: str) -> list[tuple[Any, ...]]:
    """Return a table as it arrives, each value as text; raises what a build would raise."""
    dialect, con = opened(wanted, home)
    there = quoted("source", dialect.schema, table)
    try:
        return con.execute(f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM {there}").fetchall()
    except duckdb.Error as error:
        raise dialect.failure(error) from None


def types(wanted: Source, home: Path, table: str) -> dict[str, str]:
    dialect, con = opened(wanted, home)
    found = con.execute(f"DESCRIBE {quoted('source', dialect.schema, table)}").fetchall()
    return {row[0]: row[1] for row in found}


def write_csv(
    path: Path, rows: Sequence[Sequence[Any]], encoding: str = "utf-8", header: Sequence[str] = ()
) -> None:
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file)
        writer.writerows([header] if header else [])
        writer.writerows(rows)


def write_sqlite(path: Path, script: str) -> None:
    con = sqlite3.connect(path)
    con.executescript(script)
    con.close()


def write_rows_to_sqlite(path: Path) -> None:
    con = sqlite3.connect(path)
    columns = f"{quoted(*NAMES[:1])} INTEGER PRIMARY KEY, 氏名 TEXT, {quoted(NAMES[2])} TEXT, "
    con.execute(f"CREATE TABLE {quoted(ODD)} ({columns} amount DECIMAL(10,2), day DATE, note TEXT)")
    con.execute("CREATE TABLE empty (id INTEGER)")
    con.executemany(f"INSERT INTO {quoted(ODD)} VALUES (?, ?, ?, ?, ?, ?)", ROWS)
    con.commit()
    con.close()


def write_by_duckdb(path: Path, select: str, form: str, *loaded: str) -> None:
    """Write a file of Parquet or Excel from a SELECT."""
    path.unlink(missing_ok=True)
    with duckdb.connect(":memory:") as con:
        for extension in loaded:
            load(con, extension)
        con.execute(f"COPY ({select}) TO {literal(str(path))} ({form})")


def rows_as_sql() -> str:
    cells = (f"({', '.join(map(_cell, row))})" for row in ROWS)
    names = ", ".join(quoted(name) for name in NAMES)
    return (
        f"SELECT id, 氏名, {quoted(NAMES[2])}, CAST(amount AS DECIMAL(10,2)) AS amount, "
        f"CAST(day AS DATE) AS day, note FROM (VALUES {', '.join(cells)}) t({names})"
    )


def _cell(value: Any) -> str:
    if value is None:
        return "NULL"
    return literal(value) if isinstance(value, str) else str(value)
