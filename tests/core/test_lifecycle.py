from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from sandbox.core.errors import Conflict
from sandbox.core.lease import Lease
from sandbox.core.lifecycle import (
    LIVE,
    Action,
    Sandbox,
    Spec,
    State,
    Steps,
    allowed_actions,
    transition,
)

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

# The whole table once more, as people would write it; everything else is refused.
LEADS_TO = {
    ("provisioning", "finish"): "ready",
    ("provisioning", "fail"): "failed",
    ("provisioning", "remove"): "removing",
    ("ready", "expire"): "expired",
    ("ready", "remove"): "removing",
    ("expired", "remove"): "removing",
    ("removing", "remove"): "removing",
    ("removing", "destroy"): "destroyed",
}


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("action", list(Action))
def test_every_state_and_action(state: State, action: Action) -> None:
    expected = LEADS_TO.get((state.value, action.value))
    if expected:
        assert transition(state, action) is State(expected)
        assert action.value in allowed_actions(state)
        return
    with pytest.raises(Conflict) as caught:
        transition(state, action, "spring-coupon")
    error = caught.value
    assert error.message == f"A sandbox that is {state.value} cannot {action.value}."
    assert error.subject == "spring-coupon"
    assert error.hint == f"Allowed now: {', '.join(allowed_actions(state)) or 'nothing'}"
    assert error.details["state"] == state.value
    assert action.value not in error.details["allowed_actions"]


def test_what_is_live_can_end_and_what_is_not_is_final() -> None:
    for state in State:
        assert bool(allowed_actions(state)) == (state in LIVE)


def test_every_live_state_leads_to_destroyed() -> None:
    for state in LIVE:
        removing = transition(state, Action.REMOVE)
        assert transition(removing, Action.DESTROY) is State.DESTROYED


def a_sandbox(**changes: Any) -> Sandbox:
    spec = Spec(
        template="segment-rfm",
        template_version="1.0.0",
        template_digest="d" * 64,
        image="segment-rfm:1",
        parameters={"segments": 5, "ratio": 0.5, "strict": True, "title": "春"},
        purpose="Which lapsed customers react to a coupon?",
        ttl_minutes=60,
        steps=Steps(extract="it-data", transform="it-data", analyse="anna"),
        snapshot="core@2026-11-23.1",
    )
    values = {
        "id": "a1",
        "name": "spring-coupon",
        "state": State.READY,
        "lease": Lease(owner="anna", ttl=timedelta(hours=1), started=NOON),
        "spec": spec,
        "decision": {},
        "created": NOON,
        "memory_mb": 512,
        "cpus": 1.0,
    }
    return Sandbox.model_validate(values | changes)


@pytest.mark.parametrize(
    ("state", "after", "expected"),
    [
        (State.READY, timedelta(0), State.READY),
        (State.READY, timedelta(hours=1, microseconds=-1), State.READY),
        (State.READY, timedelta(hours=1), State.EXPIRED),
        (State.READY, timedelta(days=30), State.EXPIRED),
        (State.PROVISIONING, timedelta(days=30), State.PROVISIONING),
        (State.REMOVING, timedelta(days=30), State.REMOVING),
        (State.DESTROYED, timedelta(days=30), State.DESTROYED),
    ],
)
def test_a_ready_sandbox_expires_by_the_clock(
    state: State, after: timedelta, expected: State
) -> None:
    assert a_sandbox(state=state).state_at(NOON + after) is expected


def test_a_sandbox_that_never_started_does_not_expire() -> None:
    waiting = a_sandbox(lease=Lease(owner="anna", ttl=timedelta(hours=1)))
    assert waiting.state_at(NOON + timedelta(days=1)) is State.READY


def test_a_record_survives_json_exactly() -> None:
    saved = a_sandbox(subnet=3, reason="50% off [/coupon]")
    back = Sandbox.model_validate_json(saved.model_dump_json())
    assert back == saved
    # `5`, `0.5` and `True` are equal across types in Python, so compare the types as well.
    assert [type(v) for v in back.spec.parameters.values()] == [int, float, bool, str]


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        a_sandbox(created=datetime(2026, 11, 23))
