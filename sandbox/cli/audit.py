"""audit: who did what, when and why."""

from typing import Annotated

import typer

from sandbox.cli.asking import Returned, command


def add_to(app: typer.Typer) -> None:
    """Register the noun."""
    audit = typer.Typer(help="Who did what, when and why.", no_args_is_help=True)
    command(audit, "list", list_events)
    command(audit, "verify", verify)
    app.add_typer(audit, name="audit", rich_help_panel="For auditors")


def list_events(
    subject: Annotated[str, typer.Option(help="Only what happened to this name.")] = "",
    last: Annotated[int, typer.Option("--last", "-n", min=0, help="How many; 0 is all.")] = 50,
) -> Returned:
    """List events, oldest first."""
    from sandbox.usecases.audit import AuditListRequest

    return AuditListRequest(subject=subject, last=last)


def verify() -> Returned:
    """Recompute the chain of events; exit 4 and the event's number if it is broken."""
    from sandbox.usecases.audit import AuditVerifyRequest

    return AuditVerifyRequest()
