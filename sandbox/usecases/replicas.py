"""The PostgreSQL replica while sandboxes use it: their own standby, or the server that they share.

Filling is in filling.py. Whoever starts, joins or removes a shared server holds its cluster's lock.
"""

from contextlib import AbstractContextManager, suppress

from sandbox.core.addressing import replica_beside
from sandbox.core.anatomy import TOOL_UID, Anatomy, container_name, network_name
from sandbox.core.errors import SandboxError, Unavailable
from sandbox.core.lifecycle import Sandbox
from sandbox.core.objects import File
from sandbox.core.phases import LIVE
from sandbox.core.ports import Context, Transaction
from sandbox.core.replica import (
    DATA_FOLDER,
    REPLICA,
    Cluster,
    admission,
    home_network,
    login_files,
    login_secret,
    of_home,
    shared_server,
)
from sandbox.core.snapshot import Snapshot
from sandbox.usecases.images import build_missing
from sandbox.usecases.probing import settle_replica
from sandbox.usecases.recording import record
from sandbox.usecases.waiting import alone_within

# Filling a large snapshot takes long; whoever needs the same one waits for it.
_MOST_SECONDS = 7200.0


def kind_key(context: Context) -> str:
    """Return under which key is noted how sandboxes read PostgreSQL on this engine."""
    return f"replica kind on {context.engine.facts().id}"


def cluster_of(context: Context, snapshot: Snapshot) -> Cluster:
    """Return what of PostgreSQL belongs to a snapshot."""
    return Cluster(context.registry.installation(), snapshot.volume, snapshot.source)


def alone_with_cluster(context: Context, cluster: Cluster) -> AbstractContextManager[None]:
    """Hold a cluster alone; raises Unavailable if another command has it for too long."""
    too_late = Unavailable(
        "Another command has been working on the PostgreSQL replica for too long.",
        subject=cluster.volume,
        hint="See: sandbox doctor",
    )
    return alone_within(context, cluster.lock, _MOST_SECONDS, too_late)


def lent_files(context: Context, sandbox: Sandbox, anatomy: Anatomy) -> list[File]:
    """Return the files by which its tools log in, none without a PostgreSQL replica.

    The password is derived, so it is stored nowhere else.
    """
    if sandbox.replica is None:
        return []
    login = sandbox.replica.login
    password = context.keys.derive(login_secret(sandbox.spec.snapshot, login))
    return login_files(anatomy.replica_address, login, password, TOOL_UID)


def provide_replica(context: Context, sandbox: Sandbox, anatomy: Anatomy) -> None:
    """Have PostgreSQL answer a new sandbox, before the tools start that ask it.

    Its network and volumes must be there. Raises Unavailable unless it answers as a standby.
    """
    if anatomy.replica is None:
        serve_replica(context, sandbox)
        return
    context.progress.say("up", "Cloning the PostgreSQL replica")
    context.engine.create_container(anatomy.replica)
    try:
        serve_replica(context, sandbox)
    except SandboxError:
        # Its volumes may lie elsewhere by now: the next one tries anew whether they can be cloned.
        key = kind_key(context)
        with context.registry.writing() as tx:
            tx.forget(key)
        raise


def serve_replica(context: Context, sandbox: Sandbox) -> None:
    """Have PostgreSQL answer a sandbox that was made: start its own, or join the shared one.

    Repeatable. Raises Unavailable unless it answers as a standby.
    """
    if sandbox.replica is None:
        return
    if not sandbox.shares_replica:
        own = container_name(sandbox.id, REPLICA)
        context.engine.start(own)
        settle_replica(context, own)
        return
    context.progress.say("up", "Joining the shared PostgreSQL replica")
    snapshot = _snapshot(context, sandbox)
    cluster = cluster_of(context, snapshot)
    with alone_with_cluster(context, cluster):
        _have_server(context, cluster)
        _join(context, cluster.server, sandbox)
        _admit(context, cluster.server, snapshot.id)


def leave_replica(context: Context, sandbox: Sandbox) -> None:
    """Take the shared server off the network of a sandbox; gone already is success."""
    if sandbox.shares_replica:
        server = cluster_of(context, _snapshot(context, sandbox)).server
        context.engine.disconnect(network_name(sandbox.id), server)


