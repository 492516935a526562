"""What sandboxes cost and who pays, by which lane one comes in: as rules judge it, and as told.

All sandboxes on record are read only where a budget or the lane needs them.
"""

from sandbox.core.cost import Spending, charge, spending, spent
from sandbox.core.judged_beside import ALONE, Beside
from sandbox.core.lanes import in_progress, lane_of
from sandbox.core.lifecycle import Spec
from sandbox.core.phases import LIVE
from sandbox.core.ports import Context, Transaction
from sandbox.core.prices import total
from sandbox.core.quotas import Amounts
from sandbox.core.resolving import Wish
from sandbox.core.values import Request, Result, Value
from sandbox.usecases.desk import answers


class TeamBudget(Value):
    """What a team may spend in a month, and what it has spent in this one."""

    team: str
    budget: float
    spent: float


class CostResult(Result):
    """What those things cost that were asked for in `month` (`2026-11`).

    These are sandboxes, ended ones too, and more time for sandboxes.
    """

    month: str
    currency: str
    counted: bool
    campaigns: tuple[Spending, ...]
    budgets: tuple[TeamBudget, ...]


class CostRequest(Request[CostResult]):
    """Ask what this month's sandboxes cost."""


@answers(CostRequest)
def cost(context: Context, request: CostRequest) -> CostResult:
    """Return it by campaign, and by team for those that have a budget."""
    settings, now = context.settings.cost, context.now().astimezone()
    with context.registry.reading() as tx:
        found = spending(tx.sandboxes(), settings, now)
    return CostResult(
        month=f"{now:%Y-%m}",
        currency=settings.currency,
        counted=settings.counted,
        campaigns=found,
        budgets=tuple(
            TeamBudget(
                team=team,
                budget=budget,
                spent=total(line.amount for line in found if line.team == team),
            )
            for team, budget in settings.budgets.items()
        ),
    )


def known_payer(context: Context, wish: Wish) -> Wish:
    """Return `wish` with its campaign and its sponsor as the home spells them.

    Raises InvalidInput for a campaign that is not listed where any is, NotFound for a sponsor whom
    a home with people does not name.
    """
    campaign, sponsor = context.settings.cost.charged(wish.campaign), wish.sponsor.strip()
    people = context.catalogue.people() if sponsor else None
    sponsor = people.named(sponsor).name if people else sponsor
    return wish.model_copy(update={"campaign": campaign, "sponsor": sponsor})


def beside(
    context: Context,
    tx: Transaction,
    spec: Spec,
    *,
    owner: str,
    asked: Amounts,
    hours: float,
    besides: str = "",
) -> Beside:
    """Return cost, lane and work in progress of a request for `asked`, for so many hours.

    `besides` is the id of a sandbox whose place it takes.
    """
    settings = context.settings.cost
    if not (spec.campaign or spec.expedite or settings.counted or settings.campaigns):
        return ALONE
    # The machine's zone says when a month and a business day begin.
    now = context.now().astimezone()
    team = settings.team(spec.campaign)
    budgeted = team in settings.budgets
    ever = tx.sandboxes() if budgeted or spec.expedite else ()
    live = tx.sandboxes(LIVE) if spec.campaign else ()
    before = spent(ever, settings, team, now, besides) if budgeted else 0
    return Beside(
        cost=charge(settings, spec.campaign, asked, hours, before),
        lane=lane_of(spec, owner, ever, now, besides, now.tzinfo),
        wip=in_progress(spec, live, now, besides),
    )
