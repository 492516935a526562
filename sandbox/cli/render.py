"""How results, errors and progress look. The only Rich, the only printing.

Results go to stdout, everything else to stderr. Text from people and machines is cleaned and is
never markup.
"""

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from rich.console import Console
from rich.text import Text

from sandbox.cli.asking import MOST_ROWS, Output, SqlOutput
from sandbox.cli.blocks import Block, Line, cell, named
from sandbox.cli.layout import folded, in_columns, width_of
from sandbox.cli.tables import blocks
from sandbox.cli.tables_show import findings
from sandbox.core.errors import SandboxError
from sandbox.core.progress import Silent
from sandbox.core.text import clean, spreadsheet_safe
from sandbox.core.values import Result

if TYPE_CHECKING:
    from rich.status import Status

# Rich's own folding is never wanted: lines come folded, or must not be.
_UNFOLDED = 100_000
_NARROWEST = 20
_FOUND = 4
_PLANNED = {"denied": 4, "waits": 4, "taken": 6, "full": 7}  # as `up` would end
_CANNOT_WORK = 7
_JUNIT = "junit"


class Screen(Silent):
    """Progress on stderr: one living line on a terminal, one line per step elsewhere."""

    def __init__(
        self, console: Console, status: "Status | None", file: BinaryIO | None = None
    ) -> None:
        self._console, self._status, self._file = console, status, file
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
        if stream == "file" and self._file is not None:
            self._file.write(chunk)
            return
        if self._status is not None:
            self._status.stop()
        target = sys.stderr if stream == "stderr" else sys.stdout
        target.buffer.write(chunk)
        target.buffer.flush()


@contextmanager
def screen(file: BinaryIO | None = None) -> Iterator[Screen]:
    """Give a place for progress while a request is answered; `file` takes what comes beside."""
    console = _console(stderr=True)
    # FORCE_COLOR makes a pipe a terminal for Rich; a living line there would still be noise.
    if not console.file.isatty() or console.is_dumb_terminal:
        yield Screen(console, None, file)
        return
    with console.status(Text("Working")) as status:
        yield Screen(console, status, file)


def show(
    result: Result,
    output: str,
    *,
    aside: bool = False,
    one_of_many: bool = False,
    into: Path | None = None,
) -> None:
    """Print a result as asked, `aside` on stderr; tables by `cli/tables.py`.

    JSON is a line where more may follow. `into` is the file that came beside the result.
    """
    cut = False
    if output == Output.JSON:
        sys.stdout.write(result.model_dump_json(indent=None if one_of_many else 2) + "\n")
    elif output == SqlOutput.CSV:
        _write_csv(result)
    elif output == _JUNIT:
        _write_junit(result)
    else:
        beside = [named("file", str(into))] if into else []
        cut = _print([*blocks(result), *beside], stderr=aside)
    for hint in _hints(result, cut=cut):
        _print([Line(hint, style="dim")], stderr=True)


