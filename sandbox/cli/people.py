"""people: who works here, and who you are."""

import typer

from sandbox.cli.asking import Returned, command


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    command(app, "people", people, rich_help_panel="Rules and answers")


def people() -> Returned:
    """List who works here, with their roles, and say who you are."""
    from sandbox.usecases.people import PeopleRequest

    return PeopleRequest()
