"""What the reaper does about each kind of chore. The caller has the sandbox alone.

Every act is repeatable, and judges by the record as it is when it acts.
"""

from sandbox.core.anatomy import KEEPER, container_name
from sandbox.core.errors import Conflict, Unavailable
from sandbox.core.lifecycle import Sandbox
from sandbox.core.objects import Owned
from sandbox.core.phases import LIVE, State
from sandbox.core.ports import Context, Transaction
from sandbox.core.reaping import Chore, ChoreKind, expired, ours
from sandbox.core.snapshot import SnapshotState
from sandbox.usecases.awaiting import write_lapsed
from sandbox.usecases.destroying import destroy, end
from sandbox.usecases.dismantling import dismantle, take_apart
from sandbox.usecases.gateway import mend_gateway
from sandbox.usecases.keeping import sweep
from sandbox.usecases.line import check_line
from sandbox.usecases.recording import record, still, write_failed
from sandbox.usecases.replicas import drop_unused, leave_all
from sandbox.usecases.resetting import finish_reset
from sandbox.usecases.snapshots import end_killed, take_away
from sandbox.usecases.starting import or_stopped_again, start_all, stop_all, tell_guards

# An engine may still finish what a killed process had asked for.
_ROUNDS = 3


def settle(context: Context, chore: Chore) -> None:
    """Unmake a sandbox whose maker is gone, and write it as failed."""
    sandbox = _current(context, chore)
    for _ in range(_ROUNDS):
        dismantle(context, sandbox)
        if not context.engine.owned(context.registry.installation(), sandbox.id):
            break
    else:
        raise Unavailable("New parts of it keep coming.", subject=sandbox.name, hint="Try again.")
    with context.registry.writing() as tx:
        write_failed(context, tx, _live(tx, chore), chore.why)
    drop_unused(context, sandbox)


def finish_removal(context: Context, chore: Chore) -> None:
    """Finish a removal that was cut off."""
    destroy(context, _current(context, chore))


def remove(context: Context, chore: Chore) -> None:
    """Remove a sandbox for good: it is past its grace, or it lost a part."""
    end(context, _current(context, chore), chore.why)


def expire(context: Context, chore: Chore) -> None:
    """Stop a sandbox whose time is over, and write that it has expired."""
    stop_all(context, _current(context, chore))
    with context.registry.writing() as tx:
        current = _live(tx, chore)
        tx.save_sandbox(expired(current))
        record(context, tx, "sandbox.expired", current.name, reason=chore.why, id=current.id)


def lapse(context: Context, chore: Chore) -> None:
    """Write that a sandbox waited too long for a yes; its name is free again."""
    with context.registry.writing() as tx:
        current = _live(tx, chore)
        if current.lapsed(context.now()):
            write_lapsed(context, tx, current)


def stop(context: Context, chore: Chore) -> None:
    """Stop what runs though its sandbox is frozen or expired."""
    sandbox = _current(context, chore)
    stop_all(context, sandbox)
    _tell(context, "sandbox.stopped", sandbox, chore)


def restart(context: Context, chore: Chore) -> None:
    """Start again what stopped before its time, once its guards know their deadline anew."""
    sandbox = _current(context, chore)
    with context.registry.reading() as tx:
        check_line(tx, sandbox.name)
    with or_stopped_again(context, sandbox):
        tell_guards(context, sandbox)
        start_all(context, sandbox)
        with context.registry.writing() as tx:
            current = still(tx, sandbox)
            if current.state is not State.READY:  # whoever stops the line asks nobody
                raise Conflict(f"It is {current.state} meanwhile.", subject=sandbox.name)
            why = chore.why
            record(context, tx, "sandbox.restarted", sandbox.name, reason=why, id=sandbox.id)


def remake(context: Context, chore: Chore) -> None:
    """Finish a reset that was cut off; it tells of itself."""
    finish_reset(context, _current(context, chore))


def prune(context: Context, chore: Chore) -> None:
    """Remove a snapshot that is kept no longer; raises Conflict where somebody needs it by now."""
    with context.registry.reading() as tx:
        snapshot = tx.snapshot(chore.subject)
    if snapshot is not None:
        take_away(context, snapshot, chore.why)


def mend(context: Context, chore: Chore) -> None:
    """Have the gateway run, on the network of whoever is up."""
    mend_gateway(context)
    with context.registry.writing() as tx:
        record(context, tx, "gateway.mended", chore.subject, reason=chore.why)


def remove_keeper(context: Context, chore: Chore) -> None:
    """Remove the container through which a removal that was cut off kept the work."""
    context.engine.remove("container", container_name(chore.sandbox, KEEPER))
    _tell(context, "sandbox.keeper-removed", _current(context, chore), chore)


def tell(context: Context, chore: Chore) -> None:
    """Tell the guards a deadline that was moved by a command which was cut off."""
    sandbox = _current(context, chore)
    tell_guards(context, sandbox)
    _tell(context, "sandbox.guards-told", sandbox, chore)


def warn(context: Context, chore: Chore) -> None:
    """Write the warning that is due, so that `list` and `show` say it, once."""
    with context.registry.writing() as tx:
        current = _live(tx, chore)
        due = current.lease.due_warning(context.now())
        if due is None:
            return
        lease = current.lease.warned_of(due)
        tx.save_sandbox(current.model_copy(update={"lease": lease}))
        record(
            context,
            tx,
            "sandbox.warned",
            current.name,
            reason=chore.why,
            id=current.id,
            deadline=due.deadline.isoformat(),
        )


def clear(context: Context, chore: Chore) -> None:
    """Remove what is left of a sandbox that no live record accounts for."""
    found = context.engine.owned(context.registry.installation(), chore.sandbox)
    known = [one for one in found if ours(one)]
    leave_all(context, [one.name for one in known if one.kind == "network"])
    take_apart(context, known)
    with context.registry.writing() as tx:
        record(
            context,
            tx,
            "orphan.removed",
            chore.subject,
            reason=chore.why,
            id=chore.sandbox,
            removed=[_named(one) for one in known],
        )


def sweep_archives(context: Context) -> list[Chore]:
    """Remove kept archives whose days are over; return what was removed."""
    why = "its days are over, or its removal was cut off"
    names = sweep(context)
    return [Chore(kind=ChoreKind.SWEEP, subject=name, why=why) for name in names]


def settle_build(context: Context, chore: Chore) -> None:
    """Settle a snapshot whose build was killed; raises Conflict while another one is built."""
    with context.registry.reading() as tx:
        snapshot = tx.snapshot(chore.subject)
    if snapshot is None:
        return
    with context.files.workshop(snapshot.source):
        end_killed(context, snapshot.source)
    with context.registry.reading() as tx:
        left = tx.snapshot(chore.subject)
    if left is not None and left.state is SnapshotState.BUILDING:
        raise Unavailable("The engine did not remove its parts.", subject=chore.subject)


def _live(tx: Transaction, chore: Chore) -> Sandbox:
    """Return the live record that the chore is about; raises Conflict if it has ended."""
    for sandbox in tx.sandboxes(LIVE):
        if sandbox.id == chore.sandbox:
            return sandbox
    raise Conflict("The sandbox has ended meanwhile.", subject=chore.subject)


def _current(context: Context, chore: Chore) -> Sandbox:
    with context.registry.reading() as tx:
        return _live(tx, chore)


def _tell(context: Context, code: str, sandbox: Sandbox, chore: Chore) -> None:
    with context.registry.writing() as tx:
        record(context, tx, code, sandbox.name, reason=chore.why, id=sandbox.id)


def _named(one: Owned) -> str:
    return f"{one.kind} {one.name}"
