"""Changing how long a sandbox lives, and whether it runs: extend, restore, freeze, resume.

The record moves first, and the guards are told after it: a command that is cut off in between
leaves guards that end too early rather than too late, and a note by which the reaper tells them
what the record says.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from sandbox.core.anatomy import PROVISIONING_ALLOWANCE
from sandbox.core.errors import Conflict, Denied, Unavailable
from sandbox.core.judged import ExtendInput
from sandbox.core.lease import Lease, parse_ttl, spoken
from sandbox.core.lifecycle import Sandbox
from sandbox.core.phases import Action, Frozen, Ready
from sandbox.core.policy import Decision
from sandbox.core.ports import Context, Transaction
from sandbox.core.quotas import weight
from sandbox.core.values import Request, Result
from sandbox.usecases.admitting import admit_start, admit_within, refuse_overfull
from sandbox.usecases.charging import beside
from sandbox.usecases.desk import answers
from sandbox.usecases.line import check_line, freeze_in, why
from sandbox.usecases.recording import record, still
from sandbox.usecases.sandboxes import alone_with
from sandbox.usecases.starting import (
    or_stopped_again,
    owe_guards,
    start_all,
    stop_all,
    tell_guards,
    write_deadline,
)
from sandbox.usecases.views import SandboxView, standing, view
from sandbox.usecases.wishes import judge, raise_denial

# What a restore asks for when nobody says, if so much is left.
_RESTORED = timedelta(hours=24)


class ExtendResult(Result):
    """A sandbox with more time; its view says the new end and what is left to ask for."""

    sandbox: SandboxView
    decision: Decision


class ExtendRequest(Request[ExtendResult]):
    """Ask for `ttl` more time, from the present end on."""

    name: str
    ttl: str
    reason: str


class RestoreResult(Result):
    """An expired sandbox that runs again."""

    sandbox: SandboxView
    decision: Decision


class RestoreRequest(Request[RestoreResult]):
    """Ask for an expired sandbox back, for `ttl` from now on (empty: a day, or what is left)."""

    name: str
    ttl: str = ""
    reason: str = ""


class FreezeResult(Result):
    """A sandbox that is stopped and kept."""

    sandbox: SandboxView


class FreezeRequest(Request[FreezeResult]):
    """Ask to stop a sandbox, its volumes kept; its lease runs on."""

    name: str
    reason: str


class ResumeResult(Result):
    """A frozen sandbox that runs again; if `credited`, it got so many whole minutes back."""

    sandbox: SandboxView
    credited: bool
    credited_minutes: int


class ResumeRequest(Request[ResumeResult]):
    """Ask to start a frozen sandbox again; with `credit` it gets the frozen time back.

    `disk_mb` is what it may hold from now on (MiB); 0 leaves it as it is.
    """

    name: str
    credit: bool = False
    disk_mb: int = 0


@answers(ExtendRequest)
def extend(context: Context, request: ExtendRequest) -> ExtendResult:
    """Give a sandbox more time.

    Raises Denied when it is not the caller's, when its lease has not so much left (never less is
    given than was asked), or when policy says no; Conflict when it is neither ready nor frozen.
    """
    span, reason = parse_ttl(request.ttl), why(request.reason)
    with alone_with(context, request.name) as sandbox:
        with context.registry.reading() as tx:
            _longer(context, tx, sandbox, span, reason)
        # An engine that is gone is found before anything is promised.
        context.engine.owned(context.registry.installation(), sandbox.id)
        with context.registry.writing() as tx:
            longer = _longer(context, tx, sandbox, span, reason)
            decision = _decide(context, tx, sandbox, longer.lease, span)
            if decision.verdict != "deny":
                sandbox = _moved_in(context, tx, longer, sandbox, "sandbox.extended", decision)
        raise_denial(sandbox.name, decision)
        tell_guards(context, sandbox)
    return ExtendResult(sandbox=view(context, sandbox), decision=decision)


@answers(RestoreRequest)
def restore(context: Context, request: RestoreRequest) -> RestoreResult:
    """Bring an expired sandbox back: containers, route, and the tool's first answer.

    One that was frozen when it expired is frozen again: it gets time, and nothing is started.

    Raises Denied as `extend` does, Conflict when it has not expired, when its grace is over or
    when the line is stopped. Any failure leaves it expired and stopped, its budget untouched.
    """
    asked = parse_ttl(request.ttl) if request.ttl else None
    with alone_with(context, request.name) as sandbox:
        lease, decision = _restorable(context, sandbox, asked, request.reason.strip())
        if sandbox.frozen:
            sandbox = _restored(context, sandbox, lease, decision)
        else:
            sandbox = _restored_running(context, sandbox, lease, decision)
        tell_guards(context, sandbox)
    return RestoreResult(sandbox=view(context, sandbox), decision=decision)


@answers(FreezeRequest)
def freeze(context: Context, request: FreezeRequest) -> FreezeResult:
    """Close the route and stop the containers; raises Conflict if it is not ready.

    Written first: what a cut-off command left running is stopped by the reaper; and Unavailable
    says so where the engine does not stop them.
    """
    reason = why(request.reason)
    with alone_with(context, request.name) as sandbox:
        with context.registry.writing() as tx:
            sandbox = freeze_in(context, tx, still(tx, sandbox), reason)
        _stopped(context, sandbox)
    return FreezeResult(sandbox=view(context, sandbox))


@answers(ResumeRequest)
def resume(context: Context, request: ResumeRequest) -> ResumeResult:
    """Start a frozen sandbox again; raises Conflict if it is not frozen or the line is stopped.

    Written last: until the tool has answered it is frozen, and a failure leaves it stopped.
    """
    with alone_with(context, request.name) as sandbox:
        now = context.now()
        with context.registry.reading() as tx:
            check_line(tx, sandbox.name)
        sandbox.moved(Action.RESUME, Ready(since=now), now)
        assert isinstance(sandbox.phase, Frozen)
        wanted = _with_disk(sandbox, request.disk_mb)
        refuse_overfull(wanted)
        admit_start(context, wanted, "resume")
        context.progress.say("resume", "Starting it, waiting for the tool's first answer")
        with or_stopped_again(context, sandbox):
            # An `extend` that was cut off may have left them with an end that is over.
            tell_guards(context, sandbox)
            start_all(context, sandbox)
            lease = _credited(context, sandbox, sandbox.phase) if request.credit else sandbox.lease
            with context.registry.writing() as tx:
                ready = _started(context, tx, wanted, Action.RESUME, lease)
                sandbox = _moved_in(context, tx, ready, sandbox, "sandbox.resumed")
        if request.credit:
            tell_guards(context, sandbox)
    credited = sandbox.lease.moves[-1].span if request.credit else timedelta()
    return ResumeResult(
        sandbox=view(context, sandbox),
        credited=request.credit,
        credited_minutes=int(credited.total_seconds()) // 60,
    )


def _stopped(context: Context, sandbox: Sandbox) -> None:
    try:
        stop_all(context, sandbox)
    except Unavailable as error:
        raise Unavailable(
            f"It is recorded as frozen, but was not stopped: {error.message}",
            subject=sandbox.name,
            hint="Once the engine is back, this stops it: sandbox reap --apply\n" + error.hint,
            details={"state": sandbox.state.value},
        ) from error


@contextmanager
def _about(sandbox: Sandbox) -> Iterator[None]:
    """Let what a lease refuses be told of its sandbox."""
    try:
        yield
    except Denied as error:
        error.subject = sandbox.name
        raise


def _own(context: Context, tx: Transaction, sandbox: Sandbox) -> Sandbox:
    """Return the record as it is now; raises Denied if it is somebody else's."""
    current = still(tx, sandbox)
    owner = current.lease.owner
    if owner and owner != context.actor.name:  # nobody's: its state tells more
        raise Denied(
            f"It is {owner}'s sandbox: only {owner} can ask for more time.",
            subject=current.name,
            hint=f"Ask {owner}, or make one of your own: sandbox up",
            details={"owner": owner},
        )
    return current


