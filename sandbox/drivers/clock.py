"""The machine's clocks: what the wall clock shows, and what has really passed since it started."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from sandbox.core.clock import Reading, Time, remembered, trusted

_BOOT = Path("/proc/sys/kernel/random/boot_id")


class MachineClock:
    """Trusted time on this machine, going on from the last reading on record.

    `last` is asked once. Where the system has no such clocks (not Linux) every process counts
    as a boot of its own, so only the wall clock's going back is noticed.
    """

    def __init__(self, last: Callable[[], Reading | None]) -> None:
        self._ask_last = last
        self._last: Reading | None = None
        self._asked = False

    def time(self) -> Time:
        """Return the time to go by, and how far the wall clock is off."""
        return trusted(_now(), self._known())

    def reading(self) -> Reading:
        """Return the clocks as they stand, with the trusted time as wall clock."""
        found = _now()
        return remembered(found, trusted(found, self._known()))

    def now(self) -> datetime:
        """Return the time to go by."""
        return self.reading().wall

    def _known(self) -> Reading | None:
        if not self._asked:
            self._last, self._asked = self._ask_last(), True
        return self._last


def _now() -> Reading:
    uptime = getattr(time, "CLOCK_BOOTTIME", None)
    passed = time.clock_gettime(uptime) if uptime is not None else time.monotonic()
    return Reading(wall=datetime.now(UTC), uptime=passed, boot=_boot())


def _boot() -> str:
    try:
        return _BOOT.read_text("ascii").strip()
    except OSError:
        return f"unknown-{id(_now)}"
