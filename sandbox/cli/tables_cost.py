"""What people see of costs, of lanes and reviews, and of the two modes."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sandbox.cli.blocks import Block, Grid, Line, named, weekday
from sandbox.core.prices import money
from sandbox.core.text import clean

if TYPE_CHECKING:
    from sandbox.core.policy import Decision
    from sandbox.usecases.charging import CostResult
    from sandbox.usecases.modes import ModesResult
    from sandbox.usecases.reviewing import ReviewListResult, ReviewResult
    from sandbox.usecases.views import SandboxView


def cost(decision: "Decision") -> list[Block]:
    """Return what a request costs, who pays, and what is left of their budget; nothing if free."""
    found = decision.document.get("cost", {})
    if not found.get("amount") and not found.get("campaign"):
        return []
    payer = f"charged to {found['campaign']}" if found["campaign"] else "charged to no campaign"
    payer += f" ({found['team']})" if found["team"] else ""
    said = f"{_money(found, 'amount')} for its whole time, {payer}"
    return [named("cost", said), *_budget(found)]


def _budget(found: Mapping[str, Any]) -> list[Line]:
    if found["budget"] is None:
        return []
    spent = f"{_money(found, 'month')} of {_money(found, 'budget')}"
    return [named("budget", f"{found['team']}: {spent} this month with it, {found['percent']:g} %")]


def _money(found: Mapping[str, Any], what: str) -> str:
    return money(found[what], found["currency"])


def lane(view: "SandboxView") -> list[Line]:
    """Return what `show` says of who pays, and of the lane of one that was expedited."""
    shown = [named("campaign", view.campaign)] if view.campaign else []
    if not view.expedite:
        return shown
    shown.append(named("expedited", f"sponsored by {view.sponsor}"))
    if view.reviewed:
        return [*shown, named("reviewed", f"by {view.reviewed.by}: {view.reviewed.found}")]
    return [*shown, *reviews([view])]


def reviews(views: Iterable["SandboxView"]) -> list[Line]:
    """Return a line for each sandbox that waits for its review."""
    return [
        named(
            "review",
            f"{view.name}: due {weekday(view.review_due)}, by somebody else than {view.owner}: "
            f"sandbox review {view.name} --reason WHAT_CAME_OF_IT",
            style="yellow",
        )
        for view in views
        if view.review_due
    ]


def _waiting(result: "ReviewListResult") -> list[Block]:
    if not result.waiting:
        return [Line("Nothing that was expedited waits for a review.")]
    columns = ("name", "owner", "sponsor", "due", "overdue", "purpose")
    grid = Grid(columns, cut=frozenset({"purpose"}))
    for w in result.waiting:
        grid.rows.append((w.name, w.owner, w.sponsor, weekday(w.due), w.overdue, w.purpose))
    return [grid]


def _reviewed(result: "ReviewResult") -> list[Block]:
    late = f", {result.late} late" if result.late else ""
    return [
        named("reviewed", f"{result.name} of {result.owner}, by {result.review.by}{late}"),
        named("found", result.review.found),
        *(named("note", warning) for warning in result.warnings),
    ]


def _costs(result: "CostResult") -> list[Block]:
    if not result.counted:
        said = "Nothing is counted here: there are no prices in sandbox.yaml, under cost."
        return [Line(said), *_campaigns(result)]
    none = [] if result.campaigns else [named("cost", "nothing was asked for in this month")]
    teams = Grid(("team", "spent", "budget", "left"))
    for one in result.budgets:
        amounts = (one.spent, one.budget, max(0.0, one.budget - one.spent))
        teams.rows.append((one.team, *(money(amount, result.currency) for amount in amounts)))
    shown = [named("month", result.month), *none, *_campaigns(result)]
    return [*shown, *([teams] if teams.rows else [])]


def _campaigns(result: "CostResult") -> list[Block]:
    """Return the codes that can be charged, with what was; no sum where nothing is counted."""
    columns = ("campaign", "team", "sandboxes", "cost")
    grid = Grid(columns if result.counted else columns[:3])
    for line in result.campaigns:
        row = (line.campaign or "(none)", line.team, line.sandboxes)
        spent = money(line.amount, result.currency)
        grid.rows.append((*row, spent) if result.counted else row)
    return [grid] if grid.rows else []


def _modes(result: "ModesResult") -> list[Block]:
    if not result.modes:
        return [Line("There is no profile in policies/profiles/.")]
    shown: list[Block] = []
    for mode in result.modes:
        shown.append(_wide(mode.metadata.name, f"{mode.title.en} / {mode.title.ja}"))
    for difference in type(result.modes[0].differences).model_fields:
        for number, mode in enumerate(result.modes):
            words = getattr(mode.differences, difference)
            label = "" if number else difference.replace("_", " ")
            shown += [_wide(label, f"{mode.metadata.name}  {words.en}"), _wide("", words.ja)]
    return [*shown, _wide("lives", f"{result.ttl}, where nobody says how long")]


def _wide(label: str, text: str) -> Line:
    return Line(clean(text), label=f"{label:<12}")


SHOWN: dict[str, Callable[[Any], list[Block]]] = {
    "CostResult": _costs,
    "ModesResult": _modes,
    "ReviewListResult": _waiting,
    "ReviewResult": _reviewed,
}
