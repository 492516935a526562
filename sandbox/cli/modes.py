"""policy modes: how the two modes differ."""

import typer

from sandbox.cli.asking import Returned, command


def add_to(policy: typer.Typer) -> None:
    """Register the verb with its noun."""
    command(policy, "modes", modes)


def modes() -> Returned:
    """Show how the two modes differ, by their profiles."""
    from sandbox.usecases.modes import ModesRequest

    return ModesRequest()
