"""serve: answer for a shared home."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Union

import typer

from sandbox.cli.asking import Asked
from sandbox.core.errors import InvalidInput

_RUNTIME = "bimodal-sandbox"
SOCKET = f"/run/{_RUNTIME}/home.sock"


@dataclass(frozen=True)
class Serving:
    """What the door does instead of asking: answer others, at the socket `place`."""

    place: Path
    home: str


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("serve", rich_help_panel="For IT")(serve)


def serve(
    context: typer.Context,
    place: Annotated[
        Path | None,
        typer.Option(
            "--socket",
            help="Where it listens, for everybody on this machine.",
            show_default=SOCKET,
        ),
    ] = None,
    install: Annotated[
        bool, typer.Option("--install", help="Have systemd run it, now and after every boot.")
    ] = False,
    uninstall: Annotated[
        bool, typer.Option("--uninstall", help="Take away what --install wrote.")
    ] = False,
    account: Annotated[
        str,
        typer.Option(
            "--account", help="The service account, for --install.", show_default="the home's owner"
        ),
    ] = "",
) -> Union[Serving, Asked]:  # noqa: UP007 - Typer reads it
    """Answer for this home, to each by the roles of their own operating-system user."""
    if not install and not uninstall:
        _check_alone(account, "--account goes with --install.")
        return Serving(place or Path(SOCKET), context.obj.home)
    _check_alone(install and uninstall, "--install and --uninstall exclude each other.")
    _check_alone(place, f"Installed, it listens at {SOCKET}.")
    from sandbox.usecases.scheduling import ServeInstallRequest

    request = ServeInstallRequest(install=install, runtime=_RUNTIME, account=account)
    return Asked(request, home=context.obj.home)


def _check_alone(wrong: object, why: str) -> None:
    if wrong:
        raise InvalidInput(why, subject="serve", hint="See: sandbox serve --help")
