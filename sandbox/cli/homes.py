"""init, doctor, uninstall."""

from pathlib import Path
from typing import Annotated

import typer

from sandbox.cli.asking import Returned, command


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    command(app, "init", init, rich_help_panel="For IT")
    command(app, "doctor", doctor, rich_help_panel="For IT")
    command(app, "uninstall", uninstall, rich_help_panel="For IT")


def init(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")] = Path(),
    demo: Annotated[
        bool, typer.Option("--demo", help="With a demo core system: PostgreSQL, real purchases.")
    ] = False,
    gateway_port: Annotated[
        int, typer.Option(min=1024, max=65535, help="Where browsers reach the sandboxes.")
    ] = 8700,
) -> Returned:
    """Make a home: settings, templates, policies and state. On a home it changes nothing."""
    from sandbox.usecases.homes import InitRequest

    return InitRequest(folder=str(folder), demo=demo, gateway_port=gateway_port)


def doctor() -> Returned:
    """Check engine, disk, images, gateway, home and registry; exit 7 if the main job cannot run."""
    from sandbox.usecases.homes import DoctorRequest

    return DoctorRequest()


def uninstall() -> Returned:
    """Remove this home's gateway, snapshots and demo core from the engine; files stay."""
    from sandbox.usecases.homes import UninstallRequest

    return UninstallRequest()
