"""A first source file, drafted from a live source, for people to review before it is used."""

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from sandbox.core.connection import Connection, place_of
from sandbox.core.drafted import as_source, as_text, doubted_marks, sorted_out
from sandbox.core.drafting import DraftTable, drafted
from sandbox.core.errors import Conflict, InvalidInput
from sandbox.core.masking import described
from sandbox.core.ports import Context
from sandbox.core.source import DataClass, Owners, Source
from sandbox.core.survey import Survey
from sandbox.core.text import check_name, clean, closest
from sandbox.core.values import Request, Result, Value
from sandbox.usecases.desk import answers
from sandbox.usecases.live import asking_live
from sandbox.usecases.recording import record

_CONNECTION: TypeAdapter[Connection] = TypeAdapter(Connection)
_TYPES = tuple(
    name
    for kind in get_args(get_args(Connection)[0])
    for name in get_args(kind.model_fields["type"].annotation)
)
# What is typed for a key of the connection, where that is not simply its name.
_SPELLED = {
    "--files": "--file TABLE=FILE",
    "--file": "--file FILE",
    "--password": "--password-env, -file or -secret",
}


class DraftedColumn(Value):
    """What is proposed for a column, and why."""

    name: str
    data_class: DataClass
    mask: str
    why: str


class DraftedTable(Value):
    """A table of a draft, of which so many rows were looked at.

    `left_out` says why no source file can list it; it is not in the draft then.
    """

    name: str
    rows: int
    columns: tuple[DraftedColumn, ...] = ()
    left_out: str = ""


class DraftResult(Result):
    """A drafted source; `file` is where it lies in the home, "" if it went elsewhere.

    `warnings` tell what was probably read in another way than it was written.
    """

    name: str
    place: str
    file: str
    tables: tuple[DraftedTable, ...]
    warnings: tuple[str, ...] = ()


class DraftSourceRequest(Request[DraftResult]):
    """Ask for a draft of `sources/NAME.yaml`; `beside` for its text beside the result, instead.

    `connection` is what the file says of it, in its own keys; if empty, the connection of the
    source that there is. With `tables`, only those are looked at.
    """

    name: str
    connection: dict[str, Any]
    tables: tuple[str, ...] = ()
    extract: str = ""
    transform: str = ""
    beside: bool = False


@answers(DraftSourceRequest)
def draft(context: Context, request: DraftSourceRequest) -> DraftResult:
    """Look at a bounded sample of the live source and write what is proposed for each column.

    Raises Conflict where there is a source file already, InvalidInput where nothing could be
    listed, Denied where the login could write.
    """
    check_name(request.name)
    there = request.name in context.catalogue.sources()
    if there and not request.beside:
        raise Conflict(
            "This source has a file already, which a draft never replaces.",
            subject=_file(request.name),
            hint=f"Write the draft elsewhere and compare: sandbox source draft {request.name} "
            "--to FILE",
        )
    begun = _begun(context, request, there=there)
    found = surveyed(context, begun, request.tables)
    kept, left = sorted_out(begun.name, begun.connection, begun.owners, drafted(found))
    doubts = tuple(clean(doubt) for doubt in doubted_marks(begun.connection, found))
    _refuse_nothing(begun, found, left, doubts)
    source = as_source(begun.name, begun.connection, begun.owners, kept)
    text = as_text(source, kept, _said(context, begun, left))
    place, file = place_of(begun.connection), "" if request.beside else _file(begun.name)
    with context.registry.writing() as tx:
        record(context, tx, "source.drafted", begun.name, tables=[*kept], place=place, file=file)
        # Last: what the disk refuses is not on record either.
        if request.beside:
            context.progress.output("file", text.encode())
        else:
            context.files.add(file, text)
    return DraftResult(
        name=begun.name,
        place=place,
        file=file,
        tables=(
            *(_table(name, table) for name, table in kept.items()),
            *(DraftedTable(name=n, rows=0, left_out=why) for n, why in left.items()),
        ),
        warnings=doubts,
    )


def surveyed(context: Context, source: Source, tables: tuple[str, ...]) -> Survey:
    """Return what the live source looks like, of `tables` if any; the password is found first."""
    password = context.keys.password(source)
    context.progress.say("source", f"Looking at {place_of(source.connection)}")
    with asking_live(context):
        return context.reader.survey(source, password, tables, context.progress)


def _begun(context: Context, request: DraftSourceRequest, *, there: bool) -> Source:
    """Return the source as far as it is known: no table yet."""
    actor = context.actor.name
    if there and not request.connection:
        known = context.catalogue.source(request.name)
        connection, owners = known.connection, known.owners
    else:
        connection = _connection(request.connection)
        owners = Owners(extract=actor, transform=actor)
    asked = {"extract": request.extract, "transform": request.transform}
    owners = owners.model_copy(update={step: who for step, who in asked.items() if who})
    return as_source(request.name, connection, owners, {})


def _connection(given: Mapping[str, Any]) -> Connection:
    """Return the connection that options name; raises InvalidInput naming the first wrong one."""
    kind = given.get("type", "")
    if kind not in _TYPES:
        said = f"There is no such type of source.{closest(kind, _TYPES)}" if kind else "No type."
        raise InvalidInput(said, subject="--type", hint=f"Types: {', '.join(_TYPES)}")
    try:
        return _CONNECTION.validate_python(given)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
    # The first part of a place is the type, which people did not write there.
    option = "--" + "-".join(str(part) for part in problem["loc"][1:2])
    option = _SPELLED.get(option, option)
    told = {"missing": "is missing", "extra_forbidden": "is not for this type of source"}
    why = told.get(problem["type"], problem["msg"].removeprefix("Value error, "))
    raise InvalidInput(
        f"{option} {clean(why)}.",
        subject=f"a source of type {kind}",
        hint="See: sandbox source draft --help, and docs/sources.md",
    )


def _refuse_nothing(
    source: Source, found: Survey, left: Mapping[str, str], doubts: tuple[str, ...]
) -> None:
    if len(left) < len(found.tables):
        return
    why = "; ".join(f"{table}: {reason}" for table, reason in left.items())
    raise InvalidInput(
        f"There is no table to list ({clean(why)})." if why else "There is no table to read.",
        subject=f"{source.name} ({place_of(source.connection)})",
        hint="\n".join(doubts)
        or "Let the source's owner grant SELECT on the wanted tables, or on views of them.",
    )


def _said(context: Context, source: Source, left: Mapping[str, str]) -> list[str]:
    when = context.now().astimezone().strftime("%Y-%m-%d %H:%M")
    return [
        f"Drafted {when} by {context.actor.name} from {place_of(source.connection)}.",
        *(f"Left out, table {table}: {why}" for table, why in left.items()),
    ]


def _file(name: str) -> str:
    return f"sources/{name}.yaml"


def _table(name: str, table: DraftTable) -> DraftedTable:
    return DraftedTable(
        name=name,
        rows=table.rows,
        columns=tuple(
            DraftedColumn(
                name=column,
                data_class=proposed.rule.data_class,
                mask=described(proposed.rule.mask),
                why=proposed.why,
            )
            for column, proposed in table.columns.items()
        ),
    )
