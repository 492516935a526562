"""Who pays for a sandbox, the lane by which it comes in, and its review, where they count."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.core.errors import Conflict, Denied, InvalidInput, NotFound
from sandbox.core.people import Actor
from sandbox.core.ports import Context
from sandbox.core.prices import CostSettings
from sandbox.usecases.leases import ExtendRequest, extend
from sandbox.usecases.planning import PlanRequest, plan
from sandbox.usecases.provisioning import UpResult
from sandbox.usecases.reviewing import (
    ReviewListRequest,
    ReviewRequest,
    review,
    waiting,
)
from sandbox.usecases.sandboxes import DownRequest, ListRequest, down, list_sandboxes
from sandbox.usecases.templates import CheckTemplateRequest, check
from tests.fakes import Clock, Said
from tests.usecases.asking_up import codes, events, make, wish
from tests.usecases.leasing import NAME, on_record
from tests.usecases.test_races import race

pytestmark = pytest.mark.usefixtures("snapshot")
COST = CostSettings.model_validate(
    {
        "prices": {"sandbox_hour": 100},
        "campaigns": {
            "SPRING-26": {"team": "crm"},
            "AUTUMN": {"team": "crm"},
            "X": {"team": "ads"},
        },
        "budgets": {"crm": 1000},
    }
)
URGENT: dict[str, Any] = {"expedite": True, "sponsor": "kenji"}


@pytest.fixture
def paid(ctx: Context) -> Context:
    """A home in which somebody pays."""
    return replace(ctx, settings=ctx.settings.model_copy(update={"cost": COST}))


def denied_by(context: Context, name: str = NAME, **changes: Any) -> set[str]:
    with pytest.raises(Denied) as refused:
        make(context, name, **changes)
    return {found["rule"] for found in refused.value.details["decision"]["findings"]}


def cost(context: Context, **changes: Any) -> dict[str, Any]:
    decision = plan(context, PlanRequest(wish=wish(**changes))).decision
    found: dict[str, Any] = decision.document["cost"]
    return found


def test_a_home_without_prices_counts_nothing(ctx: Context) -> None:
    found = cost(ctx, campaign="any-word")
    assert (found["amount"], found["campaign"], found["budget"]) == (0, "any-word", None)
    assert make(ctx).decision.verdict == "allow"


def test_a_sandbox_is_charged_to_a_campaign(paid: Context) -> None:
    assert denied_by(paid) == {"campaign-named"}
    with pytest.raises(InvalidInput, match="Did you mean SPRING-26"):
        make(paid, campaign="sprin-26")
    made = make(paid, campaign="spring-26")
    assert made.sandbox.campaign == on_record(paid).spec.campaign == "SPRING-26"
    assert made.decision.document["cost"]["amount"] == 300
    assert make(paid, campaign="SPRING-26").created is False
    with pytest.raises(Conflict, match="another campaign"):
        make(paid, campaign="AUTUMN")


def test_a_template_is_checked_at_somebodys_cost(paid: Context) -> None:
    with pytest.raises(Denied, match="the campaign is empty"):
        check(paid, CheckTemplateRequest(name="segment-rfm"))
    check(paid, CheckTemplateRequest(name="segment-rfm", campaign="spring-26"))
    with paid.registry.reading() as tx:
        assert tx.sandboxes()[-1].spec.campaign == "SPRING-26"


def test_a_team_stays_within_its_budget(paid: Context) -> None:
    make(paid, campaign="SPRING-26", ttl="5h")
    told = make(paid, "second", campaign="AUTUMN", ttl="4h")
    assert [f.rule for f in told.decision.findings] == ["budget-nearly-spent"]
    assert told.decision.document["cost"]["percent"] == 90
    assert denied_by(paid, "third", campaign="AUTUMN", ttl="2h") == {
        "budget-left",
        "budget-nearly-spent",
    }
    down(paid, DownRequest(name="second"))
    assert cost(paid, name="third", campaign="AUTUMN", ttl="2h")["month"] == 700


@pytest.mark.parametrize("wanted", [{"ttl": "5h"}, {"ttl": "1h", **URGENT}])
def test_of_many_at_once_two_get_what_is_left_of_budget_or_lane(
    paid: Context, wanted: dict[str, Any]
) -> None:
    make(paid, "first", campaign="X", ttl="1h")  # images and gateway are there
    outcomes = race(5, lambda n: make(paid, f"racer-{n}", campaign="SPRING-26", **wanted))
    assert sum(isinstance(each, UpResult) for each in outcomes) == 2
    assert sum(isinstance(each, Denied) for each in outcomes) == 3


def test_more_time_costs_more(paid: Context) -> None:
    make(paid, campaign="SPRING-26", ttl="5h")
    with pytest.raises(Denied) as refused:
        extend(paid, ExtendRequest(name=NAME, ttl="6h", reason="It goes on"))
    decision = refused.value.details["decision"]
    assert decision["findings"][0]["rule"] == "budget-left"
    assert decision["document"]["cost"]["amount"] == 600
    assert decision["document"]["cost"]["month"] == 1100
    extend(paid, ExtendRequest(name=NAME, ttl="2h", reason="It goes on"))


def test_next_month_there_is_a_new_budget(paid: Context, clock: Clock) -> None:
    make(paid, campaign="SPRING-26", ttl="9h")
    clock.advance(days=9)
    assert cost(paid, name="second", campaign="AUTUMN", ttl="9h")["percent"] == 90


def test_a_campaign_has_three_at_a_time_and_what_is_urgent_passes_by(ctx: Context) -> None:
    for name in ("one", "two", "three"):
        make(ctx, name, campaign="SPRING-26")
    assert denied_by(ctx, "four", campaign="SPRING-26") == {"work-in-progress"}
    made = make(ctx, "four", campaign="SPRING-26", **URGENT)
    assert made.decision.document["wip"]["campaign"] == 4
    assert (made.sandbox.expedite, made.sandbox.sponsor) == (True, "kenji")


def test_the_lane_is_capped_short_and_sponsored(ctx: Context) -> None:
    assert denied_by(ctx, expedite=True) == {"expedite-sponsored"}
    assert denied_by(ctx, expedite=True, sponsor="anna") == {"expedite-sponsored"}
    assert denied_by(ctx, ttl="73h", **URGENT) == {"expedite-short"}
    with pytest.raises(InvalidInput, match="Only what is urgent"):
        make(ctx, sponsor="kenji")
    make(ctx, "one", **URGENT)
    make(ctx, "two", **URGENT)
    assert denied_by(ctx, "three", **URGENT) == {"expedite-capped"}
    with pytest.raises(Denied) as refused:
        extend(ctx, ExtendRequest(name="one", ttl="71h", reason="It goes on"))
    assert "expedite-short" in str(refused.value.details)


def test_a_sponsor_is_somebody_whom_the_home_names(ctx: Context, home: Path) -> None:
    people = "apiVersion: sandbox.people/v1\nkind: People\npeople: [{name: Kenji, roles: [it]}]\n"
    (home / "people.yaml").write_text(people)
    assert make(ctx, **URGENT).sandbox.sponsor == "Kenji"
    with pytest.raises(NotFound, match="Did you mean Kenji"):
        make(ctx, "two", expedite=True, sponsor="Kenjo")


def test_a_review_is_written_once_and_opens_the_lane_again(ctx: Context, clock: Clock) -> None:
    make(ctx, **URGENT)
    due = on_record(ctx).lease.started
    assert due is not None
    (found,) = waiting(ctx, ReviewListRequest()).waiting
    assert (found.name, found.sponsor, found.overdue) == (NAME, "kenji", "")
    assert found.due == due + timedelta(days=2)  # from a Monday
    (listed,) = list_sandboxes(ctx, ListRequest()).sandboxes
    assert listed.review_due == found.due
    down(ctx, DownRequest(name=NAME))
    clock.advance(days=3)
    assert denied_by(ctx, "next", **URGENT) == {"expedite-reviewed"}
    assert waiting(ctx, ReviewListRequest()).waiting[0].overdue == "24 h"
    done = review(ctx, ReviewRequest(name=NAME, reason=" The mail went out on time "))
    assert (done.late, done.review.by) == ("24 h", "anna")
    assert "duties are not separated" in done.warnings[0]
    assert codes(ctx, NAME)[-1] == "sandbox.reviewed"
    assert events(ctx, NAME)[-1].reason == "The mail went out on time"
    assert waiting(ctx, ReviewListRequest()).waiting == ()
    with pytest.raises(Conflict, match="anna has reviewed it already"):
        review(ctx, ReviewRequest(name=NAME, reason="Again"))
    assert make(ctx, "next", **URGENT).created


class Meanwhile(Said):
    """Progress; while a sandbox is taken apart, somebody reviews it."""

    def __init__(self, by: Context) -> None:
        super().__init__()
        self._by = by

    def say(self, step: str, text: str, done: int | None = None, total: int | None = None) -> None:
        if text.startswith("Removing"):
            review(self._by, ReviewRequest(name=NAME, reason="The mail went out on time"))


def test_a_review_that_is_written_while_it_is_removed_stays(ctx: Context) -> None:
    make(ctx, **URGENT)
    down(replace(ctx, progress=Meanwhile(ctx)), DownRequest(name=NAME))
    assert on_record(ctx).review is not None
    assert waiting(ctx, ReviewListRequest()).waiting == ()


def test_what_there_is_to_review(ctx: Context) -> None:
    make(ctx)
    with pytest.raises(Conflict, match="It was not expedited"):
        review(ctx, ReviewRequest(name=NAME, reason="Fine"))
    with pytest.raises(InvalidInput, match="no reason"):
        review(ctx, ReviewRequest(name=NAME, reason=" "))
    make(ctx, "urgent-mail", **URGENT)
    with pytest.raises(NotFound, match="Did you mean urgent-mail"):
        review(ctx, ReviewRequest(name="urgent-mial", reason="Fine"))
    denied_by(ctx, "never-ran", expedite=True)
    with pytest.raises(Conflict, match="never ran"):
        review(ctx, ReviewRequest(name="never-ran", reason="Fine"))


def test_nobody_reviews_their_own_where_people_are_told_apart(ctx: Context, home: Path) -> None:
    people = (
        "apiVersion: sandbox.people/v1\nkind: People\n"
        "people: [{name: anna, roles: [marketer]}, {name: kenji, roles: [it]}]\n"
    )
    (home / "people.yaml").write_text(people)
    make(ctx, **URGENT)
    anna = replace(ctx, actor=Actor("anna", "asserted", frozenset({"marketer"})))
    with pytest.raises(Denied, match="nobody answers themselves"):
        review(anna, ReviewRequest(name=NAME, reason="All went well"))
    kenji = replace(ctx, actor=Actor("kenji", "asserted", frozenset({"it"})))
    assert review(kenji, ReviewRequest(name=NAME, reason="All went well")).warnings == ()


def test_the_profile_says_how_long_a_sandbox_lives_by_default(ctx: Context, home: Path) -> None:
    file = home / "policies" / "profiles" / "mode-2.yaml"
    file.write_text(file.read_text("utf-8").replace("ttl: 72h", "ttl: 36h"), "utf-8")
    other = home / "policies" / "profiles" / "mode-1.yaml"
    said_there = other.read_text("utf-8").replace("\nrules:", "\ndefaults: {ttl: 500h}\nrules:")
    other.write_text(said_there, "utf-8")  # what is promoted is no sandbox
    assert plan(ctx, PlanRequest(wish=wish(ttl=""))).spec.ttl_minutes == 36 * 60
    said = ctx.settings.defaults.model_copy(update={"ttl": "5h"})
    assert "ttl" in said.model_fields_set
    own = replace(ctx, settings=ctx.settings.model_copy(update={"defaults": said}))
    assert plan(own, PlanRequest(wish=wish(ttl=""))).spec.ttl_minutes == 5 * 60
