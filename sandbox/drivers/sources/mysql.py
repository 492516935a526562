"""MySQL and MariaDB as a source."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sandbox.core.connection import MySql, place_of
from sandbox.core.drift import LiveTypes
from sandbox.core.errors import InvalidInput, SandboxError, Unavailable
from sandbox.core.relations import Key, Reference
from sandbox.core.source import Source
from sandbox.core.text import clean
from sandbox.drivers.sources.connection import SOURCE, live_types, load, quoted, row_count
from sandbox.drivers.sources.failures import reading_error, wrong_password
from sandbox.drivers.sources.grants import powers
from sandbox.drivers.sources.login import refuse_writers

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_ISOLATION = "SHOW VARIABLES WHERE Variable_name IN ('tx_isolation', 'transaction_isolation')"
_ENOUGH = ("REPEATABLE-READ", "SERIALIZABLE")
_COLUMNS = """
SELECT table_name AS relation, column_name AS attribute, data_type AS kind
FROM information_schema.columns WHERE table_schema = DATABASE()
ORDER BY table_name, ordinal_position
"""
_UNIQUE = """
SELECT table_name AS relation, index_name AS name, column_name AS attribute
FROM information_schema.statistics WHERE table_schema = DATABASE() AND non_unique = 0
ORDER BY table_name, index_name, seq_in_index
"""
_REFERENCES = """
SELECT table_name AS relation, constraint_name AS name, column_name AS attribute,
  referenced_table_name AS target, referenced_column_name AS there
