"""Answers one query: a JSON line {"sql", "limit"} in, one JSON document out.

Out: {"columns", "types", "rows", "more"} with values that JSON can carry. What failed has "error"
beside or instead of these, "kind" ("catalogue", "memory" or "") and "memory_mb".
"""

import json
import math
import sys
from typing import Any, TextIO

import duckdb
import sandbox_kit

BATCH = 2048
SIMPLE = frozenset({type(None), bool, int, str})
# Python's json is strict ASCII here, so no locale can break it.
encode = json.JSONEncoder(allow_nan=False).encode


def main() -> None:
    """Read the question from stdin and print the answer. The exit code is 0 in both cases."""
    try:
        asked = json.loads(sys.stdin.buffer.readline())
        answer(sandbox_kit.connect(), str(asked["sql"]), int(asked["limit"]), sys.stdout)
    except duckdb.Error as error:
        sys.stdout.write(encode(failure(error)))
    except (ValueError, KeyError, TypeError) as error:
        sys.stdout.write(encode({"error": f"The question is not valid: {error!r}"}))
    sys.stdout.write("\n")


def failure(error: duckdb.Error) -> dict[str, Any]:
    """Return what went wrong in a statement, such that a door can say what to do."""
    kind = ""
    if isinstance(error, duckdb.OutOfMemoryException):
        kind = "memory"
    elif isinstance(error, duckdb.CatalogException):
        kind = "catalogue"
    return {"error": sandbox_kit.told(error), "kind": kind, "memory_mb": sandbox_kit.memory_mb()}


def answer(connection: duckdb.DuckDBPyConnection, sql: str, limit: int, out: TextIO) -> None:
    """Write the first `limit` rows of one statement to `out`, and whether there are more.

    Rows are written while they come: a million of them at once would not fit into memory. Raises
    duckdb.Error when the statement fails before its first row.
    """
    count = statements(connection, sql)
    if count != 1:
        out.write(encode({"error": f"Exactly one SQL statement is needed, not {count}."}))
        return
    connection.execute(sql)
    described = connection.description or []
    head = {
        "columns": [column[0] for column in described],
        "types": [str(column[1]) for column in described],
    }
    out.write(encode(head)[:-1] + ', "rows": [')
    end = encode(rest(connection, limit, out) if described else {"more": False})
    out.write("], " + end[1:])


def rest(connection: duckdb.DuckDBPyConnection, limit: int, out: TextIO) -> dict[str, Any]:
    """Write up to `limit` rows to `out`; return what ends the answer."""
    left, comma = limit, ""
    try:
        while left and (rows := connection.fetchmany(min(left, BATCH))):
            out.write(comma + encode([list(map(plain, row)) for row in rows])[1:-1])
            left, comma = left - len(rows), ", "
        return {"more": not left and bool(connection.fetchmany(1))}
    except duckdb.Error as error:
        return failure(error)


def statements(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    """Return how many statements `sql` holds. Raises duckdb.Error when it cannot be read."""
    parts = connection.extract_statements(sql)
    # DuckDB takes one PIVOT apart: types to create, then a query, all of them without text.
    whole = [p for p in parts if p.query.strip() or p.type == duckdb.StatementType.SELECT]
    return max(len(whole), 1) if parts else 0


def plain(value: Any) -> Any:
    """Return `value` as JSON can carry it: what has no JSON form becomes text."""
    if type(value) in SIMPLE:  # most are; a million rows have millions of them
        return value
    match value:
        case float():
            return value if math.isfinite(value) else str(value)
        case bytes() | bytearray() | memoryview():
            return bytes(value).hex()
        case list() | tuple():
            return [plain(item) for item in value]
        case dict():
            return {str(plain(key)): plain(item) for key, item in value.items()}
        case _:
            return str(value)


if __name__ == "__main__":
    main()
