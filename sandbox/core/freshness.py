"""How old a snapshot's data is, and whether that is too old for a new sandbox. Pure.

Age counts from the moment as of which the source was read, not from the build's end.
"""

from datetime import datetime, timedelta

from pydantic import AwareDatetime

from sandbox.core.errors import Denied
from sandbox.core.lease import spoken
from sandbox.core.snapshot import Snapshot
from sandbox.core.values import Value

_NONE = timedelta()


class Freshness(Value):
    """How old data is at one moment, in whole minutes, and how old it may be (None: any age).

    `too_old`: no new sandbox may see it.
    """

    as_of: AwareDatetime
    age_minutes: int
    max_age_minutes: int | None = None
    too_old: bool = False

    @property
    def words(self) -> str:
        """Return the age as people read it, and the limit where it is reached."""
        age = f"{_spoken(self.age_minutes)} old"
        return f"{age}, too old: the limit is {self.limit}" if self.too_old else age

    @property
    def limit(self) -> str:
        """Return how old it may be as people read it, "" for any age."""
        return "" if self.max_age_minutes is None else _spoken(self.max_age_minutes)


def freshness(snapshot: Snapshot, max_age: timedelta | None, now: datetime) -> Freshness | None:
    """Return how old the data of `snapshot` is at `now`; None for one that was never built.

    A source whose clock is ahead of ours has data of age zero.
    """
    if snapshot.manifest is None:
        return None
    as_of = snapshot.manifest.data_as_of
    age = _minutes(max(_NONE, now - as_of))
    most = None if max_age is None else _minutes(max_age)
    return Freshness(
        as_of=as_of,
        age_minutes=age,
        max_age_minutes=most,
        too_old=most is not None and age >= most,
    )


def why_too_old(snapshot: Snapshot, max_age: timedelta | None, now: datetime) -> str:
    """Return, as the rest of a sentence, why no new sandbox may see `snapshot`; "" if one may."""
    found = freshness(snapshot, max_age, now)
    return _why(snapshot, found) if found and found.too_old else ""


def check_fresh(snapshot: Snapshot, max_age: timedelta | None, now: datetime) -> None:
    """Raise Denied, with age, limit and what mends it, if `snapshot` is too old at `now`."""
    found = freshness(snapshot, max_age, now)
    if found is None or not found.too_old:
        return
    raise Denied(
        f"The snapshot is too old: {_why(snapshot, found)}.",
        subject=snapshot.id,
        hint=f"IT builds a new one with: {snapshot.build_command}",
        details={"freshness": found.model_dump(mode="json")},
    )


def _why(snapshot: Snapshot, found: Freshness) -> str:
    age = _spoken(found.age_minutes)
    return f"its data is {age} old, {snapshot.source} allows {found.limit}"


def _minutes(span: timedelta) -> int:
    return int(span.total_seconds()) // 60


def _spoken(minutes: int) -> str:
    return spoken(timedelta(minutes=minutes))
