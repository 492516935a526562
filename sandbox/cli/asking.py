"""What every command shares: it returns a request; the door asks it and prints the result.

A command is a function that reads its arguments and returns a Request, or an Asked where
something follows the result. `command` registers it and gives it `-o`; `main` gets an Asked.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Union

import typer

if TYPE_CHECKING:
    from sandbox.core.values import Request, Result


Why = Annotated[str, typer.Option("--reason", help="Why; kept in the record.")]
Act = Annotated[bool, typer.Option("--apply", help="Do it; without this nothing is changed.")]

# More rows than this are no longer read but processed: in SQL, or from a file.
MOST_ROWS = 1_000_000


class Output(StrEnum):
    """How a result is printed: for people, or for programs."""

    TABLE = "table"
    JSON = "json"


Printed = Annotated[
    Output, typer.Option("--output", "-o", help="Print a table for people or JSON for programs.")
]


class SqlOutput(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


@dataclass(frozen=True)
class Root:
    """What stands before every command: the home, and the person that the caller says to be."""

    home: str
    person: str


@dataclass(frozen=True)
class Asked:
    """A request on its way to the use cases, and how its result is wanted.

    `then` runs in the door, after the result was printed. With `every`, the door asks again after
    so many seconds, until Ctrl-C. `into` names a new file for what comes beside the result; with
    `aside`, that has stdout, and the result goes to stderr. The command's own function may set
    these; `output`, `home` and `person` are filled in from what every command shares.
    """

    request: "Request[Any]"
    then: "Callable[[Result], None] | None" = None
    output: str = Output.TABLE
    home: str = ""
    person: str = ""
    every: int = 0
    into: Path | None = None
    aside: bool = False


Returned = Union["Request[Any]", Asked]

_CONTEXT = inspect.Parameter(
    "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
)
_OUTPUT = inspect.Parameter(
    "output",
    inspect.Parameter.KEYWORD_ONLY,
    default=Output.TABLE,
    annotation=Printed,
)


def command(
    app: typer.Typer, name: str, function: Callable[..., Returned], **settings: Any
) -> None:
    """Register `function` as command `name` of `app`, with `-o` added.

    A function that takes `output` itself (`sql`) keeps its own.
    """
    own = list(inspect.signature(function).parameters.values())
    has_output = any(p.name == "output" for p in own)
    parameters = [_CONTEXT, *own, *([] if has_output else [_OUTPUT])]

    @functools.wraps(function)
    def asked(context: typer.Context, output: str, **arguments: Any) -> Asked:
        """Return what `function` asks for, with what every command shares."""
        returned = function(**arguments, **({"output": output} if has_output else {}))
        wanted = returned if isinstance(returned, Asked) else Asked(returned)
        return replace(wanted, output=output, home=context.obj.home, person=context.obj.person)

    asked.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    # Typer evaluates these; what a command returns is none of its business.
    asked.__annotations__ = {p.name: p.annotation for p in parameters}
    app.command(name, **settings)(asked)
