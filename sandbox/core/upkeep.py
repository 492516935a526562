"""What there is to settle about PostgreSQL replicas that belong to a home, not to one sandbox."""

from collections.abc import Iterable, Sequence

from sandbox.core.lifecycle import Sandbox
from sandbox.core.objects import Kind, Owned
from sandbox.core.phases import LIVE, State
from sandbox.core.reaping import ChoreKind, Found, Seen
from sandbox.core.replica import Cluster, leftovers
from sandbox.core.snapshot import Snapshot, SnapshotState


def replica_chores(
    seen: Seen, snapshots: Sequence[Snapshot], installation: str
) -> dict[str, Found]:
    """Return what is to be done, by the lock that whoever does it must hold.

    A cluster that no ready snapshot names, a server that nobody uses and what a killed process
    tried or filled are removed; a server that somebody who is up needs is started again.
    """
    gone = unneeded(seen.objects, seen.sandboxes, snapshots, installation)
    found: dict[str, Found] = {
        lock: (ChoreKind.TIDY, f"nobody needs {', '.join(name for _, name in objects)}")
        for lock, objects in gone.items()
    }
    return found | _mends(seen, snapshots, installation)


def unneeded(
    objects: Iterable[Owned],
    sandboxes: Iterable[Sandbox],
    snapshots: Sequence[Snapshot],
    installation: str,
) -> dict[str, list[tuple[Kind, str]]]:
    """Return (kind, name) of what nobody needs, by the lock that its removal takes."""
    used = {s.spec.snapshot for s in sandboxes if s.state in LIVE and s.shares_replica}
    ready = [s for s in snapshots if s.state is SnapshotState.READY]
    return leftovers(
        objects,
        kept=[s.postgres.volume for s in ready if s.postgres],
        served=[s.volume for s in snapshots if s.id in used],
        installation=installation,
    )


def _mends(seen: Seen, snapshots: Iterable[Snapshot], installation: str) -> dict[str, Found]:
    if seen.line_stopped:
        return {}
    users = [s for s in seen.sandboxes if s.shares_replica]
    up = {s.spec.snapshot for s in users if s.state_at(seen.now) in (State.READY, State.POOLED)}
    running = {o.name for o in seen.objects if o.kind == "container" and o.running}
    clusters = [Cluster(installation, s.volume, s.source) for s in snapshots if s.id in up]
    return {
        c.lock: (ChoreKind.SERVER, f"{c.server} does not run, and a sandbox reads from it")
        for c in clusters
        if c.server not in running
    }
