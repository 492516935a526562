"""What people see of waivers: the list, and what is told of one beside its request."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sandbox.cli.blocks import Block, Grid, Line, cell, named

if TYPE_CHECKING:
    from sandbox.core.asks import Ask, WaiverAsk
    from sandbox.usecases.planning import PlanResult
    from sandbox.usecases.waiving import WaiverListResult

_COLUMNS = ("id", "rule", "subject", "owner", "state", "ends", "approved by", "ticket", "reason")
_CUT = frozenset({"reason"})


def _list(result: "WaiverListResult") -> list[Block]:
    if not result.waivers:
        return [Line("No waiver waits or holds.")]
    grid = Grid(_COLUMNS, cut=_CUT)
    for view in result.waivers:
        ask, state = view.ask, view.state.value
        content: Any = ask.content
        by = ask.decision.by.name if ask.decision and state != "refused" else ""
        about = (ask.id, content.rule, ask.subject, content.owner, state, content.until)
        grid.rows.append((*about, by, content.ticket, ask.purpose))
    return [grid]


def exemption(result: "PlanResult") -> list[Line]:
    """Return how to ask to be exempt from what denies a plan, where that is possible."""
    denied = result.answer == "denied" and not result.why
    return [Line(hint, style="dim", raw=True) for hint in result.hint.splitlines() if denied]


def content(waiver: "WaiverAsk") -> list[Block]:
    """Return the rule, how it was last broken, whom the waiver is for, and until when."""
    said = [waiver.said.en, waiver.said.ja] if waiver.said else []
    ticket = [named("ticket", waiver.ticket)] if waiver.ticket else []
    whose = f"a {waiver.what} of {waiver.owner}"
    return [
        named("rule", f"{waiver.rule}: {waiver.title.en} / {waiver.title.ja}"),
        *(named("said", sentence) for sentence in said),
        named("for", f"{whose}, until {cell(waiver.until)}, whatever the value"),
        *ticket,
    ]


def revoked(ask: "Ask") -> list[Block]:
    """Return who took it back, and why; nothing where nobody did."""
    if ask.revoked is None:
        return []
    by = ask.revoked.by
    who = f"{cell(ask.revoked.at)} by {by.name} ({by.identity})"
    return [named("revoked", who), named("reason", ask.revoked.reason)]


SHOWN: dict[str, Callable[[Any], list[Block]]] = {"WaiverListResult": _list}
