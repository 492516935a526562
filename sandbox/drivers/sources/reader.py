"""Core systems of every kind, behind the SourceReader port.

The reading itself is done by a process of its own (`worker.py`), because DuckDB 1.5.5 cannot be
stopped safely from within: an interrupted query on an attached PostgreSQL was seen to wait for
ever for the answer to its ROLLBACK, and closing a connection whose server had gone aborted the
whole process. A process can always be killed; and its memory goes back at once.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sandbox
from sandbox.core.drift import LiveTypes
from sandbox.core.errors import (
    Conflict,
    Denied,
    InvalidInput,
    SandboxError,
    Unavailable,
)
from sandbox.core.faults import source_faults
from sandbox.core.leaks import GateReport
from sandbox.core.masking import pads
from sandbox.core.ports import Built, Progress
from sandbox.core.relations import Relations
from sandbox.core.snapshot import TableCopy
from sandbox.core.source import Source, Table
from sandbox.core.text import clean
from sandbox.drivers.sources.mixing import half_made

if TYPE_CHECKING:
    from sandbox.core.survey import Survey

_ERRORS = {kind.code: kind for kind in (InvalidInput, Denied, Unavailable)}
# The folder of the package goes last, -P keeps the current one out: no file that lies around
# there can take the place of a module.
_START = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from sandbox.drivers.sources.worker import main; main()"
)


class CoreReader:
    """Reads every kind of source that there is a dialect for; files lie below `home`."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def columns(self, source: Source, password: str) -> LiveTypes:
        """Return the columns of every table in the source's schema, with their types.

        Raises Denied when the login could write anything there, Unavailable when the source
        cannot be reached.
        """
        found: LiveTypes = self._read(source, password, {}, lambda *_: None)
        return found

    def survey(
        self, source: Source, password: str, tables: Sequence[str], progress: Progress
    ) -> "Survey":
        """Return what a bounded sample of each table looks like, of those in `tables` if any.

        Counts and types leave the reading process, no value. Raises InvalidInput for a table that
        is not there, Denied when the login could write, Unavailable when the source gives out.
        """
        from sandbox.core.survey import Survey

        order = {"survey": list(tables)}
        told = self._read(source, password, order, lambda *said: progress.say("source", *said))
        return Survey.model_validate(told)

    def judge(
        self,
        tables: Mapping[str, Table],
        canaries: Sequence[str],
        relations: Relations,
        file: Path,
        progress: Progress,
    ) -> GateReport:
        """Judge a snapshot's file again by the rules it was built with, without the source.

        Raises Unavailable when the file cannot be read.
        """
        order = {
            "file": str(file.absolute()),
            "tables": {
                name: t.model_dump(mode="json", by_alias=True) for name, t in tables.items()
            },
            "canaries": list(canaries),
            "relations": relations.model_dump(mode="json"),
        }
        told = ordered(order, file.name, lambda *said: progress.say("snapshot", *said))
        return GateReport.model_validate(told)

    def copy(
        self, source: Source, password: str, key: bytes, target: Path, progress: Progress
    ) -> Built:
        """Stream the listed columns, masked with `key`, into a new file `target`.

        All tables are of one state of the source, whose moment is `data_as_of`. On any failure,
        and on Ctrl-C, the file is gone. Raises Conflict when the file exists, InvalidInput when
        masks or columns do not fit the live source, Denied when the login could write,
        Unavailable when source or disk give out.
        """
        _check_masks(source, key)
        if target.exists():
            raise Conflict(
                "The snapshot's file exists already.",
                subject=str(target),
                hint="Let the build that writes it end, or remove the file.",
            )
        order = {"key": key.hex(), "target": str(target.absolute())}
        try:
            made = self._read(
                source, password, order, lambda *told: progress.say("snapshot", *told)
            )
        except BaseException:
            for file in half_made(target):
                file.unlink(missing_ok=True)
            raise
        return Built(
            path=target,
            tables=tuple(TableCopy.model_validate(table) for table in made["tables"]),
            data_as_of=datetime.fromisoformat(made["data_as_of"]),
            bytes=made["bytes"],
            file_digest=made["file_digest"],
            gate=GateReport.model_validate(made["gate"]),
        )

    def _read(
        self, source: Source, password: str, order: dict[str, Any], say: Callable[..., None]
    ) -> Any:
        document = source.model_dump(mode="json", by_alias=True)
        home = str(self._home.absolute())
        order = {"source": document, "home": home, "password": password, **order}
        return ordered(order, source.name, say)


def _check_masks(source: Source, key: bytes) -> None:
    wrong = source_faults(source)
    if wrong:
        raise InvalidInput(
            "The source file's masks do not hold: " + clean("; ".join(wrong)) + ".",
            subject=f"sources/{source.name}.yaml",
            hint="Correct the file; nothing was read from the source.",
            details={"problems": wrong},
        )
    pads(key)


def ordered(order: Mapping[str, Any], subject: str, say: Callable[..., None]) -> Any:
    """Have the worker do `order` and return its result; `say` hears how far it is.

    Raises what the worker reports. However this ends, the worker has ended too.
    """
    with _worker() as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        # By pipe, never by argument: other users of the machine can read those.
        line = json.dumps(order)
        with suppress(BrokenPipeError):  # it ended before it listened; that is told below
            worker.stdin.write(line.encode() + b"\n")
            worker.stdin.flush()
        for answer in map(json.loads, worker.stdout):
            if "say" in answer:
                say(*answer["say"])
            elif "error" in answer:
                raise _error(answer["error"])
            else:
                return answer["result"]
        code = worker.wait()
    raise Unavailable(
        "The process that reads the source ended before it was done.",
        subject=subject,
        hint="Nothing was kept. Look whether this machine is out of memory, then try again.",
        details={"exit_code": code},
    )


@contextmanager
def _worker() -> Iterator["subprocess.Popen[bytes]"]:
    folder = str(Path(sandbox.__file__).parents[1])
    worker = subprocess.Popen(  # noqa: S603 (this very interpreter)
        [sys.executable, "-P", "-c", _START, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # What it might print there may hold values; what matters comes as an answer.
        stderr=subprocess.DEVNULL,
        # Ctrl-C in a terminal is ours to act on.
        start_new_session=True,
    )
    try:
        yield worker
    finally:
        worker.kill()
        worker.communicate()


def _error(told: dict[str, Any]) -> SandboxError:
    kind = _ERRORS[told["code"]]
    return kind(
        told["message"], subject=told["subject"], hint=told["hint"], details=told["details"]
    )
