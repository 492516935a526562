"""The gateway as the use cases need it: built, running, and replaced when nobody is on it."""

from sandbox.core.objects import SANDBOX
from sandbox.core.ports import Context
from sandbox.usecases.images import build_missing


def ensure_gateway(context: Context) -> None:
    """Have the gateway running, its image built first if it is missing.

    One of an older image stays while any sandbox is up, for its connections would be cut.
    """
    state = context.gateway.state()
    if state == "current" or (state == "older" and _in_use(context)):
        return
    image = context.catalogue.gateway_image()
    build_missing(context, [*image.needs, image])
    context.gateway.start(context.progress)


def _in_use(context: Context) -> bool:
    """Say whether any sandbox has a network, which the gateway joins."""
    found = context.engine.owned(context.registry.installation())
    return any(o.kind == "network" and SANDBOX in o.labels for o in found)
