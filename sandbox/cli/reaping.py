"""reap: settle what ended, what was cut off, what went astray."""

from typing import Annotated

import typer

from sandbox.cli.asking import Act, Asked, Returned, command
from sandbox.core.errors import InvalidInput

_DAY = 86_400


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    command(app, "reap", reap, rich_help_panel="For IT")


def reap(
    act: Act = False,
    watch: Annotated[
        int,
        typer.Option(
            metavar="SECONDS",
            min=0,
            max=_DAY,
            help="Stay, and look again after so many seconds, until Ctrl-C.",
            show_default="once",
        ),
    ] = 0,
    install: Annotated[
        bool, typer.Option("--install", help="Have systemd or cron run it every few minutes.")
    ] = False,
    uninstall: Annotated[
        bool, typer.Option("--uninstall", help="Take away what --install wrote.")
    ] = False,
) -> Returned:
    """Show what there is to settle: expired, half made, half removed, gone astray."""
    if install or uninstall:
        return _schedule(install, others=uninstall if install else False, plain=act or bool(watch))
    from sandbox.usecases.reaping import ReapRequest

    request = ReapRequest(apply=act)
    return Asked(request, every=watch) if watch else request


def _schedule(install: bool, *, others: bool, plain: bool) -> Returned:
    from sandbox.usecases.scheduling import ScheduleRequest

    if others or plain:
        raise InvalidInput(
            "--install and --uninstall stand alone.",
            subject="reap",
            hint="What is installed runs: sandbox reap --apply",
        )
    return ScheduleRequest(install=install)
