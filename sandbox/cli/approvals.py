"""approve, reject: the answer to a sandbox that waits for somebody's yes."""

from typing import Annotated

import typer

from sandbox.cli.asking import Returned, Why, command


def waiting_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of sandboxes that wait, for the shell's completion."""
    from sandbox.cli.app import quiet_ask
    from sandbox.usecases.sandboxes import ListRequest

    found = quiet_ask(ListRequest(), context)
    names = [s.name for s in found.sandboxes if s.waits_for] if found else []
    return [name for name in names if name.startswith(incomplete)]


Waiting = Annotated[
    str,
    typer.Argument(
        help="What waits: the request's id, or the sandbox's name.", autocompletion=waiting_names
    ),
]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    command(app, "approve", approve, rich_help_panel="Rules and answers")
    command(app, "reject", reject, rich_help_panel="Rules and answers")


def approve(name: Waiting, reason: Why) -> Returned:
    """Say yes to a sandbox that waits. The last yes that it needs makes it, for its owner."""
    from sandbox.usecases.approvals import ApproveRequest

    return ApproveRequest(name=name, reason=reason)


def reject(name: Waiting, reason: Why) -> Returned:
    """Say no to a sandbox that waits; it is not made, and its owner is told why."""
    from sandbox.usecases.approvals import RejectRequest

    return RejectRequest(name=name, reason=reason)
