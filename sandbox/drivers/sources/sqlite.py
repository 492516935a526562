"""SQLite as a source."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.core.connection import Sqlite
from sandbox.core.errors import InvalidInput, SandboxError, Unavailable
from sandbox.core.relations import Key, Reference
from sandbox.core.source import Source
from sandbox.drivers.sources.connection import SOURCE, literal, load
from sandbox.drivers.sources.declared import keys_of, references_of
from sandbox.drivers.sources.files import WatchedDialect, found, watched

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
SELECT t.relation, f.id AS number, f."table" AS target, f."from" AS attribute, f."to" AS there
FROM ({_TABLES}) AS t, pragma_foreign_key_list(t.relation) AS f
ORDER BY t.relation, f.id, f.seq
"""  # noqa: S608


class SqliteDialect(WatchedDialect):
    """Reads an SQLite file, attached read-only; it must not change meanwhile."""

    def __init__(self, source: Source, at: Sqlite, home: Path) -> None:
        super().__init__(source, home)
        self._at = at

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
                subject=self._subject,
                hint="Check the path; let the program that writes it end.",
            ) from None

    def begin(self, con: "DuckDBPyConnection") -> datetime:
        """Open DuckDB's transaction; return when the database was last changed."""
        con.execute("BEGIN")
        return max(self._watched.changes())

    def _listed(self, con: "DuckDBPyConnection") -> Iterable[tuple[str, str]]:
        """Return the columns of tables and views, generated ones too."""
        return [(table, column) for table, column, _ in _ask(con, _COLUMNS)]

    def rounded(self, con: "DuckDBPyConnection") -> set[tuple[str, str]]:
        """Return the columns declared numeric or decimal: SQLite itself keeps 15 digits of them."""
        exact = ("NUMERIC", "DECIMAL")
        return {(t, c) for t, c, declared in _ask(con, _COLUMNS) if declared.startswith(exact)}

    def relations(self, con: "DuckDBPyConnection") -> tuple[tuple[Key, ...], tuple[Reference, ...]]:
        """Return primary keys, unique indexes and foreign keys."""
        keys = keys_of((*_ask(con, _PRIMARY), *_ask(con, _UNIQUE)))
        primary = {table: key for (table, name), key in keys.items() if not name}
        return tuple(dict.fromkeys(keys.values())), references_of(_ask(con, _REFERENCES), primary)

    def failure(self, error: Exception) -> SandboxError:
        """Return what an error of DuckDB means; SQLite lets any value stand in any column."""
        if "mismatch type error" in str(error).lower():
            return InvalidInput(
                "A value of the source does not fit the type that its column was declared with.",
                subject=self._subject,
                hint="Give the source a view with that column as text (CAST(... AS TEXT)), and "
                "list the view; or drop the column.",
                details={"cause": type(error).__name__},
            )
        return super().failure(error)


def _ask(con: "DuckDBPyConnection", query: str) -> list[tuple[Any, ...]]:
    return con.execute("FROM sqlite_query(?, ?)", [SOURCE, query]).fetchall()
