"""Stopping the containers of a sandbox, and starting them again: all of them but the one that
holds its lease volume, which never runs."""

from datetime import datetime
from functools import partial

from sandbox.core.addressing import gateway_beside
from sandbox.core.anatomy import HOLDER, LEASE_FOLDER, container_name, deadline_file
from sandbox.core.errors import Unavailable
from sandbox.core.lifecycle import Sandbox
from sandbox.core.objects import Owned
from sandbox.core.ports import Context, Transaction
from sandbox.usecases.gateway import ensure_gateway
from sandbox.usecases.probing import route_to, settle_lab, wait_for_tool
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
    found = _containers(context, sandbox)
    lacking = set(sandbox.parts) - {o.role for o in found}
    if lacking or sandbox.endpoint is None:
        raise Unavailable(
            f"Parts of the sandbox are gone: {', '.join(sorted(lacking)) or 'its address'}.",
            subject=sandbox.name,
            hint=f"It cannot be started again. Remove it: sandbox down {sandbox.name}",
        )
    ensure_gateway(context)
    together(
        *(partial(context.engine.start, o.name) for o in found),
        partial(_rejoin_gateway, context, sandbox, sandbox.endpoint.address),
    )
    context.gateway.open(route_to(context, sandbox, sandbox.endpoint))
    if "lab" in sandbox.parts:
        settle_lab(context, sandbox)
    wait_for_tool(context, sandbox, sandbox.endpoint)


def owe_guards(tx: Transaction, sandbox: Sandbox) -> None:
    """Note, in the transaction that moves a deadline, that the guards must still be told."""
    tx.note(_owed(sandbox), "deadline")


def guards_owed(tx: Transaction, sandbox: Sandbox) -> bool:
    """Say whether a deadline on record may not have reached the guards: its command was cut off."""
    return tx.noted(_owed(sandbox)) is not None


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


def _rejoin_gateway(context: Context, sandbox: Sandbox, address: str) -> None:
    """Join the gateway anew: one that was replaced meanwhile is on none of the older networks."""
    network, gateway = f"sandbox-{sandbox.id}", context.gateway.container
    context.engine.disconnect(network, gateway)
    context.engine.connect(network, gateway, gateway_beside(address))
