"""Data as marketers meet it: which tables sandboxes see, what they mean, and what is masked how."""

from sandbox.core.errors import InvalidInput, NotFound, SandboxError
from sandbox.core.freshness import Freshness
from sandbox.core.ports import Context
from sandbox.core.snapshot import Manifest, Snapshot, TableCopy
from sandbox.core.source import DataClass, Owners, Source, Table
from sandbox.core.text import clean, closest
from sandbox.core.values import Request, Result, Value
from sandbox.core.wording import in_words
from sandbox.usecases.ages import age_of
from sandbox.usecases.desk import answers
from sandbox.usecases.sources import newest_ready


class TableLine(Value):
    """A table in a list: `core.customers`. `rows`, `snapshot` and `age` are of the newest snapshot.

    `snapshot` is "" while no snapshot holds the table; `chosen` says which rows it holds, "" for
    all.
    """

    name: str
    meaning: str
    owners: Owners | None
    rows: int | None
    chosen: str
    snapshot: str
    age: Freshness | None


class TableListResult(Result):
    """The tables of all sources; `faults` are what is wrong with their files."""

    tables: tuple[TableLine, ...]
    faults: tuple[str, ...] = ()


class ListTablesRequest(Request[TableListResult]):
    """Ask which tables there are."""


class ShownColumn(Value):
    """A column of a table, with its mask in plain words and values as sandboxes see them."""

    name: str
    type: str
    data_class: DataClass
    mask: str
    meaning: str
    examples: tuple[str, ...]


class TableShownResult(Result):
    """One table; `not_copied` are columns that the source has and sandboxes do not see."""

    table: TableLine
    columns: tuple[ShownColumn, ...]
    not_copied: tuple[str, ...]


class ShowTableRequest(Request[TableShownResult]):
    """Ask for one table, by its name or by `source.table`."""

    table: str


class _Shelf(Value):
    """The tables of one source: as its file lists them today, and as its newest snapshot has them.

    `built` are those that the snapshot was built by; without a file that can be read, so are
    `rules`.
    """

    name: str
    owners: Owners | None
    rules: dict[str, Table]
    built: dict[str, Table]
    newest: Snapshot | None
    age: Freshness | None
    fault: str

    def copy_of(self, table: str) -> TableCopy | None:
        """Return the table as the newest snapshot has it."""
        manifest = self.newest.manifest if self.newest else None
        found = manifest.tables if manifest else ()
        return next((copy for copy in found if copy.name == table), None)


@answers(ListTablesRequest)
def list_tables(context: Context, request: ListTablesRequest) -> TableListResult:
    """Return the tables of every source, also those that no snapshot holds yet."""
    shelves = _shelves(context)
    return TableListResult(
        tables=tuple(_line(shelf, table) for shelf in shelves for table in shelf.rules),
        faults=tuple(shelf.fault for shelf in shelves if shelf.fault),
    )


@answers(ShowTableRequest)
def show(context: Context, request: ShowTableRequest) -> TableShownResult:
    """Return one table; raises NotFound with the nearest name, InvalidInput if it means several."""
    shelf, name = _found(_shelves(context), request.table)
    # What sandboxes see was made by the rules of that day.
    copy, rules = shelf.copy_of(name), shelf.built.get(name) or shelf.rules[name]
    known = {column.name: column for column in copy.columns} if copy else {}
    shown = [c for c, rule in rules.columns.items() if rule.mask.method != "drop"]
    return TableShownResult(
        table=_line(shelf, name),
        columns=tuple(
            ShownColumn(
                name=column,
                type=known[column].type if column in known else rules.columns[column].type,
                data_class=rules.columns[column].data_class,
                mask=in_words(rules.columns[column].mask),
                meaning=_meaning(shelf, name, column) or rules.columns[column].meaning,
                examples=known[column].examples if column in known else (),
            )
            for column in shown
        ),
        not_copied=tuple(c for c in _listed(shelf, name, rules) if c not in shown),
    )


def _shelves(context: Context) -> list[_Shelf]:
    with context.registry.reading() as tx:
        built = {snapshot.source for snapshot in tx.snapshots()}
    names = sorted({*context.catalogue.sources(), *built})
    return [shelf for name in names if (shelf := _shelf(context, name)).rules or shelf.fault]


def _shelf(context: Context, name: str) -> _Shelf:
    newest = newest_ready(context, name)
    source, fault = _source(context, name)
    built = _built_by(newest.manifest) if newest and newest.manifest else {}
    return _Shelf(
        name=name,
        owners=source.owners if source else None,
        rules={**built, **source.tables} if source else built,
        built=built,
        newest=newest,
        age=age_of(context, newest),
        fault=fault,
    )


def _source(context: Context, name: str) -> tuple[Source | None, str]:
    if name not in context.catalogue.sources():
        return None, ""
    try:
        return context.catalogue.source(name), ""
    except SandboxError as error:
        return None, error.message


def _built_by(manifest: Manifest) -> dict[str, Table]:
    rules = manifest.built_by()
    return {copy.name: rules[copy.name] for copy in manifest.tables if copy.name in rules}


def _meaning(shelf: _Shelf, table: str, column: str) -> str:
    """Return what the file says today that a column means."""
    found = shelf.rules[table].columns.get(column)
    return found.meaning if found else ""


def _listed(shelf: _Shelf, table: str, rules: Table) -> list[str]:
    """Return the columns that the source has, as far as its file and the snapshot tell."""
    return list(dict.fromkeys((*rules.columns, *shelf.rules[table].columns)))


def _line(shelf: _Shelf, table: str) -> TableLine:
    copy = shelf.copy_of(table)
    return TableLine(
        name=f"{shelf.name}.{table}",
        meaning=shelf.rules[table].meaning,
        owners=shelf.owners,
        rows=copy.rows if copy else None,
        chosen=copy.chosen if copy else "",
        snapshot=shelf.newest.id if shelf.newest and copy else "",
        age=shelf.age if copy else None,
    )


def _found(shelves: list[_Shelf], wanted: str) -> tuple[_Shelf, str]:
    known = {f"{s.name}.{table}": (s, table) for s in shelves for table in s.rules}
    fitting = [full for full, (_, table) in known.items() if wanted in (full, table)]
    if len(fitting) == 1:
        return known[fitting[0]]
    if fitting:
        raise InvalidInput(
            "Several sources have a table of this name.",
            subject=clean(wanted),
            hint=f"Name one of: {', '.join(fitting)}",
        )
    near = closest(wanted, known) or closest(wanted, (table for _, table in known.values()))
    raise NotFound(
        f"There is no such table.{near}", subject=clean(wanted), hint="See: sandbox data list"
    )
