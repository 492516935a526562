"""serve: answer for a shared home."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

SOCKET = "/run/bimodal-sandbox/home.sock"


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
        Path, typer.Option("--socket", help="Where it listens, for everybody on this machine.")
    ] = Path(SOCKET),
) -> Serving:
    """Answer for this home, to each by the roles of their own operating-system user."""
    return Serving(place, context.obj.home)
