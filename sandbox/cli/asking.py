"""What every command shares: it returns a request; the door asks it and prints the result.

A command is a function that reads its arguments and returns a Request. `command` registers it,
gives it `-o`, and hands what it returned to `main` as an Asked.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Union

import typer

if TYPE_CHECKING:
    from sandbox.core.values import Request, Result


class Output(StrEnum):
    """How a result is printed: for people, or for programs."""

    TABLE = "table"
    JSON = "json"


class SqlOutput(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


@dataclass(frozen=True)
class Asked:
    """A request on its way to the use cases. `then` runs in the door with the result."""

    request: "Request[Any]"
    output: str
    home: str
    then: "Callable[[Result], None] | None" = None


@dataclass(frozen=True)
class Browse:
    """A request whose result's link is opened in the browser too."""

    request: "Request[Any]"
    then: "Callable[[Result], None]"


_CONTEXT = inspect.Parameter(
    "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
)
_OUTPUT = inspect.Parameter(
    "output",
    inspect.Parameter.KEYWORD_ONLY,
    default=Output.TABLE,
    annotation=Annotated[
        Output,
        typer.Option("--output", "-o", help="Print a table for people or JSON for programs."),
    ],
)
Returned = Union["Request[Any]", Browse]


def command(app: typer.Typer, name: str, **settings: Any) -> Callable[..., Any]:
    """Register the decorated function as command `name` of `app`, with `-o` added.

    A function that takes `output` itself (`sql`) keeps its own.
    """

    def register(function: Callable[..., Returned]) -> Callable[..., Returned]:
        signature = inspect.signature(function)
        own = "output" in signature.parameters

        @functools.wraps(function)
        def asked(context: typer.Context, **arguments: Any) -> Asked:
            output = arguments["output"] if own else arguments.pop("output")
            returned = function(**arguments)
            if isinstance(returned, Browse):
                return Asked(returned.request, output, context.obj, returned.then)
            return Asked(returned, output, context.obj)

        parameters = [_CONTEXT, *signature.parameters.values(), *([] if own else [_OUTPUT])]
        asked.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        # Typer evaluates these; what a command returns is none of its business.
        asked.__annotations__ = {p.name: p.annotation for p in parameters}
        app.command(name, **settings)(asked)
        return function

    return register
