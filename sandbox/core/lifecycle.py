"""The record of a sandbox: what it was asked to be, who holds it, and which phase it is in."""

from datetime import datetime
from typing import Any

from pydantic import AwareDatetime

from sandbox.core.errors import Conflict
from sandbox.core.lease import Lease
from sandbox.core.phases import (
    HELD,
    Action,
    AwaitingApproval,
    Denied,
    Destroyed,
    Expired,
    Failed,
    Frozen,
    Phase,
    Ready,
    Removing,
    State,
    allowed_actions,
    transition,
)
from sandbox.core.replica import ReplicaUse
from sandbox.core.template import ParameterValue
from sandbox.core.use import Use
from sandbox.core.values import Value

# What one whose disk was full is given beyond what it holds (MiB): room to clean up.
ROOM_MB = 1024


class Steps(Value):
    """Who answers for each step of the way from core data to an insight."""

    extract: str = ""
    transform: str = ""
    analyse: str = ""


class Spec(Value):
    """A resolved request: all that decides what the sandbox is. Equal specs, same sandbox.

    `campaign` is the code that it is charged to; what is urgent (`expedite`) has a `sponsor`.
    """

    template: str
    template_version: str
    template_digest: str
    image: str
    parameters: dict[str, ParameterValue]
    purpose: str
    ttl_minutes: int
    steps: Steps
    snapshot: str
    egress: tuple[str, ...] = ()
    experiment: str = ""
    campaign: str = ""
    expedite: bool = False
    sponsor: str = ""


class Endpoint(Value):
    """Where the part that answers at the gateway listens, inside the sandbox's own network.

    It answers `path` within `seconds` of its start. Paths like those of `ignore` are asked for by
    its page with nobody before it (see core/use.py).
    """

    part: str
    address: str
    port: int
    path: str = "/"
    seconds: int = 60
    ignore: tuple[str, ...] = ()


class Reset(Value):
    """A reset that has begun: the tool is being made anew, and saw snapshot `before` until then."""

    since: AwareDatetime
    by: str
    reason: str = ""
    before: str


class Review(Value):
    """What somebody found who looked back at an expedited sandbox."""

    by: str
    at: AwareDatetime
    found: str


class Sandbox(Value):
    """The registry's record of one sandbox. Times are UTC.

    `disk_mb` is what its work and lab may hold (0: not watched), `used_mb` what they held when the
    reaper last measured them; both in MiB. `claim` names the claim by which one of the pool became
    its owner's, "" if it was made for them. `ask` is the request for the yes that it waits for or
    was let in by, "" if it needs none. With `reset`, its tool must still be made anew: whoever
    finds it so, with no process at work, does that. `former` are the snapshots that it saw before.
    """

    id: str
    name: str
    phase: Phase
    lease: Lease
    spec: Spec
    decision: dict[str, Any]
    created: AwareDatetime
    memory_mb: int
    cpus: float
    disk_mb: int = 0
    used_mb: int | None = None
    subnet: int | None = None
    parts: tuple[str, ...] = ()
    replica: ReplicaUse | None = None
    endpoint: Endpoint | None = None
    claim: str = ""
    ask: str = ""
    use: Use = Use()
    reset: Reset | None = None
    former: tuple[str, ...] = ()
    review: Review | None = None

    @property
    def state(self) -> State:
        """The state on record; see `state_at` for what the clock adds."""
        return self.phase.state

    @property
    def shares_replica(self) -> bool:
        """Whether it reads PostgreSQL from its snapshot's shared server."""
        return self.replica is not None and self.replica.kind == "shared"

    @property
    def snapshots(self) -> frozenset[str]:
        """The snapshots that it needs: the one it sees, and the one that it may go back to."""
        return frozenset({self.spec.snapshot, *([self.reset.before] if self.reset else [])})

    @property
    def reason(self) -> str:
        """Why it is or was frozen, failed, was refused or is being removed; else nothing."""
        match self.phase:
            case Failed(why=why) | Removing(why=why) | Denied(why=why):
                return why
        return self.frozen.reason if self.frozen else ""

    @property
    def frozen(self) -> Frozen | None:
        """Who froze it and why, also when it expired since; None if nobody did."""
        match self.phase:
            case (Frozen() as frozen) | Expired(frozen=frozen):
                return frozen
        return None

    def lapsed(self, now: datetime) -> bool:
        """Say whether it waited for somebody's yes for too long by `now`."""
        return isinstance(self.phase, AwaitingApproval) and now >= self.phase.until

    def restored_phase(self, now: datetime) -> Ready | Frozen:
        """Return the phase in which an expired sandbox comes back: as it was before its end."""
        if self.frozen is None:
            return Ready(since=now)
        # What it lay frozen before its end is not given back by a later credit.
        return self.frozen.model_copy(update={"since": now})

    def secret(self, what: str) -> str:
        """Return what the secret `what` of it is derived for: after a claim another than before."""
        return " ".join([what, self.id, *([self.claim] if self.claim else [])])

    def state_at(self, now: datetime) -> State:
        """Return the state at `now`: past its deadline, what was ready or frozen is expired."""
        deadline = self.lease.deadline
        held = self.state in HELD
        return State.EXPIRED if held and deadline and now >= deadline else self.state

    def actions_at(self, now: datetime) -> tuple[str, ...]:
        """Return the commands a person may use next; nothing is restored after its grace."""
        grace_ends = self.lease.grace_ends
        over = grace_ends is not None and now >= grace_ends
        allowed = allowed_actions(self.state_at(now))
        return tuple(a for a in allowed if not (over and a == Action.RESTORE))

    @property
    def overfull(self) -> bool:
        """Whether it held more than it may when it was last measured."""
        return bool(self.disk_mb) and self.used_mb is not None and self.used_mb > self.disk_mb

    @property
    def resume_command(self) -> str:
        """The command that starts it again once it is frozen, with room where its disk is full."""
        room = f" --disk-mb {(self.used_mb or 0) + ROOM_MB}" if self.overfull else ""
        return f"sandbox resume {self.name}{room}"

    def next_step(self, now: datetime) -> str:
        """Return what somebody who finds it as it is at `now` can do next, as a sentence."""
        if isinstance(self.phase, Destroyed) and self.phase.certificate.kept:
            return f"What it held is kept: sandbox kept show {self.name}"
        match self.state_at(now):
            case State.EXPIRED if "restore" in self.actions_at(now):
                return f"Its time is over; bring it back with: sandbox restore {self.name}"
            case State.EXPIRED | State.REMOVING:
                return f"Remove what is left: sandbox down {self.name}"
            case State.FROZEN:
                return f"If you still need it, ask IT to start it again: {self.resume_command}"
            case State.READY:
                return f"It runs: sandbox open {self.name}"
            case State.AWAITING_APPROVAL:
                return f"It waits for somebody's yes: sandbox show {self.name}"
            case State.DENIED | State.DESTROYED | State.FAILED:
                return f"Make a new one: sandbox up {self.name} --template T --purpose WHY"
        return f"See: sandbox show {self.name}"

    def moved(self, action: Action, to: Phase, now: datetime, **changes: Any) -> "Sandbox":
        """Return the record after `action` at `now`, in phase `to`, with other `changes` made.

        Raises Conflict, naming what is allowed, if its state forbids it.
        """
        try:
            phase = transition(self.state_at(now), action, to, self.name, self.next_step(now))
        except Conflict as refused:  # the state alone does not know that its grace is over
            refused.details["allowed_actions"] = list(self.actions_at(now))
            raise
        return self.model_copy(update={"phase": phase, **changes})
