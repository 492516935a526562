"""How long a sandbox lives: durations as people write them, and the lease itself."""

import re
import unicodedata
from datetime import datetime, timedelta

from pydantic import AwareDatetime

from sandbox.core.errors import InvalidInput
from sandbox.core.text import clean
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


class Lease(Value):
    """Who holds a sandbox and until when. Times are UTC; the clock starts when it is ready."""

    owner: str
    ttl: timedelta
    started: AwareDatetime | None = None

    @property
    def deadline(self) -> datetime | None:
        """When its containers stop, or None while it is not ready yet."""
        return self.started + self.ttl if self.started else None


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
    said = clean(text)
    subject = said if len(said) <= _SHOWN else said[: _SHOWN - 1] + "…"
    return InvalidInput(f"The time to live {why}.", subject=subject, hint=hint)


def spoken(span: timedelta) -> str:
    """Return `span` as people read it: `71 h 59 min`, `4 min`, `3 d 2 h`; never negative."""
    minutes = max(0, int(span.total_seconds())) // 60
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
