"""Working inside a running sandbox: sql, exec, logs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sandbox.core.anatomy import PROXY, PYTHON, confined, container_name
from sandbox.core.egress import Asked
from sandbox.core.errors import Conflict, Denied, InvalidInput, NotFound, SandboxError, Unavailable
from sandbox.core.lifecycle import Sandbox
from sandbox.core.phases import LIVE
from sandbox.core.ports import Context, Progress
from sandbox.core.text import clean, closest
from sandbox.core.values import Request, Result
from sandbox.usecases.desk import answers
from sandbox.usecases.egress import requests_of
from sandbox.usecases.idling import note_command
from sandbox.usecases.probing import read_json
from sandbox.usecases.sandboxes import find, running

_SQL_HINT = (
    "core is read-only, lab is yours and starts empty: open the notebook, or import a file. "
    "Tables: SELECT database_name, table_name FROM duckdb_tables()"
)
_KILLED = 137
_EXAMPLE = '"SELECT count(*) FROM core.purchases"'
# How the guard reports, in place of the command's output, that it could not start it.
_NOT_STARTED = b"sandbox guard: cannot run "


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
    """The last lines that a container of the sandbox wrote.

    For the proxy the last `requests` instead, without those that were refused while `verify` ran;
    `left_out` counts these.
    """

    name: str
    part: str
    lines: tuple[str, ...]
    requests: tuple[Asked, ...] = ()
    left_out: int = 0


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
            hint=f"For example: sandbox sql {request.name} {_EXAMPLE}",
        )
    question = {"sql": request.sql, "limit": request.limit}
    answer = ask_inside(context, running(context, request.name), "sandbox_query", question)
    if "error" in answer:
        raise _not_answered(request, answer)
    with understood(request.name):
        return SqlResult(**answer, limit=request.limit)


@answers(ExecRequest)
def execute(context: Context, request: ExecRequest) -> ExecResult:
    """Run a command inside, passing its output on live; its exit code is the answer."""
    sandbox = running(context, request.name)
    _refuse_lab_and_proxy(request)
    container = _container(sandbox, request.part)
    shown = _Shown(context.progress)
    note_command(context, sandbox)
    with _named(request.name):
        ran = context.engine.run(container, confined(*request.command), output=shown.take)
    code = _not_started(context, request, shown.refusal) if shown.refusal else ran.code
    return ExecResult(name=request.name, code=code)


class _Shown:
    """Passes output on to the caller, but for what says that nothing was started."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self.refusal = progress, b""

    def take(self, stream: str, chunk: bytes) -> None:
        """Show a piece of output, or hold it as part of the refusal."""
        if self.refusal or chunk.startswith(_NOT_STARTED):
            self.refusal += chunk
        else:
            self._progress.output(stream, chunk)


@answers(LogsRequest)
def logs(context: Context, request: LogsRequest) -> LogsResult:
    """Return the last lines of one part of a sandbox, also of one that is stopped.

    Raises Conflict where there is no such container any more, or not yet.
    """
    sandbox = find(context, request.name)
    if sandbox.state not in LIVE:
        running(context, request.name)  # says what it is instead
    container = _container(sandbox, request.part)
    with _container_there(context, sandbox):
        if request.part == PROXY:
            return _proxy_logs(context, sandbox, request)
        text = context.engine.logs(container, request.tail).decode(errors="replace")
    return LogsResult(
        name=request.name,
        part=request.part or "tool",
        lines=tuple(clean(line) for line in text.splitlines()),
    )


@contextmanager
def _container_there(context: Context, sandbox: Sandbox) -> Iterator[None]:
    try:
        yield
    except NotFound as error:
        now = context.now()
        raise Conflict(
            f"There are no logs: it is {sandbox.state_at(now)}, and this container is not there.",
            subject=sandbox.name,
            hint=sandbox.next_step(now),
        ) from error


def _proxy_logs(context: Context, sandbox: Sandbox, request: LogsRequest) -> LogsResult:
    found = requests_of(context, sandbox)
    own = [one for one in found if not one.verifying]
    return LogsResult(
        name=request.name,
        part=PROXY,
        lines=(),
        requests=tuple(own[-request.tail :]),
        left_out=sum(one.times for one in found if one.verifying),
    )


