"""The process that reads a source: one order on stdin, answers as JSON lines on stdout.

Order: {"source", "password"} asks for the columns, with "key" and "target" for a snapshot;
{"file", "tables", "canaries", "relations"} has a snapshot's file judged again, without a source.
Answers: any number of {"say": [text, done, total]}, then one {"result"} or {"error"}.
"""

import hashlib
import json
import os
import sys
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from mmap import ACCESS_READ, mmap
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any

from sandbox.core.detecting import folded
from sandbox.core.errors import InvalidInput, SandboxError, Unavailable
from sandbox.core.leaks import refuse_leaks
from sandbox.core.masking import secrets_of
from sandbox.core.relations import Relations
from sandbox.core.source import Source, Table, drift
from sandbox.core.text import clean
from sandbox.drivers.sources.connection import (
    SNAPSHOT,
    ask,
    attached,
    begin,
    in_memory,
    literal,
)
from sandbox.drivers.sources.failures import reading_error
from sandbox.drivers.sources.gate import Known, judge
from sandbox.drivers.sources.login import check_login
from sandbox.drivers.sources.stream import Meter, copy_tables

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TICK_SECONDS = 0.25
# A quarter of DuckDB's own. A group of rows is in memory until it is compressed, one per thread,
# so wide rows need a quarter of the memory; the price is a file larger by a seventh.
_ROW_GROUP = 30_720
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OUTPUT = Lock()
_COLUMNS = """
SELECT nspname::text AS schema, relname::text AS relation, attname::text AS attribute
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND attnum > 0 AND NOT attisdropped
  AND nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
ORDER BY nspname, relname, attnum
"""


def main() -> None:
    """Do the one order on stdin, answer, and end."""
    # Before DuckDB is loaded. It writes blocks whole, also what it never filled. Unless its
    # allocator gives back at once what it frees, so that the kernel hands out zeroes, plain text
    # of rows long masked, and once the key, stood in the gaps of the file.
    os.putenv("DUCKDB_JE_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0")
    order = json.loads(sys.stdin.buffer.readline())
    Thread(target=_end_with_parent, args=(order.get("target"),), daemon=True).start()
    try:
        _answer({"result": _judge_again(order) if "file" in order else _read(order)})
    except SandboxError as error:
        _answer({"error": _told(error)})
    # No connection is closed: where the server has gone, DuckDB would abort. The kernel does it.
    os._exit(0)


def _read(order: dict[str, Any]) -> Any:
    source = Source.model_validate(order["source"])
    try:
        return _obey(source, order)
    except SandboxError:
        raise
    except Exception as error:  # its text may hold values, so only its meaning is told
        raise reading_error(source, error) from None


def _judge_again(order: dict[str, Any]) -> Any:
    tables = {name: Table.model_validate(table) for name, table in order["tables"].items()}
    known = Known(
        canaries=[folded(value) for value in order["canaries"]],
        relations=Relations.model_validate(order["relations"]),
    )
    try:
        report = judge(in_memory(), Path(order["file"]), tables, known, _say_only)
    except Exception as error:
        raise Unavailable(
            "The snapshot's file cannot be read.",
            subject=Path(order["file"]).name,
            hint="It is damaged, or not of this version. Build another snapshot.",
            details={"cause": type(error).__name__},
        ) from None
    return report.model_dump(mode="json")


def _obey(source: Source, order: dict[str, Any]) -> Any:
    con = attached(source, order["password"])
    if "target" not in order:
        begin(con)
        check_login(con, source)
        return _live_columns(con, source)
    return _copy(con, source, bytes.fromhex(order["key"]), Path(order["target"]))


def _copy(con: "DuckDBPyConnection", source: Source, key: bytes, target: Path) -> dict[str, Any]:
    at = literal(str(target))
    con.execute(f"ATTACH {at} AS {SNAPSHOT} (ROW_GROUP_SIZE {_ROW_GROUP})")
    target.chmod(0o600)
    begin(con)
    check_login(con, source)
    _check_columns(source, _live_columns(con, source))
    as_of = _transaction_time(con)
    meter, done = Meter(_say), Event()
    ticker = Thread(target=_tick, args=(con, meter, done), daemon=True)
    ticker.start()
    tables, known = copy_tables(con, source, key, as_of, meter)
    done.set()
    ticker.join()
    _refuse_remains(target, key)
    report = judge(
        con, target, source.tables, known, lambda text: _say(text, meter.done, meter.total)
    )
    refuse_leaks(report, source.name)
    meter.end()
    return {
        "gate": report.model_dump(mode="json"),
        "tables": [table.model_dump(mode="json") for table in tables],
        "data_as_of": as_of.isoformat(),
        "bytes": target.stat().st_size,
        "file_digest": _digest(target),
    }


def _live_columns(con: "DuckDBPyConnection", source: Source) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for schema, table, column in ask(con, _COLUMNS):
        if schema == source.connection.db_schema:
            found[table].append(column)
    return dict(found)


def _check_columns(source: Source, live: dict[str, list[str]]) -> None:
    found = drift(source, live)
    if not found:
        return
    parts = [
        f"{words}: {', '.join(names)}"
        for words, names in (
            ("in the source, but not in the file", found.new),
            ("in the file, but not in the source", found.missing),
        )
        if names
    ]
    raise InvalidInput(
        "The source and its file differ. Columns " + clean("; columns ".join(parts)) + ".",
        subject=f"sources/{source.name}.yaml",
        hint=f"Add each new column to sources/{source.name}.yaml with its class and mask "
        "(drop keeps it out), and take away what is gone.",
        details={"new": list(found.new), "missing": list(found.missing)},
    )


def _transaction_time(con: "DuckDBPyConnection") -> datetime:
    query = "SELECT (extract(epoch FROM transaction_timestamp()) * 1000000)::bigint AS at"
    return _EPOCH + timedelta(microseconds=ask(con, query)[0][0])


def _refuse_remains(target: Path, key: bytes) -> None:
    """Raise Unavailable if the key, or what was derived of it, is anywhere in the file."""
    with target.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        secrets = (key, *secrets_of(key).values())
        forms = (form for secret in secrets for form in (secret, secret.hex().encode()))
        found = any(content.find(form) >= 0 for form in forms)
    if found:
        raise Unavailable(
            "The snapshot's file holds remains of memory that must not be in it.",
            subject=target.name,
            hint="Nothing was kept. Build it again, and report it if it comes back.",
        )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _tick(con: "DuckDBPyConnection", meter: Meter, done: Event) -> None:
    while not done.wait(_TICK_SECONDS):
        meter.show(con.query_progress())


def _say(text: str, done: int | None, total: int | None) -> None:
    _answer({"say": [text, done, total]})


def _say_only(text: str) -> None:
    _say(text, None, None)


def _answer(answer: dict[str, Any]) -> None:
    with _OUTPUT:
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()


def _told(error: SandboxError) -> dict[str, Any]:
    return {
        "code": error.code,
        "message": error.message,
        "subject": error.subject,
        "hint": error.hint,
        "details": error.details,
    }


def _end_with_parent(target: str | None) -> None:
    """Wait until whoever ordered has gone (stdin ends), then leave nothing."""
    sys.stdin.buffer.read()
    for file in (target, f"{target}.wal") if target else ():
        Path(file).unlink(missing_ok=True)
    os._exit(1)