def _longer(
    context: Context, tx: Transaction, sandbox: Sandbox, span: timedelta, reason: str
) -> Sandbox:
    """Return the caller's sandbox with `span` more; raises what its state or lease forbids."""
    now, current = context.now(), _own(context, tx, sandbox)
    # Its state comes first: of an expired one nobody wants to hear what is left.
    current.moved(Action.EXTEND, current.phase, now)
    with _about(current):
        lease = current.lease.extended(span, by=context.actor.name, reason=reason, now=now)
    return current.moved(Action.EXTEND, current.phase, now, lease=lease)


def _restorable(
    context: Context, sandbox: Sandbox, asked: timedelta | None, reason: str
) -> tuple[Lease, Decision]:
    """Return the lease that a restore would give, and what policy says; raises what forbids it."""
    now, by = context.now(), context.actor.name
    with context.registry.writing() as tx:
        sandbox = _own(context, tx, sandbox)
        check_line(tx, sandbox.name)
        sandbox.moved(Action.RESTORE, sandbox.restored_phase(now), now)
        _within_grace(context, sandbox)
        span = asked or min(_RESTORED, sandbox.lease.left(now).span)
        with _about(sandbox):
            lease = sandbox.lease.restored(span, by=by, reason=reason, now=now)
        decision = _decide(context, tx, sandbox, lease, span)
    raise_denial(sandbox.name, decision)
    return lease, decision


