"""MySQL and MariaDB as a source."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sandbox.core.connection import MySql
from sandbox.core.errors import InvalidInput, SandboxError, Unavailable
from sandbox.core.relations import Key, Reference
from sandbox.core.source import Source
from sandbox.core.text import clean
from sandbox.drivers.sources.connection import LOGIN, SOURCE, keep_login, load
from sandbox.drivers.sources.declared import keys_of, references_of
from sandbox.drivers.sources.dialect import Dialect
from sandbox.drivers.sources.failures import no_answer, wrong_password
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
SELECT table_name AS relation, constraint_name AS name, referenced_table_name AS target,
  column_name AS attribute, referenced_column_name AS there
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


class MySqlDialect(Dialect):
    """Reads MySQL and MariaDB in one read-only transaction, repeatable read.

    Tables are read in that transaction; what is asked about them, before it.
    """

    def __init__(self, source: Source, at: MySql) -> None:
        super().__init__(source, at.database)
        self._at = at
        # DuckDB leaves texts to the server without minding its \, by which a text could end early
        # and be read as SQL; and the server takes B for b. So it may judge days and numbers only.
        wanted = (w for t in source.tables.values() for some in t.where.values() for w in some)
        self._server_judges = not any(isinstance(value, str) for value in wanted)

    def attach(self, con: "DuckDBPyConnection", password: str) -> None:
        """Attach it read-only; raises Unavailable without the password."""
        import duckdb

        load(con, "mysql_scanner")
        for setting in _SETTINGS:
            con.execute(setting)
        con.execute(f"SET mysql_experimental_filter_pushdown = {self._server_judges}")
        keep_login(con, "mysql", self._at, password)
        try:
            con.execute(f"ATTACH '' AS {SOURCE} (TYPE mysql, SECRET {LOGIN}, READ_ONLY)")
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
                subject=self._subject,
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
            """Return what SHOW GRANTS says of a role, of the login itself for ""."""
            own = f"FOR CURRENT_USER() USING {role}"
            for form in (f"FOR {role}", own) if role else ("",):
                try:
                    return [line for (line,) in _ask(con, f"SHOW GRANTS {form}")]
                except duckdb.Error:
                    continue
            return None

        public = show("PUBLIC") or []  # MySQL has none
        found = powers(lambda role: show(role) if role else [*(show("") or ()), *public])
        refuse_writers(self._subject, found)

    def _listed(self, con: "DuckDBPyConnection") -> Iterable[tuple[str, str]]:
        """Return the columns of the tables and views that the login may read."""
        return [(table, column) for table, column, _ in _ask(con, _COLUMNS)]

    def rounded(self, con: "DuckDBPyConnection") -> set[tuple[str, str]]:
        """Return the decimal columns: with more than 38 digits they arrive as DOUBLE."""
        return {(t, c) for t, c, kind in _ask(con, _COLUMNS) if kind == "decimal"}

    def relations(self, con: "DuckDBPyConnection") -> tuple[tuple[Key, ...], tuple[Reference, ...]]:
        """Return primary and unique keys, and foreign keys within the database."""
        keys = keys_of(_ask(con, _UNIQUE)).values()
        return tuple(dict.fromkeys(keys)), references_of(_ask(con, _REFERENCES))

    def failure(self, error: Exception) -> SandboxError:
        """Return what an error of DuckDB or the server means."""
        if "error in your sql syntax" in str(error).lower():
            return InvalidInput(
                "The source cannot be read by the names that it uses.",
                subject=self._subject,
                hint="DuckDB cannot read names with a ` in them: let the source's owner give you "
                "a view without.",
                details={"cause": type(error).__name__},
            )
        return super().failure(error)

    def _refusal(self, said: str) -> Unavailable:
        """Return the error for a connection that failed, of which the driver `said` something."""
        if "Access denied" in said and "to database" not in said:
            return wrong_password(self._name, self.place())
        if "Access denied" in said or "Unknown database" in said or "not allowed" in said:
            return Unavailable(
                "The source refuses the connection: this login may not use that database.",
                subject=self._subject,
                hint=f"Check database and user in sources/{self._name}.yaml; the user must be "
                "allowed from this machine, with SELECT on that database.",
            )
        return no_answer(self._name, self.place())


def _ask(con: "DuckDBPyConnection", query: str) -> list[tuple[Any, ...]]:
    """Run one SELECT or SHOW in the server's own SQL; the scanner does so outside transactions."""
    return con.cursor().execute("FROM mysql_query(?, ?)", [SOURCE, query]).fetchall()
