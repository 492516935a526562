"""The row of `up` served by the warm pool."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from . import hand
from .commands import say
from .house import House
from .table import Row, ratio

_POOL = "\npool: {segment-rfm: 1}\n"


def rows(house: House, runs: int) -> list[Row]:
    """Claim a sandbox `runs` times, in turn with a bare run of the tool; return the row."""
    own = hand.model(house)
    claimed: list[float] = []
    tool: list[float] = []
    with _pooled(house):
        for number in range(runs):
            say(f"up from the warm pool, round {number + 1} of {runs}")
            house.sandbox("reap", "--apply")
            # Whoever comes first after a pause must not always be the same.
            if number % 2:
                tool.append(hand.tool_alone(house, own, f"beside{number}"))
            claimed.append(_claim(house, f"warm-{number}"))
            if not number % 2:
                tool.append(hand.tool_alone(house, own, f"beside{number}"))
            house.down(f"warm-{number}")
    alone = "`docker run` of the tool alone"
    return [ratio("`up`, claimed from a warm pool", claimed, tool, alone, 0.5)]


def _claim(house: House, name: str) -> float:
    """Return the seconds of an `up`; raises RuntimeError if the pool did not serve it."""
    up = house.up(name, "-o", "json")
    if (pool := json.loads(up.out)["pool"]) != "claimed":
        raise RuntimeError(f"the pool did not serve: {pool}")
    return up.seconds


@contextmanager
def _pooled(house: House) -> Iterator[None]:
    """Have a pool of one, for as long as this lasts."""
    file = house.folder / "sandbox.yaml"
    before = file.read_text()
    file.write_text(before.rstrip() + _POOL)
    try:
        yield
    finally:
        file.write_text(before)
        house.sandbox("reap", "--apply")
