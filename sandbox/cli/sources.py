"""source: the core systems, and what may leave them."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sandbox.cli.asking import Asked, Returned, command
from sandbox.core.errors import InvalidInput
from sandbox.core.text import clean

Name = Annotated[str, typer.Argument(help="The source's name: sources/NAME.yaml.")]

_TYPES = "postgres, mysql, mariadb, sqlite, csv, parquet, excel"
Type = Annotated[str, typer.Option("--type", help=f"What kind of source: {_TYPES}.")]
Host = Annotated[str, typer.Option(help="Of a server.")]
Port = Annotated[
    int | None, typer.Option(min=1, max=65535, help="Of a server.", show_default="its kind's own")
]
Database = Annotated[str, typer.Option(help="Of a server.")]
Schema = Annotated[str, typer.Option(help="Of PostgreSQL.", show_default="public")]
User = Annotated[str, typer.Option(help="A login that can only read.")]
PasswordEnv = Annotated[str, typer.Option(help="The password is in this environment variable.")]
PasswordFile = Annotated[str, typer.Option(help="The password is in this file below the home.")]
PasswordSecret = Annotated[str, typer.Option(help="The password is this Docker secret.")]
File = Annotated[
    list[str] | None,
    typer.Option(
        help="A file below the home: of sqlite and excel; TABLE=FILE, again and again, of csv "
        "and parquet."
    ),
]
Encoding = Annotated[str, typer.Option(help="Of csv.", show_default="utf-8")]
Delimiter = Annotated[str, typer.Option(help="Of csv.", show_default="a comma")]
Tables = Annotated[
    list[str] | None,
    typer.Option("--table", help="Look at this table only; again and again.", show_default="all"),
]
ExtractBy = Annotated[str, typer.Option(help="Who answers for the extract.", show_default="you")]
TransformBy = Annotated[str, typer.Option(help="Who answers for the masking.", show_default="you")]
To = Annotated[
    Path | None, typer.Option(help="A new file for the draft, instead of sources/NAME.yaml.")
]


def add_to(app: typer.Typer) -> None:
    """Register the noun."""
    source = typer.Typer(help="Core systems, and what may leave them.", no_args_is_help=True)
    command(source, "list", list_sources)
    command(source, "show", show)
    command(source, "check", check)
    command(source, "draft", draft)
    app.add_typer(source, name="source", rich_help_panel="For IT")


def list_sources() -> Returned:
    """List sources: where each is, its tables and classes, its last snapshot."""
    from sandbox.usecases.sources import ListSourcesRequest

    return ListSourcesRequest()


def show(name: Name) -> Returned:
    """Show one source: every column with class, mask and meaning."""
    from sandbox.usecases.sources import ShowSourceRequest

    return ShowSourceRequest(name=name)


def check(name: Name) -> Returned:
    """Compare a live source with its file; exit 4 if they differ or the login could write."""
    from sandbox.usecases.sources import CheckSourceRequest

    return CheckSourceRequest(name=name)


def draft(
    name: Name,
    type_: Type = "",
    host: Host = "",
    port: Port = None,
    database: Database = "",
    schema: Schema = "",
    user: User = "",
    password_env: PasswordEnv = "",
    password_file: PasswordFile = "",
    password_secret: PasswordSecret = "",
    file: File = None,
    encoding: Encoding = "",
    delimiter: Delimiter = "",
    tables: Tables = None,
    extract_by: ExtractBy = "",
    transform_by: TransformBy = "",
    to: To = None,
) -> Returned:
    """Look at a live source and write a first source file, for people to review.

    Without --type it is the connection of the source that there is, and --to is needed.
    """
    from sandbox.usecases.drafting import DraftSourceRequest

    password = {"env": password_env, "file": password_file, "secret": password_secret}
    connection: dict[str, Any] = {
        "type": type_,
        "host": host,
        "port": port,
        "database": database,
        "schema": schema,
        "user": user,
        "password": _given(password),
        "encoding": encoding,
        "delimiter": delimiter,
        **_files(file or []),
    }
    request = DraftSourceRequest(
        name=name,
        connection=_given(connection),
        tables=tuple(tables or ()),
        extract=extract_by,
        transform=transform_by,
        beside=to is not None,
    )
    return Asked(request, into=to)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given."""
    return {name: value for name, value in options.items() if value}


def _files(given: list[str]) -> dict[str, Any]:
    """Return one file as `file`, files by table as `files`; raises InvalidInput."""
    if len(given) == 1 and "=" not in given[0]:
        return {"file": given[0]}
    files: dict[str, str] = {}
    for one in given:
        table, _, path = one.partition("=")
        if not table or not path or table in files:
            raise InvalidInput(
                "Each table has a name and one file.",
                subject=f"--file {clean(one)}",
                hint="For example: --file customers=exports/customers.csv",
            )
        files[table] = path
    return {"files": files} if files else {}
