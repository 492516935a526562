"""When a sandbox was last used, from what the gateway and its lab tell. Pure.

A person's requests and statements in the lab are use. Our own probes and readings are not, nor
what an open page asks for by itself.
"""

from collections.abc import Iterable
from datetime import datetime

from pydantic import AwareDatetime

from sandbox.core.values import Value


class IdleWarned(Value):
    """A warning that a sandbox is not used: since when it was told, and by which rules."""

    at: AwareDatetime
    rules: tuple[str, ...]


class LabReading(Value):
    """How long a lab had worked for its users in all, in milliseconds, when it was asked."""

    at: AwareDatetime
    ms: float


class Use(Value):
    """What is known of the use of one sandbox, as of the last reading. Times are UTC.

    `lab` is how long its lab had worked for its users: more of it at the next reading is use.
    """

    last: AwareDatetime | None = None
    lab: LabReading | None = None
    warned: IdleWarned | None = None

    def told(self, gateway: datetime | None, lab_ms: float | None, now: datetime) -> "Use":
        """Return it with what the gateway and the lab tell at `now`; None is silence.

        A first reading of the lab, or one that is lower because the lab began anew, is no use.
        """
        last = newest((self.last, gateway and min(gateway, now)))
        if lab_ms is None:
            return self.model_copy(update={"last": last})
        # What worked there may be the very use that is known; else it was in between: until now.
        if self.lab and lab_ms > self.lab.ms and (last is None or last < self.lab.at):
            last = now
        return self.model_copy(update={"last": last, "lab": LabReading(at=now, ms=lab_ms)})

    def with_last(self, moment: datetime | None) -> "Use":
        """Return it as last used at `moment` at least: readings may be written in any order."""
        return self.model_copy(update={"last": newest((self.last, moment))})

    def is_news(self, kept: "Use") -> bool:
        """Say whether it tells more than `kept`, so that the next reading can be compared."""
        if self.last != kept.last or (self.lab is None) != (kept.lab is None):
            return True
        if self.lab is None or kept.lab is None:
            return False
        used_since = self.last is not None and self.last >= kept.lab.at
        return self.lab.ms != kept.lab.ms or used_since


def newest(moments: Iterable[datetime | None]) -> datetime | None:
    """Return the last of the moments that are known, or None."""
    return max((moment for moment in moments if moment), default=None)
