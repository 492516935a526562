"""Reads what is to leave: a JSON line {"table"} or {"file"}, with {"limit"} in bytes, on stdin.

Out: {"name", "content"} with the content in base64, or {"error", "kind"}; the kind is "missing"
when there is no such table or file. It runs as the tool's own user and judges nothing.
"""

import base64
import csv
import io
import json
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
import sandbox_kit
from sandbox_kit import Refused

WORK = Path("/work")
BATCH = 2048


def main() -> None:
    """Read the order from stdin and print the answer. The exit code is 0 in both cases."""
    sandbox_kit.reply(fetch, broken="It cannot be read")


def fetch(stream: BinaryIO) -> dict[str, Any]:
    """Return what the order in `stream` asks for. Raises Refused, OSError or duckdb.Error."""
    asked = json.loads(stream.readline())
    limit = int(asked["limit"])
    if "file" in asked:
        name, content = read_file(str(asked["file"]), limit)
    else:
        name, content = read_table(sandbox_kit.connect(), str(asked["table"]), limit)
    return {"name": name, "content": base64.b64encode(content).decode()}


def read_file(asked: str, limit: int) -> tuple[str, bytes]:
    """Return the name and the content of a regular file below /work. Raises Refused, OSError."""
    try:
        file = Path(asked).resolve(strict=True)
    except (FileNotFoundError, NotADirectoryError, RuntimeError):
        raise Refused("There is no such file.", "missing") from None
    if not file.is_relative_to(WORK):
        raise Refused("Only files below /work leave a sandbox.")
    # Something else than a file might never end, or never begin.
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Refused("This is not a file.")
        content = stream.read(limit + 1)
    return file.name, bounded(content, limit)


def read_table(connection: duckdb.DuckDBPyConnection, table: str, limit: int) -> tuple[str, bytes]:
    """Return a table or view of the lab as CSV, its rows in order. Raises Refused, duckdb.Error."""
    known = [row[0] for row in connection.execute(
        "SELECT table_name FROM information_schema.tables "
        "WHERE table_catalog = 'lab' AND table_schema = 'public' ORDER BY 1"
    ).fetchall()]  # fmt: skip
    if table not in known:
        shown = ", ".join(known[:20]) or "none"
        raise Refused(f"The lab has no such table. Tables: {shown}", "missing")
    place = sandbox_kit.identifier("lab", "public", table)
    connection.execute(f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM {place} ORDER BY ALL")  # noqa: S608
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([column[0] for column in connection.description or []])
    while rows := connection.fetchmany(BATCH):
        writer.writerows(rows)
        # Every character is a byte at least.
        if out.tell() > limit:
            raise Refused(too_large(limit))
    return f"{table}.csv", bounded(out.getvalue().encode(errors="replace"), limit)


def bounded(content: bytes, limit: int) -> bytes:
    """Return `content`; raises Refused when it is longer than `limit`."""
    if len(content) > limit:
        raise Refused(too_large(limit))
    return content


def too_large(limit: int) -> str:
    """Return that it is more than may leave at once."""
    return f"It is larger than {limit >> 20} MiB. Aggregate it first."


if __name__ == "__main__":
    main()
