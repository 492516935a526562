"""The states of a sandbox, what each of them knows, and the one function that leads on.

A phase is a state with all that belongs to it, and nothing that does not: a frozen sandbox has a
reason, a destroyed one its certificate. `expired` may be read from the clock before anybody has
written it down (see `Sandbox.state_at`).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from sandbox.core.certificate import Certificate, Remains
from sandbox.core.errors import Conflict
from sandbox.core.pattern import Pattern
from sandbox.core.values import Value


class State(StrEnum):
    """Where a sandbox stands."""

    DENIED = "denied"
    AWAITING_APPROVAL = "awaiting-approval"
    POOLED = "pooled"
    PROVISIONING = "provisioning"
    READY = "ready"
    FROZEN = "frozen"
    EXPIRED = "expired"
    REMOVING = "removing"
    DESTROYED = "destroyed"
    FAILED = "failed"


class Action(StrEnum):
    """What can happen to a sandbox."""

    APPROVE = "approve"
    REJECT = "reject"
    FINISH = "finish"
    POOL = "pool"
    CLAIM = "claim"
    FAIL = "fail"
    EXTEND = "extend"
    RESET = "reset"
    EXPIRE = "expire"
    RESTORE = "restore"
    FREEZE = "freeze"
    RESUME = "resume"
    REMOVE = "remove"
    DESTROY = "destroy"


# What a person can ask for, by the name of its command.
_COMMANDS: Mapping[Action, str] = {
    Action.EXTEND: "extend",
    Action.RESET: "reset",
    Action.RESTORE: "restore",
    Action.FREEZE: "freeze",
    Action.RESUME: "resume",
    Action.REMOVE: "down",
}
_DONE: Mapping[Action, str] = {
    Action.APPROVE: "approved",
    Action.REJECT: "rejected",
    Action.FINISH: "finished",
    Action.POOL: "put into the pool",
    Action.CLAIM: "claimed",
    Action.FAIL: "given up",
    Action.EXTEND: "extended",
    Action.RESET: "reset",
    Action.EXPIRE: "expired",
    Action.RESTORE: "restored",
    Action.FREEZE: "frozen",
    Action.RESUME: "resumed",
    Action.REMOVE: "removed",
    Action.DESTROY: "destroyed",
}


class _Since(Value):
    since: AwareDatetime


class Denied(_Since):
    """Policy said no: the decision is in the record. Or somebody did, or nobody answered: `why`."""

    state: Literal[State.DENIED] = State.DENIED
    why: str = ""


class AwaitingApproval(_Since):
    """Policy asks for somebody's yes first: nothing is made yet.

    `until` is when that lapses, `roles` are whose yes is lacking.
    """

    state: Literal[State.AWAITING_APPROVAL] = State.AWAITING_APPROVAL
    until: AwareDatetime
    roles: tuple[str, ...]

    @property
    def why_lapsed(self) -> str:
        """Why nothing comes of it once it has lapsed."""
        return f"nobody said yes until {self.until:%Y-%m-%d %H:%M} UTC"


class Pooled(_Since):
    """Made ahead after `pattern`, claimed by nobody."""

    state: Literal[State.POOLED] = State.POOLED
    pattern: Pattern


class Provisioning(_Since):
    """Being made; or claimed from the pool, and being made its claimant's own."""

    state: Literal[State.PROVISIONING] = State.PROVISIONING


class Ready(_Since):
    """It answers, and its lease runs."""

    state: Literal[State.READY] = State.READY


class Frozen(_Since):
    """Stopped by IT or by a rule: volumes kept, route closed, the lease runs on."""

    state: Literal[State.FROZEN] = State.FROZEN
    by: str
    reason: str


class Expired(_Since):
    """Its lease is over; kept for the grace period. `frozen`: it was stopped, and stays so."""

    state: Literal[State.EXPIRED] = State.EXPIRED
    frozen: Frozen | None = None


class Removing(_Since):
    """Being taken apart. Repeatable: a removal that was cut off is asked for again.

    `remains` could not be removed the last time.
    """

    state: Literal[State.REMOVING] = State.REMOVING
    by: str
    why: str
    remains: tuple[Remains, ...] = ()


class Destroyed(_Since):
    """Gone, with its certificate."""

    state: Literal[State.DESTROYED] = State.DESTROYED
    certificate: Certificate


class Failed(_Since):
    """It was never ready; everything that was made is removed."""

    state: Literal[State.FAILED] = State.FAILED
    why: str


Phase = Annotated[
    Denied
    | AwaitingApproval
    | Pooled
    | Provisioning
    | Ready
    | Frozen
    | Expired
    | Removing
    | Destroyed
    | Failed,
    Field(discriminator="state"),
]

_TABLE: Mapping[State, Mapping[Action, State]] = {
    State.AWAITING_APPROVAL: {
        Action.APPROVE: State.PROVISIONING,
        Action.REJECT: State.DENIED,
        Action.REMOVE: State.REMOVING,
    },
    State.POOLED: {Action.CLAIM: State.PROVISIONING, Action.REMOVE: State.REMOVING},
    State.PROVISIONING: {
        Action.FINISH: State.READY,
        Action.POOL: State.POOLED,
        Action.FAIL: State.FAILED,
        Action.REMOVE: State.REMOVING,
    },
    State.READY: {
        Action.EXTEND: State.READY,
        Action.RESET: State.READY,
        Action.FREEZE: State.FROZEN,
        Action.EXPIRE: State.EXPIRED,
        Action.REMOVE: State.REMOVING,
    },
    State.FROZEN: {
        Action.EXTEND: State.FROZEN,
        Action.RESUME: State.READY,
        Action.EXPIRE: State.EXPIRED,
        Action.REMOVE: State.REMOVING,
    },
    State.EXPIRED: {Action.RESTORE: State.READY, Action.REMOVE: State.REMOVING},
    State.REMOVING: {Action.REMOVE: State.REMOVING, Action.DESTROY: State.DESTROYED},
    State.DENIED: {},
    State.DESTROYED: {},
    State.FAILED: {},
}

# Whoever froze a sandbox did not mean until its end: restored, it is frozen again.
_BACK_FROZEN = (State.EXPIRED, Action.RESTORE, State.FROZEN)

# States in which the lease runs.
HELD = frozenset({State.READY, State.FROZEN})
# States that hold a name and objects in the engine.
LIVE = frozenset(
    {
        State.AWAITING_APPROVAL,
        State.POOLED,
        State.PROVISIONING,
        State.READY,
        State.FROZEN,
        State.EXPIRED,
        State.REMOVING,
    }
)
# States whose containers run, or are about to: they count against memory and CPU.
RUNNING = frozenset({State.POOLED, State.PROVISIONING, State.READY})


def allowed_actions(state: State) -> tuple[str, ...]:
    """Return the commands by which a person can change what is in `state`."""
    return tuple(_COMMANDS[a] for a in _TABLE[state] if a in _COMMANDS)


def transition(state: State, action: Action, to: Phase, subject: str = "", hint: str = "") -> Phase:
    """Return the phase `to`, into which `action` leads the sandbox `subject` from `state`.

    Raises Conflict, naming what is allowed, with `hint`, if it does not.
    """
    if action not in _TABLE[state]:
        raise Conflict(
            f"A sandbox that is {state} cannot be {_DONE[action]}.",
            subject=subject,
            hint=hint,
            details={"state": state.value, "allowed_actions": list(allowed_actions(state))},
        )
    leads_there = to.state is _TABLE[state][action] or (state, action, to.state) == _BACK_FROZEN
    assert leads_there, f"{action} does not lead to {to.state}"
    return to
