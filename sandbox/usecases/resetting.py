"""`reset`: the tool of a running sandbox is made anew, on the newest snapshot or on its own.

Lab, work, lease, address and link stay. The record moves first: it names the new snapshot, and
that the tool must still be made anew. Whoever is cut off after that leaves a sandbox that another
`reset`, or the reaper, finishes. A failure goes back to the snapshot that it saw before.
"""

import time
from contextlib import suppress
from functools import partial

from sandbox.core.anatomy import LEASE_FOLDER, Anatomy, remade, standby
from sandbox.core.approval import Wants, spoken
from sandbox.core.errors import Conflict, Denied, SandboxError, Unavailable
from sandbox.core.freshness import Freshness, check_fresh
from sandbox.core.lifecycle import Reset, Sandbox
from sandbox.core.phases import Action, State
from sandbox.core.policy import Decision
from sandbox.core.ports import Context, Transaction
from sandbox.core.replica import REPLICA
from sandbox.core.snapshot import Snapshot
from sandbox.core.values import Request, Result
from sandbox.usecases.ages import age_of
from sandbox.usecases.awaiting import not_approved
from sandbox.usecases.desk import answers
from sandbox.usecases.disk import check_floor
from sandbox.usecases.filling import lend_replica
from sandbox.usecases.images import build_missing
from sandbox.usecases.line import check_line, stopped_line
from sandbox.usecases.making import anatomy_of, check_snapshot
from sandbox.usecases.probing import attack
from sandbox.usecases.recording import now_of, record, still, why_it_ended
from sandbox.usecases.replicas import drop_unused, leave_all, lent_files
from sandbox.usecases.sandboxes import alone_with
from sandbox.usecases.starting import start_all, stop_all, tell_guards
from sandbox.usecases.together import together
from sandbox.usecases.views import SandboxView, view
from sandbox.usecases.wishes import Resolved, decide_anew, raise_denial, resolve_again

# Time for a tool to write down what it holds.
_STOP_SECONDS = 5


class ResetResult(Result):
    """A sandbox whose tool was made anew; `before` is the snapshot that it saw until then.

    `lab` says whether it has one, which was kept like its work.
    """

    sandbox: SandboxView
    decision: Decision
    replica: Snapshot
    age: Freshness | None
    before: str
    lab: bool
    seconds: float


class ResetRequest(Request[ResetResult]):
    """Ask for a new tool on the same data; with `latest` on the newest snapshot."""

    name: str
    latest: bool = False
    reason: str = ""


@answers(ResetRequest)
def reset(context: Context, request: ResetRequest) -> ResetResult:
    """Make the tool anew from its template as it stands today, its lab and work untouched.

    Raises Conflict when it is not ready, when there is nothing newer or the template has other
    parts by now, Denied when policy says no or the newest data is too old. Any other failure comes
    after going back to what it saw before; where that fails too it stays for another `reset`.
    """
    began = time.monotonic()
    with alone_with(context, request.name) as sandbox:
        now = context.now()
        sandbox.moved(Action.RESET, sandbox.phase, now)
        resolved = _resolved(context, sandbox, "" if request.latest else sandbox.spec.snapshot)
        if request.latest:
            _check_newer(sandbox, resolved)
            check_fresh(resolved.snapshot, resolved.max_age, now)
        check_floor(context, sandbox.name)
        _check_whole(context, sandbox)
        build_missing(context, resolved.images.all())
        begun, decision = _begun(context, sandbox, resolved, request.reason.strip())
        assert begun.reset is not None
        done = _made_anew(context, begun, resolved)
    return ResetResult(
        sandbox=view(context, done),
        decision=decision,
        replica=resolved.snapshot,
        age=age_of(context, resolved.snapshot),
        before=begun.reset.before,
        lab="lab" in done.parts,
        seconds=round(time.monotonic() - began, 3),
    )


def finish_reset(context: Context, sandbox: Sandbox) -> None:
    """Finish a reset that was cut off; the caller has the sandbox alone.

    One that is frozen or expired by now gets its tool, which is not started.
    """
    resolved = _resolved(context, sandbox, sandbox.spec.snapshot)
    build_missing(context, resolved.images.all())
    _made_anew(context, sandbox, resolved)


