"""`up`: from a wish to a running sandbox, or to a denial, with nothing left behind."""

import time
from datetime import datetime, timedelta

from sandbox.core.addressing import first_free, overlapped
from sandbox.core.anatomy import Anatomy, compose
from sandbox.core.errors import Conflict, SandboxError
from sandbox.core.lease import Lease, whole_second
from sandbox.core.lifecycle import Sandbox
from sandbox.core.phases import LIVE, Action, Provisioning, Ready, State
from sandbox.core.phases import Denied as DeniedPhase
from sandbox.core.policy import Decision
from sandbox.core.ports import Context, Transaction
from sandbox.core.resolving import Wish, differences
from sandbox.core.snapshot import Snapshot, SnapshotState
from sandbox.core.values import Request, Result
from sandbox.usecases.desk import answers
from sandbox.usecases.dismantling import dismantle
from sandbox.usecases.gateway import ensure_gateway
from sandbox.usecases.images import build_missing
from sandbox.usecases.line import check_line
from sandbox.usecases.making import make
from sandbox.usecases.recording import record, still, why_it_ended, write_failed
from sandbox.usecases.starting import write_deadline
from sandbox.usecases.views import SandboxView, view
from sandbox.usecases.wishes import Resolved, decide, raise_denial, resolve_wish


class UpResult(Result):
    """A sandbox that runs. `created` is False when it ran already."""

    sandbox: SandboxView
    decision: Decision
    replica: Snapshot
    created: bool
    seconds: float


class UpRequest(Request[UpResult]):
    """Ask for a sandbox."""

    wish: Wish


@answers(UpRequest)
def up(context: Context, request: UpRequest) -> UpResult:
    """Make the sandbox, or return the one that already runs for the same wish.

    Raises Denied with the decision, Conflict when another sandbox has the name, and any error of
    the way after unmaking what was made.
    """
    began = time.monotonic()
    resolved = resolve_wish(context, request.wish)
    new_id = context.new_id()
    with context.files.working_on(new_id):
        sandbox, decision, created = _reserve(context, resolved, new_id)
        if created:
            sandbox = _provision(context, resolved, sandbox, began)
    return UpResult(
        sandbox=view(context, sandbox),
        decision=decision,
        replica=resolved.snapshot if created else _mounted(context, resolved, sandbox),
        created=created,
        seconds=round(time.monotonic() - began, 3),
    )


def _mounted(context: Context, resolved: Resolved, sandbox: Sandbox) -> Snapshot:
    """Return the snapshot that a running sandbox sees, which need not be the newest."""
    with context.registry.reading() as tx:
        return tx.snapshot(sandbox.spec.snapshot) or resolved.snapshot


def _reserve(context: Context, resolved: Resolved, new_id: str) -> tuple[Sandbox, Decision, bool]:
    """Write the sandbox as provisioning, or as denied; or find the one that runs already."""
    with context.registry.reading() as tx:
        running_already(context, tx, resolved)  # a name that is taken is told without the engine
    foreign = overlapped(context.settings.network.range, context.engine.subnets())
    with context.registry.writing() as tx:
        running = running_already(context, tx, resolved)
        if running is not None:
            return running, Decision.model_validate(running.decision), False
        _still_there(tx, resolved)
        decision = decide(context, tx, resolved)
        denied = decision.verdict == "deny"
        sandbox = _new_sandbox(context, resolved, decision, new_id)
        if not denied:
            taken = foreign | {s.subnet for s in tx.sandboxes(LIVE) if s.subnet is not None}
            start = _next_subnet(context, tx)
            index = first_free(context.settings.network.range, taken, start)
            sandbox = sandbox.model_copy(update={"subnet": index})
            anatomy = _anatomy(context, resolved, sandbox)
            sandbox = sandbox.model_copy(update={"endpoint": anatomy.endpoint})
            for kind, name in anatomy.journal():
                tx.journal(sandbox.id, kind, name)
        tx.save_sandbox(sandbox)
        code = "sandbox.denied" if denied else "sandbox.requested"
        record(
            context,
            tx,
            code,
            sandbox.name,
            reason=sandbox.spec.purpose,
            id=sandbox.id,
            spec=sandbox.spec.model_dump(mode="json"),
            decision=decision.model_dump(mode="json"),
        )
    raise_denial(sandbox.name, decision)
    return sandbox, decision, True


def _still_there(tx: Transaction, resolved: Resolved) -> None:
    """Raise Conflict if the snapshot was removed since it was chosen."""
    snapshot = tx.snapshot(resolved.snapshot.id)
    if snapshot is None or snapshot.state is not SnapshotState.READY:
        raise Conflict(
            "The snapshot was removed just now.", subject=resolved.snapshot.id, hint="Ask again."
        )


