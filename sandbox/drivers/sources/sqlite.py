"""SQLite as a source."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.core.connection import Sqlite, place_of
from sandbox.core.drift import LiveTypes
from sandbox.core.errors import InvalidInput, SandboxError, Unavailable
from sandbox.core.relations import Key, Reference
from sandbox.drivers.sources.connection import SOURCE, literal, live_types, load, quoted, row_count
from sandbox.drivers.sources.failures import reading_error
from sandbox.drivers.sources.files import found, watched

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TABLES = """
SELECT t.name AS relation FROM sqlite_master AS t
WHERE t.type IN ('table', 'view') AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
"""
_COLUMNS = f"""
SELECT t.relation, c.name AS attribute, upper(c.type) AS declared
FROM ({_TABLES}) AS t, pragma_table_xinfo(t.relation) AS c
WHERE c.hidden <> 1 ORDER BY t.relation, c.cid
"""  # noqa: S608
_PRIMARY = f"""
SELECT t.relation, '' AS name, c.name AS attribute
FROM ({_TABLES}) AS t, pragma_table_xinfo(t.relation) AS c
WHERE c.pk > 0 ORDER BY t.relation, c.pk
"""  # noqa: S608
_UNIQUE = f"""
SELECT t.relation, i.name AS name, c.name AS attribute
FROM ({_TABLES}) AS t, pragma_index_list(t.relation) AS i, pragma_index_info(i.name) AS c
WHERE i."unique" AND NOT i.partial ORDER BY t.relation, i.name, c.seqno
"""  # noqa: S608
_REFERENCES = f"""
SELECT t.relation, f.id AS number, f."table" AS target, f."from" AS attribute, f."to" AS key
FROM ({_TABLES}) AS t, pragma_foreign_key_list(t.relation) AS f
ORDER BY t.relation, f.id, f.seq
"""  # noqa: S608


class SqliteDialect:
    """Reads an SQLite file, attached read-only; it must not change meanwhile."""

    schema = "main"

    def __init__(self, name: str, at: Sqlite, home: Path) -> None:
        self._name, self._at, self._home = name, at, home
        self._watched = watched(name, ())

    def place(self) -> str:
        """Return the file's path in the home."""
        return place_of(self._at)

    def attach(self, con: "DuckDBPyConnection", password: str) -> None:
        """Attach it read-only; raises Unavailable if it is no SQLite database."""
        import duckdb

        load(con, "sqlite_scanner")
        file = found(self._name, self._home, self._at.file)
        logs = [file.with_name(file.name + end) for end in ("-wal", "-journal")]
        self._watched = watched(self._name, [file], logs)
        try:
            con.execute(f"ATTACH {literal(str(file))} AS {SOURCE} (TYPE sqlite, READ_ONLY)")
            _ask(con, "SELECT count(*) AS n FROM sqlite_master")
        except duckdb.Error:
            raise Unavailable(
                "The file is no SQLite database, or another program holds it.",
                subject=f"{self._name} ({self.place()})",
                hint="Check the path; let the program that writes it end.",
            ) from None

    def begin(self, con: "DuckDBPyConnection") -> datetime:
        """Open DuckDB's transaction; return when the database was last changed."""
        con.execute("BEGIN")
        return max(self._watched.changes())

    def check_login(self, con: "DuckDBPyConnection") -> None:
        """Do nothing: there is no login, and the file is opened read-only."""

    def columns(self, con: "DuckDBPyConnection") -> LiveTypes:
        """Return the columns of tables and views, generated ones too."""
        types = live_types(con, self.schema)
        there: LiveTypes = {}
        for table, column, _ in _ask(con, _COLUMNS):
            there.setdefault(table, {})[column] = types.get((table, column), "")
        return there

    def readable(self, con: "DuckDBPyConnection") -> set[tuple[str, str]] | None:
        """Return None: whoever can open it can read all of it."""
        return None

    def parts(self, con: "DuckDBPyConnection") -> set[str]:
        """Return nothing: no table is part of another."""
        return set()

    def spread(
        self, con: "DuckDBPyConnection", table: str, columns: Sequence[str], most: int
    ) -> str:
        """Return "": the first rows must do."""
        return ""

    def rounded(self, con: "DuckDBPyConnection") -> set[tuple[str, str]]:
        """Return the columns declared numeric or decimal: SQLite itself keeps 15 digits of them."""
        exact = ("NUMERIC", "DECIMAL")
        return {(t, c) for t, c, declared in _ask(con, _COLUMNS) if declared.startswith(exact)}

    def rows(self, con: "DuckDBPyConnection", table: str, condition: str) -> int:
        """Count what DuckDB reads."""
        return row_count(con, f"{quoted(SOURCE, self.schema, table)} WHERE {condition}")

    def relations(self, con: "DuckDBPyConnection") -> tuple[tuple[Key, ...], tuple[Reference, ...]]:
        """Return primary keys, unique indexes and foreign keys."""
        found: dict[tuple[str, str], list[str | None]] = {}
        for table, name, column in (*_ask(con, _PRIMARY), *_ask(con, _UNIQUE)):
            found.setdefault((table, name), []).append(column)
        # An index over an expression has a column without a name.
        unique = tuple(
            Key(table=table, columns=tuple(c for c in columns if c is not None))
            for (table, _), columns in found.items()
            if None not in columns
        )
        primary = {key.table: key for key in reversed(unique) if (key.table, "") in found}
        return tuple(dict.fromkeys(unique)), tuple(_references(con, primary))

    def check_unchanged(self) -> None:
        """Raise Unavailable if somebody wrote to the database since `attach`."""
        self._watched.check()

    def failure(self, error: Exception) -> SandboxError:
        """Return what an error of DuckDB means; SQLite lets any value stand in any column."""
        if "mismatch type error" in str(error).lower():
            return InvalidInput(
                "A value of the source does not fit the type that its column was declared with.",
                subject=f"{self._name} ({self.place()})",
                hint="Give the source a view with that column as text (CAST(... AS TEXT)), and "
                "list the view; or drop the column.",
                details={"cause": type(error).__name__},
            )
        return reading_error(self._name, self.place(), error)


def _references(con: "DuckDBPyConnection", primary: dict[str, Key]) -> list[Reference]:
    found: dict[tuple[str, int, str], list[tuple[str, str | None]]] = {}
    for table, number, target, column, key in _ask(con, _REFERENCES):
        found.setdefault((table, number, target), []).append((column, key))
    references = []
    for (table, _, target), pairs in found.items():
        named = tuple(key for _, key in pairs if key is not None)
        # Without names it leads to the primary key.
        key = Key(table=target, columns=named) if named else primary.get(target)
        if key is not None:
            own = tuple(column for column, _ in pairs)
            references.append(Reference(table=table, columns=own, key=key))
    return references


def _ask(con: "DuckDBPyConnection", query: str) -> list[tuple[Any, ...]]:
    return con.execute("FROM sqlite_query(?, ?)", [SOURCE, query]).fetchall()
