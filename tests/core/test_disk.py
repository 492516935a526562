"""The watch over disks, as tables: room, floor, limits and warnings."""

import pytest
from pydantic import ValidationError

from sandbox.core.disk import MB, Room, below_floor, over_limit, shortage, to_freeze, warning
from sandbox.core.phases import State
from sandbox.core.settings import DiskSettings
from tests.core.test_quotas import sandbox

DISK = DiskSettings(reserve_mb=2000, floor_mb=1000)


@pytest.mark.parametrize(
    ("engine", "home", "need", "home_need", "said"),
    [
        (5000, 5000, 3000, 0, ""),
        (4999, 5000, 3000, 0, "The engine's disk has 4,999 MB free; 3,000 MB are asked for"),
        (5000, 2000, 3000, 0, ""),
        (5000, 1999, 3000, 0, "The home's disk has 1,999 MB free; 2,000 MB must stay free"),
        (5000, 2500, 3000, 501, "The home's disk has 2,500 MB free; 501 MB are asked for"),
        (None, 5000, 3000, 0, ""),
        (None, None, 3000, 9000, ""),
        (0, None, 0, 0, "The engine's disk has 0 MB free"),
    ],
)
def test_room_is_what_is_free_beside_the_reserve(
    engine: int | None, home: int | None, need: int, home_need: int, said: str
) -> None:
    room = Room(
        engine=None if engine is None else engine * MB, home=None if home is None else home * MB
    )
    found = shortage(room, DISK, need, home_need)
    assert said in found
    assert bool(found) is bool(said)


@pytest.mark.parametrize(("free", "low"), [(1000, False), (999, True), (0, True), (None, False)])
def test_below_its_floor_is_only_what_was_measured(free: int | None, low: bool) -> None:
    room = Room(engine=None if free is None else free * MB, home=0)
    assert bool(below_floor(room, DISK)) is low


@pytest.mark.parametrize(
    ("limit", "used", "over", "warned"),
    [
        (1000, None, False, False),
        (1000, 799, False, False),
        (1000, 800, False, True),
        (1000, 1000, False, True),
        (1000, 1001, True, True),
        (0, 9999, False, False),
    ],
)
def test_who_holds_too_much(limit: int, used: int | None, over: bool, warned: bool) -> None:
    found = sandbox("a", disk_mb=limit, used_mb=used)
    assert bool(over_limit(found)) is over
    assert bool(warning(found)) is warned


def test_a_warning_tells_the_share() -> None:
    found = sandbox("a", disk_mb=3072, used_mb=2600)
    assert warning(found) == "its disk is 85 % full: 2,600 of 3,072 MB"


@pytest.mark.parametrize("state", list(State))
def test_only_a_ready_one_is_frozen(state: State) -> None:
    full = sandbox("a", state, used_mb=4000)
    assert bool(to_freeze(full, "")) is (state is State.READY)
    assert bool(to_freeze(sandbox("a", state), "the floor")) is (state is State.READY)
    assert to_freeze(sandbox("a"), "") == ""


def test_the_floor_is_not_above_the_reserve() -> None:
    with pytest.raises(ValidationError, match="floor_mb must not be more than reserve_mb"):
        DiskSettings(reserve_mb=10, floor_mb=11)
