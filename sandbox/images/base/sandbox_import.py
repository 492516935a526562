"""Loads a CSV into the lab: a JSON line {"table", "size"}, then `size` bytes of CSV, on stdin.

Out: {"table", "rows", "columns": [[name, type], ...]} or {"error"}.
"""

import codecs
import json
import sys
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
import sandbox_kit

CHUNK = 1 << 20
LONGEST_NAME = 63  # bytes; PostgreSQL cuts off the rest without a word
FOREIGN = {"cp932": "Shift_JIS (CP932)", "euc_jp": "EUC-JP"}


class Refused(Exception):
    """The file cannot be loaded; the text says why and what to do."""


def main() -> None:
    """Read the file from stdin, load it, print the answer. The exit code is 0 in both cases."""
    try:
        answer = load(sys.stdin.buffer)
    except Refused as error:
        answer = {"error": str(error)}
    except duckdb.Error as error:
        answer = {"error": sandbox_kit.first_line(error)}
    except (ValueError, KeyError, TypeError) as error:
        answer = {"error": f"The request is not valid: {error!r}"}
    except OSError as error:
        answer = {"error": f"The file does not fit into /tmp: {error.strerror}"}
    json.dump(answer, sys.stdout)
    sys.stdout.write("\n")


def load(stream: BinaryIO) -> dict[str, Any]:
    """Return what became of the file in `stream`. Raises Refused or duckdb.Error."""
    asked = json.loads(stream.readline())
    table = str(asked["table"])
    check_name("table", table)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "import.csv"
        receive(stream, int(asked["size"]), file)
        check_encoding(file)
        return create(sandbox_kit.connect(), table, file)


def receive(stream: BinaryIO, size: int, file: Path) -> None:
    """Write exactly `size` bytes of `stream` to `file`; raises Refused when there are fewer."""
    with file.open("wb") as out:
        while size > 0:
            chunk = stream.read(min(CHUNK, size))
            if not chunk:
                raise Refused("The file ended before all of it arrived.")
            out.write(chunk)
            size -= len(chunk)


def check_encoding(file: Path) -> None:
    """Raise Refused when `file` is not UTF-8, with the encoding that it seems to have."""
    if decodes(file, "utf-8"):
        return
    with file.open("rb") as start:
        if start.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            seems = "UTF-16"
        else:
            seems = " or ".join(name for code, name in FOREIGN.items() if decodes(file, code))
    guess = f"; it seems to be {seems}" if seems else ""
    raise Refused(f"The file is not UTF-8{guess}. Save it as CSV UTF-8 and import it again.")


def decodes(file: Path, encoding: str) -> bool:
    """Say whether all of `file` is valid in `encoding`."""
    try:
        with file.open(encoding=encoding) as text:
            while text.read(CHUNK):
                pass
    except UnicodeDecodeError:
        return False
    return True


def create(connection: duckdb.DuckDBPyConnection, table: str, file: Path) -> dict[str, Any]:
    """Create `lab.TABLE` from `file` and return its shape. Raises Refused or duckdb.Error."""
    if not connection.execute("FROM duckdb_databases() WHERE database_name = 'lab'").fetchall():
        raise Refused("This sandbox has no lab to import into.")
    if not file.stat().st_size:
        raise Refused("The file is empty.")
    sniffed = connection.execute(
        "SELECT HasHeader FROM sniff_csv($file, sample_size = -1)", {"file": str(file)}
    ).fetchone()
    if not sniffed or not sniffed[0]:
        raise Refused("The first line must name the columns, but it looks like values.")
    source = f"read_csv({sandbox_kit.literal(str(file))}, header = true, sample_size = -1)"
    check_columns(connection.sql(f"FROM {source}").columns)
    target = sandbox_kit.identifier("lab", "public", table)
    try:
        connection.execute(f"CREATE TABLE {target} AS FROM {source}")
    except duckdb.Error as error:
        if "already exists" not in str(error):
            raise
        hint = f"Choose another name or drop it: DROP TABLE {target}"
        raise Refused(f"The lab has a table of that name already. {hint}") from None
    stored = connection.sql(f"FROM {target}")
    found = stored.aggregate("count(*)").fetchone()
    return {
        "table": table,
        "rows": found[0] if found else 0,
        "columns": [
            [name, str(kind)] for name, kind in zip(stored.columns, stored.types, strict=True)
        ],
    }


def check_columns(names: list[str]) -> None:
    """Raise Refused when the columns are not what a person would have meant."""
    for name in names:
        check_name("column", name)
    if len(names) == 1 and any(mark in names[0] for mark in ",;\t"):
        raise Refused("The lines of the file do not all have the same number of columns.")


def check_name(what: str, name: str) -> None:
    """Raise Refused when PostgreSQL could not keep `name` as it is."""
    if not name or "\0" in name or len(name.encode()) > LONGEST_NAME:
        raise Refused(f"The {what} name is empty or longer than {LONGEST_NAME} bytes: {name[:80]}")


if __name__ == "__main__":
    main()
