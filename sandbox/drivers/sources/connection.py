"""A DuckDB connection with a PostgreSQL source attached read-only; nothing of it reaches a disk."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.core.errors import Unavailable
from sandbox.core.source import Source
from sandbox.drivers.sources.failures import (
    CONNECT_SECONDS,
    LOCK_SECONDS,
    MEMORY_LIMIT,
    STATEMENT_SECONDS,
    login_error,
    reading_error,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# The names under which a build's two databases are attached.
SOURCE, SNAPSHOT = "source", "snapshot"

# More would load the core system and, each with its own buffers, need more than MEMORY_LIMIT.
_MOST_THREADS = 4
_EXTENSION = "duckdb_extension_postgres_scanner"


@contextmanager
def attached(source: Source, password: str, name: str) -> Iterator["DuckDBPyConnection"]:
    """Open an in-memory DuckDB with the source attached as SOURCE; close it after.

    The server knows its connections by `name`. Nothing is downloaded, nothing spills to disk.
    Every DuckDB error inside becomes Unavailable (InvalidInput where a value cannot be read),
    without the password and without any value.
    """
    import duckdb

    con = duckdb.connect(":memory:", config=_configuration())
    try:
        # Months and years are those of UTC, wherever this machine stands.
        con.execute("SET TimeZone = 'UTC'")
        # Without these, DuckDB counts no progress, or prints it itself.
        con.execute("SET enable_progress_bar = true")
        con.execute("SET enable_progress_bar_print = false")
        con.load_extension(_extension(duckdb.__version__))
        _attach(con, source, password, name)
        yield con
    except duckdb.Error as error:
        # `from None`: what a database says may quote values of columns that must not be shown.
        raise reading_error(source, error) from None
    finally:
        con.close()


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


def _attach(con: "DuckDBPyConnection", source: Source, password: str, name: str) -> None:
    import duckdb

    at = source.connection
    settings = (
        f"connect_timeout={CONNECT_SECONDS} tcp_user_timeout=30000 client_encoding=UTF8 "
        f"application_name={name} "
        f"options='-c statement_timeout={STATEMENT_SECONDS * 1000}"
        f" -c lock_timeout={LOCK_SECONDS * 1000}'"
    )
    try:
        con.execute(
            "CREATE TEMPORARY SECRET source_login "
            "(TYPE postgres, HOST ?, PORT ?, DATABASE ?, USER ?, PASSWORD ?)",
            [at.host, at.port, at.database, at.user, password],
        )
        con.execute(
            f"ATTACH {literal(settings)} AS {SOURCE} "
            "(TYPE postgres, SECRET source_login, READ_ONLY)"
        )
    except duckdb.Error as error:
        raise login_error(source, str(error), password) from None
