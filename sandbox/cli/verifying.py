"""verify: does a sandbox hold?"""

import typer

from sandbox.cli.asking import Returned, command
from sandbox.cli.sandboxes import Name


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    command(app, "verify", verify, rich_help_panel="Sandboxes")


def verify(name: Name) -> Returned:
    """Attack a sandbox from inside, harmlessly; exit 4 if anything gets through."""
    from sandbox.usecases.verifying import VerifyRequest

    return VerifyRequest(name=name)
