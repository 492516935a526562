"""What is kept of a sandbox that ends: which class, whether at all, for how long. Pure."""

from datetime import datetime, timedelta

from sandbox.core.certificate import Certificate, Kept
from sandbox.core.disk import MB
from sandbox.core.lifecycle import Sandbox
from sandbox.core.phases import Destroyed
from sandbox.core.settings import KeepSettings
from sandbox.core.snapshot import Snapshot
from sandbox.core.source import CLASSES, NEVER_KEPT
from sandbox.core.values import Value

NOT_WANTED = "it was asked for with --no-keep"
NEVER_READY = "it was never ready, so nobody worked in it"
NOTHING = "there was nothing to keep"
UNKNOWN_CLASS = "the class of its data is not on record"


class Outcome(Value):
    """What became of a sandbox's lab and work: an archive, or the reason why there is none."""

    kept: Kept | None = None
    not_kept: str = ""


class NotKept(Exception):
    """Nothing is kept, and the text says why; on its way out of a half-written archive."""


def certificate_of(sandbox: Sandbox) -> Certificate | None:
    """Return the certificate of a destroyed sandbox, None of any other."""
    return sandbox.phase.certificate if isinstance(sandbox.phase, Destroyed) else None


def kept_of(sandbox: Sandbox) -> Kept | None:
    """Return what a destroyed sandbox's certificate says is kept, if anything."""
    certificate = certificate_of(sandbox)
    return certificate.kept if certificate else None


def archive_name(sandbox: Sandbox) -> str:
    """Return the name of a sandbox's archive: its own and its id, which nobody else ever has."""
    return f"{sandbox.name}-{sandbox.id}"


def highest_class(*snapshots: Snapshot | None) -> str:
    """Return the highest class among the columns of all snapshots, "" if any is not on record.

    A class that this version does not know counts as the highest.
    """
    manifests = [snapshot.manifest if snapshot else None for snapshot in snapshots]
    if not all(manifests):
        return ""
    order: tuple[str, ...] = CLASSES
    found = {c.data_class for m in manifests if m for t in m.tables for c in t.columns}
    if found - set(order):
        return order[-1]
    return max(found, key=order.index, default=order[0])


def why_not(sandbox: Sandbox, data_class: str, *, wanted: bool) -> str:
    """Return why nothing of `sandbox` is kept whatever is in it, "" if it is to be looked at."""
    if not wanted:
        return NOT_WANTED
    if sandbox.lease.started is None:
        return NEVER_READY
    if not data_class:
        return UNKNOWN_CLASS
    return f"data of class {data_class} is never kept" if data_class in NEVER_KEPT else ""


def most_bytes(settings: KeepSettings) -> int:
    """Return how many bytes an archive may hold before encryption."""
    return settings.max_mb * MB


def too_large(settings: KeepSettings) -> NotKept:
    """Return what to raise when there is more than may be kept."""
    return NotKept(f"there was more than the {settings.max_mb} MB that may be kept")


def kept_until(settings: KeepSettings, now: datetime) -> datetime:
    """Return when an archive that is made now ends."""
    return now + timedelta(days=settings.days)
