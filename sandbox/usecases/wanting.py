"""Data that a source does not give yet: asked for by a marketer, drafted when its owner says yes.

A yes changes nothing by itself. It writes a draft beside the source file, with the columns in
their place and a proposed mask for each; whoever owns the file reviews it and puts it into force.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta

from sandbox.core.amending import DRAFT
from sandbox.core.asks import Ask, DataAsk
from sandbox.core.drafted import column_line, scalar
from sandbox.core.drafting import DraftColumn, drafted
from sandbox.core.errors import Conflict, InvalidInput
from sandbox.core.joins import Spot, groups, single_keys
from sandbox.core.lifecycle import Steps
from sandbox.core.masking import described
from sandbox.core.moments import end_of_day
from sandbox.core.ports import Context
from sandbox.core.relations import one_to_one
from sandbox.core.source import KEPT, Column, Mask, Source
from sandbox.core.survey import Survey
from sandbox.core.text import clean, closest
from sandbox.core.values import Request
from sandbox.usecases.asks import RequestResult, make_ask, told
from sandbox.usecases.desk import answers
from sandbox.usecases.drafting import surveyed

_ROLE = "data-owner"
# Of a column with such a mask nobody sees anything.
_NOTHING = ("drop", "null")


class WantColumnsRequest(Request[RequestResult]):
    """Ask the owner of a source for columns of one table, until the day `due` (2026-12-31).

    `table` is one of a source's, `core.customers`, listed or not; `since` a day. Steps that are
    left empty are answered for by the source's owners and by who asks.
    """

    purpose: str
    table: str
    columns: tuple[str, ...]
    since: str = ""
    due: str
    extract: str = ""
    transform: str = ""
    analyse: str = ""


@answers(WantColumnsRequest)
def want(context: Context, request: WantColumnsRequest) -> RequestResult:
    """Put the request on record, where it waits for the data's owner.

    Raises InvalidInput for what cannot be understood, Conflict when all of it is there already.
    """
    if not request.purpose.strip():
        hint = 'For example: --purpose "Which shops gain from the campaign in May?"'
        raise InvalidInput("Without a purpose nobody can say yes.", subject="--purpose", hint=hint)
    source, table = _meant(context, request.table)
    columns = tuple(dict.fromkeys(column for column in request.columns if column.strip()))
    notes = tuple(_notes(source, table, columns))
    since = _day("--since", request.since).isoformat() if request.since else ""
    content = DataAsk(
        source=source.name,
        tables={table: columns},
        since=since,
        steps=Steps(
            extract=request.extract or source.owners.extract,
            transform=request.transform or source.owners.transform,
            analyse=request.analyse or context.actor.name,
        ),
    )
    waits = _until(context.now(), request.due)
    with context.registry.writing() as tx:
        purpose = request.purpose.strip()
        ask = make_ask(
            context, tx, content, subject=source.name, purpose=purpose, roles=(_ROLE,), waits=waits
        )
    return told(context, ask, notes=notes)


def write_draft(context: Context, ask: Ask) -> str:
    """Write what is asked for into a draft of the source file; nothing is in force by that.

    Looks at the live source for the masks to propose. Raises InvalidInput for a table or column
    that it has not.
    """
    content = ask.content
    assert isinstance(content, DataAsk)
    source = context.catalogue.source(content.source)
    found = surveyed(context, source, tuple(dict.fromkeys((*content.tables, *source.tables))))
    wanted = {
        table: dict(_lines(source, found, table, columns, ask.id))
        for table, columns in content.tables.items()
    }
    text = context.catalogue.amended_source(source.name, wanted, list(_said(context, ask, content)))
    file = f"sources/{source.name}.{ask.id}{DRAFT}"
    try:
        context.files.add(file, text)
    except Conflict:
        return f"{file} was written before; it is not in force."
    return (
        f"{file} was written; it is not in force. Review it, put it in place of "
        f"sources/{source.name}.yaml, then: sandbox snapshot build {source.name}"
    )


def _meant(context: Context, wanted: str) -> tuple[Source, str]:
    """Return the source and the table that a name means; the table need not be listed."""
    known = context.catalogue.sources()
    prefix, _, rest = wanted.partition(".")
    if rest and prefix in known:
        return context.catalogue.source(prefix), rest
    sources = [context.catalogue.source(name) for name in known]
    having = [source for source in sources if wanted in source.tables] or sources
    if len(having) == 1:
        return having[0], wanted
    raise InvalidInput(
        "It is not clear which source is meant." + closest(prefix, known),
        subject=clean(wanted),
        hint=f"Write SOURCE.TABLE. Sources: {', '.join(known) or 'none'}",
    )


def _notes(source: Source, table: str, columns: tuple[str, ...]) -> Iterator[str]:
    """Yield what to know of the columns that are asked for; raises Conflict if all are there."""
    if not columns:
        raise InvalidInput("No column is named.", subject=table, hint="Write --column COLUMN")
    rules = source.tables[table].columns if table in source.tables else {}
    plain = [c for c in columns if c in rules and rules[c].mask.method in KEPT]
    if len(plain) == len(columns):
        raise Conflict(
            "Sandboxes see all of it already, as it is.",
            subject=f"{source.name}.{table}: {', '.join(plain)}",
            hint=f"See: sandbox data show {source.name}.{table}",
        )
    yield from (f"{column} is there already, as it is." for column in plain)
    if table not in source.tables:
        near = closest(table, source.tables)
        yield f"sources/{source.name}.yaml does not list a table {clean(table)}.{near}"
        return
    for column in columns:
        if column in rules and rules[column].mask.method not in (*KEPT, *_NOTHING):
            how = f"masked ({described(rules[column].mask)})"
            yield f"{column} is there already, {how}: sandbox data show {source.name}.{table}"
        if column not in rules:
            near = closest(column, rules)
            yield f"sources/{source.name}.yaml does not list {clean(f'{table}.{column}')}.{near}"


def _day(option: str, written: str) -> date:
    try:
        return date.fromisoformat(written)
    except ValueError:
        hint = "For example: 2026-12-31"
        raise InvalidInput("This is no day.", subject=f"{option} {written}", hint=hint) from None


def _until(now: datetime, due: str) -> timedelta:
    """Return how long it is until the end of the day `due`, where this machine stands."""
    day = _day("--due", due)
    try:
        # The machine's zone of that day, not of today: clocks are changed in between.
        left = end_of_day(day).astimezone(now.tzinfo) - now
    except (OverflowError, ValueError):
        hint = "Name a nearer one, for example: 2026-12-31"
        raise InvalidInput(
            "No day comes after this one.", subject=f"--due {due}", hint=hint
        ) from None
    if left <= timedelta():
        raise InvalidInput("This day is over.", subject=f"--due {due}", hint="Name one to come.")
    return left


def _said(context: Context, ask: Ask, content: DataAsk) -> Iterator[str]:
    yield f"Not in force: a draft with what {ask.id} asks for; accepted by {context.actor.name}."
    yield clean(f"Asked by {ask.asked_by.name}: {ask.purpose}")
    yield clean(", ".join(f"{step} {who}" for step, who in content.steps))
    if content.since:
        yield f"Rows are wanted since {content.since}: see `since` in docs/sources.md."


def _lines(
    source: Source, found: Survey, table: str, columns: tuple[str, ...], id: str
) -> Iterator[tuple[str, str]]:
    """Yield the lines of a table; where it is new, with its own name and all other columns."""
    drafts = drafted(found)[table].columns
    for column in columns:
        if column not in drafts:
            raise InvalidInput(
                f"The source has no such column.{closest(column, drafts)}",
                subject=clean(f"{source.name}: {table}.{column}"),
                hint=f'Say so: sandbox request refuse {id} --reason "..."',
            )
    if table not in source.tables:
        yield "", scalar(table)
    for column, draft in drafts.items():
        if column in columns:
            proposed = _proposed(source, found, (table, column), draft)
            yield column, column_line(column, proposed.rule, f"{id}: {proposed.why}")
        elif table not in source.tables:
            drop = draft.rule.model_copy(update={"mask": Mask(method="drop")})
            yield column, column_line(column, drop, f"{id}: not asked for")


def _proposed(source: Source, found: Survey, spot: Spot, draft: DraftColumn) -> DraftColumn:
    """Return what is proposed: as it is masked, or as what it joins is, already; else as drafted.

    A mask that was reviewed stays; only of a column that nobody sees another one is proposed.
    """
    rules = _rules(source)
    keys = single_keys(found)
    group = next((group for group in groups(found) if spot in group), frozenset())
    joined = sorted(group - {spot}, key=lambda other: (other not in keys, other))
    alike = next((other for other in joined if other in rules and one_to_one(rules[other])), None)
    rule, why = draft.rule, draft.why
    if alike:
        rule, why = rules[alike], f"as {alike[0]}.{alike[1]}, which it joins"
    if (listed := rules.get(spot)) is None:
        return DraftColumn(rule=_like(draft.rule, rule), why=why)
    if listed.mask.method in _NOTHING:
        why = f"was {_told(listed)}; {why}"
        return DraftColumn(rule=_like(listed, rule), why=why)
    same = (listed.data_class, listed.mask) == (rule.data_class, rule.mask)
    more = "" if same else f"; from what it holds it would be {_told(rule)} ({why})"
    return DraftColumn(rule=listed, why=f"asked for; its mask stays{more}")


def _like(said: Column, rule: Column) -> Column:
    """Return a column with another's class and mask; whatever else was said of it stays said."""
    return said.model_copy(update={"data_class": rule.data_class, "mask": rule.mask})


def _told(rule: Column) -> str:
    return f"{rule.data_class}, {described(rule.mask)}"


def _rules(source: Source) -> Mapping[Spot, Column]:
    return {(t, c): r for t, table in source.tables.items() for c, r in table.columns.items()}
