"""What people see of requests that wait for somebody's yes."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sandbox.cli import tables_approvals, tables_waivers
from sandbox.cli.blocks import Block, Grid, Line, amount, cell, counted, named, typed
from sandbox.core.approval import lacking, spoken
from sandbox.core.lease import spoken as spoken_span

if TYPE_CHECKING:
    from sandbox.core.asks import Ask, CreateAsk, DataAsk, ExportAsk, MatchAsk, SnapshotAsk
    from sandbox.usecases.asks import RequestListResult, RequestResult

_CUT = frozenset({"what for"})
# Where the commands to answer are not those for any request.
_ANSWERS = {"waiver": ("waiver approve", "waiver reject"), "create": ("approve", "reject")}


def _list(result: "RequestListResult") -> list[Block]:
    if not result.asks:
        return [Line("Nothing waits.")]
    grid = Grid(("id", "kind", "subject", "state", "asked by", "until", "what for"), cut=_CUT)
    for view in result.asks:
        a = view.ask
        by, until = a.asked_by.name, _until(a.ends or a.due)
        grid.rows.append((a.id, a.kind, _subject(a), view.state.value, by, until, a.purpose))
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
        *_due(ask),
        *_answering(result),
        *_decision(ask),
        *tables_waivers.revoked(ask),
    ]
    shown += [named("done", result.outcome)] if result.outcome else []
    return [*shown, *(named("note", warning) for warning in result.warnings)]


def _due(ask: "Ask") -> list[Block]:
    """Return who should answer until when; of a waiver that was answered, its own end is told."""
    if ask.kind == "waiver" and ask.decision:
        return []
    if ask.kind == "snapshot" and ask.ends and ask.decision:
        return [named("holds", f"until {cell(ask.ends)}")]
    wants = lacking(ask.wants, ask.yeses) or ask.wants
    by = spoken(wants) if wants else ", ".join(ask.roles)
    return [named("until", f"{_until(ask.due)}; to be answered by: {by}")]


def _answering(result: "RequestResult") -> list[Block]:
    """Return who can answer what waits, and how."""
    ask = result.view.ask
    if result.view.state.value != "waiting":
        return []
    yes, no = _ANSWERS.get(ask.kind, ("request accept", "request refuse"))
    who = ", ".join(result.approvers)
    return [
        *([named("who can", who)] if who else []),
        typed("yes", f"sandbox {yes} {ask.id} --reason WHY"),
        typed("no", f"sandbox {no} {ask.id} --reason WHY"),
    ]


def _decision(ask: "Ask") -> list[Block]:
    shown: list[Block] = [tables_approvals.said(yes) for yes in ask.yeses if yes != ask.decision]
    if ask.decision is None:
        return shown
    by = ask.decision.by
    who = f"{cell(ask.decision.at)} by {by.name} ({by.identity})"
    return [*shown, named("answered", who), named("reason", ask.decision.reason)]


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


def _create(content: "CreateAsk") -> list[Block]:
    spec = content.spec
    shown: list[Block] = [
        named("create", f"{spec.template} {spec.template_version} on {spec.snapshot}"),
        named("lives", spoken_span(timedelta(minutes=spec.ttl_minutes))),
    ]
    shown += [named("outside", ", ".join(spec.egress))] if spec.egress else []
    return [*shown, *_rules(content)]


def _snapshot(content: "SnapshotAsk") -> list[Block]:
    only = f", for experiment {content.experiment} alone" if content.experiment else ""
    return [
        named("snapshots", f"of {content.source}{only}, {content.label}, {content.days} days"),
        named("classes", ", ".join(content.classes)),
        named("masks", f"{content.digest[:16]}… (sandbox source show {content.source})"),
        *_rules(content),
    ]


def _rules(content: "ExportAsk | MatchAsk | CreateAsk | SnapshotAsk") -> list[Block]:
    """Return the rules that ask for a yes, with what each says."""
    return [named("rule", said) for said in content.why or content.rules]


_CONTENT: dict[str, Callable[[Any], list[Block]]] = {
    "data": _data,
    "export": _export,
    "match": _match,
    "waiver": tables_waivers.content,
    "create": _create,
    "snapshot": _snapshot,
}
SHOWN: dict[str, Callable[[Any], list[Block]]] = {
    "RequestListResult": _list,
    "RequestResult": _show,
}
