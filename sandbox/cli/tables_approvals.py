"""What people see of sandboxes that wait for somebody's yes, and of the answers."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sandbox.cli.blocks import Block, Line, cell, named, typed, weekday
from sandbox.cli.tables_leases import answering

if TYPE_CHECKING:
    from sandbox.core.approval import Wanted
    from sandbox.core.asks import AskDecision
    from sandbox.usecases.approvals import ApproveResult, RejectResult


def waiting(waits: "Wanted | None") -> list[Line]:
    """Return whose yes something waits for, or would, until when, and how it is given."""
    if waits is None:
        return []
    until = f", until {weekday(waits.until)}" if waits.until else ""
    request = f" (request {waits.request})" if waits.request else ""
    who = ", ".join(waits.approvers)
    shown = [named("waits", f"for a yes of {waits.words}{request}{until}", style="yellow")]
    shown += [named("who can", who)] if who else []
    shown += [said(yes) for yes in waits.given]
    if waits.request:
        # By its id: what waits under the name when the answer comes may be something else.
        shown.append(typed("yes", f"sandbox approve {waits.request} --reason WHY"))
        shown.append(typed("no", f"sandbox reject {waits.request} --reason WHY"))
    return [*shown, *(named("note", note) for note in waits.notes)]


def said(yes: "AskDecision") -> Line:
    """Return the line about one yes that was given: by whom, when, for which rules, and why."""
    rules = f" ({', '.join(yes.rules)})" if yes.rules else ""
    instead = f" for {', '.join(yes.deputy_for)}" if yes.deputy_for else ""
    return named("approved", f"by {yes.by.name}{instead}, {cell(yes.at)}{rules}: {yes.reason}")


def _approve(result: "ApproveResult") -> list[Block]:
    view = result.sandbox
    notes = [named("note", note) for note in result.notes]
    if result.waits:
        left = result.waits.model_copy(update={"notes": ()})
        return [*waiting(left), *notes]
    done = f"{view.name}, for {view.owner}, in {result.seconds:.1f} s"
    return [named("approved", done), answering("ready", view), *notes]


def _reject(result: "RejectResult") -> list[Block]:
    view = result.sandbox
    notes = [named("note", note) for note in result.notes]
    return [named("rejected", f"{view.name}, of {view.owner}: {view.reason}"), *notes]


SHOWN: dict[str, Callable[[Any], list[Block]]] = {
    "ApproveResult": _approve,
    "RejectResult": _reject,
}
