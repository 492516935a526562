"""Making a sandbox's parts in the engine, starting them and proving that they hold."""

from functools import partial

from sandbox.core.anatomy import (
    LEASE_FOLDER,
    PROVISIONING_ALLOWANCE,
    Anatomy,
    deadline_file,
    lease_files,
)
from sandbox.core.lifecycle import Sandbox
from sandbox.core.objects import Container
from sandbox.core.ports import Context
from sandbox.usecases.probing import attack, route_to, settle_lab, wait_for_tool
from sandbox.usecases.together import together


def make(context: Context, sandbox: Sandbox, anatomy: Anatomy) -> None:
    """Make, start and prove every part; what can happen at once does."""
    context.progress.say("up", "Network and volumes")
    together(
        lambda: context.engine.create_network(anatomy.network),
        lambda: _make_volumes(context, sandbox, anatomy),
    )
    context.progress.say("up", "Starting the tool, waiting for its first answer")
    together(
        *(partial(_start, context, service) for service in anatomy.services.values()),
        *([partial(context.engine.create_container, anatomy.lab)] if anatomy.lab else []),
        lambda: _join_gateway(context, sandbox, anatomy),
    )
    # The lab is up long before the tool has answered; started together, both would be slower.
    together(
        lambda: wait_for_tool(context, sandbox, anatomy.endpoint),
        lambda: attack(context, sandbox, anatomy),
        lambda: _start_lab(context, sandbox, anatomy),
    )


def _start_lab(context: Context, sandbox: Sandbox, anatomy: Anatomy) -> None:
    if anatomy.lab:
        context.engine.start(anatomy.lab.name)
        settle_lab(context, sandbox)


def _start(context: Context, container: Container) -> None:
    context.engine.create_container(container)
    context.engine.start(container.name)


def _make_volumes(context: Context, sandbox: Sandbox, anatomy: Anatomy) -> None:
    for name, labels in anatomy.volumes.items():
        context.engine.create_volume(name, labels)
    context.engine.create_container(anatomy.holder)
    allowance = context.now() + PROVISIONING_ALLOWANCE
    password = context.keys.derive(f"lab {sandbox.id}") if anatomy.lab else ""
    files = lease_files(sandbox, anatomy, deadline_file(allowance, context.reading()), password)
    context.engine.put(anatomy.holder.name, LEASE_FOLDER, files)


def _join_gateway(context: Context, sandbox: Sandbox, anatomy: Anatomy) -> None:
    context.engine.connect(anatomy.network.name, context.gateway.container, anatomy.gateway_address)
    context.gateway.open(route_to(context, sandbox, anatomy.endpoint))
