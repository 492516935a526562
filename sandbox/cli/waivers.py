"""waiver: dated exemptions from one rule, asked for, answered and taken back."""

from typing import Annotated

import typer

from sandbox.cli.asking import Returned, Why, command

Id = Annotated[str, typer.Argument(help="The waiver's id, as `waiver list` shows it.")]


def add_to(app: typer.Typer) -> None:
    """Register the noun."""
    waiver = typer.Typer(help="Dated exemptions from one rule.", no_args_is_help=True)
    command(waiver, "list", list_waivers)
    command(waiver, "show", show)
    command(waiver, "request", request)
    command(waiver, "approve", approve)
    command(waiver, "reject", reject)
    command(waiver, "revoke", revoke)
    app.add_typer(waiver, name="waiver", rich_help_panel="Rules and answers")


def list_waivers(
    everything: Annotated[
        bool, typer.Option("--all", help="Also what was refused or revoked, or is over.")
    ] = False,
) -> Returned:
    """List what waits for an answer and what holds."""
    from sandbox.usecases.waiving import WaiverListRequest

    return WaiverListRequest(all=everything)


def show(id: Id) -> Returned:
    """Show one waiver: from which rule, for whom, until when, and who said what."""
    from sandbox.usecases.waiving import WaiverShowRequest

    return WaiverShowRequest(id=id)


def request(
    rule: Annotated[str, typer.Argument(help="The rule, as a denial names it.")],
    subject: Annotated[
        str, typer.Argument(help="The sandbox, there or still to come, or the source.")
    ],
    reason: Why,
    until: Annotated[
        str, typer.Option(help="Its end: 7d, 72h, or a day as 2026-12-31 (through its end).")
    ],
    ticket: Annotated[str, typer.Option(help="The ticket or change that it belongs to.")] = "",
) -> Returned:
    """Ask to be exempt from a rule for a while."""
    from sandbox.usecases.waiving import WaiverRequestRequest

    return WaiverRequestRequest(
        rule=rule, subject=subject, reason=reason, until=until, ticket=ticket
    )


def approve(id: Id, reason: Why) -> Returned:
    """Say yes: from now on, and until its end, the rule does not stop it."""
    from sandbox.usecases.deciding import WaiverApproveRequest

    return WaiverApproveRequest(id=id, reason=reason)


def reject(id: Id, reason: Why) -> Returned:
    """Say no to it."""
    from sandbox.usecases.deciding import WaiverRejectRequest

    return WaiverRejectRequest(id=id, reason=reason)


def revoke(id: Id, reason: Why) -> Returned:
    """Take it back at once, given or still waiting."""
    from sandbox.usecases.waiving import WaiverRevokeRequest

    return WaiverRevokeRequest(id=id, reason=reason)
