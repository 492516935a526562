"""extend, restore, freeze, resume, stop-the-line.

Each command imports its use case itself: `--help` and completion need none of them.
"""

from typing import Annotated

import typer

from sandbox.cli.asking import Returned, Why, command
from sandbox.cli.sandboxes import Name
from sandbox.core.errors import InvalidInput


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    command(app, "extend", extend, rich_help_panel="Sandboxes")
    command(app, "restore", restore, rich_help_panel="Sandboxes")
    command(app, "freeze", freeze, rich_help_panel="For IT")
    command(app, "resume", resume, rich_help_panel="For IT")
    command(app, "stop-the-line", stop_the_line, rich_help_panel="For IT")


def extend(
    name: Name,
    ttl: Annotated[str, typer.Option("--ttl", help="How much longer: 90m, 24h, 3d.")],
    reason: Why,
) -> Returned:
    """Give a sandbox more time, within what its lease and policy allow."""
    from sandbox.usecases.leases import ExtendRequest

    return ExtendRequest(name=name, ttl=ttl, reason=reason)


def restore(
    name: Name,
    ttl: Annotated[
        str, typer.Option("--ttl", help="For how long.", show_default="24h, or what is left")
    ] = "",
    reason: Why = "",
) -> Returned:
    """Bring an expired sandbox back, while it is kept."""
    from sandbox.usecases.leases import RestoreRequest

    return RestoreRequest(name=name, ttl=ttl, reason=reason)


def freeze(name: Name, reason: Why) -> Returned:
    """Stop a sandbox and keep what is in it; its lease runs on."""
    from sandbox.usecases.leases import FreezeRequest

    return FreezeRequest(name=name, reason=reason)


def resume(
    name: Name,
    credit: Annotated[bool, typer.Option("--credit", help="Give the frozen time back.")] = False,
    disk_mb: Annotated[
        int,
        typer.Option(
            "--disk-mb",
            min=0,
            max=1_048_576,
            help="What its work and lab may hold from now on, in MB.",
            show_default="as before",
        ),
    ] = 0,
) -> Returned:
    """Start a frozen sandbox again."""
    from sandbox.usecases.leases import ResumeRequest

    return ResumeRequest(name=name, credit=credit, disk_mb=disk_mb)


def stop_the_line(
    reason: Why = "",
    lift: Annotated[bool, typer.Option("--lift", help="Let sandboxes be started again.")] = False,
) -> Returned:
    """Freeze everything that runs and let nothing start, until it is lifted."""
    from sandbox.usecases.line import LiftLineRequest, StopLineRequest

    if lift:
        return LiftLineRequest(reason=reason)
    if not reason.strip():
        raise InvalidInput(
            "Everybody's sandboxes would be frozen, and there is no reason.",
            subject="stop-the-line",
            hint='Say why: sandbox stop-the-line --reason "A mask is wrong"',
        )
    return StopLineRequest(reason=reason)
