"""A DuckDB connection to which a source can be attached; nothing of it reaches a disk."""

import os
import re
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.core.connection import Server
from sandbox.core.errors import Unavailable
from sandbox.drivers.sources.failures import MEMORY_LIMIT

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# The names under which a build's databases are attached: rows are copied into SNAPSHOT, which is
# closed and read as ROUGH, and mixed into MIXED; closed, that is GATED.
SOURCE, SNAPSHOT, ROUGH, MIXED, GATED = "source", "snapshot", "rough", "mixed", "gated"
# The secret of DuckDB by which it logs in at the first.
LOGIN = "source_login"

# More would load the core system and, each with its own buffers, need more than MEMORY_LIMIT.
_MOST_THREADS = 4
_LABELS = re.compile(r"ENUM\('(?:[^']|'')*'(?:, '(?:[^']|'')*')*\)")


def in_memory() -> "DuckDBPyConnection":
    """Return a DuckDB in memory that spills nothing to disk and downloads nothing."""
    import duckdb

    con = duckdb.connect(":memory:", config=_configuration())
    # Months and years are those of UTC, wherever this machine stands.
    con.execute("SET TimeZone = 'UTC'")
    return con


def connected() -> "DuckDBPyConnection":
    """Return an in-memory DuckDB that counts how far a query is."""
    con = in_memory()
    # Without these, DuckDB counts no progress, or prints it itself.
    con.execute("SET enable_progress_bar = true")
    con.execute("SET enable_progress_bar_print = false")
    return con


def bound(
    con: "DuckDBPyConnection", memory: str = MEMORY_LIMIT, threads: int | None = None
) -> None:
    """Let the connection have so much memory and so many threads; what it began with, if not said.

    What it holds beyond that goes back at once.
    """
    con.execute(f"SET memory_limit = {literal(memory)}")
    con.execute(f"SET threads = {threads or _threads()}")


def load(con: "DuckDBPyConnection", extension: str) -> None:
    """Load an extension of DuckDB from its wheel; raises Unavailable if it is not installed."""
    import duckdb

    con.load_extension(_extension(extension, duckdb.__version__))


def keep_login(con: "DuckDBPyConnection", kind: str, at: Server, password: str) -> None:
    """Keep a server's login in the connection's memory, as LOGIN."""
    con.execute(
        f"CREATE TEMPORARY SECRET {LOGIN} "
        f"(TYPE {kind}, HOST ?, PORT ?, DATABASE ?, USER ?, PASSWORD ?)",
        [at.host, at.port, at.database, at.user, password],
    )


def live_types(con: "DuckDBPyConnection", schema: str) -> dict[tuple[str, str], str]:
    """Return the type in which each column of the attached source arrives, by table and column.

    Of an ENUM without its labels, which are values.
    """
    found = con.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE database_name = ? AND schema_name = ?",
        [SOURCE, schema],
    ).fetchall()
    return {(table, column): _LABELS.sub("ENUM", type_) for table, column, type_ in found}


def row_count(con: "DuckDBPyConnection", rows: str) -> int:
    """Return how many rows there are; `rows` is SQL, what follows FROM."""
    found = con.execute(f"SELECT count(*) FROM {rows}").fetchone()  # noqa: S608
    assert found is not None
    return int(found[0])


def types_of(con: "DuckDBPyConnection", rows: str) -> dict[str, str]:
    """Return the columns, in order, with their types; `rows` is a quoted table or a query."""
    return {name: type_ for name, type_, *_ in con.execute(f"DESCRIBE {rows}").fetchall()}


def fill(
    con: "DuckDBPyConnection", table: str, selects: Iterable[str], *, temporary: bool = False
) -> None:
    """Make a table of the rows of all `selects`, read one after the other; all are SQL."""
    made = f"CREATE {'TEMPORARY ' if temporary else ''}TABLE {table} AS"
    for number, select in enumerate(selects):
        con.execute(f"INSERT INTO {table} {select}" if number else f"{made} {select}")


def quoted(*names: str) -> str:
    """Return names as one quoted, dotted identifier, in PostgreSQL's and DuckDB's common form."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def literal(text: str) -> str:
    """Return `text` as a quoted SQL literal, in PostgreSQL's and DuckDB's common form."""
    return "'" + text.replace("'", "''") + "'"


def _configuration() -> dict[str, str | bool | int | float | list[str]]:
    return {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_persistent_secrets": False,
        "temp_directory": "",
        "memory_limit": MEMORY_LIMIT,
        "preserve_insertion_order": False,
        "threads": _threads(),
    }


def _threads() -> int:
    return min(_MOST_THREADS, os.cpu_count() or 1)


def _extension(name: str, version: str) -> str:
    spec = find_spec(f"duckdb_extension_{name}")
    for folder in spec.submodule_search_locations or () if spec else ():
        path = Path(folder, "extensions", f"v{version}", f"{name}.duckdb_extension")
        if path.is_file():
            return str(path)
    raise Unavailable(
        "An extension of DuckDB that this kind of source needs is not installed.",
        subject=f"{name}, duckdb {version}",
        hint=f"pip install duckdb-extension-{name.replace('_', '-')}=={version}",
    )
