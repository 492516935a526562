"""Sources: list, show, check. What may leave each core system, and whether it is still so."""

from datetime import datetime

from sandbox.core.connection import place_of
from sandbox.core.drift import Drift, drift
from sandbox.core.errors import Denied, SandboxError, Unavailable
from sandbox.core.freshness import Freshness
from sandbox.core.masking import described
from sandbox.core.ports import Context
from sandbox.core.rows import rows_described
from sandbox.core.snapshot import Snapshot, SnapshotState
from sandbox.core.source import CLASSES, DataClass, Source
from sandbox.core.values import Request, Result, Value
from sandbox.usecases.ages import age_of
from sandbox.usecases.desk import answers
from sandbox.usecases.live import asking_live, types_before


class SourceLine(Value):
    """A source in a list; `fault` says what is wrong with its file, then most is empty.

    `snapshot` is the newest that is ready, `age` how old its data is.
    """

    name: str
    title: str = ""
    type: str = ""
    place: str = ""
    tables: int = 0
    classes: tuple[DataClass, ...] = ()
    snapshot: str = ""
    age: Freshness | None = None
    fault: str = ""


class SourceListResult(Result):
    """The sources of the home, by name."""

    sources: tuple[SourceLine, ...]


class ListSourcesRequest(Request[SourceListResult]):
    """Ask which sources there are."""


class SourceColumn(Value):
    """A column that may be copied; `mask` in the words of `masking.described`."""

    name: str
    data_class: DataClass
    mask: str
    meaning: str
    type: str


class SourceTable(Value):
    """A table that may be copied; `rows` says which of its rows, "" for all."""

    name: str
    meaning: str
    rows: str
    columns: tuple[SourceColumn, ...]


class SourceResult(Result):
    """One source as its file describes it; `password` is where that is found."""

    line: SourceLine
    password: str
    extract: str
    transform: str
    tables: tuple[SourceTable, ...]


class ShowSourceRequest(Request[SourceResult]):
    """Ask for one source."""

    name: str


class SourceCheckResult(Result):
    """How a live source differs from its file; `clean` if it does not.

    `user` is the login, "" for files; `login` is what it could write, `undo` what takes that back;
    `hidden` is what of the file it may not read, `grant` what mends that. With either, columns are
    not compared. `unlisted` are live tables that the file does not list: they are simply not
    copied.
    """

    name: str
    place: str
    clean: bool
    user: str = ""
    drift: Drift = Drift()
    login: tuple[str, ...] = ()
    undo: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    grant: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()
    tables: int = 0
    columns: int = 0


class CheckSourceRequest(Request[SourceCheckResult]):
    """Ask whether a live source is still what its file says."""

    name: str


@answers(ListSourcesRequest)
def list_sources(context: Context, request: ListSourcesRequest) -> SourceListResult:
    """Return every source, also those whose file is wrong."""
    return SourceListResult(sources=tuple(_listed(context, n) for n in context.catalogue.sources()))


@answers(ShowSourceRequest)
def show(context: Context, request: ShowSourceRequest) -> SourceResult:
    """Return one source: every column with class and mask."""
    source = context.catalogue.source(request.name)
    password = getattr(source.connection, "password", None)
    return SourceResult(
        line=_line(context, source),
        password=password.place if password else "",
        extract=source.owners.extract,
        transform=source.owners.transform,
        tables=_tables(source, context.now()),
    )


@answers(CheckSourceRequest)
def check(context: Context, request: CheckSourceRequest) -> SourceCheckResult:
    """Compare a live source with its file, as a build would; nothing is copied.

    Raises Unavailable when the source does not answer.
    """
    source = context.catalogue.source(request.name)
    context.progress.say("source", f"Reading the tables of {source.name}")
    try:
        password = context.keys.password(source)
        with asking_live(context):
            live = context.reader.columns(source, password)
    except (Denied, Unavailable) as error:
        return _unfit_login(source, error)
    found = drift(source, live, types_before(context, source.name))
    return SourceCheckResult(
        name=source.name,
        place=place_of(source.connection),
        clean=not found,
        user=getattr(source.connection, "user", ""),
        drift=found,
        unlisted=tuple(sorted(set(live) - set(source.tables))),
        tables=len(source.tables),
        columns=sum(len(table.columns) for table in source.tables.values()),
    )


def _unfit_login(source: Source, error: SandboxError) -> SourceCheckResult:
    """Return what a login has too much or too little; any other error is raised again."""
    told = error.details
    if isinstance(error, Unavailable) and not told.get("hidden"):
        raise error
    return SourceCheckResult(
        name=source.name,
        place=place_of(source.connection),
        clean=False,
        user=getattr(source.connection, "user", ""),
        login=told.get("could", ()),
        undo=told.get("undo", ()),
        hidden=told.get("hidden", ()),
        grant=told.get("grant", ()),
    )


def newest_ready(context: Context, source: str) -> Snapshot | None:
    """Return the newest snapshot of a source that sandboxes can see, None if there is none."""
    with context.registry.reading() as tx:
        found = [s for s in tx.snapshots(source) if s.state is SnapshotState.READY]
    return found[-1] if found else None


def _listed(context: Context, name: str) -> SourceLine:
    try:
        return _line(context, context.catalogue.source(name))
    except SandboxError as error:
        return SourceLine(name=name, fault=error.message)


def _line(context: Context, source: Source) -> SourceLine:
    newest = newest_ready(context, source.name)
    there = {c.data_class for table in source.tables.values() for c in table.columns.values()}
    return SourceLine(
        name=source.name,
        title=source.metadata.title,
        type=source.connection.type,
        place=place_of(source.connection),
        tables=len(source.tables),
        classes=tuple(c for c in CLASSES if c in there),
        snapshot=newest.id if newest else "",
        age=age_of(context, newest),
    )


def _tables(source: Source, now: datetime) -> tuple[SourceTable, ...]:
    return tuple(
        SourceTable(
            name=name,
            meaning=table.meaning,
            rows=rows_described(table, now),
            columns=tuple(
                SourceColumn(
                    name=column,
                    data_class=rule.data_class,
                    mask=described(rule.mask),
                    meaning=rule.meaning,
                    type=rule.type,
                )
                for column, rule in table.columns.items()
            ),
        )
        for name, table in source.tables.items()
    )
