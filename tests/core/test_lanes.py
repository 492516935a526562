"""The lane for what is urgent, its review, and the work in progress."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from sandbox.core.errors import InvalidInput
from sandbox.core.judged_beside import LaneInput
from sandbox.core.lanes import check_lane, in_progress, lane_of, overdue, review_due
from sandbox.core.lease import Lease
from sandbox.core.lifecycle import Review, Sandbox
from sandbox.core.phases import State
from tests.core.test_lifecycle import a_sandbox
from tests.phases import NOON, phase

TOKYO = timezone(timedelta(hours=9))
DONE = Review(by="kenji", at=NOON, found="It went out on time")


def urgent(
    id: str = "a", started: datetime | None = NOON, state: State = State.READY, **fields: Any
) -> Sandbox:
    made = a_sandbox(id=id, name=f"box-{id}", phase=phase(state, NOON))
    spec = made.spec.model_copy(
        update={"expedite": True, "sponsor": "kenji", "campaign": "SPRING-26"}
    )
    lease = Lease(owner="anna", ttl=timedelta(days=30), started=started)
    return made.model_copy(update={"spec": spec, "lease": lease, **fields})


@pytest.mark.parametrize(
    ("started", "due"),
    [
        ("2026-11-23T12:00:00+00:00", "2026-11-25T12:00:00+00:00"),  # Monday
        ("2026-11-26T12:00:00+00:00", "2026-11-30T12:00:00+00:00"),  # Thursday
        ("2026-11-27T12:00:00+00:00", "2026-12-01T12:00:00+00:00"),  # Friday
        ("2026-11-28T12:00:00+00:00", "2026-12-01T12:00:00+00:00"),  # Saturday
        ("2026-11-29T12:00:00+00:00", "2026-12-01T12:00:00+00:00"),  # Sunday
    ],
)
def test_a_review_is_due_in_two_business_days(started: str, due: str) -> None:
    found = review_due(urgent(started=datetime.fromisoformat(started)), UTC)
    assert found == datetime.fromisoformat(due)


def test_a_business_day_is_one_of_those_who_work() -> None:
    evening = datetime(2026, 11, 27, 16, 0, tzinfo=UTC)  # Friday there, Saturday in Tokyo
    assert review_due(urgent(started=evening), UTC) == evening + timedelta(days=4)
    assert review_due(urgent(started=evening), TOKYO) == evening + timedelta(days=3)


def test_what_needs_no_review() -> None:
    assert review_due(a_sandbox(id="n")) is None
    assert review_due(urgent(started=None)) is None
    assert review_due(urgent(review=DONE)) is None


def test_it_is_overdue_after_its_last_second() -> None:
    due = review_due(urgent(), UTC)
    assert due is not None
    assert not overdue(urgent(), due, UTC)
    assert overdue(urgent(), due + timedelta(seconds=1), UTC)
    assert overdue(urgent(state=State.DESTROYED), due + timedelta(seconds=1), UTC)


def test_the_lane_counts_what_holds_a_slot_and_what_was_not_reviewed() -> None:
    later = NOON + timedelta(days=3)
    spec = urgent().spec
    others = [
        urgent("a"),
        urgent("b", review=DONE),
        urgent("c", state=State.DESTROYED),
        urgent("d", state=State.DENIED, started=None),
        a_sandbox(id="e", name="plain"),
    ]
    found = lane_of(spec, "anna", others, later, zone=UTC)
    assert (found.name, found.sponsor, found.own_sponsor) == ("expedite", "kenji", False)
    assert (found.expedited, found.overdue) == (3, 2)
    assert lane_of(spec, "kenji", others, later).own_sponsor
    assert lane_of(spec, "Ｋenji", others, later).own_sponsor
    assert lane_of(spec, "anna", others, later, besides="a", zone=UTC).expedited == 2
    assert lane_of(a_sandbox(id="f").spec, "anna", others, later) == LaneInput()


def test_work_in_progress_is_that_of_the_campaign() -> None:
    spec = urgent().spec
    live = [urgent("a"), urgent("b", state=State.FROZEN), urgent("c", state=State.EXPIRED)]
    assert in_progress(spec, live, NOON).campaign == 3
    assert in_progress(spec, live, NOON, besides="b").campaign == 2
    assert in_progress(a_sandbox(id="f").spec, live, NOON).campaign == 0


def test_only_what_is_urgent_has_a_sponsor() -> None:
    check_lane(expedite=True, sponsor="")
    check_lane(expedite=False, sponsor="")
    with pytest.raises(InvalidInput, match="Only what is urgent"):
        check_lane(expedite=False, sponsor="kenji")