def _within_grace(context: Context, sandbox: Sandbox) -> None:
    ends = sandbox.lease.grace_ends
    if ends is not None and context.now() >= ends:
        raise Conflict(
            f"Its grace ended on {ends:%Y-%m-%d at %H:%M} UTC; it cannot be restored any more.",
            subject=sandbox.name,
            hint=f"Remove what is left: sandbox down {sandbox.name}",
            details=standing(sandbox, context.now()),
        )


def _decide(
    context: Context, tx: Transaction, sandbox: Sandbox, lease: Lease, asked: timedelta
) -> Decision:
    """Return what the policies in force say to the longer lease; a denial is written down."""
    owner, more = sandbox.lease.owner, asked / timedelta(hours=1)
    paid = beside(context, tx, sandbox.spec, owner=owner, asked=weight(sandbox), hours=more)
    document = ExtendInput.of(sandbox, lease, asked, paid.cost).as_document()
    decision = judge(context, "extend", document, subject=sandbox.name, owner=owner, tx=tx)
    if decision.verdict == "deny":
        _record(context, tx, sandbox, lease, "sandbox.extension-denied", decision)
    return decision


def _credited(context: Context, sandbox: Sandbox, phase: Frozen) -> Lease:
    """Return the lease with the frozen time given back, in whole seconds as the guards count."""
    now = context.now()
    frozen = timedelta(seconds=(now - phase.since) // timedelta(seconds=1))
    reason = f"{spoken(frozen)} given back that {phase.by} had it frozen for: {phase.reason}"
    return sandbox.lease.credited(frozen, by=context.actor.name, reason=reason, now=now)


def _restored_running(
    context: Context, sandbox: Sandbox, lease: Lease, decision: Decision
) -> Sandbox:
    admit_start(context, sandbox, "restore")
    context.progress.say("restore", "Starting it, waiting for the tool's first answer")
    with or_stopped_again(context, sandbox):
        # As in `up`: whoever is killed half-way leaves containers that end by themselves.
        assert lease.deadline is not None
        until = min(context.now() + PROVISIONING_ALLOWANCE, lease.deadline)
        write_deadline(context, sandbox, until)
        start_all(context, sandbox)
        return _restored(context, sandbox, lease, decision)


def _restored(context: Context, sandbox: Sandbox, lease: Lease, decision: Decision) -> Sandbox:
    """Write it as it comes back."""
    with context.registry.writing() as tx:
        back = _started(context, tx, sandbox, Action.RESTORE, lease)
        return _moved_in(context, tx, back, sandbox, "sandbox.restored", decision)


def _started(
    context: Context, tx: Transaction, sandbox: Sandbox, action: Action, lease: Lease
) -> Sandbox:
    """Return it as it runs, if that is still wanted: meanwhile much can have happened."""
    check_line(tx, sandbox.name)
    now, current = context.now(), still(tx, sandbox)
    to = current.restored_phase(now) if action is Action.RESTORE else Ready(since=now)
    wanted = _with_disk(current, sandbox.disk_mb)
    if isinstance(to, Ready):
        admit_within(context, tx, wanted, "resume" if action is Action.RESUME else "restore")
    return wanted.moved(action, to, now, lease=lease)


def _with_disk(sandbox: Sandbox, disk_mb: int) -> Sandbox:
    return sandbox.model_copy(update={"disk_mb": disk_mb}) if disk_mb else sandbox


def _moved_in(
    context: Context,
    tx: Transaction,
    moved: Sandbox,
    before: Sandbox,
    code: str,
    decision: Decision | None = None,
) -> Sandbox:
    """Write what a lease verb made of the sandbox; if its end moved, the guards are owed that."""
    tx.save_sandbox(moved)
    if moved.lease != before.lease:
        owe_guards(tx, moved)
    given = {"disk_mb": moved.disk_mb} if moved.disk_mb != before.disk_mb else {}
    _record(context, tx, before, moved.lease, code, decision, **given)
    return moved


def _record(
    context: Context,
    tx: Transaction,
    sandbox: Sandbox,
    lease: Lease,
    code: str,
    decision: Decision | None = None,
    **details: Any,
) -> None:
    """Append an event: why `lease` was moved, until when it goes, and what policy said."""
    if decision is not None:
        details["decision"] = decision.model_dump(mode="json")
    assert lease.deadline is not None
    moved = lease.moves[-1].reason if lease != sandbox.lease else ""
    details |= {"id": sandbox.id, "deadline": lease.deadline.isoformat()}
    record(context, tx, code, sandbox.name, reason=moved, **details)
