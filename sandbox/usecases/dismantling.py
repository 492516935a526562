"""Taking a sandbox apart: by its labels, so that nothing depends on anybody's memory."""

from functools import partial

from sandbox.core.lifecycle import Sandbox
from sandbox.core.objects import Kind, Owned
from sandbox.core.ports import Context
from sandbox.usecases.together import together

_ORDER: tuple[Kind, ...] = ("container", "network", "volume")


def dismantle(context: Context, sandbox: Sandbox) -> list[Owned]:
    """Remove everything of `sandbox` from engine and gateway; return what was found.

    Repeatable: what is gone already is success. The route goes first, so that its subnet can
    never be reached through it again; volumes go last, when nothing uses them.
    """
    context.gateway.close(sandbox.name)
    found = context.engine.owned(context.registry.installation(), sandbox.id)
    remove, gateway = context.engine.remove, context.gateway.container
    by_kind = {kind: [o.name for o in found if o.kind == kind] for kind in _ORDER}
    together(
        *(partial(remove, "container", name) for name in by_kind["container"]),
        *(partial(context.engine.disconnect, name, gateway) for name in by_kind["network"]),
    )
    together(
        *(partial(remove, "network", name) for name in by_kind["network"]),
        *(partial(remove, "volume", name) for name in by_kind["volume"]),
    )
    return found