def _refuse_lab_and_proxy(request: ExecRequest) -> None:
    """Keep commands out of the lab, whose user PostgreSQL lets do all, and out of the proxy."""
    if request.part == PROXY:
        raise Denied(
            "No commands are run in the proxy: it alone has a way out.",
            subject=request.name,
            hint=f"See what it did: sandbox logs {request.name} --part proxy",
        )
    if request.part == "lab":
        raise Denied(
            "No commands are run in the lab; it answers SQL.",
            subject=request.name,
            hint=f"Ask it: sandbox sql {request.name} {_EXAMPLE}",
        )


def _not_started(context: Context, request: ExecRequest, said: bytes) -> int:
    """Say why a command could not be started; return the exit code that a shell gives for it."""
    missing = b"No such file" in said
    why = "there is no such command inside" if missing else "this cannot be executed"
    line = f"Error {request.name}: {clean(request.command[0])}: {why}\n"
    context.progress.output("stderr", line.encode())
    return 127 if missing else 126


def _not_answered(request: SqlRequest, answer: dict[str, Any]) -> InvalidInput:
    kind = answer.get("kind", "")
    if kind == "memory":
        return _too_big(request.name, answer.get("memory_mb"))
    first, _, rest = clean(str(answer["error"]), keep_newlines=True).partition("\n")
    hints = [rest, _SQL_HINT if kind == "catalogue" else ""]
    hint = "\n".join(h for h in hints if h)
    return InvalidInput(f"SQL: {first}", subject=request.name, hint=hint)


def _too_big(name: str, memory_mb: int | None) -> InvalidInput:
    has = f"; the sandbox has {memory_mb} MB" if memory_mb else ""
    return InvalidInput(
        f"The query needs more memory than there is{has}.",
        subject=name,
        hint="Aggregate earlier, add a LIMIT, or take fewer columns or rows.",
        details={"memory_mb": memory_mb} if memory_mb else {},
    )


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Let what goes wrong inside be told of the sandbox: nobody knows its containers' names."""
    try:
        yield
    except Conflict as error:
        raise Unavailable(
            "The sandbox's tool does not run.",
            subject=name,
            hint=f"See: sandbox logs {name}, or make it again",
        ) from error
    except SandboxError as error:
        error.subject, error.hint = name, error.hint.replace("NAME", name)
        raise


def ask_inside(
    context: Context,
    sandbox: Sandbox,
    program: str,
    question: dict[str, Any],
    content: bytes = b"",
) -> dict[str, Any]:
    """Run a program of ours inside the tool's container: one JSON line in, one document out."""
    container = _container(sandbox, "")
    note_command(context, sandbox)
    line = json.dumps(question, ensure_ascii=False).encode() + b"\n"
    with _named(sandbox.name):
        # Isolated (-I): a file of the owner's in /work must not pose as a module of ours.
        command = confined(PYTHON, "-I", "-m", program)
        ran = context.engine.run(container, command, stdin=line + content)
        if ran.code == _KILLED and context.engine.is_running(container):
            raise _too_big(sandbox.name, None)
        return read_json(ran, container)


@contextmanager
def understood(name: str) -> Iterator[None]:
    """Let an answer that is not of the form agreed on be told as such, while it is read.

    Who works in the sandbox can make a program there say anything.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError):
        raise Unavailable(
            "The program inside answered something that makes no sense.",
            subject=name,
            hint=f"Make the tool anew: sandbox reset {name}",
        ) from None


def _container(sandbox: Sandbox, part: str) -> str:
    chosen = part or (sandbox.endpoint.part if sandbox.endpoint else "")
    if chosen not in sandbox.parts:
        raise NotFound(
            "The sandbox has no such part." + closest(chosen, sandbox.parts),
            subject=clean(chosen),
            hint=f"Parts: {', '.join(sandbox.parts)}",
        )
    return container_name(sandbox.id, chosen)
