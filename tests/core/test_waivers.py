"""Waivers: whose they are, and the second in which they end."""

from datetime import timedelta

import pytest

from sandbox.core.waivers import Waiver, waived
from tests.core.policies import NOW

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
