"""Which snapshots are old enough to go, and who still holds one of them. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from pydantic import AwareDatetime, Field

from sandbox.core.values import Value

# A source file names a Retention, and snapshots know their source's rules.
if TYPE_CHECKING:
    from sandbox.core.lifecycle import Sandbox
    from sandbox.core.snapshot import Snapshot


class Retention(Value):
    """How long snapshots are kept: the newest `keep`, and all that are younger than `days`.

    What either keeps stays. Without any of both everything is kept.
    """

    keep: Annotated[int, Field(ge=1, le=10_000)] | None = None
    days: Annotated[int, Field(ge=1, le=3650)] | None = None

    @property
    def words(self) -> str:
        """Return the rule as people read it, "" if there is none."""
        newest = [f"the newest {self.keep}"] if self.keep else []
        young = [f"all of the last {self.days} days"] if self.days else []
        return " and ".join([*newest, *young])


class Holder(Value):
    """A sandbox that needs a snapshot, and until when at least (None: not known yet)."""

    name: str
    state: str
    until: AwareDatetime | None

    @property
    def words(self) -> str:
        """Return who needs it and until when, as people read it."""
        until = f" until {self.until:%Y-%m-%d %H:%M} UTC at least" if self.until else ""
        return f"{self.name} ({self.state}) needs it{until}"


def outdated(
    ready: "Sequence[Snapshot]", retention: Retention, now: datetime
) -> "list[tuple[Snapshot, str]]":
    """Return the snapshots of one source that `retention` does not keep, each with the reason.

    `ready` are its ready ones, oldest first. The newest is never among the result.
    """
    if not retention.words:
        return []
    newest = max(retention.keep or 0, 1)
    older = ready[: max(0, len(ready) - newest)]
    young = timedelta(days=retention.days or 0)
    why = f"older than what is kept: {retention.words}"
    return [(s, why) for s in older if now - s.created >= young]


def holders(
    snapshot: "Snapshot", live: "Iterable[Sandbox]", now: datetime, pooled_for: timedelta
) -> tuple[Holder, ...]:
    """Return who of the `live` sandboxes needs `snapshot`; one of the pool for `pooled_for`.

    One that has a lease needs it until its grace is over: until then it can be restored.
    """
    return tuple(
        Holder(
            name=s.name,
            state=s.state_at(now).value,
            until=s.lease.grace_ends or _pool_end(s, pooled_for),
        )
        for s in live
        if snapshot.id in s.snapshots
    )


def _pool_end(sandbox: "Sandbox", pooled_for: timedelta) -> datetime | None:
    return None if sandbox.lease.owner else sandbox.phase.since + pooled_for