def _write_csv(result: Any) -> None:
    """Write the rows of a query; no cell of it starts a formula."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([spreadsheet_safe(clean(c)) for c in result.columns])
    writer.writerows([[spreadsheet_safe(cell(v)) for v in row] for row in result.rows])


def _write_junit(result: Any) -> None:
    from sandbox.cli.junit import junit

    sys.stdout.write(junit(result))


def _hints(result: Any, *, cut: bool) -> list[str]:
    """Return what to tell on stderr beside a result, whatever its form."""
    rows = type(result).__name__ == "SqlResult"
    said = []
    if rows and result.more:
        more = "ask for more with --limit" if result.limit < MOST_ROWS else "narrow it with WHERE"
        said.append(f"Only the first {result.limit:,} rows are shown; {more}.")
    if cut:
        whole = "-o json or -o csv" if rows else "-o json"
        said.append(f"Cells that end in … are cut to fit here; {whole} shows all of them.")
    return said


def exit_code(result: Any) -> int:
    """Return the exit code that a result means: 0 except for checks that found something."""
    # By name: importing all use cases here would cost every command.
    match type(result).__name__:
        case "ExecResult":
            return int(result.code)
        case "PlanResult":
            return _PLANNED.get(result.answer, 0)
        case "UpResult":
            return 0 if result.waits is None else _FOUND
        case "VerifyResult" | "VerifySnapshotResult":
            return 0 if result.held else _FOUND
        case "AuditVerifyResult":
            return 0 if result.holds else _FOUND
        case "SourceCheckResult" | "PolicyCheckResult":
            return 0 if result.clean else _FOUND
        case "TemplateCheckResult" | "PolicyTestResult":
            return 0 if result.passed else _FOUND
        case "PolicyScanResult":
            return 0 if result.clean else _FOUND
        case "ReapResult" | "PruneResult":
            return _CANNOT_WORK if result.failed else 0
        case "DoctorResult":
            return 0 if result.works else _CANNOT_WORK
    return 0


def show_error(error: SandboxError, *, as_json: bool) -> None:
    """Print what failed, on what, and what to do next; a denial with every rule that failed."""
    if as_json:
        _write_error(error.code, error.message, error.subject, error.hint, error.details)
        return
    # A fault in a file names the file, with its line, by itself.
    said = error.message.startswith(f"{error.subject}:")
    subject = f"{clean(error.subject)}: " if error.subject and not said else ""
    shown: list[Block] = [_failed(subject + clean(error.message))]
    decision = None
    if "decision" in error.details:
        from sandbox.core.policy import Decision

        decision = Decision.model_validate(error.details["decision"])
        shown += findings(decision)
    hints = clean(error.hint, keep_newlines=True).splitlines()
    if decision is not None and decision.verdict == "deny":
        hints.append(f"What would pass: sandbox policy explain {clean(error.subject)}")
    _print([*shown, *map(_hint, hints)], stderr=True)


def _hint(text: str) -> Line:
    """Return a line of what to do next; a command that stands alone stays in one piece."""
    return Line(text, style="dim", raw=": sandbox " in text and ". " not in text)


def _failed(message: str) -> Line:
    return Line(message, label="Error ", label_style="bold red")


def show_usage(error: Exception, known: str = "", *, as_json: bool) -> None:
    """Print a mistake in the command line itself; `known` begins the hint."""
    message = clean(error.format_message())  # type: ignore[attr-defined]
    message = message.replace(": Value error, ", ": ")  # Python's word for it, and nobody else's
    if not message:
        return  # nothing was typed but the group's name: its help is on the screen
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "sandbox"
    hint = f"{clean(known)}See: {path} --help"
    if as_json:
        _write_error("usage", message, path, hint, {})
        return
    _print([_failed(message), Line(hint, style="dim")], stderr=True)


def show_bug(error: Exception, *, as_json: bool) -> None:
    """Print an error that nobody expected, as one line."""
    said = clean(" ".join(str(error).split()))[:500]
    message = f"Unexpected: {type(error).__name__}: {said}"
    hint = "This is a fault of the tool. Please report it with the command that you typed."
    if as_json:
        _write_error("internal", message, "", hint, {})
        return
    _print([_failed(message), Line(hint, style="dim")], stderr=True)


def _write_error(code: str, message: str, subject: str, hint: str, details: dict[str, Any]) -> None:
    body = {"code": code, "message": message, "subject": subject, "hint": hint, **details}
    sys.stdout.write(json.dumps({"error": body}, ensure_ascii=False, indent=2) + "\n")


def _console(*, stderr: bool = False) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    # Rich's own highlighting and emoji codes would change what people wrote; and what goes into
    # a file or another program must not be folded at a terminal's width.
    width = None if stream.isatty() else _UNFOLDED
    return Console(file=stream, width=width, highlight=False, emoji=False, markup=False)


def _print(shown: Sequence[Block], *, stderr: bool = False) -> bool:
    """Print blocks, fitted to a terminal's width if there is one; say whether a cell was cut."""
    console = _console(stderr=stderr)
    width = console.width if console.file.isatty() else None
    cut = False
    for block in shown:
        lines, lost = _fitted(block, width)
        cut = cut or lost
        if console.is_terminal:
            for line in lines:
                console.print(_styled(line), soft_wrap=True)
        else:
            console.file.writelines(f"{line.label}{line.text}".rstrip() + "\n" for line in lines)
    return cut


def _fitted(block: Block, width: int | None) -> tuple[list[Line], bool]:
    if isinstance(block, Line):
        return _folded(block, width), False
    if not block.columns:
        return [], False
    header = [clean(column) for column in block.columns]
    rows = [[cell(value) for value in row] for row in block.rows]
    table = in_columns(header, rows, width, block.cut, whole=block.whole)
    return [*(Line("", label=line) for line in table.header), *map(Line, table.lines)], table.cut


def _folded(line: Line, width: int | None) -> list[Line]:
    if width is None or line.raw:
        return [line]
    lead = width_of(line.label)
    first, *rest = folded(line.text, max(width - lead, _NARROWEST), whole=True)
    indent = replace(line, label=" " * lead)
    return [replace(line, text=first), *(replace(indent, text=text) for text in rest)]


def _styled(line: Line) -> Text:
    label = Text(line.label, style=line.label_style if line.label.strip() else "")
    return label + Text(line.text, style=line.style)
