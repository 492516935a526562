"""What people see of one sandbox; and of the policy and replica that `plan` and `up` tell too."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sandbox.cli import (
    tables_approvals,
    tables_cost,
    tables_egress,
    tables_fresh,
    tables_kept,
    tables_quotas,
    tables_replica,
)
from sandbox.cli.blocks import Block, Grid, Line, cell, typed
from sandbox.cli.blocks import named as _named
from sandbox.cli.tables_leases import answering, standing
from sandbox.core.text import clean

if TYPE_CHECKING:
    from sandbox.core.freshness import Freshness
    from sandbox.core.lifecycle import Steps
    from sandbox.core.policy import Decision
    from sandbox.core.snapshot import Snapshot
    from sandbox.usecases.resetting import ResetResult
    from sandbox.usecases.sandboxes import Part, ShowResult
    from sandbox.usecases.views import SandboxView

_INDENT = " " * 10


def findings(decision: "Decision") -> list[Block]:
    """Return every rule that does not hold: value, limit, fix, and who can waive it."""
    shown: list[Block] = []
    for found in decision.findings:
        title = f"{clean(found.title.en)} / {clean(found.title.ja)}"
        waiver = f"  waiver by: {found.waived_by} (role)" if found.waived_by else ""
        waiver += f"  approval by: {', '.join(found.approval)} (role)" if found.approval else ""
        waiver = f"  waiver: {found.waiver}" if found.waiver else waiver
        mode = "waived" if found.waiver else "approve" if found.approval else found.mode
        shown += [
            Line(f" {title}", label=f"  {mode:<8}{found.rule}"),
            Line(clean(found.sentence.en), label=_INDENT),
            Line(clean(found.sentence.ja), label=_INDENT),
            Line(f"fix: {clean(found.fix.en)}{waiver}", label=_INDENT),
            Line(f"対処: {clean(found.fix.ja)}", label=_INDENT),
        ]
    return shown


def parameters(values: Mapping[str, object]) -> str:
    """Return parameters as one line; those without a value are left out."""
    return ", ".join(f"{name}={value}" for name, value in values.items() if value != "")


def replica(snapshot: "Snapshot", age: "Freshness | None" = None) -> Line:
    """Return the line about the replica, with the age of its data; its snapshot must be built."""
    manifest = snapshot.manifest
    assert manifest is not None
    return _named(
        "replica",
        f"{snapshot.id}, {len(manifest.tables)} tables, {manifest.rows:,} rows, masked, read-only, "
        f"data as of {cell(manifest.data_as_of)}{f', {age.words}' if age else ''}",
    )


def policy(decision: "Decision", steps: "Steps") -> Line:
    """Return the line that says how many rules hold, and who answers for each step."""
    who = f"extract {steps.extract}, transform {steps.transform}, analyse {steps.analyse}"
    waived = sum(result == "waived" for result in decision.results.values())
    held = f"{decision.held} of {decision.evaluated} rules hold"
    return _named("policy", f"{held}{f', {waived} waived' if waived else ''}; steps: {who}")


def holder(view: "SandboxView", said: str) -> str:
    """Return what is `said` of owner or purpose; one that waits in the pool has neither."""
    return "pool" if view.state == "pooled" else said


def _show(result: "ShowResult") -> list[Block]:
    s = result.sandbox
    shown: list[Block] = [
        _named("sandbox", f"{s.name} ({s.id}), {s.state}"),
        _named("purpose", holder(s, s.purpose)),
        _named("owner", holder(s, s.owner)),
        _named("template", f"{s.template} {s.template_version}"),
    ]
    if result.decision:
        shown += [policy(result.decision, s.steps), *findings(result.decision)]
        shown += tables_cost.cost(result.decision)
    shown += tables_approvals.waiting(result.waits)
    if not result.waits:
        shown += map(tables_approvals.said, result.yeses)
    if result.replica and result.replica.manifest:
        shown.append(replica(result.replica, result.age))
    shown += tables_fresh.newer(s)
    shown += tables_replica.lent(s, result.replica)
    if s.parameters:
        shown.append(_named("set", parameters(s.parameters)))
    shown += [*tables_egress.reached(s.egress), *tables_cost.lane(s)]
    if s.reason:
        shown.append(_named("reason", s.reason))
    if s.url:
        shown.append(answering("ready", s))
    shown += [*([] if result.waits else tables_quotas.disk(s)), *standing(s)]
    shown += _idle(result)
    can = [command for command in _commands(s) if command not in result.withheld]
    shown += [_named("you can", ", ".join(can))] if can else []
    shown += _explained(result)
    shown += tables_kept.ending(result)
    if result.unseen:
        said = f"{result.unseen} This is what is on record."
        shown.append(_named("engine", said, style="yellow"))
    if result.parts:
        shown.append(_parts(result.parts))
    return [*shown, *tables_egress.asked_for(result)]


def _explained(result: "ShowResult") -> list[Block]:
    """Return where to read what would pass instead of what was denied."""
    if result.decision is None or result.decision.verdict != "deny":
        return []
    if result.sandbox.state != "denied" or "policy explain" in result.withheld:
        return []
    return [typed("instead", f"sandbox policy explain {result.sandbox.name}")]


def _idle(result: "ShowResult") -> list[Block]:
    """Return the rules by which its owner was warned that nobody uses it, and what follows."""
    if result.idle is None:
        return []
    denies = result.idle.verdict == "deny"
    follows = "the reaper freezes it" if denies else "it runs on; this rule only warns"
    return [*findings(result.idle), _named("idle", f"unless it is used: {follows}")]


def _parts(parts: "Sequence[Part]") -> Grid:
    grid = Grid(("part", "kind", "runs", "name"))
    for part in parts:
        runs = ("yes" if part.running else "no") if part.kind == "container" else ""
        grid.rows.append((part.role, part.kind, runs, part.name))
    return grid


def _commands(view: "SandboxView") -> list[str]:
    """Return the commands that make sense now, as people type them."""
    inside = ["open", "sql", "import", "export", "exec", "logs"] if view.state == "ready" else []
    inside += ["logs"] if view.state in ("frozen", "expired") else []
    leases = [
        a for a in ("extend", "restore", "reset", "freeze", "resume") if a in view.allowed_actions
    ]
    return [*inside, *leases, "down" if "down" in view.allowed_actions else "up"]


def _reset(result: "ResetResult") -> list[Block]:
    view, same = result.sandbox, result.before == result.replica.id
    said = "its tool was made anew" if same else f"from {result.before} to {result.replica.id}"
    shown: list[Block] = [
        policy(result.decision, view.steps),
        *findings(result.decision),
        replica(result.replica, result.age),
        _named("reset", f"{view.name}: {said}, in {result.seconds:.1f} s"),
        _named("kept", "lab and work" if result.lab else "work"),
    ]
    if view.url:
        shown.append(answering("ready", view))
    return shown


SHOWN: dict[str, Callable[[Any], list[Block]]] = {"ShowResult": _show, "ResetResult": _reset}
