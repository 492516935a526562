"""How old data is, as commands tell it: by the limits that the source files state today."""

from collections.abc import Iterable
from datetime import timedelta

from sandbox.core.errors import SandboxError
from sandbox.core.freshness import Freshness, freshness
from sandbox.core.ports import Context
from sandbox.core.snapshot import Snapshot
from sandbox.usecases.checks import Check


def ages(context: Context, snapshots: Iterable[Snapshot]) -> dict[str, Freshness]:
    """Return by id how old the data of those is that were built."""
    return {s.id: age for s in snapshots if (age := age_of(context, s))}


def age_of(context: Context, snapshot: Snapshot | None) -> Freshness | None:
    """Return how old its data is, None of one that was never built."""
    if snapshot is None:
        return None
    return freshness(snapshot, _max_age(context, snapshot.source), context.now())


def data_checks(context: Context) -> list[Check]:
    """Return the doctor's line about the newest data of each source that has any."""
    with context.registry.reading() as tx:
        newest = [tx.snapshot(version) for version in tx.newest().values()]
    return [_check(s, age) for s in newest if s and (age := age_of(context, s))]


def _check(snapshot: Snapshot, age: Freshness) -> Check:
    said = f"{snapshot.id} is {age.words}"
    if not age.too_old:
        return Check(name="data", status="ok", said=said)
    fix = f"No new sandbox may see it: {snapshot.build_command}"
    return Check(name="data", status="warn", said=said, fix=fix)


def _max_age(context: Context, source: str) -> timedelta | None:
    """Return the limit of a source; None also where its file is gone or cannot be read.

    Whoever makes a sandbox from such a source is told what is wrong with it.
    """
    try:
        return context.catalogue.source(source).max_age
    except SandboxError:
        return None
