"""The life of a sandbox: its states, what leads from one to the next, and its record."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import AwareDatetime

from sandbox.core.errors import Conflict
from sandbox.core.lease import Lease
from sandbox.core.template import ParameterValue
from sandbox.core.values import Value


class State(StrEnum):
    """Where a sandbox stands. `expired` is read from the clock (see `Sandbox.state_at`)."""

    DENIED = "denied"
    PROVISIONING = "provisioning"
    READY = "ready"
    EXPIRED = "expired"
    REMOVING = "removing"
    DESTROYED = "destroyed"
    FAILED = "failed"


class Action(StrEnum):
    """What can happen to a sandbox."""

    FINISH = "finish"
    FAIL = "fail"
    EXPIRE = "expire"
    REMOVE = "remove"
    DESTROY = "destroy"


_TABLE: Mapping[State, Mapping[Action, State]] = {
    State.PROVISIONING: {
        Action.FINISH: State.READY,
        Action.FAIL: State.FAILED,
        Action.REMOVE: State.REMOVING,
    },
    State.READY: {Action.EXPIRE: State.EXPIRED, Action.REMOVE: State.REMOVING},
    State.EXPIRED: {Action.REMOVE: State.REMOVING},
    # Removing is repeatable: a removal that was cut off is simply asked for again.
    State.REMOVING: {Action.REMOVE: State.REMOVING, Action.DESTROY: State.DESTROYED},
    State.DENIED: {},
    State.DESTROYED: {},
    State.FAILED: {},
}

# States that hold a name, quota and objects in the engine.
LIVE = frozenset({State.PROVISIONING, State.READY, State.EXPIRED, State.REMOVING})


def allowed_actions(state: State) -> tuple[str, ...]:
    """Return the names of what may happen next."""
    return tuple(a.value for a in _TABLE[state])


def transition(state: State, action: Action, subject: str = "") -> State:
    """Return the state after `action` on the sandbox named `subject`.

    Raises Conflict, naming what is allowed, if there is none.
    """
    try:
        return _TABLE[state][action]
    except KeyError:
        allowed = allowed_actions(state)
        raise Conflict(
            f"A sandbox that is {state} cannot {action}.",
            subject=subject,
            hint=f"Allowed now: {', '.join(allowed) or 'nothing'}",
            details={"state": state.value, "allowed_actions": list(allowed)},
        ) from None


class Steps(Value):
    """Who answers for each step of the way from core data to an insight."""

    extract: str = ""
    transform: str = ""
    analyse: str = ""


class Spec(Value):
    """A resolved request: all that decides what the sandbox is. Equal specs, same sandbox."""

    template: str
    template_version: str
    template_digest: str
    image: str
    parameters: dict[str, ParameterValue]
    purpose: str
    ttl_minutes: int
    steps: Steps
    snapshot: str


class Endpoint(Value):
    """Where the part that answers at the gateway listens, inside the sandbox's own network."""

    part: str
    address: str
    port: int


class Sandbox(Value):
    """The registry's record of one sandbox. Times are UTC."""

    id: str
    name: str
    state: State
    lease: Lease
    spec: Spec
    decision: dict[str, Any]
    created: AwareDatetime
    memory_mb: int
    cpus: float
    subnet: int | None = None
    parts: tuple[str, ...] = ()
    endpoint: Endpoint | None = None
    reason: str = ""

    def state_at(self, now: datetime) -> State:
        """Return the state at `now`: a ready sandbox past its deadline is expired."""
        deadline = self.lease.deadline
        if self.state is State.READY and deadline is not None and now >= deadline:
            return State.EXPIRED
        return self.state
