"""What a tool in a sandbox needs: one connection to `core` and `lab`, and its parameters.

import sandbox_kit
db = sandbox_kit.connect()
db.sql("SELECT count(*) FROM core.purchases")

Programs of ours that answer one request also take their frame from here: `reply`.
"""

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import duckdb

REPLICAS = Path("/replica")
RUN = Path("/run/sandbox")
SCRATCH = Path("/work/.tmp")
# Where the kernel says how much memory the container may use: cgroups v2 and v1.
LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
UNLIMITED = 1 << 60  # v1 says that there is no limit by a number near 2^63
# A notebook and one question beside it may both be full, and the tool needs room of its own.
SHARE = 3
SPILL = "2GB"
LONGEST_LINE = 300
MOST_LINES = 8
# Nothing is fetched at run time: there is no way out, and a failed download takes seconds.
OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
}


class Refused(Exception):
    """What a program of ours was asked for cannot be done; the text says why."""

    def __init__(self, text: str, kind: str = "") -> None:
        super().__init__(text)
        self.kind = kind


def connect() -> duckdb.DuckDBPyConnection:
    """Return a DuckDB connection with every replica attached read-only and `lab` to write to.

    A replica is attached under the name of its folder (`core`). `lab` is the sandbox's own
    PostgreSQL, where tables are made by default; it is missing when the template has none.
    A query that needs more than a third of the container's memory goes on in /work/.tmp, and
    fails with duckdb.OutOfMemoryException where that does not help. Raises duckdb.Error when the
    lab does not answer; its password is in no message.
    """
    connection = duckdb.connect(config=OFFLINE | {"temp_directory": _scratch()})
    _bound(connection)
    for file in replicas():
        connection.execute(f"ATTACH {literal(str(file))} AS {identifier(file.stem)} (READ_ONLY)")
    login = RUN / "lab.json"
    if login.exists():
        _attach_lab(connection, json.loads(login.read_text("utf-8")))
    return connection


def memory_mb() -> int | None:
    """Return the memory that the container may use, in MiB; None where there is no limit."""
    for file in LIMITS:
        if file.exists():
            limit = file.read_text("ascii").strip()
            return int(limit) >> 20 if limit.isdecimal() and int(limit) < UNLIMITED else None
    return None


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


def told(error: Exception) -> str:
    """Return what an error says, in a few lines, without the lab's password should it stand there.

    What the lab was sent is left out; what it answered stays.
    """
    text = str(error)
    login = RUN / "lab.json"
    if login.exists():
        text = text.replace(json.loads(login.read_text("utf-8"))["password"], "***")
    text = re.sub(r'^Failed to execute query ".*": (?=ERROR:)', "", text, flags=re.DOTALL)
    lines = [line.rstrip()[:LONGEST_LINE] for line in text.splitlines() if line.strip()]
    return "\n".join(lines[:MOST_LINES])


def reply(act: Callable[[BinaryIO], dict[str, Any]], broken: str) -> None:
    """Print as JSON what `act` makes of stdin, or why it could not; `broken` is what of a disk.

    The exit code is 0 in both cases.
    """
    try:
        answer = act(sys.stdin.buffer)
    except Refused as error:
        answer = {"error": str(error), "kind": error.kind}
    except duckdb.Error as error:
        answer = {"error": told(error)}
    except (ValueError, KeyError, TypeError) as error:
        answer = {"error": f"The request is not valid: {error!r}"}
    except OSError as error:
        answer = {"error": f"{broken}: {error.strerror}"}
    json.dump(answer, sys.stdout)
    sys.stdout.write("\n")


def _bound(connection: duckdb.DuckDBPyConnection) -> None:
    # By SET: DuckDB 1.5 shows the second limit when it comes with connect(), and does not keep it.
    connection.execute(f"SET max_temp_directory_size = {literal(SPILL)}")
    if limit := memory_mb():
        connection.execute(f"SET memory_limit = {literal(f'{limit // SHARE}MiB')}")


def _scratch() -> str:
    try:
        SCRATCH.mkdir(exist_ok=True)
    except OSError:
        return ""
    return str(SCRATCH) if os.access(SCRATCH, os.W_OK) else ""


def _attach_lab(connection: duckdb.DuckDBPyConnection, login: dict[str, Any]) -> None:
    connection.execute(f"LOAD {literal(str(postgres_extension()))}")
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
        raise type(error)(told(error)) from None
    finally:
        connection.execute("DROP SECRET lab_login")
    # Otherwise a table without a place would go into memory and be lost.
    connection.execute("USE lab")


def postgres_extension() -> Path:
    """Return the path of DuckDB's PostgreSQL extension; its loader wants to write at home."""
    import duckdb_extension_postgres_scanner as package

    return next(Path(package.__path__[0]).glob("extensions/*/postgres_scanner.duckdb_extension"))
