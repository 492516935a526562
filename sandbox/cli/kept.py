"""kept: the encrypted archives of sandboxes that ended."""

from pathlib import Path
from typing import Annotated

import typer

from sandbox.cli.asking import Asked, Returned, Why, command

Kept = Annotated[str, typer.Argument(help="The sandbox's name, or the archive's own.")]


def add_to(app: typer.Typer) -> None:
    """Register the noun."""
    kept = typer.Typer(help="Encrypted archives of sandboxes that ended.", no_args_is_help=True)
    command(kept, "list", list_kept)
    command(kept, "show", show)
    command(kept, "open", open_kept)
    app.add_typer(kept, name="kept", rich_help_panel="For IT")


def list_kept() -> Returned:
    """List what is kept: sandbox, class, size, until when."""
    from sandbox.usecases.kept import KeptListRequest

    return KeptListRequest()


def show(name: Kept) -> Returned:
    """Show one archive and the sandbox it is of."""
    from sandbox.usecases.kept import KeptShowRequest

    return KeptShowRequest(name=name)


def open_kept(
    name: Kept,
    file: Annotated[Path, typer.Argument(help="A new file; it gets the archive, decrypted.")],
    reason: Why,
) -> Returned:
    """Decrypt an archive into a new tar file. That it was opened is recorded."""
    from sandbox.usecases.kept import KeptOpenRequest

    return Asked(KeptOpenRequest(name=name, reason=reason), into=file)
