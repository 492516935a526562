import pytest
from pydantic import ValidationError

from sandbox.core.errors import Conflict
from sandbox.core.phases import (
    LIVE,
    RUNNING,
    Action,
    Failed,
    Frozen,
    State,
    allowed_actions,
    transition,
)
from tests.phases import NOON, phase

# The whole table once more, as people would write it; everything else is refused.
LEADS_TO = {
    ("awaiting-approval", "approve"): "provisioning",
    ("awaiting-approval", "reject"): "denied",
    ("awaiting-approval", "remove"): "removing",
    ("pooled", "claim"): "provisioning",
    ("pooled", "remove"): "removing",
    ("provisioning", "finish"): "ready",
    ("provisioning", "pool"): "pooled",
    ("provisioning", "fail"): "failed",
    ("provisioning", "remove"): "removing",
    ("ready", "extend"): "ready",
    ("ready", "reset"): "ready",
    ("ready", "freeze"): "frozen",
    ("ready", "expire"): "expired",
    ("ready", "remove"): "removing",
    ("frozen", "extend"): "frozen",
    ("frozen", "resume"): "ready",
    ("frozen", "expire"): "expired",
    ("frozen", "remove"): "removing",
    ("expired", "restore"): "ready",
    ("expired", "remove"): "removing",
    ("removing", "remove"): "removing",
    ("removing", "destroy"): "destroyed",
}


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("action", list(Action))
def test_every_state_and_action(state: State, action: Action) -> None:
    expected = LEADS_TO.get((state.value, action.value))
    if expected:
        to = phase(State(expected))
        assert transition(state, action, to) is to
        return
    with pytest.raises(Conflict) as caught:
        transition(state, action, phase(State.READY), "spring-coupon", "See: it")
    error = caught.value
    assert error.message.startswith(f"A sandbox that is {state.value} cannot be ")
    assert error.subject == "spring-coupon"
    assert error.hint == "See: it"
    assert error.details["state"] == state.value
    assert action.value not in error.details["allowed_actions"]


def test_an_action_leads_to_its_own_state_only() -> None:
    with pytest.raises(AssertionError, match="freeze does not lead to ready"):
        transition(State.READY, Action.FREEZE, phase(State.READY))


def test_what_is_allowed_is_named_by_the_commands_of_people() -> None:
    assert allowed_actions(State.READY) == ("extend", "reset", "freeze", "down")
    assert allowed_actions(State.FROZEN) == ("extend", "resume", "down")
    assert allowed_actions(State.POOLED) == ("down",)


def test_what_is_live_can_end_and_what_is_not_is_final() -> None:
    for state in State:
        assert bool(allowed_actions(state)) == (state in LIVE)
    assert RUNNING < LIVE


def test_every_live_state_leads_to_destroyed() -> None:
    for state in LIVE:
        removing = transition(state, Action.REMOVE, phase(State.REMOVING))
        gone = transition(removing.state, Action.DESTROY, phase(State.DESTROYED))
        assert gone.state is State.DESTROYED


@pytest.mark.parametrize("state", list(State))
def test_a_phase_survives_json_as_itself(state: State) -> None:
    whole = phase(state)
    assert whole.state is state
    assert type(whole).model_validate_json(whole.model_dump_json()) == whole


def test_a_phase_has_all_that_belongs_to_it_and_nothing_else() -> None:
    with pytest.raises(ValidationError, match="reason"):
        Frozen.model_validate({"since": NOON, "by": "it"})
    with pytest.raises(ValidationError, match="reason"):
        Failed.model_validate({"since": NOON, "why": "x", "reason": "y"})
