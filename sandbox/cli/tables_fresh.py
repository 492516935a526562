"""What people see of the age of data, of newer snapshots, and of what is kept no longer."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sandbox.cli.blocks import Block, Grid, Line, dry_run, named, size

if TYPE_CHECKING:
    from sandbox.core.freshness import Freshness
    from sandbox.usecases.retaining import Pruned, PruneResult
    from sandbox.usecases.views import SandboxView


def aged(age: "Freshness | None") -> list[Block]:
    """Return the line that says how old data is, of what can still be used."""
    if age is None:
        return []
    return [named("age", age.words, style="yellow" if age.too_old else "")]


def newer(view: "SandboxView") -> list[Block]:
    """Return what `show` says of a newer snapshot, and of a reset that is under way."""
    shown: list[Block] = []
    if view.newer_snapshot:
        said = f"{view.newer_snapshot} is there: sandbox reset {view.name} --latest"
        shown.append(named("newer", said))
    if view.resetting:
        can = "reset" in view.allowed_actions
        finish = f"sandbox reset {view.name}" if can else "sandbox reap --apply"
        said = f"under way; if its command was cut off, this finishes it: {finish}"
        shown.append(named("reset", said, style="yellow"))
    return shown


def listed(views: "Sequence[SandboxView]") -> list[Line]:
    """Return the line of a list that names those for whom there is a newer snapshot."""
    names = [view.name for view in views if view.newer_snapshot]
    if not names:
        return []
    said = f"data for {', '.join(names)}: sandbox reset NAME --latest"
    return [named("newer", said)]


def _pruned(result: "PruneResult") -> list[Block]:
    rules = [named("kept", f"{name}: {rule}") for name, rule in result.rules.items()]
    if not result.snapshots:
        none = "All snapshots are kept." if rules else _NO_RULE
        return [*rules, Line(none)]
    grid = Grid(("snapshot", "size", "why", "outcome"), cut=frozenset({"why"}))
    grid.rows.extend(
        (each.id, size(each.bytes), each.why, _became(each)) for each in result.snapshots
    )
    shown: list[Block] = [*rules, grid]
    if not result.applied and any(each.outcome == "to do" for each in result.snapshots):
        shown.append(dry_run("sandbox snapshot prune"))
    return shown


_NO_RULE = "All snapshots are kept: `snapshots` in sandbox.yaml does not say how many, or how long."


def _became(each: "Pruned") -> str:
    if each.outcome == "held":
        return "stays: " + "; ".join(holder.words for holder in each.holders)
    return each.outcome + (f": {each.said}" if each.said else "")


SHOWN: dict[str, Callable[[Any], list[Block]]] = {"PruneResult": _pruned}
