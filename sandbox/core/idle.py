"""Sandboxes that nobody uses: what rules judge at the point `idle`, and what follows. Pure.

A home without a rule in force there has nobody warned or frozen: nobody asked for anything, so
silence denies nothing.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from pydantic import Field

from sandbox.core.judged import Judged, PurposeInput, TemplateInput, hours
from sandbox.core.lease import spoken
from sandbox.core.lifecycle import Sandbox
from sandbox.core.phases import State
from sandbox.core.policy import Decision, evaluate
from sandbox.core.reaping import ChoreKind, Found
from sandbox.core.rules import PolicySet
from sandbox.core.use import newest
from sandbox.core.version import VERSION


class IdleInput(Judged):
    """What rules judge at the point `idle`: a sandbox that is ready, used or not.

    `idle_hours` is the time since it was last used, made ready, given more time or resumed,
    whatever came last. `last_used` is an ISO time in UTC, empty if it never was; `ttl_hours` the
    whole length of its lease, `left_hours` what is left of it.
    """

    idle_hours: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    last_used: str
    state: str
    ttl_hours: float
    left_hours: float
    owner: str
    purpose: PurposeInput
    template: TemplateInput

    @classmethod
    def of(cls, sandbox: Sandbox, now: datetime) -> "IdleInput":
        """Return the document for `sandbox`, whose lease must have started, at `now`."""
        lease, used = sandbox.lease, sandbox.use.last
        assert lease.started is not None
        assert lease.deadline is not None
        return cls(
            idle_hours=_hours(idle_since(sandbox), now),
            last_used=used.isoformat(timespec="seconds") if used else "",
            state=sandbox.state_at(now).value,
            ttl_hours=_hours(lease.started, lease.deadline),
            left_hours=_hours(now, lease.deadline),
            owner=lease.owner,
            purpose=PurposeInput.of(sandbox.spec.purpose),
            template=TemplateInput.of(sandbox.spec),
        )


def idle_since(sandbox: Sandbox) -> datetime:
    """Return since when nobody has used `sandbox`, nor said that it is still wanted."""
    begun = sandbox.phase.since if sandbox.state is State.READY else None
    moved = sandbox.lease.moves[-1].at if sandbox.lease.moves else None
    since = newest((sandbox.created, sandbox.lease.started, begun, moved, sandbox.use.last))
    assert since is not None
    return since


def judge_idle(
    sandbox: Sandbox,
    policies: PolicySet,
    now: datetime,
    waived: Mapping[str, str],
    digest: str = "",
) -> Decision:
    """Return what the rules at `idle` say to `sandbox`; `waived` and `digest` as in `evaluate`."""
    document = IdleInput.of(sandbox, now).as_document()
    return evaluate(
        policies, "idle", document, now=now, tool_version=VERSION, digest=digest, waived=waived
    )


def idle_chore(sandbox: Sandbox, decision: Decision) -> Found | None:
    """Return what follows from a decision, and why; None if nothing, or if it was told already."""
    if not decision.evaluated or decision.verdict == "allow":
        return None
    if decision.verdict == "deny":
        return ChoreKind.FREEZE_IDLE, broken_why(decision)
    told = sandbox.use.warned
    if told and told.at > idle_since(sandbox) and told.rules == broken_rules(decision):
        return None
    return ChoreKind.WARN_IDLE, broken_why(decision)


def broken_rules(decision: Decision) -> tuple[str, ...]:
    """Return the ids of the rules that enforce or warn, and do not hold."""
    return tuple(dict.fromkeys(found.rule for found in decision.said()))


def idle_warning(sandbox: Sandbox, now: datetime) -> str:
    """Return for how long nobody has used `sandbox`, if its owner was warned and it is still so."""
    told, since = sandbox.use.warned, idle_since(sandbox)
    if told is None or told.at <= since or sandbox.state_at(now) is not State.READY:
        return ""
    return f"idle {spoken(now - since)}"


def broken_why(decision: Decision) -> str:
    """Return the first rule that does not hold, those that enforce before all, and its values."""
    first = decision.said()[0]
    return f"rule {first.rule}: {first.sentence.en} ({first.sentence.ja})"


def _hours(start: datetime, end: datetime) -> float:
    return max(0.0, hours(end - start))
