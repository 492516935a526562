"""How results, errors and progress look. The only Rich, the only printing.

Results go to stdout, everything else to stderr. Text from people and machines is cleaned and is
never markup.
"""

import csv
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.status import Status
from rich.table import Table
from rich.text import Text

from sandbox.cli.asking import Output, SqlOutput
from sandbox.cli.tables import Block, Line, blocks, cell, findings
from sandbox.core.errors import SandboxError
from sandbox.core.policy import Decision
from sandbox.core.text import clean, spreadsheet_safe
from sandbox.core.values import Result
from sandbox.usecases.audit import AuditVerifyResult
from sandbox.usecases.homes import DoctorResult
from sandbox.usecases.inside import ExecResult, SqlResult
from sandbox.usecases.templates import TemplateCheckResult

_UNFOLDED = 100_000


class Silent:
    """Progress that nobody sees."""

    def say(self, step: str, text: str, done: int | None = None, total: int | None = None) -> None:
        """Ignore it."""

    def output(self, stream: str, chunk: bytes) -> None:
        """Ignore it."""


class Screen(Silent):
    """Progress on stderr: one living line on a terminal, one line per step elsewhere."""

    def __init__(self, console: Console, status: Status | None) -> None:
        self._console, self._status = console, status
        self._last = ""

    def say(self, step: str, text: str, done: int | None = None, total: int | None = None) -> None:
        """Show `text`; counted progress only where it can overwrite itself."""
        line = clean(text)
        if self._status is not None:
            self._status.update(Text(line))
        elif line != self._last and (done is None or done == total):
            self._console.print(Text(f"· {line}"))
        self._last = line

    def output(self, stream: str, chunk: bytes) -> None:
        """Pass a command's raw output through: it is the result the person asked for."""
        if self._status is not None:
            self._status.stop()
        target = sys.stderr if stream == "stderr" else sys.stdout
        target.buffer.write(chunk)
        target.buffer.flush()


@contextmanager
def screen() -> Iterator[Screen]:
    """Give a place for progress while a request is answered."""
    console = _console(stderr=True)
    if not console.is_terminal:
        yield Screen(console, None)
        return
    with console.status(Text("Working")) as status:
        yield Screen(console, status)


def show(result: Result, output: str) -> None:
    """Print a result as asked; tables by `cli/tables.py`."""
    if output == Output.JSON:
        sys.stdout.write(result.model_dump_json(indent=2) + "\n")
    elif output == SqlOutput.CSV and isinstance(result, SqlResult):
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow([spreadsheet_safe(clean(c)) for c in result.columns])
        writer.writerows([[spreadsheet_safe(cell(v)) for v in row] for row in result.rows])
    else:
        console = _console()
        for block in blocks(result):
            console.print(_rich(block), soft_wrap=isinstance(block, Line))
    for hint in hints(result):
        _console(stderr=True).print(Text(hint, style="dim"), soft_wrap=True)


def hints(result: Result) -> list[str]:
    """Return what to tell on stderr beside a result, whatever its form."""
    if isinstance(result, SqlResult) and result.more:
        return [f"Only the first {result.limit:,} rows are shown; ask for more with --limit."]
    return []


def exit_code(result: Result) -> int:
    """Return the exit code that a result means: 0 except for checks that found something."""
    match result:
        case ExecResult(code=code):
            return code
        case AuditVerifyResult(holds=False) | TemplateCheckResult(passed=False):
            return 4
        case DoctorResult() if not result.works:
            return 7
    return 0


def show_error(error: SandboxError, *, as_json: bool) -> None:
    """Print what failed, on what, and what to do next; a denial with every rule that failed."""
    if as_json:
        _write_error(error.code, error.message, error.subject, error.hint, error.details)
        return
    console = _console(stderr=True)
    subject = f"{clean(error.subject)}: " if error.subject else ""
    console.print(
        Text.assemble(("Error ", "bold red"), subject + clean(error.message)), soft_wrap=True
    )
    if "decision" in error.details:
        for block in findings(Decision.model_validate(error.details["decision"])):
            console.print(_rich(block), soft_wrap=True)
    if error.hint:
        console.print(Text(clean(error.hint, keep_newlines=True), style="dim"), soft_wrap=True)


def show_usage(error: Exception, *, as_json: bool) -> None:
    """Print a mistake in the command line itself."""
    message = clean(error.format_message())  # type: ignore[attr-defined]
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "sandbox"
    if as_json:
        _write_error("usage", message, path, f"See: {path} --help", {})
        return
    console = _console(stderr=True)
    console.print(Text.assemble(("Error ", "bold red"), message), soft_wrap=True)
    console.print(Text(f"See: {path} --help", style="dim"), soft_wrap=True)


def show_bug(error: Exception, *, as_json: bool) -> None:
    """Print an error that nobody expected, as one line."""
    message = f"Unexpected: {type(error).__name__}: {clean(str(error))[:500]}"
    hint = "This is a fault of the tool. Please report it with the command that you typed."
    if as_json:
        _write_error("internal", message, "", hint, {})
        return
    console = _console(stderr=True)
    console.print(Text.assemble(("Error ", "bold red"), message), soft_wrap=True)
    console.print(Text(hint, style="dim"), soft_wrap=True)


def _write_error(code: str, message: str, subject: str, hint: str, details: dict[str, Any]) -> None:
    body = {"code": code, "message": message, "subject": subject, "hint": hint, **details}
    sys.stdout.write(json.dumps({"error": body}, ensure_ascii=False, indent=2) + "\n")


def _console(*, stderr: bool = False) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    # Rich's own highlighting and emoji codes would change what people wrote; and what goes into
    # a file or another program must not be folded at a terminal's width.
    width = None if stream.isatty() else _UNFOLDED
    return Console(file=stream, width=width, highlight=False, emoji=False, markup=False)


def _rich(block: Block) -> Text | Table:
    if isinstance(block, Line):
        return Text.assemble((block.label, "bold"), Text(block.text, style=block.style))
    made = Table(header_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in block.columns:
        made.add_column(Text(column), overflow="fold")
    for row in block.rows:
        made.add_row(*(Text(cell(value)) for value in row))
    return made
