"""The command line: one Typer app, one place that asks, one place that prints errors."""

import io
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

from sandbox.cli import (
    approvals,
    audit,
    catalogue,
    crossing,
    glossary,
    homes,
    inbox,
    kept,
    leases,
    people,
    policy,
    reaping,
    requests,
    sandboxes,
    serving,
    shelf,
    sources,
    verifying,
    waivers,
)
from sandbox.cli.asking import Asked, Output, Root
from sandbox.core.errors import InvalidInput, SandboxError
from sandbox.core.text import clean
from sandbox.core.version import VERSION

if TYPE_CHECKING:
    from sandbox.core.values import Request, Result

R = TypeVar("R", bound="Result")

EXIT = {"invalid": 3, "denied": 4, "not_found": 5, "conflict": 6, "unavailable": 7}
EXIT_INTERNAL, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130

app = typer.Typer(
    name="sandbox",
    help="Short-lived, governed sandboxes with masked, read-only copies of core data.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"sandbox {VERSION}\n")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    home: Annotated[
        str, typer.Option(help="The home.", show_default="$SANDBOX_HOME, else upwards from here")
    ] = "",
    person: Annotated[
        str, typer.Option("--as", help="Who you are, where identities are asserted (a demo).")
    ] = "",
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    context.obj = Root(home, person)


for part in (
    sandboxes,
    crossing,
    inbox,
    shelf,
    glossary,
    leases,
    homes,
    sources,
    catalogue,
    policy,
    people,
    audit,
    reaping,
    kept,
    approvals,
    requests,
    verifying,
    waivers,
    serving,
):
    part.add_to(app)


@cache
def _command() -> Callable[..., Asked | int | None]:
    # Kept: whoever calls `main` more than once, as tests do, would make all commands anew.
    return typer.main.get_command(app)


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code. Every error ends here, none as a traceback."""
    signal.signal(signal.SIGTERM, _terminated)
    wants_json = _wants_json(arguments)
    _speak_any_encoding()
    try:
        _check_text(arguments)
        asked = _command()(args=list(arguments), prog_name="sandbox", standalone_mode=False)
        if isinstance(asked, serving.Serving):
            return _serve(asked)
        return _answer(asked) if isinstance(asked, Asked) else int(asked or 0)
    except KeyboardInterrupt as interrupted:
        said = str(interrupted) or "Interrupted; nothing half made is left."
        sys.stderr.write(f"{said}\n")
        return EXIT_INTERRUPTED
    except SandboxError as error:
        return _print_error(error, wants_json)
    except BrokenPipeError:
        # Whoever read us has gone (`| head`); Python would complain once more while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_INTERNAL
    except Exception as error:
        return _print_other(error, wants_json)


def _serve(wanted: serving.Serving) -> int:
    from sandbox import bootstrap

    bootstrap.serve(wanted.place, wanted.home)
    return 0


def _answer(asked: Asked) -> int:
    """Answer once; or again and again, whatever fails, until Ctrl-C ends the sleep."""
    while asked.every:
        try:
            _answer_once(asked)
        except SandboxError as error:
            _print_error(error, asked.output == Output.JSON)
        sys.stdout.flush()
        time.sleep(asked.every)
    return _answer_once(asked)


def _answer_once(asked: Asked) -> int:
    from sandbox import bootstrap
    from sandbox.cli import beside, render

    with beside.new_file(asked.into) as file, render.screen(file) as progress:
        result = bootstrap.ask(asked.request, progress, asked.home, asked.person)
    many = bool(asked.every)
    render.show(result, asked.output, aside=asked.aside, one_of_many=many, into=asked.into)
    try:
        if asked.then:
            asked.then(result)
    except SandboxError as error:
        # The result is on stdout already; a second JSON document there would spoil it.
        return _print_error(error, wants_json=False)
    return render.exit_code(result)


def quiet_ask(request: "Request[R]", context: typer.Context) -> R | None:
    """Answer `request` in the home of a command line, or nothing if it fails: for completion."""
    from sandbox import bootstrap
    from sandbox.core.progress import Silent

    try:
        root = context.find_root().params
        return bootstrap.ask(request, Silent(), root.get("home") or "", root.get("person") or "")
    except SandboxError:
        return None


def _print_error(error: SandboxError, wants_json: bool) -> int:
    from sandbox.cli import render

    render.show_error(error, as_json=wants_json)
    return EXIT[error.code]


def _print_other(error: Exception, wants_json: bool) -> int:
    """Print a usage error as Typer says it, and anything unexpected as one line."""
    from sandbox.cli import render

    if hasattr(error, "format_message"):
        render.show_usage(error, _known(error), as_json=wants_json)
        return EXIT_USAGE
    render.show_bug(error, as_json=wants_json)
    return EXIT_INTERNAL


def _known(error: Exception) -> str:
    """Return what helps with `error`: where `--home` stands, or which templates there are."""
    context = getattr(error, "ctx", None)
    before = {"--home": "DIR", "--as": "PERSON"}
    if (option := getattr(error, "option_name", "")) in before and context is not None:
        verb = context.command_path.removeprefix("sandbox ")
        return f"It comes before the command: sandbox {option} {before[option]} {verb}. "
    if context is None or getattr(getattr(error, "param", None), "name", "") != "template":
        return ""
    from sandbox.usecases.templates import TemplateNamesRequest

    found = quiet_ask(TemplateNamesRequest(), context)
    return f"Templates: {', '.join(found.names)}. " if found and found.names else ""


def _check_text(arguments: Sequence[str]) -> None:
    """Refuse bytes that are no text in this system's encoding; Python hides them in surrogates."""
    for argument in arguments:
        if any("\ud800" <= char <= "\udfff" for char in argument):
            raise InvalidInput(
                "This is not text in UTF-8.",
                subject=clean(argument),
                hint="Type it again; a file of such a name must be renamed first.",
            )


def _speak_any_encoding() -> None:
    """Have letters that a terminal's encoding lacks replaced, not end the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _wants_json(arguments: Sequence[str]) -> bool:
    """Say whether `-o json` was asked for, even when the rest cannot be parsed."""
    own = list(arguments[: arguments.index("--")] if "--" in arguments else arguments)
    spelled = {"-ojson", "-o=json", "--output=json"} & set(own)
    return bool(spelled) or any(
        a in ("-o", "--output") and b == Output.JSON for a, b in pairwise(own)
    )


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
