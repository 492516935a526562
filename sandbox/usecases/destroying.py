"""The end of a sandbox: one way for `down`, the reaper and whatever else takes one away.

The work is kept first, while the sandbox is still what it was. Then one transaction writes that it
is being removed and what became of its work; from there on everything can be asked for again.
"""

from typing import NoReturn

from sandbox.core.anatomy import PROXY, container_name
from sandbox.core.certificate import Certificate, Gone, Remains
from sandbox.core.errors import SandboxError, Unavailable
from sandbox.core.keeping import Outcome, archive_name
from sandbox.core.lifecycle import Sandbox
from sandbox.core.objects import Owned
from sandbox.core.phases import LIVE, Action, Destroyed, Removing, State
from sandbox.core.ports import Context, Transaction
from sandbox.usecases.awaiting import withdraw
from sandbox.usecases.dismantling import dismantle
from sandbox.usecases.egress import contacts_of, record_contacts
from sandbox.usecases.keeping import alone_removing, keep, outcome_key
from sandbox.usecases.recording import record, still
from sandbox.usecases.replicas import drop_unused
from sandbox.usecases.starting import forget_guards


def begin_removal(context: Context, tx: Transaction, sandbox: Sandbox, why: str) -> Sandbox:
    """Write that `sandbox` is being removed; raises Conflict if its state forbids it."""
    now = context.now()
    if sandbox.state is State.REMOVING:  # who has it finished need not say the reason again
        why = why or sandbox.reason
    removing = sandbox.moved(
        Action.REMOVE, Removing(since=now, by=context.actor.name, why=why), now
    )
    if sandbox.state is State.AWAITING_APPROVAL:
        withdraw(context, tx, sandbox, why)
    tx.save_sandbox(removing)
    record(context, tx, "sandbox.removing", sandbox.name, reason=why, id=sandbox.id)
    return removing


def end(
    context: Context, sandbox: Sandbox, why: str, *, wanted: bool = True
) -> tuple[Sandbox, list[Owned] | None]:
    """Keep the work of `sandbox` if it is wanted, then remove it, from whatever state.

    Returns it, certified, and what went; None if it was gone already, by another command. If its
    work cannot be kept, the sandbox stays as it was: raises Unavailable. Else as `destroy`.
    """
    with context.files.working_on(sandbox.id), alone_removing(context, sandbox):
        with context.registry.reading() as tx:
            current = still(tx, sandbox)
        if current.state not in LIVE:
            return current, None
        removing = _begin_kept(context, current, why, wanted)
        return _dismantled(context, removing, _settled(context, removing, wanted))


def destroy(
    context: Context, removing: Sandbox, *, wanted: bool = True
) -> tuple[Sandbox, list[Owned]]:
    """Remove everything of a sandbox whose removal has begun; return it, certified, and what went.

    Its work is kept first, if it is `wanted` and nobody has yet settled what becomes of it.
    Repeatable: what is gone already is success. Raises Unavailable, with what remains, when not
    everything can be removed; the sandbox stays `removing` then.
    """
    with context.files.working_on(removing.id), alone_removing(context, removing):
        return _dismantled(context, removing, _settled(context, removing, wanted))


def _dismantled(
    context: Context, removing: Sandbox, outcome: Outcome
) -> tuple[Sandbox, list[Owned]]:
    reached = contacts_of(context, removing)
    context.progress.say("down", "Removing containers, network and volumes")
    try:
        found = dismantle(context, removing)
    except SandboxError as error:
        _not_all(context, removing, outcome, error)
    with context.registry.writing() as tx:
        record_contacts(context, tx, removing, reached)
        certified = _certify(context, tx, removing, found, outcome)
    drop_unused(context, certified)
    return certified, found


def _begin_kept(context: Context, sandbox: Sandbox, why: str, wanted: bool) -> Sandbox:
    """Settle what becomes of the work, and write that together with the begin of the removal."""
    outcome = _noted(context, sandbox)
    if outcome is None:
        outcome = keep(context, sandbox, wanted=wanted)
    try:
        with context.registry.writing() as tx:
            removing = begin_removal(context, tx, still(tx, sandbox), why)
            tx.note(outcome_key(sandbox.id), outcome.model_dump_json())
            return removing
    except BaseException:
        if _noted(context, sandbox) is None and outcome.kept:
            context.archives.remove(archive_name(sandbox))
        raise


