"""What sandboxes cost: their limits, by the hours they last, by the price table. Pure.

What a sandbox costs counts in the month in which it was asked for, what more time costs in the
month in which that was. One that ended early costs the hours it had; one that never ran, nothing.
"""

import math
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from sandbox.core.judged_beside import CostInput
from sandbox.core.lifecycle import Sandbox
from sandbox.core.phases import State
from sandbox.core.prices import CostSettings, Prices, total
from sandbox.core.quotas import Amounts, weight
from sandbox.core.values import Value

_MB = 1024
_HOUR = timedelta(hours=1)
_NEVER_RAN = frozenset({State.DENIED, State.FAILED, State.POOLED})
_OVER = frozenset({State.REMOVING, State.DESTROYED})


def hourly(amounts: Amounts, prices: Prices) -> float:
    """Return what one hour of such limits costs."""
    return (
        amounts.sandboxes * prices.sandbox_hour
        + amounts.cpus * prices.cpu_hour
        + amounts.memory_mb / _MB * prices.memory_gb_hour
        + amounts.disk_mb / _MB * prices.disk_gb_hour
    )


def cost_of(sandbox: Sandbox, prices: Prices, now: datetime) -> float:
    """Return what of a sandbox's cost, until its planned end, counts in the month of `now`.

    The zone of `now` says when a month begins.
    """
    if _free(sandbox, now):
        return 0.0
    return hourly(weight(sandbox), prices) * (_asked_in_month(sandbox, now) / _HOUR)


def _free(sandbox: Sandbox, now: datetime) -> bool:
    """Say whether it never ran and never will, or is nobody's."""
    return sandbox.state in _NEVER_RAN or sandbox.lapsed(now)


def _asked_in_month(sandbox: Sandbox, now: datetime) -> timedelta:
    """Return how much of the time that it lives was asked for in the month of `now`.

    Of one that was ended early, what was asked for last is what it did not have.
    """
    found, left = timedelta(), _lasts(sandbox)
    for at, span in _asked(sandbox):
        had = min(span, left)
        left -= had
        if _same_month(at, now):
            found += had
    return found


def _asked(sandbox: Sandbox) -> Iterator[tuple[datetime, timedelta]]:
    """Yield what time was given, and when; after a yes that was waited for, when it was made."""
    made = sandbox.lease.started if sandbox.ask else None
    yield made or sandbox.created, sandbox.lease.ttl
    yield from ((move.at, move.span) for move in sandbox.lease.moves)


def _lasts(sandbox: Sandbox) -> timedelta:
    """Return how long it lives, as its lease stands; of one that was ended, how long it did."""
    started, deadline = sandbox.lease.started, sandbox.lease.deadline
    over = sandbox.state in _OVER
    if started is None or deadline is None:
        return timedelta() if over else sandbox.lease.ttl
    end = min(deadline, sandbox.phase.since) if over else deadline
    return max(timedelta(), end - started)


def spent(
    sandboxes: Iterable[Sandbox],
    settings: CostSettings,
    team: str,
    now: datetime,
    besides: str = "",
) -> float:
    """Return what a team's sandboxes cost in the month of `now`, whose zone says when that began.

    `besides` is the id of one that is left out.
    """
    codes = settings.of_team(team)
    return total(
        cost_of(sandbox, settings.prices, now)
        for sandbox in sandboxes
        if sandbox.spec.campaign in codes and sandbox.id != besides
    )


def _same_month(moment: datetime, now: datetime) -> bool:
    moment = moment.astimezone(now.tzinfo)
    return (moment.year, moment.month) == (now.year, now.month)


class Spending(Value):
    """What a campaign's sandboxes of one month cost, ended ones too; "" is those of none."""

    campaign: str
    team: str
    sandboxes: int
    amount: float


def spending(
    sandboxes: Iterable[Sandbox], settings: CostSettings, now: datetime
) -> tuple[Spending, ...]:
    """Return what was asked for in the month of `now`, by campaign: sandboxes, and more time.

    The dearest comes first; a campaign that is listed and has none comes last. What never ran, or
    is nobody's, is left out.
    """
    found: dict[str, list[float]] = {code: [] for code in settings.campaigns}
    for sandbox in sandboxes:
        if any(_same_month(at, now) for at, _ in _asked(sandbox)) and not _free(sandbox, now):
            costs = found.setdefault(sandbox.spec.campaign, [])
            costs.append(cost_of(sandbox, settings.prices, now))
    lines = (
        Spending(campaign=code, team=settings.team(code), sandboxes=len(costs), amount=total(costs))
        for code, costs in found.items()
    )
    return tuple(sorted(lines, key=lambda line: (-line.amount, line.campaign)))


def charge(
    settings: CostSettings, campaign: str, asked: Amounts, hours: float, before: float
) -> CostInput:
    """Return what `asked` for so many hours costs, charged to `campaign`.

    `before` is what the campaign's team has spent this month without it.
    """
    team = settings.team(campaign)
    rate = hourly(asked, settings.prices)
    amount = round(rate * hours, 2)
    month = round(before + amount, 2)
    budget = settings.budgets.get(team)
    return CostInput(
        campaign=campaign,
        listed=len(settings.campaigns),
        team=team,
        currency=settings.currency,
        hour=round(rate, 4),
        amount=amount,
        month=month,
        budget=budget,
        percent=_share(month, budget),
    )


def _share(month: float, budget: float | None) -> float | None:
    """Return the share of a budget in percent, never less than it is: a little over is too much.

    Of an empty budget anything is.
    """
    if budget is None:
        return None
    if budget == 0:
        return 0.0 if month == 0 else 1000.0
    return math.ceil(round(month / budget * 1000, 6)) / 10
