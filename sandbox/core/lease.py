"""How long a sandbox lives: durations as people write them, and the lease itself."""

import re
import unicodedata
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from sandbox.core.errors import Denied, InvalidInput
from sandbox.core.text import clean, shortened
from sandbox.core.values import Value

_PART = re.compile(r"(?<!\d)(\d+)\s*([mhdw])", re.IGNORECASE)
# More digits are more than ten years in any unit, and more than a timedelta can hold.
_MOST_DIGITS = 8
_SHOWN = 40
_UNIT = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
LONGEST = timedelta(days=3650)
_NONE = timedelta()
_EXAMPLES = "Write minutes, hours, days or weeks: 90m, 72h, 3d, 1w, 1d12h."


class LeaseLimits(Value):
    """What a lease may become. Copied from the settings at request: later edits touch new ones.

    `extension` is the longest single extension, `longest` the time from the start to the last end
    that any extension can reach. `warnings` are times before the end.
    """

    extensions: Annotated[int, Field(ge=0, le=100)] = 3
    extension: timedelta = timedelta(hours=72)
    longest: timedelta = timedelta(days=14)
    grace: timedelta = timedelta(hours=72)
    warnings: tuple[timedelta, ...] = (timedelta(hours=24), timedelta(hours=1))

    def check_first(self, ttl: timedelta) -> None:
        """Raise Denied, saying what is the most, if no lease could ever last for `ttl`."""
        if ttl > self.longest:
            raise Denied(
                f"{spoken(ttl)} is longer than a sandbox may live here, extensions included: "
                f"{spoken(self.longest)}.",
                hint=f"At most: --ttl {ttl_text(self.longest)}",
                details={"most_minutes": int(self.longest.total_seconds()) // 60},
            )


class Move(Value):
    """One change of a lease's end: `span` was added to it.

    `credit` gives back the time that a sandbox was frozen, and takes nothing from the budget.
    """

    kind: Literal["extend", "restore", "credit"]
    at: AwareDatetime
    by: str
    reason: str
    span: timedelta


class Warned(Value):
    """A warning that was given: which one, and for which end."""

    before: timedelta
    deadline: AwareDatetime


class Left(Value):
    """What is left of a lease's budget: so many extensions, the next of at most `span`."""

    extensions: int
    span: timedelta


class Lease(Value):
    """Who holds a sandbox and until when. Times are UTC; the clock starts when it is ready."""

    owner: str
    ttl: timedelta
    limits: LeaseLimits = LeaseLimits()
    started: AwareDatetime | None = None
    moves: tuple[Move, ...] = ()
    warned: tuple[Warned, ...] = ()

    @property
    def deadline(self) -> datetime | None:
        """When its containers stop, or None while it is not ready yet."""
        if self.started is None:
            return None
        return self.started + self.ttl + sum((m.span for m in self.moves), timedelta())

    @property
    def grace_ends(self) -> datetime | None:
        """Until when an expired sandbox is kept and can be restored."""
        return self.deadline + self.limits.grace if self.deadline else None

    def left(self, now: datetime) -> Left:
        """Return what is left of the budget at `now`, in whole minutes as people ask for them.

        Never negative, nothing before the start.
        """
        if self.started is None or self.deadline is None:
            return Left(extensions=0, span=timedelta())
        used = sum(move.kind != "credit" for move in self.moves)
        extensions = max(0, self.limits.extensions - used)
        room = max(timedelta(), self.started + self.limits.longest - max(self.deadline, now))
        most = min(room, self.limits.extension) if extensions else timedelta()
        span = most - most % timedelta(minutes=1)
        return Left(extensions=extensions if span else 0, span=span)

    def extended(self, span: timedelta, *, by: str, reason: str, now: datetime) -> "Lease":
        """Return the lease with `span` more; raises Denied with what is left beyond its limits."""
        return self._moved(Move(kind="extend", at=now, by=by, reason=reason, span=span), span)

    def restored(self, span: timedelta, *, by: str, reason: str, now: datetime) -> "Lease":
        """Return the lease of an expired sandbox with its end `span` from now; raises Denied.

        A restore is an extension of the budget; the time that it lay expired counts for nothing
        but the longest time from the start.
        """
        assert self.deadline is not None
        whole = whole_second(now) + span - self.deadline
        return self._moved(Move(kind="restore", at=now, by=by, reason=reason, span=whole), span)

    def credited(self, span: timedelta, *, by: str, reason: str, now: datetime) -> "Lease":
        """Return the lease with the time given back that its sandbox was frozen."""
        move = Move(kind="credit", at=now, by=by, reason=reason, span=span)
        return self.model_copy(update={"moves": (*self.moves, move)})

    def warning(self, now: datetime) -> Warned | None:
        """Return the most urgent warning that holds at `now`, given already or not, or None.

        One that would have been due when the end was last set is left out: whoever set it knew.
        """
        deadline, last = self.deadline, self._last_set()
        if deadline is None or last is None or now >= deadline:
            return None
        due = [w for w in self.limits.warnings if last < deadline - w <= now]
        return Warned(before=min(due), deadline=deadline) if due else None

    def due_warning(self, now: datetime) -> Warned | None:
        """Return the most urgent warning that holds and was not given yet, or None."""
        nearest = self.warning(now)
        if nearest is None:
            return None
        given = [w.before for w in self.warned if w.deadline == nearest.deadline]
        return nearest if all(nearest.before < before for before in given) else None

    def warned_of(self, warning: Warned) -> "Lease":
        """Return the lease with `warning` noted as given."""
        return self.model_copy(update={"warned": (*self.warned, warning)})

    def _last_set(self) -> datetime | None:
        return self.moves[-1].at if self.moves else self.started

    def _moved(self, move: Move, asked: timedelta) -> "Lease":
        moved = self.model_copy(update={"moves": (*self.moves, move)})
        left = self.left(move.at)
        assert self.started is not None
        assert moved.deadline is not None
        beyond = moved.deadline > self.started + self.limits.longest
        if not left.extensions or asked > self.limits.extension or beyond:
            raise Denied(
                _too_much(left, self.limits, asked),
                hint=f"At most: --ttl {ttl_text(left.span)}" if left.extensions else _AT_THE_END,
                details={
                    "extensions_left": left.extensions,
                    "minutes_left_to_ask": int(left.span.total_seconds()) // 60,
                },
            )
        return moved


_AT_THE_END = "Save what you need, or ask for a new sandbox; what has proven itself is promoted."


def _too_much(left: Left, limits: LeaseLimits, asked: timedelta) -> str:
    if not left.extensions:
        return (
            f"Its lease cannot be extended any more: it allows {limits.extensions} extensions and "
            f"{spoken(limits.longest)} in all."
        )
    return (
        f"{spoken(asked)} more is beyond what its lease allows: {spoken(left.span)} now, "
        f"{left.extensions} of {limits.extensions} extensions left."
    )


def whole_second(moment: datetime) -> datetime:
    """Return the next whole second: guards count in seconds, and must agree with the record."""
    return (moment + timedelta(microseconds=999_999)).replace(microsecond=0)


def parse_ttl(text: str) -> timedelta:
    """Return the duration that `text` says: `90m`, `72h`, `3d`, `1w`, `1d12h`.

    Raises InvalidInput, each told apart, when it is anything else, is nothing, or is longer than
    ten years.
    """
    # Japanese keyboards type full-width digits and letters; NFKC makes them plain.
    compact = unicodedata.normalize("NFKC", text).strip()
    parts = _PART.findall(compact)
    units = [unit.lower() for _, unit in parts]
    if not parts or _PART.sub("", compact).strip() or len(set(units)) != len(units):
        raise _refused("is not a duration", text, _EXAMPLES)
    numbers = [n.lstrip("0") or "0" for n, _ in parts]
    huge = any(len(n) > _MOST_DIGITS for n in numbers)
    total = sum((int(n) * _UNIT[u] for n, u in zip(numbers, units, strict=True) if not huge), _NONE)
    if huge or total > LONGEST:
        raise _refused("is longer than ten years", text, f"At most {LONGEST.days}d. {_EXAMPLES}")
    if total == _NONE:
        raise _refused("is nothing: it would end at once", text, _EXAMPLES)
    return total


def _refused(why: str, text: str, hint: str) -> InvalidInput:
    subject = shortened(clean(text), _SHOWN)
    return InvalidInput(f"The time to live {why}.", subject=subject, hint=hint)


def spoken(span: timedelta) -> str:
    """Return `span` as people read it: `71 h 59 min`, `3 d 2 h`; at least `under 1 min`."""
    minutes = max(0, int(span.total_seconds())) // 60
    if minutes < 1:
        return "under 1 min"
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 100:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def ttl_text(span: timedelta) -> str:
    """Return `span` in the notation that `parse_ttl` reads: whole hours, else minutes."""
    minutes = int(span.total_seconds()) // 60
    return f"{minutes}m" if minutes % 60 else f"{minutes // 60}h"
