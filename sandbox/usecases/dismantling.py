"""Taking things apart: by their labels, so that nothing depends on anybody's memory."""

from collections.abc import Callable, Iterable
from functools import partial

from sandbox.core.lifecycle import Sandbox
from sandbox.core.objects import Owned
from sandbox.core.ports import Context
from sandbox.usecases.replicas import leave_replica
from sandbox.usecases.together import together


def dismantle(context: Context, sandbox: Sandbox) -> list[Owned]:
    """Remove everything of `sandbox` from engine and gateway; return what was found.

    Repeatable: what is gone already is success. The route goes first, so that its subnet can
    never be reached through it again.
    """
    context.gateway.close(sandbox.name)
    leave_replica(context, sandbox)
    found = context.engine.owned(context.registry.installation(), sandbox.id)
    take_apart(context, found)
    return found


def take_apart(context: Context, found: Iterable[Owned]) -> None:
    """Remove objects of sandboxes; the gateway leaves their networks, which would not go else.

    It leaves when the containers are gone. A connection whose other end vanished without a word
    keeps the network of a gateway that dies with its engine, address and all, alive for 100 s.
    """
    objects = list(found)
    gateway = context.gateway.container
    networks = [o.name for o in objects if o.kind == "network"]
    leave = [partial(context.engine.disconnect, name, gateway) for name in networks]
    remove_all(context, objects, leave)


def remove_all(
    context: Context, objects: Iterable[Owned], leave: Iterable[Callable[[], None]] = ()
) -> None:
    """Remove engine objects: containers, then (with `leave`) volumes, then their networks."""
    removals = [(o.kind, partial(context.engine.remove, o.kind, o.name)) for o in objects]
    together(*(call for kind, call in removals if kind == "container"))
    together(*(call for kind, call in removals if kind == "volume"), *leave)
    together(*(call for kind, call in removals if kind == "network"))
