"""What people and programs see of a sandbox: one view for `up`, `list`, `show` and `down`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sandbox.core import disk
from sandbox.core.idle import idle_warning
from sandbox.core.lanes import review_due
from sandbox.core.lease import spoken
from sandbox.core.lifecycle import Review, Sandbox, Steps
from sandbox.core.phases import HELD, AwaitingApproval, State
from sandbox.core.ports import Context
from sandbox.core.replica import ReplicaKind
from sandbox.core.snapshot import source_of
from sandbox.core.template import ParameterValue
from sandbox.core.values import Value

# The id of the newest snapshot by source and experiment.
Newest = Mapping[tuple[str, str], str]
NOT_ASKED: Newest = {}


class SandboxView(Value):
    """A sandbox as it stands now. Times are UTC; `minutes_left` is 0 once it has expired.

    `postgres` is by what its tool reads PostgreSQL, None if it does not.
    `warning` says that its end is near, once that is due. `last_used` is when a person last used
    it, as far as was read; `idle_warning` that this is long ago, once that was told.
    `extensions_left` counts how often it can be given more time, `minutes_to_ask` how much at most
    the next time. `kept_until` is when an expired one can no longer be restored. `disk_mb` is what
    its work and lab may hold, `used_mb` what they held when last measured, `disk_warning` that this
    is nearly all. `frozen_by` and `frozen_since` tell of the last freeze of one that is frozen, or
    was when it expired; `resume_command` starts one that is frozen again. `newer_snapshot` is the
    one that `reset --latest` would show it, where the newest was looked up; `resetting` says that
    its tool is being made anew. `review_due` is until when one that was expedited must be reviewed,
    None if it need not be, or was. `request` is the one for
    the yes that it wanted; while it waits, `waits_for` are the roles asked, and `waits_until` is
    when that lapses.
    """

    id: str
    name: str
    owner: str
    state: State
    template: str
    template_version: str
    purpose: str
    steps: Steps
    parameters: dict[str, ParameterValue]
    snapshot: str
    postgres: ReplicaKind | None
    newer_snapshot: str = ""
    resetting: bool = False
    created: datetime
    ready: datetime | None
    deadline: datetime | None
    minutes_left: int | None
    warning: str
    last_used: datetime | None
    idle_warning: str
    extensions_left: int
    minutes_to_ask: int
    kept_until: datetime | None
    url: str
    memory_mb: int
    cpus: float
    disk_mb: int
    used_mb: int | None
    disk_warning: str
    egress: tuple[str, ...]
    campaign: str
    expedite: bool
    sponsor: str
    review_due: datetime | None
    reviewed: Review | None
    reason: str
    frozen_by: str
    frozen_since: datetime | None
    resume_command: str
    request: str = ""
    waits_for: tuple[str, ...] = ()
    waits_until: datetime | None = None
    allowed_actions: tuple[str, ...]


def view(context: Context, sandbox: Sandbox, newest: Newest = NOT_ASKED) -> SandboxView:
    """Return the view of `sandbox` at this moment; `newest` is the last snapshot of each series."""
    now = context.now()
    state = sandbox.state_at(now)
    deadline = sandbox.lease.deadline
    minutes = max(0, int((deadline - now).total_seconds()) // 60) if deadline else None
    left = sandbox.lease.left(now)
    return SandboxView(
        id=sandbox.id,
        name=sandbox.name,
        owner=sandbox.lease.owner,
        state=state,
        template=sandbox.spec.template,
        template_version=sandbox.spec.template_version,
        purpose=sandbox.spec.purpose,
        steps=sandbox.spec.steps,
        parameters=sandbox.spec.parameters,
        snapshot=sandbox.spec.snapshot,
        postgres=sandbox.replica.kind if sandbox.replica else None,
        newer_snapshot=_newer(sandbox, newest) if state is State.READY else "",
        resetting=sandbox.reset is not None,
        created=sandbox.created,
        ready=sandbox.lease.started,
        deadline=deadline,
        minutes_left=minutes,
        warning=_warning(sandbox, now) if state in HELD else "",
        last_used=sandbox.use.last,
        idle_warning=idle_warning(sandbox, now),
        extensions_left=left.extensions,
        minutes_to_ask=int(left.span.total_seconds()) // 60,
        kept_until=sandbox.lease.grace_ends if state is State.EXPIRED else None,
        url=context.gateway.url(sandbox.name) if state is State.READY else "",
        memory_mb=sandbox.memory_mb,
        cpus=sandbox.cpus,
        disk_mb=sandbox.disk_mb,
        used_mb=sandbox.used_mb,
        disk_warning=disk.warning(sandbox) if state in HELD else "",
        egress=sandbox.spec.egress,
        campaign=sandbox.spec.campaign,
        expedite=sandbox.spec.expedite,
        sponsor=sandbox.spec.sponsor,
        review_due=review_due(sandbox, now.astimezone().tzinfo),
        reviewed=sandbox.review,
        frozen_by=sandbox.frozen.by if sandbox.frozen else "",
        frozen_since=sandbox.frozen.since if sandbox.frozen else None,
        resume_command=sandbox.resume_command if state is State.FROZEN else "",
        **_waiting(sandbox, now),
        allowed_actions=sandbox.actions_at(now),
    )


def standing(sandbox: Sandbox, now: datetime) -> dict[str, object]:
    """Return, as details of an error, what state `sandbox` is in and what can be asked for."""
    state, actions = sandbox.state_at(now), sandbox.actions_at(now)
    return {"state": state.value, "allowed_actions": list(actions)}


def _waiting(sandbox: Sandbox, now: datetime) -> dict[str, Any]:
    """Return by whose yes it was let in, or until when it waits for whose; and why it is no more.

    What has lapsed waits for nobody, before the reaper has written that down too.
    """
    found: dict[str, Any] = {"request": sandbox.ask, "reason": sandbox.reason}
    if isinstance(phase := sandbox.phase, AwaitingApproval):
        over = sandbox.lapsed(now)
        told = {"reason": phase.why_lapsed} if over else {"waits_for": phase.roles}
        found |= {"waits_until": phase.until, **told}
    return found


def _newer(sandbox: Sandbox, newest: Newest) -> str:
    """Return the newest snapshot of what it sees, if that is another; nothing for the pool."""
    series = (source_of(sandbox.spec.snapshot), sandbox.spec.experiment)
    last = newest.get(series, sandbox.spec.snapshot) if sandbox.lease.owner else ""
    return "" if last == sandbox.spec.snapshot else last


def _warning(sandbox: Sandbox, now: datetime) -> str:
    warned = sandbox.lease.warning(now)
    return f"ends in {spoken(warned.deadline - now)}" if warned else ""
