from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from sandbox.core.certificate import Kept
from sandbox.core.errors import Conflict
from sandbox.core.lease import Lease
from sandbox.core.lifecycle import Sandbox
from sandbox.core.phases import Action, Destroyed, Frozen, State
from tests.contract import registry_samples
from tests.phases import NOON, phase


def a_sandbox(**changes: Any) -> Sandbox:
    """Return one whose lease is of an hour."""
    lease = Lease(owner="anna", ttl=timedelta(hours=1), started=NOON)
    values: dict[str, Any] = {"lease": lease, "decision": {}, "cpus": 1.0}
    return registry_samples.a_sandbox(**(values | changes))


@pytest.mark.parametrize(
    ("state", "after", "expected"),
    [
        (State.READY, timedelta(0), State.READY),
        (State.READY, timedelta(hours=1, microseconds=-1), State.READY),
        (State.READY, timedelta(hours=1), State.EXPIRED),
        (State.READY, timedelta(days=30), State.EXPIRED),
        (State.FROZEN, timedelta(minutes=59), State.FROZEN),
        (State.FROZEN, timedelta(hours=1), State.EXPIRED),
        (State.EXPIRED, timedelta(0), State.EXPIRED),
        (State.PROVISIONING, timedelta(days=30), State.PROVISIONING),
        (State.REMOVING, timedelta(days=30), State.REMOVING),
        (State.DESTROYED, timedelta(days=30), State.DESTROYED),
    ],
)
def test_what_is_ready_or_frozen_expires_by_the_clock(
    state: State, after: timedelta, expected: State
) -> None:
    assert a_sandbox(phase=phase(state)).state_at(NOON + after) is expected


def test_a_sandbox_that_never_started_does_not_expire() -> None:
    waiting = a_sandbox(lease=Lease(owner="anna", ttl=timedelta(hours=1)))
    assert waiting.state_at(NOON + timedelta(days=1)) is State.READY


def test_a_record_survives_json_exactly() -> None:
    saved = a_sandbox(subnet=3, phase=Frozen(since=NOON, by="it", reason="50% off [/coupon]"))
    back = Sandbox.model_validate_json(saved.model_dump_json())
    assert back == saved
    # `5`, `0.5` and `True` are equal across types in Python, so compare the types as well.
    assert [type(v) for v in back.spec.parameters.values()] == [int, float, bool, str]


def test_moving_goes_by_the_clock_and_changes_nothing_else() -> None:
    sandbox = a_sandbox()
    frozen = sandbox.moved(Action.FREEZE, phase(State.FROZEN), NOON)
    assert (frozen.state, frozen.reason) == (State.FROZEN, "looked odd")
    assert frozen.model_copy(update={"phase": sandbox.phase}) == sandbox
    with pytest.raises(Conflict, match="expired cannot be frozen"):
        sandbox.moved(Action.FREEZE, phase(State.FROZEN), NOON + timedelta(hours=1))


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        a_sandbox(created=datetime(2026, 11, 23))


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (State.FROZEN, "sandbox resume spring-coupon"),
        (State.REMOVING, "sandbox down spring-coupon"),
        (State.FAILED, "sandbox up spring-coupon"),
        (State.DESTROYED, "sandbox up spring-coupon"),
        (State.PROVISIONING, "sandbox show spring-coupon"),
    ],
)
def test_every_state_has_a_next_step(state: State, says: str) -> None:
    assert says in a_sandbox(phase=phase(state)).next_step(NOON)


def test_what_is_kept_of_a_destroyed_one_is_named() -> None:
    gone = phase(State.DESTROYED)
    assert isinstance(gone, Destroyed)
    kept = Kept(name="x.tar.age", bytes=1, sha256="0" * 64, data_class="C2", until=NOON)
    certificate = gone.certificate.model_copy(update={"kept": kept})
    sandbox = a_sandbox(phase=gone.model_copy(update={"certificate": certificate}))
    assert "sandbox kept show spring-coupon" in sandbox.next_step(NOON)


@pytest.mark.parametrize(
    ("after", "allowed"),
    [
        (timedelta(hours=1), ("restore", "down")),
        (timedelta(hours=73, microseconds=-1), ("restore", "down")),
        (timedelta(hours=73), ("down",)),
    ],
)
def test_nothing_is_restored_after_its_grace(after: timedelta, allowed: tuple[str, ...]) -> None:
    for state in (State.READY, State.EXPIRED):
        assert a_sandbox(phase=phase(state)).actions_at(NOON + after) == allowed
