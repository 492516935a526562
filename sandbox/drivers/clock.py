"""The machine's clocks: what the wall clock shows, and what has really passed since it started."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from sandbox.core.clock import Reading, remembered, trusted

_BOOT = Path("/proc/sys/kernel/random/boot_id")


class MachineClock:
    """Trusted time on this machine, going on from the last reading on record.

    `last` is asked once. Where the system has no such clocks (not Linux) every process counts
    as a boot of its own, so only the wall clock's going back is noticed.
    """

    def __init__(self, last: Callable[[], Reading | None]) -> None:
        self._ask_last = last

    def reading(self) -> Reading:
        """Return the clocks as they stand, with the trusted time as wall clock."""
        found = _now()
        return remembered(found, trusted(found, self._last))

    def now(self) -> datetime:
        """Return the time to go by."""
        return self.reading().wall

    @cached_property
    def _last(self) -> Reading | None:
        return self._ask_last()


def _now() -> Reading:
    uptime = getattr(time, "CLOCK_BOOTTIME", None)
    passed = time.clock_gettime(uptime) if uptime is not None else time.monotonic()
    return Reading(wall=datetime.now(UTC), uptime=passed, boot=_boot())


def _boot() -> str:
    try:
        return _BOOT.read_text("ascii").strip()
    except OSError:
        return f"unknown-{id(_now)}"
