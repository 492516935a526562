"""request: what waits for somebody's yes."""

from typing import Annotated

import typer

from sandbox.cli.asking import Returned, Why, command

Id = Annotated[str, typer.Argument(help="The request's id, as `request list` shows it.")]


def add_to(app: typer.Typer) -> None:
    """Register the noun."""
    request = typer.Typer(help="What waits for somebody's yes.", no_args_is_help=True)
    command(request, "list", list_requests)
    command(request, "show", show)
    command(request, "accept", accept)
    command(request, "refuse", refuse)
    app.add_typer(request, name="request", rich_help_panel="Rules and answers")


def list_requests(
    everything: Annotated[
        bool, typer.Option("--all", help="Also what was refused, used or has lapsed.")
    ] = False,
) -> Returned:
    """List what waits, and what was accepted and is not used yet."""
    from sandbox.usecases.asks import RequestListRequest

    return RequestListRequest(all=everything)


def show(id: Id) -> Returned:
    """Show one request: who asks for what, why, and who answered."""
    from sandbox.usecases.asks import RequestShowRequest

    return RequestShowRequest(id=id)


def accept(id: Id, reason: Why) -> Returned:
    """Say yes to a request."""
    from sandbox.usecases.deciding import RequestAcceptRequest

    return RequestAcceptRequest(id=id, reason=reason)


def refuse(id: Id, reason: Why) -> Returned:
    """Say no to a request."""
    from sandbox.usecases.deciding import RequestRefuseRequest

    return RequestRefuseRequest(id=id, reason=reason)
