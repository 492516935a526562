"""import, export: files on their way into a sandbox and out of it."""

from pathlib import Path, PurePosixPath
from typing import Annotated

import typer

from sandbox.cli.asking import Asked, Output, Printed, Returned, command
from sandbox.cli.sandboxes import Name
from sandbox.core.errors import InvalidInput

_STDOUT = "-"


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    inside = "Working in one"
    command(app, "import", import_csv, rich_help_panel=inside)
    command(app, "export", export, rich_help_panel=inside)


def import_csv(
    name: Name,
    file: Annotated[Path, typer.Argument(help="A CSV file with a header line, in UTF-8.")],
    table: Annotated[
        str, typer.Option("--table", help="The new table's name.", show_default="the file's name")
    ] = "",
    match: Annotated[
        str,
        typer.Option(
            "--match",
            metavar="core.TABLE.COLUMN=COLUMN",
            help="Have a column of identities masked as the replica's column is.",
        ),
    ] = "",
    purpose: Annotated[
        str, typer.Option("--purpose", "-p", help="What for.", show_default="the sandbox's purpose")
    ] = "",
) -> Returned:
    """Load a CSV file into a new table of the lab. Real identities are refused."""
    from sandbox.usecases.importing import ImportRequest

    return ImportRequest(
        name=name, file=file.name, content=_read(file), table=table, match=match, purpose=purpose
    )


def export(
    name: Name,
    what: Annotated[
        str, typer.Argument(metavar="WHAT", help="A table of the lab, or a file below /work.")
    ],
    purpose: Annotated[str, typer.Option("--purpose", "-p", help="What for, in one sentence.")],
    to: Annotated[
        str,
        typer.Option("--to", help="A new file; - is stdout.", show_default="the same name, here"),
    ] = "",
    output: Printed = Output.TABLE,
) -> Returned:
    """Take a table or file out of a sandbox, if policy or somebody's yes lets it."""
    from sandbox.usecases.exporting import ExportRequest

    request = ExportRequest(name=name, what=what, purpose=purpose)
    if to != _STDOUT:
        return Asked(request, into=Path(to or _own_name(what)))
    if output == Output.JSON:
        raise InvalidInput(
            "Both the file and the result in JSON would go to stdout.",
            subject="--to -",
            hint="Name a file, or leave out -o json.",
        )
    return Asked(request, aside=True)


def _own_name(what: str) -> str:
    path = PurePosixPath(what.strip())
    return path.name if path.is_absolute() and path.name else f"{what.strip().split('.')[-1]}.csv"


def _read(file: Path) -> bytes:
    from sandbox.usecases.importing import IMPORT_LIMIT

    try:
        with file.open("rb") as stream:
            return stream.read(IMPORT_LIMIT + 1)
    except OSError as error:
        raise InvalidInput(
            f"The file cannot be read: {error.strerror}.",
            subject=str(file),
            hint="Name a CSV file that is there, and that you may read.",
        ) from error
