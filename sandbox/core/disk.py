"""The watch over disks: how much must stay free, and who holds more than it may. Pure.

Volumes have no quota of their own where the storage has none: what a sandbox holds is measured from
time to time, and one that holds too much is frozen.
"""

from sandbox.core.lifecycle import Sandbox
from sandbox.core.phases import State
from sandbox.core.settings import DiskSettings
from sandbox.core.values import Value

MB = 1 << 20
# From this part of its limit on, a sandbox's owner is warned.
_WARN_AT = 0.8


class Room(Value):
    """Free bytes where the engine keeps volumes, and on the home's file system.

    None where it could not be measured; that is never taken for enough or too little.
    """

    engine: int | None = None
    home: int | None = None


def shortage(room: Room, disk: DiskSettings, need_mb: int, home_need_mb: int = 0) -> str:
    """Return why there is no room for so many MiB more beside the reserve, "" if there is."""
    places = (
        ("The engine's disk", room.engine, need_mb),
        ("The home's disk", room.home, home_need_mb),
    )
    for place, free, need in places:
        if free is not None and free < (need + disk.reserve_mb) * MB:
            wanted = f"{need:,} MB are asked for and " if need else ""
            return (
                f"{place} has {free // MB:,} MB free; {wanted}{disk.reserve_mb:,} MB must stay free"
            )
    return ""


def below_floor(room: Room, disk: DiskSettings) -> str:
    """Return that the disk on which sandboxes write is below its floor, "" if it is not."""
    if room.engine is None or room.engine >= disk.floor_mb * MB:
        return ""
    return f"the engine's disk has {room.engine // MB:,} MB free, the floor is {disk.floor_mb:,} MB"


def over_limit(sandbox: Sandbox) -> str:
    """Return that `sandbox` held more than it may when it was last measured, "" if it did not."""
    if not sandbox.overfull:
        return ""
    return f"its disk holds {sandbox.used_mb:,} MB, its limit is {sandbox.disk_mb:,} MB"


def to_freeze(sandbox: Sandbox, floor: str) -> str:
    """Return why the disk asks for `sandbox` to be frozen, "" if it may go on.

    `floor` is what `below_floor` says of the disk as a whole.
    """
    return (floor or over_limit(sandbox)) if sandbox.state is State.READY else ""


def warning(sandbox: Sandbox) -> str:
    """Return how full the disk of `sandbox` is, once that is worth telling; else ""."""
    if not sandbox.disk_mb or sandbox.used_mb is None:
        return ""
    if sandbox.used_mb < sandbox.disk_mb * _WARN_AT:
        return ""
    share = round(100 * sandbox.used_mb / sandbox.disk_mb)
    return f"its disk is {share} % full: {sandbox.used_mb:,} of {sandbox.disk_mb:,} MB"