def running_already(context: Context, tx: Transaction, resolved: Resolved) -> Sandbox | None:
    """Return the running sandbox that is what is wished for, None if the name is free.

    Raises Conflict, saying what differs, when something else has the name, or when the line is
    stopped.
    """
    check_line(tx, resolved.wish.name)
    existing = tx.sandbox(resolved.wish.name)
    if existing is None or existing.state not in LIVE:
        return None
    if existing.state_at(context.now()) is not State.READY:
        raise _name_taken(existing, context.now())
    other_owner = ["owner"] if existing.lease.owner != context.actor.name else []
    differ = other_owner + differences(resolved.wish, existing.spec, resolved.spec)
    if differ:
        raise Conflict(
            f"A sandbox of that name runs already, with another {', '.join(differ)}.",
            subject=existing.name,
            hint=f"Choose another name, or remove it first: sandbox down {existing.name}",
            details={"differs": differ},
        )
    return existing


def _name_taken(existing: Sandbox, now: datetime) -> Conflict:
    state, actions = existing.state_at(now), existing.actions_at(now)
    back = {State.EXPIRED: "restore", State.FROZEN: "resume"}.get(state, "")
    remove = f"Remove it first: sandbox down {existing.name}"
    again = f"Bring it back: sandbox {back} {existing.name}\n" if back in actions else ""
    return Conflict(
        f"The name is taken by a sandbox that is {state}.",
        subject=existing.name,
        hint=again + remove,
        details={"state": state.value, "allowed_actions": list(actions)},
    )


def _new_sandbox(context: Context, resolved: Resolved, decision: Decision, new_id: str) -> Sandbox:
    total, now = resolved.template.total(), context.now()
    denied = decision.verdict == "deny"
    return Sandbox(
        id=new_id,
        name=resolved.wish.name,
        phase=DeniedPhase(since=now) if denied else Provisioning(since=now),
        lease=Lease(
            owner=context.actor.name,
            ttl=timedelta(minutes=resolved.spec.ttl_minutes),
            limits=context.settings.lease.limits(),
        ),
        spec=resolved.spec,
        decision=decision.model_dump(mode="json"),
        created=now,
        memory_mb=total.memory_mb,
        cpus=total.cpus,
        parts=(*resolved.template.services, *(["lab"] if resolved.template.lab else [])),
    )


def _next_subnet(context: Context, tx: Transaction) -> int:
    """Subnets go round: one just given back rests, so that nothing stale meets a new sandbox."""
    used = [s.subnet for s in tx.sandboxes() if s.subnet is not None]
    # Two installations on one engine start apart, so that they seldom want the same subnet.
    return used[-1] + 1 if used else int(context.registry.installation(), 16)


def _anatomy(context: Context, resolved: Resolved, sandbox: Sandbox) -> Anatomy:
    return compose(
        sandbox,
        resolved.template,
        resolved.images,
        installation=context.registry.installation(),
        network_range=context.settings.network.range,
        replica_volume=resolved.snapshot.volume,
    )


def _provision(context: Context, resolved: Resolved, sandbox: Sandbox, began: float) -> Sandbox:
    anatomy = _anatomy(context, resolved, sandbox)
    try:
        build_missing(context, resolved.images.all())
        ensure_gateway(context)
        make(context, sandbox, anatomy)
        return _finish(context, sandbox, anatomy, began)
    except BaseException as error:
        if not _is_ready(context, sandbox):
            _unmake(context, sandbox, error)
        raise


def _finish(context: Context, sandbox: Sandbox, anatomy: Anatomy, began: float) -> Sandbox:
    """Start the lease's clock, tell the guards, and commit `ready` if it is still wanted."""
    lease = sandbox.lease.model_copy(update={"started": whole_second(context.now())})
    deadline = lease.deadline
    assert deadline is not None
    write_deadline(context, sandbox, deadline)
    with context.registry.writing() as tx:
        current = still(tx, sandbox)
        check_line(tx, sandbox.name)
        now = context.now()
        ready = current.moved(Action.FINISH, Ready(since=now), now, lease=lease)
        tx.save_sandbox(ready)
        record(
            context,
            tx,
            "sandbox.ready",
            ready.name,
            id=ready.id,
            template=ready.spec.template,
            deadline=deadline.isoformat(),
            seconds=round(time.monotonic() - began, 3),
        )
    return ready


def _is_ready(context: Context, sandbox: Sandbox) -> bool:
    """Say whether `ready` was committed: Ctrl-C may come right after, and is then too late."""
    with context.registry.reading() as tx:
        current = tx.sandbox(sandbox.name)
    return current is not None and current.id == sandbox.id and current.state is State.READY


def _unmake(context: Context, sandbox: Sandbox, error: BaseException) -> None:
    why = why_it_ended(error)
    context.progress.say("up", "Removing what was made")
    try:
        dismantle(context, sandbox)
    except SandboxError:
        # The first error tells more. The record stays `provisioning`, so `down` can finish this.
        return
    with context.registry.writing() as tx:
        current = tx.sandbox(sandbox.name)
        if current is None or current.id != sandbox.id or current.state is not State.PROVISIONING:
            return
        write_failed(context, tx, current, why)
