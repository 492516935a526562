"""Costs, lanes and reviews as people and scripts see them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.core.ports import Context
from sandbox.core.prices import Prices
from sandbox.usecases.charging import CostRequest, cost
from sandbox.usecases.planning import PlanRequest, plan
from sandbox.usecases.reviewing import ReviewListRequest, ReviewRequest, review, waiting
from sandbox.usecases.sandboxes import ListRequest, ShowRequest, list_sandboxes, show
from tests.cli.conftest import Cli, Seen, error
from tests.fakes import Clock
from tests.usecases.asking_up import make, wish
from tests.usecases.leasing import NAME
from tests.usecases.test_charging import COST, URGENT

pytestmark = pytest.mark.usefixtures("snapshot")


def test_plan_shows_the_cost_and_the_budget_before_anything_is_made(
    ctx: Context, seen: Seen
) -> None:
    assert "cost " not in seen(plan(ctx, PlanRequest(wish=wish())))
    paid = replace(ctx, settings=ctx.settings.model_copy(update={"cost": COST}))
    text = seen(plan(paid, PlanRequest(wish=wish(campaign="spring-26"))))
    assert "cost      JPY 300 for its whole time, charged to SPRING-26 (crm)\n" in text
    assert "budget    crm: JPY 300 of JPY 1,000 this month with it, 30 %\n" in text
    text = seen(plan(paid, PlanRequest(wish=wish())))
    assert "cost      JPY 300 for its whole time, charged to no campaign\n" in text
    assert "fix: Say which: --campaign CODE" in text
    made = make(paid, campaign="SPRING-26")
    assert "charged to SPRING-26 (crm)" in seen(made)
    shown = seen(show(paid, ShowRequest(name=NAME)))
    assert "campaign  SPRING-26\n" in shown
    assert "cost      JPY 300" in shown


def test_what_was_spent_is_told(ctx: Context, seen: Seen) -> None:
    assert "there are no prices" in seen(cost(ctx, CostRequest()))
    paid = replace(ctx, settings=ctx.settings.model_copy(update={"cost": COST}))
    make(paid, campaign="SPRING-26")
    make(paid, "second", campaign="AUTUMN", ttl="2h")
    text = seen(cost(paid, CostRequest()))
    assert text.startswith("month     2026-11\n")
    assert "SPRING-26  crm   1          JPY 300\n" in text
    assert "crm   JPY 500  JPY 1,000  JPY 500\n" in text
    unpriced = COST.model_copy(update={"prices": Prices()})
    free = replace(ctx, settings=ctx.settings.model_copy(update={"cost": unpriced}))
    assert "SPRING-26  crm   1\n" in seen(cost(free, CostRequest()))


def test_the_codes_can_be_looked_up_before_anything_is_charged(ctx: Context, seen: Seen) -> None:
    paid = replace(ctx, settings=ctx.settings.model_copy(update={"cost": COST}))
    text = seen(cost(paid, CostRequest()))
    assert "SPRING-26  crm   0          JPY 0\n" in text
    anything = COST.model_copy(update={"campaigns": {}, "budgets": {}})
    open_to_all = replace(ctx, settings=ctx.settings.model_copy(update={"cost": anything}))
    said = "month     2026-11\ncost      nothing was asked for in this month\n"
    assert seen(cost(open_to_all, CostRequest())) == said


def test_a_review_is_called_for_until_it_is_written(ctx: Context, clock: Clock, seen: Seen) -> None:
    assert "waits for a review" in seen(waiting(ctx, ReviewListRequest()))
    make(ctx, **URGENT)
    call = "by somebody else than anna: sandbox review spring-coupon --reason"
    shown = seen(show(ctx, ShowRequest(name=NAME)))
    assert "expedited sponsored by kenji\n" in shown
    assert call in shown
    assert call in seen(list_sandboxes(ctx, ListRequest()))
    clock.advance(days=2, hours=5)
    text = seen(waiting(ctx, ReviewListRequest()))
    assert "spring-coupon  anna   kenji" in text
    assert "5 h" in text
    done = review(ctx, ReviewRequest(name=NAME, reason="The mail [b]went[/b] out"))
    text = seen(done)
    assert "reviewed  spring-coupon of anna, by anna, 5 h late\n" in text
    assert "found     The mail [b]went[/b] out\n" in text
    assert json.loads(seen(done, "json"))["review"]["found"] == "The mail [b]went[/b] out"
    assert "reviewed  by anna: The mail [b]went[/b] out\n" in seen(
        show(ctx, ShowRequest(name=NAME))
    )
    assert call not in seen(list_sandboxes(ctx, ListRequest()))


def test_the_commands(cli: Cli, stocked: Path) -> None:
    assert cli("review") == (0, "Nothing that was expedited waits for a review.\n", "")
    code, out, _ = cli("review", "nobody", "--reason", "Fine", "-o", "json")
    assert (code, error(out)["code"]) == (5, "not_found")
    code, out, _ = cli("review", NAME, "-o", "json")
    assert (code, error(out)["subject"]) == (3, "--reason")
    up = ("up", NAME, "--template", "segment-rfm", "--purpose", "Which react to a coupon?")
    code, out, _ = cli(*up, "--sponsor", "kenji", "-o", "json")
    assert (code, error(out)["subject"]) == (3, "--sponsor")
    code, out, _ = cli(*up, "--campaign", "two words", "-o", "json")
    assert (code, error(out)["code"]) == (3, "invalid")


def test_the_modes_are_told_in_both_languages(cli: Cli, stocked: Path) -> None:
    code, out, _ = cli("policy", "modes")
    assert code == 0
    assert "\ngovernance  mode-1  Approved by named people" in out
    assert "\n            規則がその場で答え" in out
    assert out.endswith("lives       72h, where nobody says how long\n")
    for file in (stocked / "policies" / "profiles").iterdir():
        file.unlink()
    assert cli("policy", "modes")[1] == "There is no profile in policies/profiles/.\n"