def drop_unused(context: Context, sandbox: Sandbox) -> None:
    """Remove the shared server that a sandbox used, if no other one does; its data stays.

    What cannot be removed now, the reaper removes.
    """
    if not sandbox.shares_replica:
        return
    cluster = cluster_of(context, _snapshot(context, sandbox))
    with suppress(SandboxError), context.files.alone_with(cluster.lock) as alone:
        if alone and not _users(context, sandbox.spec.snapshot):
            context.engine.remove("container", cluster.server)


def leave_all(context: Context, networks: list[str]) -> None:
    """Take every shared server off networks whose sandbox no record knows."""
    found = context.engine.owned(context.registry.installation())
    servers = [o.name for o in found if o.kind == "container" and of_home(o)]
    for network in networks:
        for server in servers:
            context.engine.disconnect(network, server)


def mend_server(context: Context, lock: str, why: str) -> None:
    """Have the shared server of a snapshot run, joined to all who are up; the caller has its lock.

    Raises Unavailable naming those that cannot be joined.
    """
    with context.registry.reading() as tx:
        snapshot = next(s for s in tx.snapshots() if cluster_of(context, s).lock == lock)
    cluster = cluster_of(context, snapshot)
    _have_server(context, cluster)
    users = _users(context, snapshot.id)
    left = [s.name for s in users if not _joined(context, cluster.server, s)]
    _admit(context, cluster.server, snapshot.id)
    with context.registry.writing() as tx:
        record(context, tx, "replica.mended", cluster.server, reason=why)
    if left:
        raise Unavailable(
            "The PostgreSQL replica cannot be joined to all who use it.",
            subject=", ".join(left),
            hint="See: sandbox doctor. The next reap tries again.",
        )


def remove_cluster(context: Context, snapshot: Snapshot) -> None:
    """Remove everything of PostgreSQL that belongs to a snapshot; gone already is success."""
    cluster = cluster_of(context, snapshot)
    context.engine.remove("container", cluster.server)
    context.engine.remove("container", cluster.filler)
    context.engine.remove("volume", cluster.volume)


def shared_users(tx: Transaction, snapshot_id: str) -> list[Sandbox]:
    """Return the sandboxes that read this snapshot from its shared server."""
    live = tx.sandboxes(LIVE)
    return [s for s in live if s.shares_replica and s.spec.snapshot == snapshot_id]


def _users(context: Context, snapshot_id: str) -> list[Sandbox]:
    with context.registry.reading() as tx:
        return shared_users(tx, snapshot_id)


def _snapshot(context: Context, sandbox: Sandbox) -> Snapshot:
    with context.registry.reading() as tx:
        found = tx.snapshot(sandbox.spec.snapshot)
    assert found is not None  # records of snapshots are never deleted
    return found


def _have_server(context: Context, cluster: Cluster) -> None:
    if context.engine.is_running(cluster.server):
        return
    image = context.catalogue.replica_image()
    build_missing(context, [*image.needs, image])
    own = home_network(cluster.installation)
    found = context.engine.owned(cluster.installation)
    if not any(o.kind == "network" and o.name == own.name for o in found):
        context.engine.create_network(own)
    context.engine.remove("container", cluster.server)
    context.engine.create_container(shared_server(cluster, image))
    context.engine.put(cluster.server, DATA_FOLDER, [admission([])])
    context.engine.start(cluster.server)


def _join(context: Context, server: str, sandbox: Sandbox) -> None:
    assert sandbox.endpoint is not None
    network, address = network_name(sandbox.id), replica_beside(sandbox.endpoint.address)
    context.engine.disconnect(network, server)
    context.engine.connect(network, server, address)


def _joined(context: Context, server: str, sandbox: Sandbox) -> bool:
    try:
        _join(context, server, sandbox)
    except SandboxError:
        return False
    return True


def _admit(context: Context, server: str, snapshot_id: str) -> None:
    """Let each login in from the network of its sandbox, and from nowhere else."""
    users = [(s.replica, s.endpoint) for s in _users(context, snapshot_id)]
    pairs = [(use.login, end.address) for use, end in users if use and end]
    context.engine.put(server, DATA_FOLDER, [admission(pairs)])
    settle_replica(context, server)