def _resolved(context: Context, sandbox: Sandbox, wanted: str) -> Resolved:
    """Return what it is made of now, on the snapshot `wanted`, or on the newest."""
    resolved = resolve_again(context, sandbox, wanted)
    if resolved.template.parts != tuple(part for part in sandbox.parts if part != REPLICA):
        raise Conflict(
            f"The template {sandbox.spec.template} has other parts than when the sandbox was made.",
            subject=sandbox.name,
            hint=f"Make a new one: sandbox up. What it holds is kept: sandbox down {sandbox.name}",
        )
    return resolved


def _check_newer(sandbox: Sandbox, resolved: Resolved) -> None:
    """Raise Conflict if it sees the newest snapshot already, and nothing of it was cut off."""
    newest = resolved.snapshot
    if sandbox.spec.snapshot != newest.id or sandbox.reset:
        return
    raise Conflict(
        f"It sees the newest snapshot already: {newest.id}.",
        subject=sandbox.name,
        hint=f"IT builds a newer one with: {newest.build_command}\n"
        f"A tool that is stuck is made anew on the same data: sandbox reset {sandbox.name}",
        details={"snapshot": newest.id},
    )


def _begun(
    context: Context, sandbox: Sandbox, resolved: Resolved, reason: str
) -> tuple[Sandbox, Decision]:
    """Write what it is to be, if policy allows that; raises Denied once that is on record."""
    with context.registry.writing() as tx:
        check_line(tx, sandbox.name)
        check_snapshot(tx, resolved)
        current = still(tx, sandbox)
        decision = decide_anew(context, tx, resolved, current)
        lacks = not_approved(tx, current, decision)
        denied = decision.verdict == "deny" or bool(lacks)
        begun = current if denied else _owed(context, current, resolved, reason)
        if not denied:
            tx.save_sandbox(begun)
        record(
            context,
            tx,
            "sandbox.reset-denied" if denied else "sandbox.resetting",
            current.name,
            reason=reason,
            id=current.id,
            before=current.spec.snapshot,
            spec=resolved.spec.model_dump(mode="json"),
            decision=decision.model_dump(mode="json"),
        )
    raise_denial(sandbox.name, decision)
    if lacks:
        raise _unapproved(sandbox, decision, lacks)
    return begun, decision


def _unapproved(sandbox: Sandbox, decision: Decision, lacks: Wants) -> Denied:
    return Denied(
        f"By now it wants a yes of {spoken(lacks)}, which it was not made by.",
        subject=sandbox.name,
        hint="Ask for another, which waits for that yes: sandbox up",
        details={"decision": decision.model_dump(mode="json")},
    )


def _owed(context: Context, current: Sandbox, resolved: Resolved, reason: str) -> Sandbox:
    """Return the record of a sandbox whose tool is to be made as `resolved` says."""
    now, total = context.now(), resolved.template.total()
    # Of two resets, the first of which was cut off, both go back to what it saw last.
    before = current.reset.before if current.reset else current.spec.snapshot
    seen = {before: None} if before != resolved.snapshot.id else {}
    return current.moved(
        Action.RESET,
        current.phase,
        now,
        spec=resolved.spec,
        memory_mb=total.memory_mb,
        cpus=total.cpus,
        endpoint=anatomy_of(context, resolved, current).endpoint,
        reset=Reset(since=now, by=context.actor.name, reason=reason, before=before),
        former=tuple(dict.fromkeys(current.former) | seen),
    )


def _made_anew(context: Context, sandbox: Sandbox, resolved: Resolved) -> Sandbox:
    """Make the tool anew and write that it is done, or go back and raise what kept it from that."""
    try:
        return _remade(context, sandbox, resolved)
    except BaseException as error:
        _go_back(context, sandbox, error)
        raise


def _remade(context: Context, sandbox: Sandbox, resolved: Resolved) -> Sandbox:
    _check_whole(context, sandbox)
    was = _as_it_was(sandbox)
    sandbox = lend_replica(context, resolved, sandbox)  # may take long: the old tool still runs
    anatomy = anatomy_of(context, resolved, sandbox)
    context.progress.say("reset", f"Making the tool anew on {resolved.snapshot.id}")
    # Its own standby too where it shares one by now: that one joins at the same address.
    old = remade(sandbox) | set(standby(sandbox.id) if sandbox.replica else ())
    together(*(partial(_ended, context, name) for kind, name in old if kind == "container"))
    _replica_anew(context, sandbox, anatomy)
    create = context.engine.create_container
    together(*(partial(create, service) for service in anatomy.services.values()))
    if _may_run(context, sandbox):
        tell_guards(context, sandbox)
        start_all(context, sandbox)
        attack(context, sandbox, anatomy)
    done = _done(context, sandbox, resolved)
    drop_unused(context, was)
    return done


