"""What sandboxes cost, who pays, and what a team has left."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from sandbox.core.cost import charge, cost_of, hourly, spending, spent
from sandbox.core.errors import InvalidInput
from sandbox.core.lease import Lease, Move
from sandbox.core.lifecycle import Sandbox
from sandbox.core.phases import AwaitingApproval, State
from sandbox.core.prices import CostSettings, Prices, money
from sandbox.core.quotas import Amounts
from tests.core.test_lifecycle import a_sandbox
from tests.phases import NOON, phase

PRICES = Prices(sandbox_hour=1, cpu_hour=4, memory_gb_hour=2, disk_gb_hour=0.5)
SETTINGS = CostSettings.model_validate(
    {
        "prices": PRICES,
        "campaigns": {
            "SPRING-26": {"team": "crm"},
            "AUTUMN": {"team": "crm"},
            "X": {"team": "ads"},
        },
        "budgets": {"crm": 100},
    }
)
SMALL = Amounts(sandboxes=1, memory_mb=1024, cpus=1, disk_mb=2048)
HOUR = timedelta(hours=1)


def sandbox(
    id: str = "a", state: State = State.READY, campaign: str = "SPRING-26", **fields: Any
) -> Sandbox:
    made = a_sandbox(id=id, name=f"box-{id}", phase=phase(state, NOON + 2 * HOUR))
    held = {"memory_mb": 1024, "cpus": 1.0, "disk_mb": 2048, "created": NOON}
    lease = Lease(owner="anna", ttl=timedelta(hours=10), started=NOON)
    spec = made.spec.model_copy(update={"campaign": campaign})
    return made.model_copy(update={**held, "lease": lease, "spec": spec, **fields})


def test_an_hour_costs_what_its_limits_cost() -> None:
    assert hourly(SMALL, PRICES) == 1 + 4 + 2 + 1
    assert hourly(SMALL, Prices()) == 0


@pytest.mark.parametrize(
    ("state", "hours"),
    [
        (State.DENIED, 0),
        (State.FAILED, 0),
        (State.POOLED, 0),
        (State.AWAITING_APPROVAL, 10),
        (State.PROVISIONING, 10),
        (State.READY, 10),
        (State.FROZEN, 10),
        (State.EXPIRED, 10),
        (State.REMOVING, 2),
        (State.DESTROYED, 2),
    ],
)
def test_what_each_state_costs(state: State, hours: int) -> None:
    assert cost_of(sandbox(state=state), PRICES, NOON + HOUR) == 8 * hours


def test_what_has_not_started_costs_what_it_will() -> None:
    waiting = sandbox(state=State.PROVISIONING, lease=Lease(owner="anna", ttl=3 * HOUR))
    assert cost_of(waiting, PRICES, NOON) == 24
    ended = sandbox(state=State.DESTROYED, lease=Lease(owner="anna", ttl=3 * HOUR))
    assert cost_of(ended, PRICES, NOON) == 0


def test_more_time_costs_more_and_what_outlives_its_end_does_not() -> None:
    move = Move(kind="extend", at=NOON, by="anna", reason="on", span=5 * HOUR)
    lease = Lease(owner="anna", ttl=10 * HOUR, started=NOON, moves=(move,))
    assert cost_of(sandbox(lease=lease), PRICES, NOON) == 8 * 15
    short = Lease(owner="anna", ttl=HOUR, started=NOON)
    assert cost_of(sandbox(state=State.DESTROYED, lease=short), PRICES, NOON + 9 * HOUR) == 8


def test_a_team_has_spent_what_its_campaigns_cost_this_month() -> None:
    others = [
        sandbox("a"),
        sandbox("b", campaign="AUTUMN"),
        sandbox("c", campaign="X"),
        sandbox("d", campaign=""),
        sandbox("e", created=NOON - timedelta(days=40)),
        sandbox("f", state=State.DENIED),
    ]
    assert spent(others, SETTINGS, "crm", NOON) == 160
    assert spent(others, SETTINGS, "crm", NOON, besides="a") == 80
    assert spent(others, SETTINGS, "nobody", NOON) == 0


def test_what_was_spent_is_told_by_campaign() -> None:
    others = [
        sandbox("a"),
        sandbox("b", campaign="AUTUMN"),
        sandbox("c", campaign="AUTUMN", state=State.DESTROYED),
        sandbox("d", campaign=""),
        sandbox("e", campaign="X", created=NOON - timedelta(days=40)),
        sandbox("f", campaign="X", state=State.DENIED),
    ]
    assert [
        (line.campaign, line.team, line.sandboxes, line.amount)
        for line in spending(others, SETTINGS, NOON)
    ] == [
        ("AUTUMN", "crm", 2, 96),
        ("", "", 1, 80),
        ("SPRING-26", "crm", 1, 80),
        ("X", "ads", 0, 0),
    ]


def test_the_month_begins_by_the_clock_of_those_who_pay() -> None:
    new_year = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)  # 1 December in Tokyo
    tokyo = timezone(timedelta(hours=9))
    late = [sandbox(created=new_year)]
    assert spent(late, SETTINGS, "crm", new_year.astimezone(tokyo)) == 80
    assert spent(late, SETTINGS, "crm", NOON.astimezone(tokyo)) == 0
    assert spent(late, SETTINGS, "crm", NOON) == 80


def test_more_time_counts_in_the_month_in_which_it_was_asked_for() -> None:
    later = NOON + timedelta(days=14)  # in December
    moves = tuple(
        Move(kind="extend", at=at, by="anna", reason="on", span=hours * HOUR)
        for at, hours in ((NOON, 5), (later, 7))
    )
    long = Lease(owner="anna", ttl=10 * HOUR, started=NOON, moves=moves)
    assert spent([sandbox(lease=long)], SETTINGS, "crm", NOON) == 8 * 15
    assert spent([sandbox(lease=long)], SETTINGS, "crm", later) == 8 * 7
    (line,) = [line for line in spending([sandbox(lease=long)], SETTINGS, later) if line.sandboxes]
    assert (line.sandboxes, line.amount) == (1, 8 * 7)
    # Of one that was ended early the last time that was asked for is what it did not have.
    ended = sandbox(state=State.DESTROYED, lease=long)
    assert spent([ended], SETTINGS, "crm", NOON) == 8 * 2
    assert spent([ended], SETTINGS, "crm", later) == 0


def test_what_waited_for_a_yes_counts_in_the_month_in_which_it_was_made() -> None:
    december = NOON + timedelta(days=14)
    lease = Lease(owner="anna", ttl=10 * HOUR, started=december)
    waited = sandbox(ask="r1", lease=lease)
    assert spent([waited], SETTINGS, "crm", december) == 80
    assert spent([waited], SETTINGS, "crm", NOON) == 0
    assert [line.sandboxes for line in spending([waited], SETTINGS, NOON)] == [0, 0, 0]


def test_a_request_is_charged() -> None:
    found = charge(SETTINGS, "SPRING-26", SMALL, 6, before=60)
    assert (found.team, found.hour, found.amount, found.month) == ("crm", 8, 48, 108)
    assert (found.budget, found.percent, found.listed) == (100, 108.0, 3)
    free = charge(CostSettings(), "", SMALL, 6, before=0)
    assert (free.amount, free.budget, free.percent, free.listed) == (0, None, None, 0)


@pytest.mark.parametrize(("hours", "percent"), [(0, 0), (1, 1000)])
def test_of_an_empty_budget_anything_is_too_much(hours: int, percent: float) -> None:
    empty = SETTINGS.model_copy(update={"budgets": {"crm": 0}})
    assert charge(empty, "AUTUMN", SMALL, hours, before=0).percent == percent


@pytest.mark.parametrize(
    ("before", "percent"), [(0, 0), (7, 7), (80, 80), (80.01, 80.1), (100, 100), (100.01, 100.1)]
)
def test_a_share_is_never_less_than_it_is(before: float, percent: float) -> None:
    assert charge(SETTINGS, "AUTUMN", SMALL, 0, before=before).percent == percent


def test_a_campaign_is_found_however_it_is_capitalised() -> None:
    assert SETTINGS.charged(" spring-26 ") == "SPRING-26"
    assert SETTINGS.charged("") == ""
    with pytest.raises(InvalidInput) as refused:
        SETTINGS.charged("SPRING-62")
    assert "Did you mean SPRING-26?" in refused.value.message
    assert "SPRING-26, AUTUMN, X" in refused.value.hint


@pytest.mark.parametrize("code", ["two words", "a;b", "x" * 61, "=1+1", "\x1b[31m"])
def test_where_none_is_listed_any_word_will_do(code: str) -> None:
    assert CostSettings().charged("春の案内/2026") == "春の案内/2026"
    with pytest.raises(InvalidInput, match="one word"):
        CostSettings().charged(code)


def test_two_campaigns_differ_by_more_than_capitals() -> None:
    with pytest.raises(ValidationError, match="spring-26 is SPRING-26"):
        CostSettings.model_validate(
            {"campaigns": {"SPRING-26": {"team": "crm"}, "spring-26": {"team": "ads"}}}
        )


def test_nobodys_budget_is_a_typing_error() -> None:
    with pytest.raises(ValidationError, match=r"no campaign is of the team cmr. Did you mean crm"):
        CostSettings.model_validate({"campaigns": {"A": {"team": "crm"}}, "budgets": {"cmr": 5}})


@pytest.mark.parametrize("price", [-1, 1e308, float("nan"), float("inf")])
def test_no_price_that_no_sum_can_hold(price: float) -> None:
    with pytest.raises(ValidationError):
        Prices(cpu_hour=price)
    with pytest.raises(ValidationError):
        CostSettings.model_validate({"campaigns": {"X": {"team": "t"}}, "budgets": {"t": price}})


def test_what_waited_too_long_costs_nothing() -> None:
    waiting = sandbox(state=State.AWAITING_APPROVAL)
    assert isinstance(waiting.phase, AwaitingApproval)
    over = waiting.phase.until
    assert cost_of(waiting, PRICES, over - timedelta(seconds=1)) == 10 * hourly(SMALL, PRICES)
    assert cost_of(waiting, PRICES, over) == 0
    assert all(line.sandboxes == 0 for line in spending([waiting], SETTINGS, over))


def test_money_is_spoken_as_its_coins_are() -> None:
    assert (money(1234.5, "JPY"), money(1234.5, "EUR")) == ("JPY 1,234", "EUR 1,234.50")
