"""Making a sandbox's parts in the engine, starting them, proving that they hold; and unmaking."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial

from sandbox.core.addressing import first_free
from sandbox.core.anatomy import (
    LEASE_FOLDER,
    PROVISIONING_ALLOWANCE,
    Anatomy,
    compose,
    deadline_file,
    lease_files,
)
from sandbox.core.errors import Conflict, SandboxError
from sandbox.core.lease import Lease
from sandbox.core.lifecycle import Sandbox
from sandbox.core.objects import Container
from sandbox.core.phases import LIVE, Phase, State
from sandbox.core.ports import Context, Transaction
from sandbox.core.snapshot import SnapshotState
from sandbox.usecases.dismantling import dismantle
from sandbox.usecases.egress import files_for_proxy, make_outside, prove_proxy, start_proxy
from sandbox.usecases.probing import attack, lab_password, route_to, settle_lab, wait_for_tool
from sandbox.usecases.recording import now_of, why_it_ended, write_failed
from sandbox.usecases.replicas import cluster_of, drop_unused, lent_files, provide_replica
from sandbox.usecases.together import together
from sandbox.usecases.wishes import Resolved


def new_record(
    context: Context, resolved: Resolved, new_id: str, phase: Phase, owner: str, ttl: timedelta
) -> Sandbox:
    """Return the record of a sandbox that has no place yet; its lease has not begun."""
    template = resolved.template
    total = template.total()
    return Sandbox(
        id=new_id,
        name=resolved.wish.name,
        phase=phase,
        lease=Lease(owner=owner, ttl=ttl, limits=context.settings.lease.limits()),
        spec=resolved.spec,
        decision={},
        created=phase.since,
        memory_mb=total.memory_mb,
        cpus=total.cpus,
        disk_mb=template.disk_mb,
        parts=template.parts,
    )


def place(
    context: Context, tx: Transaction, resolved: Resolved, sandbox: Sandbox, foreign: Iterable[int]
) -> Sandbox:
    """Give a new sandbox its subnet and address, and journal all that it will be made of.

    `foreign` are subnets that others on the engine have. Raises Conflict if its snapshot was
    removed since it was chosen, or if no subnet is free.
    """
    check_snapshot(tx, resolved)
    taken = {*foreign, *(s.subnet for s in tx.sandboxes(LIVE) if s.subnet is not None)}
    index = first_free(context.settings.network.range, taken, _next_subnet(context, tx))
    sandbox = sandbox.model_copy(update={"subnet": index})
    anatomy = anatomy_of(context, resolved, sandbox)
    for kind, name in anatomy.journal():
        tx.journal(sandbox.id, kind, name)
    return sandbox.model_copy(update={"endpoint": anatomy.endpoint})


def anatomy_of(context: Context, resolved: Resolved, sandbox: Sandbox) -> Anatomy:
    """Return what a sandbox that has its subnet is made of."""
    return compose(
        sandbox,
        resolved.template,
        resolved.images,
        installation=context.registry.installation(),
        networks=context.settings.network,
        replica_volume=resolved.snapshot.volume,
        postgres_volume=cluster_of(context, resolved.snapshot).volume,
    )


def make(context: Context, sandbox: Sandbox, anatomy: Anatomy) -> None:
    """Make, start and prove every part; what can happen at once does."""
    context.progress.say("up", "Network and volumes")
    together(
        lambda: context.engine.create_network(anatomy.network),
        lambda: make_outside(context, anatomy),
        lambda: _make_volumes(context, sandbox, anatomy),
    )
    provide_replica(context, sandbox, anatomy)
    context.progress.say("up", "Starting the tool, waiting for its first answer")
    together(
        *(partial(_start, context, service) for service in anatomy.services.values()),
        *([partial(context.engine.create_container, anatomy.lab)] if anatomy.lab else []),
        lambda: start_proxy(context, anatomy),
        lambda: _join_gateway(context, sandbox, anatomy),
    )
    # The lab is up long before the tool has answered; started together, both would be slower.
    together(
        lambda: wait_for_tool(context, sandbox, anatomy.endpoint),
        lambda: attack(context, sandbox, anatomy),
        lambda: prove_proxy(context, sandbox, anatomy),
        lambda: _start_lab(context, sandbox, anatomy),
    )


def write_lease(context: Context, sandbox: Sandbox, anatomy: Anatomy, deadline: datetime) -> None:
    """Write all that its containers find in /run/sandbox; its guards go by `deadline`."""
    password = lab_password(context, sandbox) if anatomy.lab else ""
    until = deadline_file(deadline, context.reading())
    files = lease_files(sandbox, anatomy, until, password)
    files += [*files_for_proxy(context, sandbox, anatomy), *lent_files(context, sandbox, anatomy)]
    context.engine.put(anatomy.holder.name, LEASE_FOLDER, files)


def unmake(context: Context, sandbox: Sandbox, error: BaseException) -> None:
    """Remove what was made of a sandbox that `error` ended on its way, and write it as failed.

    What cannot be removed now stays on record as `provisioning`: `down` and the reaper finish it.
    """
    context.progress.say("up", "Removing what was made")
    try:
        dismantle(context, sandbox)
    except SandboxError:
        return  # The first error tells more.
    with context.registry.writing() as tx:
        current = now_of(tx, sandbox)
        if current and current.state is State.PROVISIONING:
            write_failed(context, tx, current, why_it_ended(error))
    drop_unused(context, sandbox)


def check_snapshot(tx: Transaction, resolved: Resolved) -> None:
    """Raise Conflict if the snapshot was removed since it was chosen."""
    snapshot = tx.snapshot(resolved.snapshot.id)
    if snapshot is None or snapshot.state is not SnapshotState.READY:
        raise Conflict(
            "The snapshot was removed just now.", subject=resolved.snapshot.id, hint="Ask again."
        )


def _next_subnet(context: Context, tx: Transaction) -> int:
    """Subnets go round: one just given back rests, so that nothing stale meets a new sandbox."""
    used = [s.subnet for s in tx.sandboxes() if s.subnet is not None]
    # Two installations on one engine start apart, so that they seldom want the same subnet.
    return used[-1] + 1 if used else int(context.registry.installation(), 16)


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
    write_lease(context, sandbox, anatomy, context.now() + PROVISIONING_ALLOWANCE)


def _join_gateway(context: Context, sandbox: Sandbox, anatomy: Anatomy) -> None:
    context.engine.connect(anatomy.network.name, context.gateway.container, anatomy.gateway_address)
    context.gateway.open(route_to(context, sandbox, anatomy.endpoint))
