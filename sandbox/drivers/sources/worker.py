"""The process that reads a source: one order on stdin, answers as JSON lines on stdout.

Order: {"source", "home", "password"} asks for the columns, with "survey" for a look at these tables
(all, if none), with "key" and "target" for a snapshot;
{"file", "tables", "canaries", "relations"} has a snapshot's file judged again, without a source;
{"content"} with "look" or "mask" is a file that crosses a sandbox's border (`border.py`).
Answers: any number of {"say": [text, done, total]}, then one {"result"} or {"error"}.
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock, Thread, Timer
from typing import TYPE_CHECKING, Any

from sandbox.core.detecting import folded
from sandbox.core.drift import drift, refuse_drift
from sandbox.core.errors import SandboxError, Unavailable
from sandbox.core.leaks import GateReport, refuse_leaks
from sandbox.core.masking import secrets_of
from sandbox.core.relations import Relations
from sandbox.core.source import Source, Table
from sandbox.drivers.sources.connection import SNAPSHOT, connected, in_memory, literal
from sandbox.drivers.sources.dialect import Dialect
from sandbox.drivers.sources.examples import with_examples
from sandbox.drivers.sources.failures import local_error
from sandbox.drivers.sources.gate import Known, judge, standing_in
from sandbox.drivers.sources.kinds import dialect_of
from sandbox.drivers.sources.mixing import half_made, mixed, rough_of
from sandbox.drivers.sources.stream import Meter, copy_tables

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TICK_SECONDS = 0.25
# Not every client gives up by itself on a server that took the connection and says nothing.
_ATTACH_SECONDS = 10.0
# A quarter of DuckDB's own. A group of rows is in memory until it is compressed, one per thread,
# so wide rows need a quarter of the memory; the price is a file larger by a seventh.
_ROW_GROUP = 30_720
_OUTPUT = Lock()


def main() -> None:
    """Do the one order on stdin, answer, and end."""
    # Before DuckDB is loaded. It writes blocks whole, also what it never filled. Unless its
    # allocator gives back at once what it frees, so that the kernel hands out zeroes, plain text
    # of rows long masked, and once the key, stood in the gaps of the file.
    os.putenv("DUCKDB_JE_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0")
    order = json.loads(sys.stdin.buffer.readline())
    Thread(target=_end_with_parent, args=(order.get("target"),), daemon=True).start()
    try:
        _answer({"result": _done(order)})
    except SandboxError as error:
        _answer({"error": _told(error)})
    # No connection is closed: where the server has gone, DuckDB would abort. The kernel does it.
    os._exit(0)


def _done(order: dict[str, Any]) -> Any:
    if "content" in order:
        from sandbox.drivers.sources.border import crossed

        return crossed(order)
    return _judge_again(order) if "file" in order else _read(order)


def _read(order: dict[str, Any]) -> Any:
    source = Source.model_validate(order["source"])
    dialect = dialect_of(source, Path(order["home"]))
    try:
        return _obey(dialect, source, order)
    except SandboxError:
        raise
    except Exception as error:  # its text may hold values, so only its meaning is told
        raise dialect.failure(error) from None


def _judge_again(order: dict[str, Any]) -> Any:
    tables = {name: Table.model_validate(table) for name, table in order["tables"].items()}
    known = Known(
        canaries=[folded(value) for value in order["canaries"]],
        relations=Relations.model_validate(order["relations"]),
    )
    try:
        report = judge(in_memory(), Path(order["file"]), tables, known, _say)
    except Exception as error:
        raise Unavailable(
            "The snapshot's file cannot be read.",
            subject=Path(order["file"]).name,
            hint="It is damaged, or not of this version. Build another snapshot.",
            details={"cause": type(error).__name__},
        ) from None
    return report.model_dump(mode="json")


def _obey(dialect: Dialect, source: Source, order: dict[str, Any]) -> Any:
    con = connected()
    with _answered_in(_ATTACH_SECONDS, source.name, dialect.place()):
        dialect.attach(con, order["password"])
    if "target" not in order:
        dialect.begin(con)
        dialect.check_login(con)
        if "survey" in order:
            return _survey(con, dialect, order["survey"])
        live = dialect.columns(con)
        dialect.refuse_hidden(con, live)
        return live
    return _copy(con, dialect, source, bytes.fromhex(order["key"]), Path(order["target"]))


def _survey(con: "DuckDBPyConnection", dialect: Dialect, tables: list[str]) -> Any:
    from sandbox.drivers.sources.survey import surveyed

    return surveyed(con, dialect, tables, _say).model_dump(mode="json")


def _copy(
    con: "DuckDBPyConnection", dialect: Dialect, source: Source, key: bytes, target: Path
) -> dict[str, Any]:
    rough, options = rough_of(target), f"ROW_GROUP_SIZE {_ROW_GROUP}"
    con.execute(f"ATTACH {literal(str(rough))} AS {SNAPSHOT} ({options})")
    rough.chmod(0o600)
    as_of = dialect.begin(con)
    dialect.check_login(con)
    live = dialect.columns(con)
    refuse_drift(source, drift(source, live))
    dialect.refuse_hidden(con, live)
    meter, done = Meter(_say), Event()
    ticker = Thread(target=_tick, args=(con, meter, done), daemon=True)
    ticker.start()
    tables, known = copy_tables(con, dialect, source, key, as_of, meter)
    dialect.check_unchanged()
    done.set()
    ticker.join()
    told = (meter.done, meter.total)
    mixed(con, rough, target, source.tables, options, lambda text: _say(text, *told))
    _refuse_remains(target, key)
    report = judged(con, target, source, known, meter)
    refuse_leaks(report, source.name)
    meter.end()
    return {
        "gate": report.model_dump(mode="json"),
        "tables": [
            table.model_dump(mode="json") for table in with_examples(con, tables, source.tables)
        ],
        "data_as_of": as_of.isoformat(),
        "bytes": target.stat().st_size,
        "file_digest": _digest(target),
    }


def judged(
    con: "DuckDBPyConnection", target: Path, source: Source, known: Known, meter: Meter
) -> GateReport:
    """Have the gate judge what was built; raises Unavailable if it cannot.

    The source is not to blame for what fails here.
    """
    try:
        return judge(
            con, target, source.tables, known, lambda text: _say(text, meter.done, meter.total)
        )
    except Exception as error:  # its text may hold values
        cause = {"cause": type(error).__name__}
        known_why = local_error(source.name, str(error).lower(), cause)
        if isinstance(known_why, Unavailable):
            raise known_why from None
        raise Unavailable(
            "The leak gate failed: the snapshot could not be judged.",
            subject=source.name,
            hint="Nothing was published. Build again; if it fails again, report it.",
            details=cause,
        ) from None


def _refuse_remains(target: Path, key: bytes) -> None:
    """Raise Unavailable if the key, or what was derived of it, is anywhere in the file."""
    secrets = (key, *secrets_of(key).values())
    if standing_in(target, (f for s in secrets for f in (s, s.hex().encode()))):
        raise Unavailable(
            "The snapshot's file holds remains of memory that must not be in it.",
            subject=target.name,
            hint="Nothing was kept. Build it again, and report it if it comes back.",
        )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _answered_in(seconds: float, name: str, where: str) -> Iterator[None]:
    """Answer that the source is silent, and end the process, unless the block ends before."""

    def give_up() -> None:
        """Answer, and end."""
        silent = Unavailable(
            f"The source does not answer: {seconds:.0f} s without a word.",
            subject=f"{name} ({where})",
            hint="Check host and port, and that the source is running and reachable.",
        )
        _answer({"error": _told(silent)})
        os._exit(1)

    timer = Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _tick(con: "DuckDBPyConnection", meter: Meter, done: Event) -> None:
    while not done.wait(_TICK_SECONDS):
        meter.show(con.query_progress())


def _say(text: str, done: int | None = None, total: int | None = None) -> None:
    _answer({"say": [text, done, total]})


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
    for file in half_made(Path(target)) if target else ():
        file.unlink(missing_ok=True)
    os._exit(1)
