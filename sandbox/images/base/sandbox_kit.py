"""What a tool in a sandbox needs: one connection to `core` and `lab`, and its parameters.

import sandbox_kit
db = sandbox_kit.connect()
db.sql("SELECT count(*) FROM core.purchases")
"""

import json
import os
from pathlib import Path
from typing import Any

import duckdb

REPLICAS = Path("/replica")
RUN = Path("/run/sandbox")
SCRATCH = Path("/work/.tmp")
# Nothing is fetched at run time: there is no way out, and a failed download takes seconds.
OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
}


def connect() -> duckdb.DuckDBPyConnection:
    """Return a DuckDB connection with every replica attached read-only and `lab` to write to.

    A replica is attached under the name of its folder (`core`). `lab` is the sandbox's own
    PostgreSQL; it is missing when the template has none. Raises duckdb.Error when the lab does
    not answer; its password is in no message.
    """
    connection = duckdb.connect(config=OFFLINE | {"temp_directory": _scratch()})
    for file in replicas():
        connection.execute(f"ATTACH {literal(str(file))} AS {identifier(file.stem)} (READ_ONLY)")
    login = RUN / "lab.json"
    if login.exists():
        _attach_lab(connection, json.loads(login.read_text("utf-8")))
    return connection


def parameters() -> dict[str, Any]:
    """Return the parameters that the sandbox was made with, by name."""
    found: dict[str, Any] = json.loads((RUN / "parameters.json").read_text("utf-8"))
    return found


def replicas() -> list[Path]:
    """Return the files of the replicas, by name."""
    return sorted(f for f in REPLICAS.glob("*/*.duckdb") if f.stem == f.parent.name)


def identifier(*parts: str) -> str:
    """Return a name quoted for SQL, by DuckDB's own rules."""
    return str(duckdb.ColumnExpression(*parts))


def literal(text: str) -> str:
    """Return a text as an SQL literal, by DuckDB's own rules."""
    return str(duckdb.ConstantExpression(text))


def first_line(error: Exception) -> str:
    """Return the first line of an error, without the lab's password should it stand there."""
    line = str(error).strip().partition("\n")[0]
    login = RUN / "lab.json"
    if login.exists():
        line = line.replace(json.loads(login.read_text("utf-8"))["password"], "***")
    return line


def _scratch() -> str:
    try:
        SCRATCH.mkdir(exist_ok=True)
    except OSError:
        return ""
    return str(SCRATCH) if os.access(SCRATCH, os.W_OK) else ""


def _attach_lab(connection: duckdb.DuckDBPyConnection, login: dict[str, Any]) -> None:
    connection.execute(f"LOAD {literal(str(_extension()))}")
    # A secret and not a connection text: duckdb_databases() would show the latter.
    secret = {
        "HOST": login["host"],
        "PORT": str(login["port"]),
        "USER": login["user"],
        "PASSWORD": login["password"],
        "DATABASE": login["database"],
    }
    options = ", ".join(f"{key} {literal(value)}" for key, value in secret.items())
    connection.execute(f"CREATE SECRET lab_login (TYPE postgres, {options})")
    try:
        connection.execute("ATTACH '' AS lab (TYPE postgres, SECRET lab_login)")
    except duckdb.Error as error:
        raise type(error)(first_line(error)) from None
    finally:
        connection.execute("DROP SECRET lab_login")


def _extension() -> Path:
    # The path inside the package, because its loader wants to write to the home folder.
    import duckdb_extension_postgres_scanner as package

    return next(Path(package.__path__[0]).glob("extensions/*/postgres_scanner.duckdb_extension"))
