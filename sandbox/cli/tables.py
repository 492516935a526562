"""What people see of each result, as plain lines and grids. `render` gives them their looks."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sandbox.cli import (
    tables_approvals,
    tables_cost,
    tables_crossing,
    tables_egress,
    tables_explaining,
    tables_fresh,
    tables_glossary,
    tables_inbox,
    tables_kept,
    tables_leases,
    tables_people,
    tables_policy,
    tables_pool,
    tables_quotas,
    tables_reaping,
    tables_replica,
    tables_requests,
    tables_shelf,
    tables_show,
    tables_snapshots,
    tables_sources,
    tables_verifying,
    tables_waivers,
)
from sandbox.cli.blocks import Block, Grid, Line
from sandbox.cli.blocks import named as _named
from sandbox.cli.blocks import size as _size
from sandbox.cli.tables_leases import answering, left, line_stopped
from sandbox.cli.tables_show import findings, holder, parameters, policy, replica
from sandbox.core.lease import spoken

# Only their names: a command pays for the results of its own use case, not for all.
if TYPE_CHECKING:
    from sandbox.core.values import Result
    from sandbox.usecases.audit import AuditListResult, AuditVerifyResult
    from sandbox.usecases.homes import DoctorResult, InitResult, UninstallResult
    from sandbox.usecases.inside import ExecResult, LogsResult, SqlResult
    from sandbox.usecases.planning import PlanResult
    from sandbox.usecases.provisioning import UpResult
    from sandbox.usecases.sandboxes import DownResult, ListResult, OpenResult
    from sandbox.usecases.templates import (
        TemplateBuildResult,
        TemplateCheckResult,
        TemplateListResult,
        TemplateResult,
    )


def blocks(result: "Result") -> list[Block]:
    """Return what to show for `result`."""
    return _SHOWN[type(result).__name__](result)


def _bound(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _plan(result: "PlanResult") -> list[Block]:
    decision, cost = result.decision, result.forecast
    shown: list[Block] = [
        _named("plan", f"{result.name} {_answered(result)}"),
        _named("purpose", result.spec.purpose or "(none)"),
        policy(decision, result.spec.steps),
        *findings(decision),
        *tables_waivers.exemption(result),
        *tables_approvals.waiting(result.waits),
        replica(result.replica, result.age),
        *tables_replica.foreseen(result.postgres),
        _named(
            "lives", f"{spoken(timedelta(minutes=result.spec.ttl_minutes))} from when it is ready"
        ),
    ]
    shown += tables_cost.cost(decision)
    if result.spec.parameters:
        shown.append(_named("set", parameters(result.spec.parameters)))
    shown += [*tables_egress.reached(result.spec.egress), *tables_pool.foreseen(result.pool)]
    columns = ("container", "image", "there", "memory", "CPUs")
    grid = Grid(columns, cut=frozenset({"image"}))
    for c in result.containers:
        grid.rows.append(
            (c.part, c.image, "yes" if c.built else "to build", f"{c.memory_mb} MB", c.cpus)
        )
    seconds = (
        f"about {cost.seconds} s"
        if cost.seconds is not None
        else f"not known before the first {result.spec.template} is made"
    )
    postgres = result.postgres
    filling = ", filling PostgreSQL included" if postgres and not postgres.filled else ""
    seconds += filling if cost.seconds is not None else ""
    images = f", after building {cost.images_to_build} images" if cost.images_to_build else ""
    shown += [
        grid,
        _named("time", seconds + images),
        _named(
            "disk",
            f"replica {_size(cost.replica_bytes)} more (shares "
            f"{_size(cost.replica_shared_bytes)}), lab about {_size(cost.lab_bytes)}, "
            f"work and lab up to {cost.disk_mb:,} MB",
        ),
        *tables_quotas.quotas(result),
    ]
    return shown


def _answered(result: "PlanResult") -> str:
    if result.waits:
        return "waits for a yes" if result.waits.request else "would wait for a yes"
    refused = f"refused: {result.why.rstrip('.')}. {result.hint}" if result.why else ""
    said = refused or result.answer
    warned = ", with warnings" if (said, result.decision.verdict) == ("made", "warn") else ""
    return "runs already and would be returned" if said == "runs" else f"would be {said}{warned}"


def _up(result: "UpResult") -> list[Block]:
    view = result.sandbox
    return [
        policy(result.decision, view.steps),
        *findings(result.decision),
        replica(result.replica, result.age),
        *tables_egress.reached(view.egress),
        *tables_cost.cost(result.decision),
        *_there(result),
        *tables_inbox.counted(result.inbox),
    ]


def _there(result: "UpResult") -> list[Block]:
    """Return where it answers, or whose yes it waits for."""
    view = result.sandbox
    if result.waits:
        return [*tables_approvals.waiting(result.waits)]
    known = "" if result.created else "it runs already; "
    return [answering("ready", view, known), _named("open", f"sandbox open {view.name}")]


def _list(result: "ListResult") -> list[Block]:
    stopped = [*line_stopped(result.line), *tables_quotas.full(result.sandboxes)]
    stopped += tables_inbox.counted(result.inbox)
    stopped += tables_pool.listed(result.pooled)
    if not result.sandboxes:
        return [
            *stopped,
            Line("No sandboxes. Make one with: sandbox up NAME --template T --purpose WHY"),
        ]
    stopped += tables_fresh.listed(result.sandboxes)
    stopped += tables_cost.reviews(result.sandboxes)
    columns = ("name", "state", "left", "owner", "template", "purpose")
    grid = Grid(columns, cut=frozenset({"purpose"}))
    for s in result.sandboxes:
        grid.rows.append(
            (s.name, s.state, left(s), holder(s, s.owner), s.template, holder(s, s.purpose))
        )
    return [*stopped, grid]


def _open(result: "OpenResult") -> list[Block]:
    return [Line(result.link)]


def _down(result: "DownResult") -> list[Block]:
    if result.already:
        return [_named("gone", f"{result.name} is {result.already} already; nothing was left")]
    counts = ", ".join(
        f"{count} {kind}" + ("" if count == 1 else "s")
        for kind in ("container", "network", "volume")
        if (count := sum(p.kind == kind for p in result.removed))
    )
    what = f"{counts} and its route" if counts else "nothing was made of it"
    removed = f"{result.name}: {what}, in {result.seconds:.1f} s"
    return [_named("removed", removed), tables_kept.kept(result.kept, result.not_kept)]


def _sql(result: "SqlResult") -> list[Block]:
    return [Grid(result.columns, list(result.rows), cut=frozenset(result.columns))]


def _nothing(result: "ExecResult") -> list[Block]:
    return []


def _logs(result: "LogsResult") -> list[Block]:
    lines = [Line(line, raw=True) for line in result.lines]
    return [*lines, *tables_egress.requests(result)]


def _templates(result: "TemplateListResult") -> list[Block]:
    grid = Grid(("template", "version", "family", "for", "needs", "images"))
    for t in result.templates:
        ready = "there" if t.ready else "to build"
        grid.rows.append((t.name, t.version, t.family, t.title, ", ".join(t.needs), ready))
    return [grid]


def _template(result: "TemplateResult") -> list[Block]:
    t = result.template
    services = Grid(("service", "port", "memory", "CPUs", "processes"))
    for name, s in t.services.items():
        limits = s.limits
        services.rows.append((name, s.port, f"{limits.memory_mb} MB", limits.cpus, limits.pids))
    if t.lab:
        services.rows.append(("lab", 5432, f"{t.lab.memory_mb} MB", t.lab.cpus, t.lab.pids))
    parameters = Grid(("parameter", "type", "default", "from", "to", "meaning"))
    for name, p in t.parameters.items():
        parameters.rows.append((name, p.type, p.default, _bound(p.min), _bound(p.max), p.title.en))
    return [
        _named("template", f"{t.name} {t.metadata.version}, {t.metadata.family}"),
        _named("for", t.metadata.title.en),
        _named("", t.metadata.title.ja),
        Line(t.metadata.summary.en),
        Line(t.metadata.summary.ja),
        _named("needs", ", ".join(f"{t.needs.source}.{table}" for table in t.needs.tables)),
        _named(
            "images", f"{len(result.missing_images)} to build" if result.missing_images else "there"
        ),
        services,
        parameters,
    ]


def _template_built(result: "TemplateBuildResult") -> list[Block]:
    text = f"{len(result.built)} built, {len(result.images) - len(result.built)} were there"
    return [_named("images", f"{result.name}: {text}")]


def _template_checked(result: "TemplateCheckResult") -> list[Block]:
    verdict = "passed" if result.passed else "FAILED"
    shown = [_named("check", f"{result.name} {verdict} in {result.seconds:.1f} s")]
    return [*shown, *(Line(f"  {line}", raw=True) for line in result.lines)]


def _events(result: "AuditListResult") -> list[Block]:
    grid = Grid(("no.", "when", "event", "subject", "by", "reason"))
    for e in result.events:
        grid.rows.append((e.seq, e.at, e.code, e.subject, e.actor, e.reason))
    return [grid]


def _verified(result: "AuditVerifyResult") -> list[Block]:
    if result.broken:
        shown = [_named("broken", f"at event {result.broken.seq}: {result.broken.why}", "red")]
    else:
        shown = [_named("holds", f"{result.events:,} events, each follows the one before", "green")]
    if result.last:
        shown.append(_named("last", f"event {result.last.seq}, {result.last.hash}"))
    return [*shown, *(_named("note", w) for w in result.warnings)]


def _init(result: "InitResult") -> list[Block]:
    what = "made" if result.created else "is there already; nothing was changed"
    shown: list[Block] = [_named("home", f"{result.home} {what}")]
    if result.demo_rows:
        rows = ", ".join(f"{name} {count:,}" for name, count in result.demo_rows.items())
        shown.append(_named("demo core", f"PostgreSQL with {rows}"))
    return shown


def _doctor(result: "DoctorResult") -> list[Block]:
    grid = Grid(("check", "", "", "what to do"))
    grid.rows.extend([(c.name, c.status, c.said, c.fix) for c in result.checks])
    return [grid]


def _uninstalled(result: "UninstallResult") -> list[Block]:
    return [
        _named("removed", f"{len(result.removed)} objects of the engine; the home's files stay")
    ]


_SHOWN: dict[str, Callable[[Any], list[Block]]] = {
    "PlanResult": _plan,
    "UpResult": _up,
    "ListResult": _list,
    "OpenResult": _open,
    "DownResult": _down,
    "SqlResult": _sql,
    "ExecResult": _nothing,
    "LogsResult": _logs,
    "TemplateListResult": _templates,
    "TemplateResult": _template,
    "TemplateBuildResult": _template_built,
    "TemplateCheckResult": _template_checked,
    "PeopleResult": tables_people.listed,
    "InboxResult": tables_inbox.shown,
    "AuditListResult": _events,
    "AuditVerifyResult": _verified,
    "InitResult": _init,
    "DoctorResult": _doctor,
    "UninstallResult": _uninstalled,
    **tables_approvals.SHOWN,
    **tables_cost.SHOWN,
    **tables_crossing.SHOWN,
    **tables_explaining.SHOWN,
    **tables_fresh.SHOWN,
    **tables_glossary.SHOWN,
    **tables_kept.SHOWN,
    **tables_leases.SHOWN,
    **tables_policy.SHOWN,
    **tables_reaping.SHOWN,
    **tables_requests.SHOWN,
    **tables_shelf.SHOWN,
    **tables_show.SHOWN,
    **tables_snapshots.SHOWN,
    **tables_sources.SHOWN,
    **tables_verifying.SHOWN,
    **tables_waivers.SHOWN,
}
