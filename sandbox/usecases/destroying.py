"""The end of a sandbox: one way for `down`, the reaper and whatever else takes one away."""

from sandbox.core.certificate import Certificate, Gone
from sandbox.core.lifecycle import Sandbox
from sandbox.core.objects import Owned
from sandbox.core.phases import Action, Destroyed, Removing
from sandbox.core.ports import Context, Transaction
from sandbox.usecases.dismantling import dismantle
from sandbox.usecases.recording import record


def begin_removal(context: Context, tx: Transaction, sandbox: Sandbox, why: str) -> Sandbox:
    """Write that `sandbox` is being removed; raises Conflict if its state forbids it."""
    now = context.now()
    removing = sandbox.moved(
        Action.REMOVE, Removing(since=now, by=context.actor.name, why=why), now
    )
    tx.save_sandbox(removing)
    record(context, tx, "sandbox.removing", sandbox.name, reason=why, id=sandbox.id)
    return removing


def destroy(context: Context, removing: Sandbox) -> tuple[Sandbox, list[Owned]]:
    """Remove everything of a sandbox whose removal has begun; return it, certified, and what went.

    Repeatable: what is gone already is success.
    """
    with context.files.working_on(removing.id):
        found = dismantle(context, removing)
        with context.registry.writing() as tx:
            return _certify(context, tx, removing, found), found


def _certify(context: Context, tx: Transaction, removing: Sandbox, found: list[Owned]) -> Sandbox:
    now = context.now()
    certificate = Certificate(
        sandbox=removing.id,
        name=removing.name,
        owner=removing.lease.owner,
        at=now,
        by=context.actor.name,
        why=removing.reason,
        gone=_gone(removing, found),
    )
    destroyed = removing.moved(Action.DESTROY, Destroyed(since=now, certificate=certificate), now)
    tx.save_sandbox(destroyed)
    tx.forget_journal(removing.id)
    record(
        context,
        tx,
        "sandbox.destroyed",
        removing.name,
        reason=removing.reason,
        id=removing.id,
        certificate=certificate.model_dump(mode="json"),
    )
    return destroyed


def _gone(sandbox: Sandbox, found: list[Owned]) -> tuple[Gone, ...]:
    """Return what went: the objects found, and what ended with them without being an object."""
    objects = [Gone(kind=o.kind, name=o.name) for o in found]
    ended = [Gone(kind="route", name=sandbox.name), Gone(kind="credential", name="link")]
    ended += [
        Gone(kind="endpoint", name=f"gateway on {o.name}") for o in found if o.kind == "network"
    ]
    ended += [Gone(kind="credential", name="lab password")] if "lab" in sandbox.parts else []
    return (*objects, *ended)
