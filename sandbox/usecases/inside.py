"""Working inside a running sandbox: sql, import, exec, logs."""

import json
import re
from pathlib import PurePath
from typing import Any

from sandbox.core.anatomy import PYTHON, container_name
from sandbox.core.errors import Conflict, InvalidInput, NotFound, Unavailable
from sandbox.core.lifecycle import Sandbox
from sandbox.core.ports import Context
from sandbox.core.text import clean, closest
from sandbox.core.values import Request, Result, Value
from sandbox.usecases.desk import answers
from sandbox.usecases.probing import read_json
from sandbox.usecases.recording import record
from sandbox.usecases.sandboxes import running

IMPORT_LIMIT = 64 * 1024 * 1024
_SQL_HINT = (
    "core is read-only, lab is yours and starts empty: open the notebook, or import a file. "
    "Tables: SELECT database_name, table_name FROM duckdb_tables()"
)
# How the program inside says that a table is there already (images/base/sandbox_import.py).
_TAKEN = "a table of that name already"
_TABLE = re.compile(r"[a-z_][a-z0-9_]{0,62}")


class SqlResult(Result):
    """Rows of one query. `more` says that the limit cut it."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    more: bool
    limit: int


class SqlRequest(Request[SqlResult]):
    """Ask one SQL statement over `core` (read-only) and `lab`."""

    name: str
    sql: str
    limit: int = 1000


class ImportedColumn(Value):
    """A column of an imported table."""

    name: str
    type: str


class ImportResult(Result):
    """A table that was made in the lab."""

    name: str
    table: str
    rows: int
    columns: tuple[ImportedColumn, ...]


class ImportRequest(Request[ImportResult]):
    """Bring a CSV file into the lab. `content` is the file; nothing is opened by name."""

    name: str
    file: str
    content: bytes
    table: str = ""


class ExecResult(Result):
    """How a command inside ended; its output went to the caller live."""

    name: str
    code: int


class ExecRequest(Request[ExecResult]):
    """Run a command inside, as the tool's own user."""

    name: str
    command: tuple[str, ...]
    part: str = ""


class LogsResult(Result):
    """The last lines that a container of the sandbox wrote."""

    name: str
    part: str
    lines: tuple[str, ...]


class LogsRequest(Request[LogsResult]):
    """Ask for the last lines of the tool, or of another part."""

    name: str
    part: str = ""
    tail: int = 100


@answers(SqlRequest)
def sql(context: Context, request: SqlRequest) -> SqlResult:
    """Run one statement inside the sandbox, as its tool's own user."""
    if not request.sql.strip():
        raise InvalidInput(
            "There is no SQL.",
            subject=request.name,
            hint='For example: sandbox sql NAME "SELECT count(*) FROM core.purchases"',
        )
    question = {"sql": request.sql, "limit": request.limit}
    answer = _ask(context, request.name, "sandbox_query", question)
    if "error" in answer:
        raise InvalidInput(
            f"SQL: {clean(answer['error'])}",
            subject=request.name,
            hint=_SQL_HINT,
        )
    return SqlResult(**answer, limit=request.limit)


@answers(ImportRequest)
def import_csv(context: Context, request: ImportRequest) -> ImportResult:
    """Load a CSV file into a new table of the lab."""
    table = _table_name(request)
    if len(request.content) > IMPORT_LIMIT:
        raise InvalidInput(
            f"The file is larger than {IMPORT_LIMIT >> 20} MiB.",
            subject=clean(request.file),
            hint="Split it, or aggregate it first.",
        )
    question = {"table": table, "size": len(request.content)}
    answer = _ask(context, request.name, "sandbox_import", question, request.content)
    if "error" in answer:
        raise _not_imported(request, table, clean(answer["error"]))
    with context.registry.writing() as tx:
        record(
            context,
            tx,
            "lab.imported",
            request.name,
            table=table,
            rows=answer["rows"],
            file=clean(request.file),
            bytes=len(request.content),
        )
    columns = tuple(ImportedColumn(name=n, type=t) for n, t in answer["columns"])
    return ImportResult(name=request.name, table=table, rows=answer["rows"], columns=columns)


@answers(ExecRequest)
def execute(context: Context, request: ExecRequest) -> ExecResult:
    """Run a command inside, passing its output on live; its exit code is the answer."""
    sandbox = running(context, request.name)
    container = _container(sandbox, request.part)
    ran = context.engine.run(container, request.command, output=context.progress.output)
    return ExecResult(name=request.name, code=ran.code)


@answers(LogsRequest)
def logs(context: Context, request: LogsRequest) -> LogsResult:
    """Return the last lines of one part of a sandbox."""
    sandbox = running(context, request.name)
    container = _container(sandbox, request.part)
    text = context.engine.logs(container, request.tail).decode(errors="replace")
    return LogsResult(
        name=request.name,
        part=request.part or "tool",
        lines=tuple(clean(line) for line in text.splitlines()),
    )


def _not_imported(request: ImportRequest, table: str, said: str) -> InvalidInput:
    message, hint = f"The file was not imported: {said}", "Correct the file, then import it again."
    if _TAKEN in said:
        # What the program inside proposes is SQL; people here type commands.
        message = message[: message.index(_TAKEN) + len(_TAKEN)] + "."
        hint = (
            f'Remove the old one: sandbox sql {request.name} "DROP TABLE lab.{table}", '
            "or give this one another name: --table OTHER"
        )
    return InvalidInput(message, subject=clean(request.file), hint=hint)


def _table_name(request: ImportRequest) -> str:
    stem = PurePath(request.file).stem
    name = request.table or re.sub(r"[^a-z0-9_]+", "_", stem.lower()).strip("_")
    if _TABLE.fullmatch(name):
        return name
    raise InvalidInput(
        "This is not a name for a table.",
        subject=clean(name or request.file),
        hint="Give one with --table: lower-case letters, digits and _",
    )


def _ask(
    context: Context, name: str, program: str, question: dict[str, Any], content: bytes = b""
) -> dict[str, Any]:
    """Run a program of ours inside the tool's container: one JSON line in, one document out."""
    sandbox = running(context, name)
    container = _container(sandbox, "")
    line = json.dumps(question, ensure_ascii=False).encode() + b"\n"
    try:
        ran = context.engine.run(container, [PYTHON, "-m", program], stdin=line + content)
    except Conflict as error:
        raise Unavailable(
            "The sandbox's tool does not run.",
            subject=name,
            hint=f"See: sandbox logs {name}, or make it again",
        ) from error
    return read_json(ran, container)


def _container(sandbox: Sandbox, part: str) -> str:
    chosen = part or (sandbox.endpoint.part if sandbox.endpoint else "")
    if chosen not in sandbox.parts:
        raise NotFound(
            "The sandbox has no such part." + closest(chosen, sandbox.parts),
            subject=clean(chosen),
            hint=f"Parts: {', '.join(sandbox.parts)}",
        )
    return container_name(sandbox.id, chosen)
