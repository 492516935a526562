"""Taking a sandbox apart: by its labels and by the journal, so that nothing depends on memory."""

from sandbox.core.lifecycle import Sandbox
from sandbox.core.objects import Owned
from sandbox.core.ports import Context
from sandbox.usecases.together import together


def dismantle(context: Context, sandbox: Sandbox) -> list[Owned]:
    """Remove everything of `sandbox` from engine and gateway; return what was found.

    Repeatable: what is gone already is success. The route goes first, so that its subnet can
    never be reached through it again; volumes go last, when nothing uses them.
    """
    context.gateway.close(sandbox.name)
    found = context.engine.owned(context.registry.installation(), sandbox.id)
    networks = [o.name for o in found if o.kind == "network"]
    together(
        *(lambda n=o.name: context.engine.remove("container", n)  # type: ignore[misc]
          for o in found if o.kind == "container"),
        *(lambda n=n: context.engine.disconnect(n, context.gateway.container)  # type: ignore[misc]
          for n in networks),
    )
    together(
        *(lambda n=n: context.engine.remove("network", n) for n in networks),  # type: ignore[misc]
        *(lambda n=o.name: context.engine.remove("volume", n)  # type: ignore[misc]
          for o in found if o.kind == "volume"),
    )
    return found