def _as_it_was(sandbox: Sandbox) -> Sandbox:
    """Return it as one that sees what it saw before its reset began."""
    assert sandbox.reset is not None
    spec = sandbox.spec.model_copy(update={"snapshot": sandbox.reset.before})
    return sandbox.model_copy(update={"spec": spec})


def _replica_anew(context: Context, sandbox: Sandbox, anatomy: Anatomy) -> None:
    """Have what PostgreSQL reads follow: its own standby, or its login at the shared one."""
    if sandbox.replica is None:
        return
    leave_all(context, [anatomy.network.name])
    (_, own), _ = standby(sandbox.id)
    context.engine.remove("volume", own)
    if anatomy.replica is not None:
        context.engine.create_volume(own, anatomy.volumes[own])
        context.engine.create_container(anatomy.replica)
    context.engine.put(anatomy.holder.name, LEASE_FOLDER, lent_files(context, sandbox, anatomy))


def _check_whole(context: Context, sandbox: Sandbox) -> None:
    """Raise Unavailable, naming it, if anything is gone that a reset does not make."""
    with context.registry.reading() as tx:
        journal = tx.journaled(sandbox.id)
    found = context.engine.owned(context.registry.installation(), sandbox.id)
    there: set[tuple[str, str]] = {(o.kind, o.name) for o in found}
    there |= remade(sandbox)
    if gone := [f"{kind} {name}" for kind, name in journal if (kind, name) not in there]:
        raise Unavailable(
            f"Parts of the sandbox are gone: {', '.join(gone)}.",
            subject=sandbox.name,
            hint=f"Remove what is left: sandbox down {sandbox.name}",
        )


def _ended(context: Context, name: str) -> None:
    context.engine.stop(name, _STOP_SECONDS)
    context.engine.remove("container", name)


def _may_run(context: Context, sandbox: Sandbox) -> bool:
    with context.registry.reading() as tx:
        current, line = still(tx, sandbox), stopped_line(tx)
    return line is None and current.state_at(context.now()) is State.READY


def _done(context: Context, sandbox: Sandbox, resolved: Resolved) -> Sandbox:
    """Write that it is made anew; one that was frozen meanwhile is stopped again."""
    with context.registry.writing() as tx:
        current = still(tx, sandbox)
        assert current.reset is not None
        # The template may have changed since the reset began, if that was cut off.
        done = current.model_copy(update={"reset": None, "spec": resolved.spec})
        tx.save_sandbox(done)
        record(
            context,
            tx,
            "sandbox.reset",
            done.name,
            reason=current.reset.reason,
            id=done.id,
            before=current.reset.before,
            snapshot=done.spec.snapshot,
        )
    if done.state is State.FROZEN:
        stop_all(context, done)
    return done


def _go_back(context: Context, sandbox: Sandbox, error: BaseException) -> None:
    """Have it run on the snapshot that it saw before; where that fails too it stands still."""
    with context.registry.writing() as tx:
        current = now_of(tx, sandbox)
        if current is None or current.reset is None:  # what ends us now comes too late
            return
        back = _back_in(context, tx, current, error)
    if back is not None and _runs_again(context, back):
        said = f"It is as before, on {back.spec.snapshot}."
    else:
        with suppress(SandboxError):
            stop_all(context, sandbox)
        said = f"It stands still, its lab and work untouched: sandbox reset {sandbox.name}"
    if isinstance(error, SandboxError):
        error.hint = f"{_hint(error)}\n{said}".strip()


def _back_in(
    context: Context, tx: Transaction, current: Sandbox, error: BaseException
) -> Sandbox | None:
    """Write why it goes back, and return it on what it saw before; None if that is the same."""
    back = _as_it_was(current)
    tx.save_sandbox(back)
    record(
        context,
        tx,
        "sandbox.reset-failed",
        current.name,
        reason=why_it_ended(error),
        id=current.id,
        before=back.spec.snapshot,
        snapshot=current.spec.snapshot,
    )
    return None if back.spec == current.spec else back


def _runs_again(context: Context, back: Sandbox) -> bool:
    context.progress.say("reset", f"Going back to {back.spec.snapshot}")
    try:
        _remade(context, back, _resolved(context, back, back.spec.snapshot))
    except SandboxError:  # the first error tells more
        return False
    return True


def _hint(error: SandboxError) -> str:
    """Return what to do about `error`; what fails its isolation test is not removed here."""
    return "Tell IT; see: sandbox doctor" if "failed_checks" in error.details else error.hint
