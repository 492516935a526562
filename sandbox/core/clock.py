"""What time it is, when the wall clock may have been set: leases go by time that really passed.

Within one boot of the machine, CLOCK_BOOTTIME counts on through suspension and nobody can set it.
So time is what it was at the last reading on record, plus what has passed since. Only across a
boot the wall clock is believed, and even then never backwards.
"""

from datetime import datetime, timedelta

from pydantic import AwareDatetime

from sandbox.core.values import Value

# Time servers correct clocks by less than this; whoever sets one by hand sets it by more.
TOLERANCE = timedelta(minutes=2)


class Reading(Value):
    """The clocks at one moment: wall clock, seconds since boot (suspension counted), and boot.

    `ahead` is how far the wall clock was ahead of the time to go by, where `wall` is the latter.
    """

    wall: AwareDatetime
    uptime: float
    boot: str
    ahead: timedelta = timedelta()


class Time(Value):
    """The time to go by, and how far ahead of it the wall clock is (negative: behind)."""

    now: AwareDatetime
    ahead: timedelta


def trusted(reading: Reading, last: Reading | None) -> Time:
    """Return the time to go by at `reading`, given the last reading whose time was trusted."""
    if last is None:
        return Time(now=reading.wall, ahead=timedelta())
    if reading.boot == last.boot:
        expected = last.wall + timedelta(seconds=reading.uptime - last.uptime)
        believed = abs(reading.wall - expected) <= TOLERANCE
    else:
        expected = last.wall
        believed = reading.wall >= expected - TOLERANCE
    now = reading.wall if believed else expected
    return Time(now=now, ahead=reading.wall - now)


def remembered(reading: Reading, time: Time) -> Reading:
    """Return what to keep as the last reading: the clocks of `reading` at the trusted time."""
    return reading.model_copy(update={"wall": time.now, "ahead": time.ahead})


def guard_text(deadline: datetime, reading: Reading) -> str:
    """Return the line that tells the lease guards when to end their container.

    `DEADLINE WRITTEN UPTIME BOOT`: the end in unix seconds; when this is written, as unix time and
    as uptime in milliseconds; and the boot's id.
    """
    written = int(reading.wall.timestamp() * 1000)
    return f"{int(deadline.timestamp())} {written} {int(reading.uptime * 1000)} {reading.boot}\n"