FROM information_schema.key_column_usage
WHERE table_schema = DATABASE() AND referenced_table_schema = DATABASE()
ORDER BY table_name, constraint_name, ordinal_position
"""
_SETTINGS = (
    # A moment (TIMESTAMP) arrives as that of UTC.
    "SET mysql_session_time_zone = '+00:00'",
    # 0000-00-00 is no day.
    "SET mysql_incomplete_dates_as_nulls = true",
)


class MySqlDialect:
    """Reads MySQL and MariaDB in one read-only transaction, repeatable read.

    Tables are read in that transaction; what is asked about them, before it.
    """

    def __init__(self, source: Source, at: MySql) -> None:
        self._name, self._at = source.name, at
        # DuckDB leaves texts to the server without minding its \, by which a text could end early
        # and be read as SQL; and the server takes B for b. So it may judge days and numbers only.
        wanted = (w for t in source.tables.values() for some in t.where.values() for w in some)
        self._server_judges = not any(isinstance(value, str) for value in wanted)

    @property
    def schema(self) -> str:
        """The database that the source file names."""
        return self._at.database

    def place(self) -> str:
        """Return login, server and database."""
        return place_of(self._at)

    def attach(self, con: "DuckDBPyConnection", password: str) -> None:
        """Attach it read-only; raises Unavailable without the password."""
        import duckdb

        at = self._at
        load(con, "mysql_scanner")
        for setting in _SETTINGS:
            con.execute(setting)
        con.execute(f"SET mysql_experimental_filter_pushdown = {self._server_judges}")
        con.execute(
            "CREATE TEMPORARY SECRET source_login "
            "(TYPE mysql, HOST ?, PORT ?, DATABASE ?, USER ?, PASSWORD ?)",
            [at.host, at.port, at.database, at.user, password],
        )
        try:
            con.execute(f"ATTACH '' AS {SOURCE} (TYPE mysql, SECRET source_login, READ_ONLY)")
            _ask(con, "SELECT 1 AS one")
        except duckdb.Error as error:
            # `from None`: the driver's text is for nobody else's eyes.
            raise self._refusal(str(error)) from None

    def begin(self, con: "DuckDBPyConnection") -> datetime:
        """Open the transaction; return the server's time just before its first read.

        Raises Unavailable where the server does not read repeatably.
        """
        level = _ask(con, _ISOLATION)[0][1]
        if level not in _ENOUGH:
            raise Unavailable(
                f"The server's transactions are {clean(level)}: tables would be of different "
                "moments.",
                subject=f"{self._name} ({self.place()})",
                hint="Let its owner set transaction_isolation to REPEATABLE-READ, or give you a "
                "server (a read replica, for example) where it is.",
            )
        now: datetime = _ask(con, "SELECT UTC_TIMESTAMP(6) AS now")[0][0]
        con.execute("BEGIN")
        return now.replace(tzinfo=UTC)

    def check_login(self, con: "DuckDBPyConnection") -> None:
        """Raise Denied if the login, or a role that it could take, could write."""
        import duckdb

        def show(role: str) -> list[str] | None:
            own = f"FOR CURRENT_USER() USING {role}"
            for form in (f"FOR {role}", own) if role else ("",):
                try:
                    return [line for (line,) in _ask(con, f"SHOW GRANTS {form}")]
                except duckdb.Error:
                    continue
            return None

        public = show("PUBLIC") or []  # MySQL has none
        found = powers(lambda role: show(role) if role else [*(show("") or ()), *public])
        refuse_writers(
            f"{self._name} ({self.place()})",
            (power.could for power in found),
            (f"{power.undo};" for power in found),
        )

    def columns(self, con: "DuckDBPyConnection") -> LiveTypes:
        """Return the columns of the tables and views that the login may read."""
        types = live_types(con, self.schema)
        found: LiveTypes = {}
        for table, column, _ in _ask(con, _COLUMNS):
            found.setdefault(table, {})[column] = types.get((table, column), "")
        return found

    def readable(self, con: "DuckDBPyConnection") -> set[tuple[str, str]] | None:
        """Return None: the server lists nothing else."""
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
        """Return the decimal columns: with more than 38 digits they arrive as DOUBLE."""
        return {(t, c) for t, c, kind in _ask(con, _COLUMNS) if kind == "decimal"}

    def rows(self, con: "DuckDBPyConnection", table: str, condition: str) -> int:
        """Count in the transaction in which the rows are read."""
        return row_count(con, f"{quoted(SOURCE, self.schema, table)} WHERE {condition}")

    def relations(self, con: "DuckDBPyConnection") -> tuple[tuple[Key, ...], tuple[Reference, ...]]:
        """Return primary and unique keys, and foreign keys within the database."""
        keys: dict[tuple[str, str], list[str | None]] = {}
        for table, name, column in _ask(con, _UNIQUE):
            keys.setdefault((table, name), []).append(column)
        # A part that is an expression has no column.
        unique = (
            Key(table=table, columns=tuple(c for c in columns if c is not None))
            for (table, _), columns in keys.items()
            if None not in columns
        )
        pairs: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
        for table, name, column, target, there in _ask(con, _REFERENCES):
            pairs.setdefault((table, name, target), []).append((column, there))
        references = (
            Reference(
                table=table,
                columns=tuple(own for own, _ in found),
                key=Key(table=target, columns=tuple(there for _, there in found)),
            )
            for (table, _, target), found in pairs.items()
        )
        return tuple(dict.fromkeys(unique)), tuple(references)

    def check_unchanged(self) -> None:
        """Do nothing: the transaction sees one state, whatever happens meanwhile."""

    def failure(self, error: Exception) -> SandboxError:
        """Return what an error of DuckDB or the server means."""
        said, subject = str(error).lower(), f"{self._name} ({self.place()})"
        cause = {"cause": type(error).__name__}
        if "error in your sql syntax" in said:
            return InvalidInput(
                "The source cannot be read by the names that it uses.",
                subject=subject,
                hint="DuckDB cannot read names with a ` in them: let the source's owner give you "
                "a view without.",
                details=cause,
            )
        if "command denied to user" in said or "max_statement_time exceeded" in said:
            # In the words by which PostgreSQL's are known.
            plain = "timeout" if "exceeded" in said else "permission denied for table"
            return reading_error(self._name, self.place(), Unavailable(plain))
        return reading_error(self._name, self.place(), error)

    def _refusal(self, said: str) -> Unavailable:
        """Return the error for a connection that failed, of which the driver `said` something."""
        where = self.place()
        if "Access denied" in said and "to database" not in said:
            return wrong_password(self._name, where)
        if "Access denied" in said or "Unknown database" in said or "not allowed" in said:
            return Unavailable(
                "The source refuses the connection: this login may not use that database.",
                subject=f"{self._name} ({where})",
                hint=f"Check database and user in sources/{self._name}.yaml; the user must be "
                "allowed from this machine, with SELECT on that database.",
            )
        return Unavailable(
            "The source does not answer.",
            subject=f"{self._name} ({where})",
            hint="Check host, port and database, and that the source is running and reachable.",
        )


def _ask(con: "DuckDBPyConnection", query: str) -> list[tuple[Any, ...]]:
    """Run one SELECT or SHOW in the server's own SQL; the scanner does so outside transactions."""
    return con.cursor().execute("FROM mysql_query(?, ?)", [SOURCE, query]).fetchall()
