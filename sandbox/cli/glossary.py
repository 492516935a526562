"""explain: words of the other department."""

from typing import Annotated

import typer

from sandbox.cli.asking import Returned, command


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    command(app, "explain", explain, rich_help_panel="Rules and answers")


def explain(
    term: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TERM",
            help="A word, in English or Japanese: replica, マスク, load time. Default: all words.",
        ),
    ] = None,
) -> Returned:
    """Say what a word of the other department means, in English and Japanese."""
    from sandbox.usecases.glossary import ExplainRequest

    return ExplainRequest(term=" ".join(term or ()))