def _settled(context: Context, removing: Sandbox, wanted: bool) -> Outcome:
    """Return what becomes of the work; on record before the first container goes."""
    outcome = _noted(context, removing)
    if outcome is not None:
        return outcome
    outcome = keep(context, removing, wanted=wanted)
    with context.registry.writing() as tx:
        tx.note(outcome_key(removing.id), outcome.model_dump_json())
    return outcome


def _noted(context: Context, sandbox: Sandbox) -> Outcome | None:
    with context.registry.reading() as tx:
        noted = tx.noted(outcome_key(sandbox.id))
    return None if noted is None else Outcome.model_validate_json(noted)


def _certify(
    context: Context, tx: Transaction, removing: Sandbox, found: list[Owned], outcome: Outcome
) -> Sandbox:
    now, current = context.now(), still(tx, removing)
    if current.state is State.DESTROYED:
        return current
    certificate = _certificate(context, removing, _gone(tx, removing, found), (), outcome)
    destroyed = current.moved(Action.DESTROY, Destroyed(since=now, certificate=certificate), now)
    tx.save_sandbox(destroyed)
    tx.forget_journal(removing.id)
    tx.forget(outcome_key(removing.id))
    forget_guards(tx, removing)
    _record(context, tx, "sandbox.destroyed", certificate)
    return destroyed


def _not_all(
    context: Context, removing: Sandbox, outcome: Outcome, error: SandboxError
) -> NoReturn:
    """Write what could not be removed, as far as the engine still says it, and raise that."""
    found = context.engine.owned(context.registry.installation(), removing.id)
    there = {(o.kind, o.name) for o in found}
    why = f"{error.subject}: {error.message}" if error.subject else error.message
    remains = tuple(Remains(kind=o.kind, name=o.name, why=why) for o in found)
    with context.registry.writing() as tx:
        current = still(tx, removing)
        phase = Removing(
            since=removing.phase.since, by=context.actor.name, why=removing.reason, remains=remains
        )
        tx.save_sandbox(current.moved(Action.REMOVE, phase, context.now()))
        gone = tuple(g for g in _gone(tx, removing, []) if (g.kind, g.name) not in there)
        certificate = _certificate(context, removing, gone, remains, outcome)
        _record(context, tx, "sandbox.not-destroyed", certificate)
    raise Unavailable(
        f"Not everything could be removed ({len(remains)} left): {why}",
        subject=removing.name,
        hint=f"It stays `removing`. Mend that, then ask again: sandbox down {removing.name}",
        details={
            "state": State.REMOVING.value,
            "remains": [r.model_dump(mode="json") for r in remains],
        },
    ) from error


def _certificate(
    context: Context,
    removing: Sandbox,
    gone: tuple[Gone, ...],
    remains: tuple[Remains, ...],
    outcome: Outcome,
) -> Certificate:
    return Certificate(
        sandbox=removing.id,
        name=removing.name,
        owner=removing.lease.owner,
        at=context.now(),
        by=context.actor.name,
        why=removing.reason,
        gone=gone,
        remains=remains,
        kept=outcome.kept,
        not_kept=outcome.not_kept,
    )


def _record(context: Context, tx: Transaction, code: str, certificate: Certificate) -> None:
    record(
        context,
        tx,
        code,
        certificate.name,
        reason=certificate.why,
        id=certificate.sandbox,
        certificate=certificate.model_dump(mode="json"),
    )


def _gone(tx: Transaction, sandbox: Sandbox, found: list[Owned]) -> tuple[Gone, ...]:
    """Return what went: objects found now or made once, and what ended without being an object."""
    names = dict.fromkeys([*tx.journaled(sandbox.id), *((o.kind, o.name) for o in found)])
    objects = [Gone(kind=kind, name=name) for kind, name in names]
    if sandbox.subnet is None:  # it waited for a yes, and nothing was made of it
        return tuple(objects)
    ended = [Gone(kind="route", name=sandbox.name), Gone(kind="credential", name="link")]
    ended += [
        Gone(kind="endpoint", name=f"{who} on {o.name}")
        for o in objects
        if o.kind == "network"
        for who in _joined(sandbox, o.name)
    ]
    ended += [Gone(kind="credential", name="lab password")] if "lab" in sandbox.parts else []
    ended += [Gone(kind="credential", name="replica login")] if sandbox.replica else []
    return (*objects, *ended)


def _joined(sandbox: Sandbox, network: str) -> list[str]:
    """Return who was on a network of the sandbox besides its own parts, or as its way out."""
    if network == container_name(sandbox.id, "outside"):
        return [PROXY]
    others = {PROXY: PROXY in sandbox.parts, "shared replica": sandbox.shares_replica}
    return ["gateway", *(name for name, there in others.items() if there)]
