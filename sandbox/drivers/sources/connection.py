"""A DuckDB connection with a PostgreSQL source attached read-only; nothing of it reaches a disk."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.core.errors import Unavailable
from sandbox.core.source import Source
from sandbox.drivers.sources.failures import (
    CONNECT_SECONDS,
    LOCK_SECONDS,
    MEMORY_LIMIT,
    STATEMENT_SECONDS,
    login_error,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# The names under which a build's two databases are attached.
SOURCE, SNAPSHOT = "source", "snapshot"

# More would load the core system and, each with its own buffers, need more than MEMORY_LIMIT.
_MOST_THREADS = 4
# Where the server can (PostgreSQL 14), it looks every second whether we are still there, so a
# build that was killed does not leave a long query running in the core system.
_NOTICE_OUR_END = (
    "SELECT set_config(name, '1000', false) AS value FROM pg_settings "
    "WHERE name = 'client_connection_check_interval'"
)
_EXTENSION = "duckdb_extension_postgres_scanner"


def in_memory() -> "DuckDBPyConnection":
    """Return a DuckDB in memory that spills nothing to disk and downloads nothing."""
    import duckdb

    con = duckdb.connect(":memory:", config=_configuration())
    # Months and years are those of UTC, wherever this machine stands.
    con.execute("SET TimeZone = 'UTC'")
    return con


def attached(source: Source, password: str) -> "DuckDBPyConnection":
    """Return an in-memory DuckDB with the source attached as SOURCE.

    Nothing is downloaded, nothing spills to disk. Raises Unavailable when the source cannot be
    reached; the password is in no text.
    """
    import duckdb

    con = in_memory()
    # Without these, DuckDB counts no progress, or prints it itself.
    con.execute("SET enable_progress_bar = true")
    con.execute("SET enable_progress_bar_print = false")
    con.load_extension(_extension(duckdb.__version__))
    try:
        _attach(con, source, password)
    except duckdb.Error as error:
        # `from None`: the driver's text is for nobody else's eyes.
        raise login_error(source, str(error), password) from None
    return con


def begin(con: "DuckDBPyConnection") -> None:
    """Open the one transaction of a reading: repeatable read, read-only, as DuckDB makes it."""
    con.execute("BEGIN")
    # Not before: a connection that goes back to its pool forgets its settings.
    ask(con, _NOTICE_OUR_END)


def ask(con: "DuckDBPyConnection", query: str) -> list[tuple[Any, ...]]:
    """Run one SELECT in the source's own SQL, inside the current transaction."""
    return con.execute("FROM postgres_query(?, ?)", [SOURCE, query]).fetchall()


def row_count(con: "DuckDBPyConnection", rows: str) -> int:
    """Return how many rows there are; `rows` is SQL, what follows FROM."""
    found = con.execute(f"SELECT count(*) FROM {rows}").fetchone()  # noqa: S608
    assert found is not None
    return int(found[0])


def quoted(*names: str) -> str:
    """Return names as one quoted, dotted identifier, in PostgreSQL's and DuckDB's common form."""
    from sqlalchemy.dialects.postgresql.base import PGDialect

    # The default parameter style would double each % inside a name.
    dialect = PGDialect(paramstyle="named")  # type: ignore[no-untyped-call]
    preparer = dialect.identifier_preparer
    return ".".join(preparer.quote_identifier(name) for name in names)


def literal(text: str) -> str:
    """Return `text` as a quoted SQL literal."""
    import duckdb

    return str(duckdb.ConstantExpression(text))


def _configuration() -> dict[str, str | bool | int | float | list[str]]:
    return {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_persistent_secrets": False,
        "temp_directory": "",
        "memory_limit": MEMORY_LIMIT,
        "preserve_insertion_order": False,
        "threads": min(_MOST_THREADS, os.cpu_count() or 1),
    }


def _extension(version: str) -> str:
    spec = find_spec(_EXTENSION)
    for folder in spec.submodule_search_locations or () if spec else ():
        path = Path(folder, "extensions", f"v{version}", "postgres_scanner.duckdb_extension")
        if path.is_file():
            return str(path)
    raise Unavailable(
        "DuckDB's extension for PostgreSQL is not installed.",
        subject=f"duckdb {version}",
        hint=f"pip install duckdb-extension-postgres-scanner=={version}",
    )


def _attach(con: "DuckDBPyConnection", source: Source, password: str) -> None:
    at = source.connection
    settings = (
        f"connect_timeout={CONNECT_SECONDS} tcp_user_timeout=30000 client_encoding=UTF8 "
        "application_name=bimodal-sandbox "
        f"options='-c statement_timeout={STATEMENT_SECONDS * 1000}"
        f" -c lock_timeout={LOCK_SECONDS * 1000}'"
    )
    con.execute(
        "CREATE TEMPORARY SECRET source_login "
        "(TYPE postgres, HOST ?, PORT ?, DATABASE ?, USER ?, PASSWORD ?)",
        [at.host, at.port, at.database, at.user, password],
    )
    con.execute(
        f"ATTACH {literal(settings)} AS {SOURCE} (TYPE postgres, SECRET source_login, READ_ONLY)"
    )
