"""What sandboxes hold by state, what a request adds, and how much rules leave."""

from datetime import timedelta
from typing import Any

import pytest

from sandbox.core.headroom import Quota, forecast
from sandbox.core.lease import Lease
from sandbox.core.lifecycle import Sandbox
from sandbox.core.phases import LIVE, State
from sandbox.core.quotas import Account, Amounts, account, holds, starting, weight
from tests.core.policies import asserting, policy_set, rule
from tests.core.test_lifecycle import a_sandbox
from tests.phases import NOON, phase

FULL = Amounts(sandboxes=1, memory_mb=928, cpus=1.5, disk_mb=3072)
NOTHING = Amounts()
STOPPED = Amounts(sandboxes=1, disk_mb=3072)


def sandbox(id: str, state: State = State.READY, owner: str = "anna", **fields: Any) -> Sandbox:
    lease = Lease(owner=owner, ttl=timedelta(hours=1), started=NOON)
    held = {"memory_mb": 928, "cpus": 1.5, "disk_mb": 3072}
    return a_sandbox(id=id, name=f"box-{id}", phase=phase(state), lease=lease, **held | fields)


@pytest.mark.parametrize(
    ("state", "held"),
    [
        (State.DENIED, NOTHING),
        (State.AWAITING_APPROVAL, STOPPED),
        (State.POOLED, FULL),
        (State.PROVISIONING, FULL),
        (State.READY, FULL),
        (State.FROZEN, STOPPED),
        (State.EXPIRED, Amounts(disk_mb=3072)),
        (State.REMOVING, STOPPED),
        (State.DESTROYED, NOTHING),
        (State.FAILED, NOTHING),
    ],
)
def test_what_each_state_holds(state: State, held: Amounts) -> None:
    assert holds(sandbox("a", state), NOON) == held


def test_every_live_state_holds_its_disk() -> None:
    assert all(holds(sandbox("a", state), NOON).disk_mb == 3072 for state in LIVE)


def test_past_its_deadline_a_ready_one_holds_its_disk_only() -> None:
    assert holds(sandbox("a"), NOON + timedelta(hours=1)) == Amounts(disk_mb=3072)


def test_sums_are_of_the_owner_and_of_the_home() -> None:
    held = [
        sandbox("a"),
        sandbox("b", State.FROZEN),
        sandbox("c", owner="bert"),
        sandbox("d", State.POOLED),
        sandbox("e", State.DESTROYED),
    ]
    found = account(held, NOON, owner="anna", asked=FULL)
    assert found.owner == FULL.plus(STOPPED)
    assert found.home == FULL.plus(STOPPED).plus(FULL).plus(FULL)
    assert found.asked == FULL


def test_what_takes_the_place_of_another_does_not_count_twice() -> None:
    held = [sandbox("a"), sandbox("d", State.POOLED)]
    found = account(held, NOON, owner="anna", asked=FULL, besides="d")
    assert (found.owner, found.home) == (FULL, FULL)


@pytest.mark.parametrize(
    ("state", "asked"),
    [
        (State.FROZEN, Amounts(memory_mb=928, cpus=1.5)),
        (State.EXPIRED, Amounts(sandboxes=1, memory_mb=928, cpus=1.5)),
    ],
)
def test_starting_again_asks_for_what_is_not_held(state: State, asked: Amounts) -> None:
    still = sandbox("a", state)
    found = starting([still, sandbox("b")], NOON, still)
    assert found.asked == asked
    assert found.owner.plus(asked) == weight(still).plus(FULL)


def test_starting_again_with_more_disk_asks_for_the_difference() -> None:
    still = sandbox("a", State.FROZEN)
    found = starting([still], NOON, still.model_copy(update={"disk_mb": 5000}))
    assert found.asked.disk_mb == 1928
    less = starting([still], NOON, still.model_copy(update={"disk_mb": 1000}))
    assert less.asked.disk_mb == 0


def quotas(*rules: dict[str, Any], **held: Any) -> dict[tuple[str, str], Quota]:
    found = Account(asked=FULL, owner=Amounts(**held), home=Amounts(**held))
    document = {"template": {"name": "segment-rfm"}}
    told = forecast(policy_set(*rules), "create", document, found, NOON)
    return {(quota.of, quota.what): quota for quota in told}


