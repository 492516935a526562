"""Stopping the containers of a sandbox, and starting them again: all of them but the one that
holds its lease volume, which never runs."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial

from sandbox.core.anatomy import HOLDER, LEASE_FOLDER, container_name, deadline_file
from sandbox.core.errors import SandboxError, Unavailable
from sandbox.core.lifecycle import Sandbox
from sandbox.core.objects import Owned
from sandbox.core.phases import State
from sandbox.core.ports import Context, Transaction
from sandbox.usecases.gateway import ensure_gateway, join_gateway
from sandbox.usecases.probing import settle_lab, wait_for_tool
from sandbox.usecases.recording import still
from sandbox.usecases.replicas import serve_replica
from sandbox.usecases.together import together

# A lab writes its last pages in less; what takes longer is ended.
_STOP_SECONDS = 5


def stop_all(context: Context, sandbox: Sandbox) -> None:
    """Close the route of `sandbox`, then stop its containers. Repeatable: stopped is success."""
    context.gateway.close(sandbox.name)
    found = _containers(context, sandbox)
    together(*(partial(context.engine.stop, o.name, _STOP_SECONDS) for o in found))


def start_all(context: Context, sandbox: Sandbox) -> None:
    """Start the containers of `sandbox`, open its route, and return when lab and tool answer.

    Its guards must have a deadline that is still to come. Raises Unavailable if a part is gone,
    ends at once or does not answer in time. Repeatable: what runs already is left to run.
    """
    with context.registry.reading() as tx:
        made = tx.journaled(sandbox.id)
    # Not what was lent to it, as by a `down` that was killed while it kept its work.
    found = [o for o in _containers(context, sandbox) if (o.kind, o.name) in made]
    lacking = set(sandbox.parts) - {o.role for o in found}
    if lacking or sandbox.endpoint is None:
        raise Unavailable(
            f"Parts of the sandbox are gone: {', '.join(sorted(lacking)) or 'its address'}.",
            subject=sandbox.name,
            hint="A reset of it was cut off; this finishes it: sandbox reap --apply"
            if sandbox.reset
            else f"It cannot be started again. Remove it: sandbox down {sandbox.name}",
        )
    ensure_gateway(context)
    # First: the reaper sees by containers that do not run that this was cut off.
    join_gateway(context, sandbox)
    serve_replica(context, sandbox)
    together(*(partial(context.engine.start, o.name) for o in found))
    if "lab" in sandbox.parts:
        settle_lab(context, sandbox)
    wait_for_tool(context, sandbox, sandbox.endpoint)


@contextmanager
def or_stopped_again(context: Context, sandbox: Sandbox) -> Iterator[None]:
    """Stop what the block started if it fails while the record does not say that it runs."""
    try:
        yield
    except BaseException:
        with context.registry.reading() as tx:
            current = still(tx, sandbox)
        if current.state_at(context.now()) is not State.READY:
            # The first error tells more; what still runs is stopped by the reaper.
            with suppress(SandboxError):
                stop_all(context, sandbox)
        raise


def owe_guards(tx: Transaction, sandbox: Sandbox) -> None:
    """Note, in the transaction that moves a deadline, that the guards must still be told."""
    tx.note(_owed(sandbox), "deadline")


def guards_owed(tx: Transaction, sandbox: Sandbox) -> bool:
    """Say whether a deadline on record may not have reached the guards: its command was cut off."""
    return tx.noted(_owed(sandbox)) is not None


def forget_guards(tx: Transaction, sandbox: Sandbox) -> None:
    """Forget what its guards were owed: it has none any more."""
    tx.forget(_owed(sandbox))


def write_deadline(context: Context, sandbox: Sandbox, deadline: datetime) -> None:
    """Write `deadline` for the guards, who read it within a second. Repeatable.

    Raises Unavailable or NotFound if the engine cannot.
    """
    line = deadline_file(deadline, context.reading())
    context.engine.put(container_name(sandbox.id, HOLDER), LEASE_FOLDER, [line])


def tell_guards(context: Context, sandbox: Sandbox) -> None:
    """Write the deadline on record for the guards; owed as long as this fails. Repeatable."""
    assert sandbox.lease.deadline is not None
    write_deadline(context, sandbox, sandbox.lease.deadline)
    with context.registry.writing() as tx:
        current = tx.sandbox(sandbox.name)
        # Whoever moved it again meanwhile tells the guards themselves.
        if current is not None and current.lease.deadline == sandbox.lease.deadline:
            tx.forget(_owed(sandbox))


def _owed(sandbox: Sandbox) -> str:
    return f"guards {sandbox.id}"


def _containers(context: Context, sandbox: Sandbox) -> list[Owned]:
    found = context.engine.owned(context.registry.installation(), sandbox.id)
    return [o for o in found if o.kind == "container" and o.role != HOLDER]
