"""Answers one query: a JSON line {"sql", "limit"} in, one JSON document out.

Out: {"columns", "types", "rows", "more"} with values that JSON can carry, or {"error"}.
"""

import json
import math
import sys
from typing import Any

import duckdb
import sandbox_kit


def main() -> None:
    """Read the question from stdin and print the answer. The exit code is 0 in both cases."""
    try:
        asked = json.loads(sys.stdin.buffer.readline())
        answer = run(sandbox_kit.connect(), str(asked["sql"]), int(asked["limit"]))
    except duckdb.Error as error:
        answer = {"error": sandbox_kit.first_line(error)}
    except (ValueError, KeyError, TypeError) as error:
        answer = {"error": f"The question is not valid: {error!r}"}
    # Python's json is strict ASCII here, so no locale can break it.
    json.dump(answer, sys.stdout, allow_nan=False)
    sys.stdout.write("\n")


def run(connection: duckdb.DuckDBPyConnection, sql: str, limit: int) -> dict[str, Any]:
    """Return the first `limit` rows of one statement, and whether there are more.

    Raises duckdb.Error when the statement fails.
    """
    count = statements(connection, sql)
    if count != 1:
        return {"error": f"Exactly one SQL statement is needed, not {count}."}
    connection.execute(sql)
    described = connection.description or []
    rows = connection.fetchmany(limit + 1) if described else []
    return {
        "columns": [column[0] for column in described],
        "types": [str(column[1]) for column in described],
        "rows": [[plain(cell) for cell in row] for row in rows[:limit]],
        "more": len(rows) > limit,
    }


def statements(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    """Return how many statements `sql` holds. Raises duckdb.Error when it cannot be read."""
    parts = connection.extract_statements(sql)
    # DuckDB takes one PIVOT apart: types to create, then a query, all of them without text.
    whole = [p for p in parts if p.query.strip() or p.type == duckdb.StatementType.SELECT]
    return max(len(whole), 1) if parts else 0


def plain(value: Any) -> Any:
    """Return `value` as JSON can carry it: what has no JSON form becomes text."""
    match value:
        case None | bool() | int() | str():
            return value
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
