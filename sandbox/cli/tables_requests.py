"""What people see of requests that wait for somebody's yes."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sandbox.cli.blocks import Block, Grid, Line, amount, cell, counted, named

if TYPE_CHECKING:
    from sandbox.core.asks import Ask, DataAsk, ExportAsk, MatchAsk
    from sandbox.usecases.asks import RequestListResult, RequestResult

_CUT = frozenset({"what for"})


def _list(result: "RequestListResult") -> list[Block]:
    if not result.asks:
        return [Line("Nothing waits.")]
    grid = Grid(("id", "kind", "subject", "state", "asked by", "until", "what for"), cut=_CUT)
    for view in result.asks:
        a = view.ask
        by = a.asked_by.name
        grid.rows.append(
            (a.id, a.kind, _subject(a), view.state.value, by, _until(a.due), a.purpose)
        )
    return [grid]


def _until(due: datetime) -> str:
    """Return until when; the end of a day, which is the next one's midnight, as that day."""
    local = due.astimezone()
    at_midnight = (local.hour, local.minute, local.second) == (0, 0, 0)
    return f"{local - timedelta(days=1):%Y-%m-%d}" if at_midnight else cell(due)


def _subject(ask: "Ask") -> str:
    """Return what is asked for, or of which sandbox; a source alone would tell too little."""
    content = ask.content
    if content.kind != "data":
        return ask.subject
    return ", ".join(f"{content.source}.{table}" for table in content.tables)


def _show(result: "RequestResult") -> list[Block]:
    view, ask = result.view, result.view.ask
    shown: list[Block] = [
        named("request", f"{ask.id}, {view.state.value}"),
        named("subject", ask.subject),
        *_CONTENT[ask.kind](ask.content),
        named("what for", ask.purpose),
        named("asked", f"{cell(ask.asked_at)} by {ask.asked_by.name} ({ask.asked_by.identity})"),
        named("until", f"{_until(ask.due)}; to be answered by: {', '.join(ask.roles)}"),
        *_decision(ask),
    ]
    shown += [named("done", result.outcome)] if result.outcome else []
    return [*shown, *(named("note", warning) for warning in result.warnings)]


def _decision(ask: "Ask") -> list[Block]:
    if ask.decision is None:
        return []
    by = ask.decision.by
    who = f"{cell(ask.decision.at)} by {by.name} ({by.identity})"
    return [named("answered", who), named("reason", ask.decision.reason)]


def _data(content: "DataAsk") -> list[Block]:
    grid = Grid(("table", "columns"))
    grid.rows.extend((name, ", ".join(columns)) for name, columns in content.tables.items())
    steps = ", ".join(f"{step} {who or '(nobody)'}" for step, who in content.steps)
    since = f", since {content.since}" if content.since else ""
    return [named("data", f"{content.source}{since}"), named("steps", steps), grid]


def _export(content: "ExportAsk") -> list[Block]:
    much = amount(content.rows, content.bytes)
    grid = Grid(("column", "found", "values"))
    grid.rows.extend((f.column, f.detector, f"{f.count:,}") for f in content.found)
    return [
        named("export", f"{content.what}, {much}, {content.data_class}"),
        named("sha-256", content.digest),
        *_columns(content),
        *_rules(content),
        *([grid] if grid.rows else []),
    ]


def _match(content: "MatchAsk") -> list[Block]:
    return [
        named("match", f"{content.file_column} of {content.file} with {content.column}"),
        named("into", f"lab.{content.table}, {counted(content.rows)}"),
        named("sha-256", content.digest),
        *_columns(content),
        *_rules(content),
    ]


def _columns(content: "ExportAsk | MatchAsk") -> list[Block]:
    return [named("columns", ", ".join(content.columns))] if content.columns else []


def _rules(content: "ExportAsk | MatchAsk") -> list[Block]:
    """Return the rules that ask for a yes, with what each says."""
    return [named("rule", said) for said in content.why or content.rules]


_CONTENT: dict[str, Callable[[Any], list[Block]]] = {
    "data": _data,
    "export": _export,
    "match": _match,
}
SHOWN: dict[str, Callable[[Any], list[Block]]] = {
    "RequestListResult": _list,
    "RequestResult": _show,
}
