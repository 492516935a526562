"""inbox: what there is for you."""

import typer

from sandbox.cli.asking import Returned, command


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    command(app, "inbox", inbox)


def inbox() -> Returned:
    """Show what of yours ends soon, what waits for your answer, and for whom yours waits."""
    from sandbox.usecases.inbox import InboxRequest

    return InboxRequest()
