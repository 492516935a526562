"""The gateway as the use cases need it: built, running, and on the network of whoever is up.

A new gateway is on no sandbox's network and knows no route. From before it starts until all who
are up are joined to it, the registry notes that they are owed that: the reaper joins them then.
"""

from contextlib import AbstractContextManager
from functools import partial

from sandbox.core.addressing import gateway_beside
from sandbox.core.anatomy import network_name
from sandbox.core.errors import SandboxError, Unavailable
from sandbox.core.lifecycle import Sandbox
from sandbox.core.objects import SANDBOX
from sandbox.core.phases import State
from sandbox.core.ports import Context, Transaction
from sandbox.usecases.images import build_missing
from sandbox.usecases.probing import route_to
from sandbox.usecases.together import few_at_once
from sandbox.usecases.waiting import alone_within

_OWED = "gateway"
_LOCK = "starting-the-gateway"
# Another process builds its image, if it must; nobody else starts it meanwhile.
_MOST_SECONDS = 300.0


def ensure_gateway(context: Context) -> None:
    """Have the gateway running, its image built first if it is missing.

    One of an older image stays while any sandbox is up, for its connections would be cut. A new
    one is joined to every sandbox that is up; what cannot be joined now is left to the reaper.
    """
    if _serves(context):
        return
    with _alone(context):
        if not _serves(context):  # whoever had it before us may have started it
            _start(context)
            _join_all(context)


def mend_gateway(context: Context) -> None:
    """Have the gateway running and joined to every sandbox that is up.

    Raises Unavailable naming those that cannot be joined.
    """
    with _alone(context):
        if not _serves(context):
            _start(context)
        if left := _join_all(context):
            raise Unavailable(
                "The gateway cannot be joined to all who are up.",
                subject=", ".join(left),
                hint="See: sandbox doctor. The next reap tries again.",
            )


def joins_owed(tx: Transaction) -> bool:
    """Say whether a new gateway may lack the network or route of somebody who is up."""
    return tx.noted(_OWED) is not None


def join_gateway(context: Context, sandbox: Sandbox) -> None:
    """Join the gateway anew to the network of `sandbox`, and open its route."""
    assert sandbox.endpoint is not None
    network, gateway = network_name(sandbox.id), context.gateway.container
    context.engine.disconnect(network, gateway)
    context.engine.connect(network, gateway, gateway_beside(sandbox.endpoint.address))
    context.gateway.open(route_to(context, sandbox, sandbox.endpoint))


def _serves(context: Context) -> bool:
    state = context.gateway.state()
    return state == "current" or (state == "older" and gateway_in_use(context))


def _start(context: Context) -> None:
    image = context.catalogue.gateway_image()
    build_missing(context, [*image.needs, image])
    with context.registry.writing() as tx:
        tx.note(_OWED, "joins")
    context.gateway.start(context.progress)


def _join_all(context: Context) -> list[str]:
    """Join all who are up, a few at once; return who could not be. Owed until none is left."""
    with context.registry.reading() as tx:
        ready = tx.sandboxes([State.READY])
    held = [s for s in ready if s.endpoint and s.state_at(context.now()) is State.READY]
    joined = few_at_once(partial(_joined, context), held)
    left = [sandbox.name for sandbox, done in joined if not done]
    if not left:
        with context.registry.writing() as tx:
            tx.forget(_OWED)
    return left


def _joined(context: Context, sandbox: Sandbox) -> bool:
    try:
        join_gateway(context, sandbox)
    except SandboxError:
        return False
    return True


def gateway_in_use(context: Context) -> bool:
    """Say whether any sandbox has a network, which the gateway joins."""
    found = context.engine.owned(context.registry.installation())
    return any(o.kind == "network" and SANDBOX in o.labels for o in found)


def _alone(context: Context) -> AbstractContextManager[None]:
    """Let one process at a time start the gateway: a second would remove what the first made."""
    too_late = Unavailable(
        "Another command has been starting the gateway for too long.",
        subject=context.gateway.container,
        hint="See: sandbox doctor",
    )
    return alone_within(context, _LOCK, _MOST_SECONDS, too_late)
