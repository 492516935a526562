"""Which snapshots are kept no longer, and who needs one: as tables."""

from datetime import timedelta

import pytest

from sandbox.core.lease import Lease
from sandbox.core.lifecycle import Reset, Sandbox
from sandbox.core.phases import State
from sandbox.core.retention import Retention, holders, outdated
from tests.contract.registry_samples import a_snapshot
from tests.core.test_lifecycle import a_sandbox
from tests.phases import NOON, phase

DAY = timedelta(days=1)
FIRST = "core@2026-11-23.1"
# One a day, the last one today.
SIX = [a_snapshot(f"core@2026-11-{18 + n}.1", created=NOON - (5 - n) * DAY) for n in range(6)]


def gone(keep: int | None = None, days: int | None = None, there: int = 6) -> int:
    found = [s for s, _ in outdated(SIX[6 - there :], Retention(keep=keep, days=days), NOON)]
    assert found == SIX[6 - there :][: len(found)]  # the oldest go
    return len(found)


@pytest.mark.parametrize(
    ("keep", "days", "expected"),
    [
        (None, None, 0),
        (1, None, 5),
        (4, None, 2),
        (6, None, 0),
        (99, None, 0),
        (None, 1, 5),  # the newest of a source always stays
        (None, 2, 4),
        (None, 3650, 0),
        (2, 4, 2),  # what either keeps, stays
        (4, 2, 2),
        (1, 5, 1),
    ],
)
def test_what_goes(keep: int | None, days: int | None, expected: int) -> None:
    assert gone(keep, days) == expected


def test_the_newest_stays_however_old() -> None:
    late = NOON + 500 * DAY
    assert outdated(SIX[:1], Retention(days=1), late) == []
    assert [s.id for s, _ in outdated(SIX, Retention(days=1), late)] == [s.id for s in SIX[:-1]]
    assert outdated([], Retention(keep=1), late) == []


def test_the_reason_tells_the_rule() -> None:
    ((_, why),) = outdated(SIX[-2:], Retention(keep=1), NOON)
    assert why == "older than what is kept: the newest 1"
    assert Retention(keep=3, days=30).words == "the newest 3 and all of the last 30 days"


@pytest.mark.parametrize("wrong", [{"keep": 0}, {"days": 0}, {"keep": -1}, {"weeks": 2}])
def test_what_is_no_rule(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Retention.model_validate(wrong)


def on(sandbox: Sandbox, snapshot: str) -> Sandbox:
    return sandbox.model_copy(
        update={"spec": sandbox.spec.model_copy(update={"snapshot": snapshot})}
    )


def test_who_needs_it_and_until_when() -> None:
    ready = a_sandbox()
    frozen = a_sandbox(id="a2", name="frozen", phase=phase(State.FROZEN))
    waiting = a_sandbox(
        id="a3",
        name="pool-a3",
        phase=phase(State.POOLED),
        lease=Lease(owner="", ttl=DAY),
    )
    other = on(a_sandbox(id="a4", name="other"), "core@2026-11-24.1")
    begun = Reset(since=NOON, by="anna", before=FIRST)
    reset = other.model_copy(update={"id": "a5", "name": "reset", "reset": begun})
    held = holders(a_snapshot(), [ready, frozen, waiting, other, reset], NOON, DAY)
    assert [(h.name, h.state) for h in held] == [
        ("spring-coupon", "ready"),
        ("frozen", "frozen"),
        ("pool-a3", "pooled"),
        ("reset", "ready"),
    ]
    grace = NOON + timedelta(hours=1 + 72)
    assert [h.until for h in held] == [grace, grace, NOON + DAY, grace]
    assert held[0].words == "spring-coupon (ready) needs it until 2026-11-26 13:00 UTC at least"
    late = holders(a_snapshot(), [ready], NOON + timedelta(hours=2), DAY)
    assert late[0].state == "expired"
