"""Waivers: whose they are, and the second in which they end."""

from datetime import timedelta

import pytest

from sandbox.core.asks import AskState
from sandbox.core.errors import Denied, InvalidInput
from sandbox.core.rules import Rule
from sandbox.core.waivers import Waiver, check_until, granted, waivable, waived
from tests.core.policies import NOW, rule
from tests.core.test_asks import EXPORT, NOON, WAIVER, YES, an_ask

END = NOW + timedelta(days=3)


def waiver(id: str = "w1", rule: str = "ttl-max", **fields: object) -> Waiver:
    return Waiver.model_validate(
        {
            "id": id,
            "rule": rule,
            "subject": "spring-coupon",
            "owner": "anna",
            "approved": NOW,
            "until": END,
        }
        | fields
    )


@pytest.mark.parametrize(
    ("at", "found"),
    [
        (NOW - timedelta(seconds=1), {}),
        (NOW, {"ttl-max": "w1"}),
        (END - timedelta(seconds=1), {"ttl-max": "w1"}),
        (END, {}),
    ],
)
def test_a_waiver_ends_to_the_second(at: object, found: dict[str, str]) -> None:
    assert waived([waiver()], "spring-coupon", "anna", at) == found  # type: ignore[arg-type]


@pytest.mark.parametrize(("subject", "owner"), [("autumn", "anna"), ("spring-coupon", "ken")])
def test_a_waiver_is_for_one_thing_of_one_person(subject: str, owner: str) -> None:
    assert waived([waiver()], subject, owner, NOW) == {}


def test_of_several_the_longest_counts() -> None:
    longer = waiver("w2", until=END + timedelta(days=1))
    other = waiver("w3", rule="memory-per-owner")
    found = waived([longer, waiver(), other], "spring-coupon", "anna", NOW)
    assert found == {"ttl-max": "w2", "memory-per-owner": "w3"}


@pytest.mark.parametrize("state", AskState)
def test_only_what_was_accepted_is_granted(state: AskState) -> None:
    ask = an_ask(state, WAIVER).model_copy(update={"decision": YES})
    found = granted([an_ask(AskState.ACCEPTED, EXPORT), ask])
    wanted = Waiver(
        id="r1",
        rule="ttl-max",
        subject="spring-coupon",
        owner="anna",
        approved=NOON,
        until=WAIVER.until,
    )
    assert found == ([wanted] if state is AskState.ACCEPTED else [])


def a_rule(exceptions: object) -> Rule:
    return Rule.model_validate(rule(exceptions=exceptions))


WEEK = a_rule({"max_days": 7, "approver_role": "it"})


def test_what_a_rule_says_of_exemptions() -> None:
    assert waivable(WEEK).approver_role == "it"
    with pytest.raises(Denied, match="Nobody can exempt") as caught:
        waivable(a_rule("never"))
    assert caught.value.hint == "Do this\nこうする"


@pytest.mark.parametrize("seconds", [1, 7 * 86400])
def test_an_end_within_what_the_rule_allows(seconds: int) -> None:
    check_until(WEEK, NOW + timedelta(seconds=seconds), NOW)


@pytest.mark.parametrize(
    ("seconds", "error"), [(0, InvalidInput), (-1, InvalidInput), (7 * 86400 + 1, Denied)]
)
def test_an_end_that_is_over_or_too_late(seconds: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        check_until(WEEK, NOW + timedelta(seconds=seconds), NOW)


def test_a_rule_that_allows_no_exemption_heeds_none() -> None:
    assert WEEK.exempt_by({"some-rule": "r1"}) == "r1"
    assert WEEK.exempt_by({"other": "r1"}) == ""
    assert a_rule("never").exempt_by({"some-rule": "r1"}) == ""
