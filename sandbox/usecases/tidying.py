"""What the reaper does about PostgreSQL replicas that belong to no sandbox.

The caller holds the lock that the chore is about: nobody fills, joins or removes it meanwhile.
"""

from collections.abc import Mapping

from sandbox.core.phases import LIVE
from sandbox.core.ports import Context
from sandbox.core.reaping import Chore, Found, Seen
from sandbox.core.upkeep import replica_chores, unneeded
from sandbox.usecases.recording import record
from sandbox.usecases.replicas import mend_server


def look_at_replicas(context: Context, seen: Seen) -> Mapping[str, Found]:
    """Return what is to be done, by the lock that whoever does it must hold."""
    with context.registry.reading() as tx:
        snapshots = tx.snapshots()
    return replica_chores(seen, snapshots, context.registry.installation())


def mend(context: Context, chore: Chore) -> None:
    """Have a shared server run that somebody who is up reads from."""
    mend_server(context, chore.subject, chore.why)


def tidy(context: Context, chore: Chore) -> None:
    """Remove what nobody needs, as it is now: it may have been taken into use meanwhile."""
    installation = context.registry.installation()
    objects = context.engine.owned(installation)
    with context.registry.reading() as tx:
        sandboxes, snapshots = tx.sandboxes(LIVE), tx.snapshots()
    gone = unneeded(objects, sandboxes, snapshots, installation).get(chore.subject, [])
    for kind, name in sorted(gone):  # containers before the volumes that they hold
        context.engine.remove(kind, name)
    with context.registry.writing() as tx:
        removed = [f"{kind} {name}" for kind, name in gone]
        record(context, tx, "replica.removed", chore.subject, reason=chore.why, removed=removed)