def capped(id: str, field: str, most: float, **fields: Any) -> dict[str, Any]:
    return rule(id=id, **{"assert": {"field": field, "max": most}} | fields)


def test_a_forecast_tells_held_asked_allowed_and_left() -> None:
    told = quotas(capped("a", "owner_totals.memory_mb", 2000), memory_mb=1000)
    mine = told["owner", "memory_mb"]
    assert (mine.held, mine.asked, mine.allowed, mine.left, mine.fits) == (
        1000,
        928,
        2000,
        1000,
        True,
    )
    other = told["home", "memory_mb"]
    assert (other.allowed, other.left, other.fits) == (None, None, True)
    assert len(told) == 8


def test_what_is_too_much_does_not_fit_and_nothing_negative_is_left() -> None:
    assert not quotas(capped("a", "home_totals.cpus", 2), cpus=1)["home", "cpus"].fits
    assert quotas(capped("a", "home_totals.cpus", 2), cpus=3)["home", "cpus"].left == 0
    assert quotas(capped("a", "home_totals.cpus", 2.5), cpus=1)["home", "cpus"].fits


def test_a_cap_beside_others_counts() -> None:
    both = {"all": [{"field": "owner_totals.cpus", "max": n} for n in (4, 3)]}
    assert quotas(rule(**{"assert": {"all": [both]}}))["owner", "cpus"].allowed == 3
    either = {"any": both["all"]}
    assert quotas(rule(**{"assert": either}))["owner", "cpus"].allowed is None


def test_the_least_of_several_rules_counts() -> None:
    told = quotas(
        capped("a", "owner_totals.disk_mb", 9000), capped("b", "owner_totals.disk_mb", 7000)
    )
    assert told["owner", "disk_mb"].allowed == 7000


@pytest.mark.parametrize(
    "fields",
    [
        {"mode": "warn"},
        {"at": ["extend"]},
        {"effective_from": "2027-01-01T00:00:00+09:00"},
        {"when": {"field": "template.name", "equals": "other"}},
    ],
)
def test_rules_that_do_not_deny_here_cap_nothing(fields: dict[str, Any]) -> None:
    some = capped("b", "owner_totals.sandboxes", 3)
    told = quotas(capped("a", "owner_totals.disk_mb", 1, **fields), some)
    assert told["owner", "disk_mb"].allowed is None
    assert told["owner", "sandboxes"].allowed == 3


def test_what_is_waived_caps_nothing_where_the_rule_allows_that() -> None:
    exempt = {"a": "r1", "b": "r2"}
    allows = {"exceptions": {"max_days": 7, "approver_role": "it"}}
    rules = policy_set(
        capped("a", "owner_totals.disk_mb", 1, **allows), capped("b", "owner_totals.cpus", 3)
    )
    found = Account(asked=FULL, owner=NOTHING, home=NOTHING)
    told = forecast(rules, "create", {}, found, NOON, exempt)
    assert {q.what: q.allowed for q in told if q.of == "owner" and q.allowed} == {"cpus": 3}


def test_a_rule_caps_from_the_day_on_which_it_is_enforced() -> None:
    for late, allowed in (("2026-11-24T00:00:00+09:00", None), ("2026-11-23T00:00:00+09:00", 3)):
        some = capped("a", "owner_totals.cpus", 3, mode="warn", enforce_after=late)
        assert quotas(some)["owner", "cpus"].allowed == allowed


def test_a_denial_says_how_much_is_held_and_asked() -> None:
    document = {
        "home_totals": {"disk_mb": 7168, "cpus": 2.5},
        "request": {"disk_mb": 3072, "cpus": 1.5},
    }
    (said,) = asserting({"field": "home_totals.disk_mb", "max": 7000}, document).findings
    assert said.sentence.en == (
        "the disk of all sandboxes here (MB) is 7168, the limit is 7000 (4096 held, 3072 asked)"
    )
    assert said.sentence.ja.endswith("（使用中 4096、申請 3072）")
    (said,) = asserting({"field": "home_totals.cpus", "max": 2}, document).findings
    assert said.sentence.en.endswith("(1 held, 1.5 asked)")


def test_a_sum_without_its_request_is_told_as_it_is() -> None:
    document = {"owner_totals": {"disk_mb": 9}}
    (said,) = asserting({"field": "owner_totals.disk_mb", "max": 8}, document).findings
    assert said.sentence.en.endswith("is 9, the limit is 8")
