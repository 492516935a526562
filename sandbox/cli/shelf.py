"""data: the tables that sandboxes see, as marketers meet them."""

from typing import Annotated

import typer

from sandbox.cli.asking import Returned, command


def add_to(app: typer.Typer) -> None:
    """Register the noun."""
    data = typer.Typer(help="The tables that sandboxes see.", no_args_is_help=True)
    command(data, "list", list_tables)
    command(data, "show", show)
    command(data, "request", want)
    app.add_typer(data, name="data", rich_help_panel="Sandboxes")


def list_tables() -> Returned:
    """List tables: what each means, who owns it, its rows and how old they are."""
    from sandbox.usecases.shelf import ListTablesRequest

    return ListTablesRequest()


def show(
    table: Annotated[str, typer.Argument(help="A table: customers, or core.customers.")],
) -> Returned:
    """Show one table: what its columns mean, how each is masked, examples."""
    from sandbox.usecases.shelf import ShowTableRequest

    return ShowTableRequest(table=table)


def want(
    table: Annotated[str, typer.Option(help="The table: core.customers, listed or not.")],
    column: Annotated[list[str], typer.Option(help="A column of it; again and again.")],
    purpose: Annotated[str, typer.Option(help="What for; shown to whoever answers.")],
    due: Annotated[str, typer.Option(help="The day until which it is wanted: 2026-12-31.")],
    since: Annotated[str, typer.Option(help="Rows from this day on: 2026-01-01.")] = "",
    extract_by: Annotated[
        str, typer.Option(help="Who extracts.", show_default="the source's owner")
    ] = "",
    transform_by: Annotated[
        str, typer.Option(help="Who masks.", show_default="the source's owner")
    ] = "",
    analyse_by: Annotated[str, typer.Option(help="Who analyses.", show_default="you")] = "",
) -> Returned:
    """Ask the data's owner for columns that sandboxes do not see yet."""
    from sandbox.usecases.wanting import WantColumnsRequest

    return WantColumnsRequest(
        purpose=purpose,
        table=table,
        columns=tuple(column),
        since=since,
        due=due,
        extract=extract_by,
        transform=transform_by,
        analyse=analyse_by,
    )
