"""A read-only connection to a PostgreSQL source, through DuckDB, and its failures in our words."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.core.errors import InvalidInput, SandboxError, Unavailable
from sandbox.core.source import Source
from sandbox.core.text import clean

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# The names under which a build's two databases are attached.
SOURCE, SNAPSHOT = "source", "snapshot"

CONNECT_SECONDS = 5
LOCK_SECONDS = 10
STATEMENT_SECONDS = 1800
MEMORY_LIMIT = "512MB"
# More would load the core system and, each with its own buffers, need more than MEMORY_LIMIT.
_MOST_THREADS = 4
_EXTENSION = "duckdb_extension_postgres_scanner"
_DISK_FULL = ("no space left", "could not write", "disk quota exceeded", "file too large")


@contextmanager
def connected(source: Source, password: str) -> Iterator["DuckDBPyConnection"]:
    """Open an in-memory DuckDB with the source attached read-only as `source`; close it after.

    Nothing is downloaded, nothing spills to disk. Every DuckDB error inside becomes Unavailable
    (InvalidInput where a value cannot be read), without the password and without any value.
    """
    import duckdb

    con = duckdb.connect(":memory:", config=_configuration())
    try:
        # Months and years are those of UTC, wherever this machine stands.
        con.execute("SET TimeZone = 'UTC'")
        con.load_extension(_extension(duckdb.__version__))
        _attach(con, source, password)
        yield con
    except duckdb.Error as error:
        # `from None`: what a database says may quote values of columns that must not be shown.
        raise reading_error(source, error) from None
    finally:
        con.close()


def ask(con: "DuckDBPyConnection", query: str) -> list[tuple[Any, ...]]:
    """Run one SELECT in the source's own SQL, inside the current transaction."""
    return con.execute("FROM postgres_query(?, ?)", [SOURCE, query]).fetchall()


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


def place(source: Source) -> str:
    """Return where a source is, as people read it: `core_reader@db.example:5432/core`."""
    at = source.connection
    return clean(f"{at.user}@{at.host}:{at.port}/{at.database}")


def reading_error(source: Source, error: Exception) -> SandboxError:
    """Return the error that tells a person what `error`, met while reading, means."""
    said, subject = str(error), f"{source.name} ({place(source)})"
    lowered = said.lower()
    cause = {"cause": type(error).__name__}
    if "permission denied for" in lowered:
        return Unavailable(
            "The source's login may not read a listed table.",
            subject=subject,
            hint="Let the source's owner run: GRANT USAGE ON SCHEMA ... and GRANT SELECT ON ...",
            details=cause,
        )
    if "timeout" in lowered:
        return Unavailable(
            f"The source took too long (a lock over {LOCK_SECONDS} s or a statement over "
            f"{STATEMENT_SECONDS // 60} min).",
            subject=subject,
            hint="Ask the source's owner what holds it up, or build at a quieter time.",
            details=cause,
        )
    return _local_error(source, lowered, cause) or Unavailable(
        "The source stopped answering, or a value in it could not be read.",
        subject=subject,
        hint="Nothing was kept. Try again; if it fails again, ask the source's owner.",
        details=cause,
    )


def _local_error(source: Source, said: str, cause: dict[str, str]) -> SandboxError | None:
    if any(words in said for words in _DISK_FULL):
        return Unavailable(
            "The disk is full: the snapshot could not be written.",
            subject=source.name,
            hint="Nothing was kept. Free some space (sandbox snapshot rm), then build again.",
            details=cause,
        )
    if "out of memory" in said or "failed to allocate" in said:
        return Unavailable(
            f"The build needs more than its {MEMORY_LIMIT} of memory.",
            subject=source.name,
            hint="Take very wide columns off the list, or mask them with drop.",
            details=cause,
        )
    if "conversion error" in said:
        return InvalidInput(
            "A value of the source does not fit the type of its column in a snapshot.",
            subject=source.name,
            hint="Find it on the source's side (dates before 4713 BC, for example), or drop it.",
            details=cause,
        )
    return None


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
    import duckdb

    at = source.connection
    settings = (
        f"connect_timeout={CONNECT_SECONDS} tcp_user_timeout=30000 client_encoding=UTF8 "
        "application_name=bimodal-sandbox "
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
        raise _login_error(source, str(error), password) from None


def _login_error(source: Source, said: str, password: str) -> Unavailable:
    where = place(source)
    if "password authentication failed" in said or "no password supplied" in said:
        return Unavailable(
            "The source refuses the login: user or password is wrong.",
            subject=f"{source.name} ({where})",
            hint=f"Check user and password in sources/{source.name}.yaml (the password's own "
            "place is named there).",
        )
    # Only the server's own last words; the rest of the text is how we called it.
    reason = clean(said.strip().splitlines()[0].rpartition(": ")[2].strip())[:200]
    reason = "" if password and password in reason else reason
    return Unavailable(
        "The source does not answer" + (f": {reason}." if reason else "."),
        subject=f"{source.name} ({where})",
        hint="Check host, port and database, and that the source is running and reachable.",
    )
