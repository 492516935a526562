"""kill -9 of `up` and `down` after their engine calls, on the real engine: nothing stays."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.docker.conftest import UP, Home

pytestmark = pytest.mark.docker

NAME = "mortal"
SECONDS = 90
NEVER = 1_000_000
SPREAD = (0.1, 0.4, 0.7, 0.95)


def run(home: Home, last: int, command: str) -> "subprocess.CompletedProcess[str]":
    """Run one command that is killed after engine call number `last`."""
    words = [sys.executable, "-m", "tests.docker.killed", str(home.folder), str(last)]
    return subprocess.run([*words, command, NAME], capture_output=True, text=True, timeout=SECONDS)


def killed(home: Home, last: int, command: str) -> bool:
    """Run it; say whether it came so far as to be killed."""
    ran = run(home, last, command)
    assert ran.returncode in (0, -signal.SIGKILL), ran.stderr
    return ran.returncode != 0


def state(home: Home) -> str:
    found = [s for s in home.json("list", "--all")["sandboxes"] if s["name"] == NAME]
    return str(found[-1]["state"]) if found else "none"


def settle(home: Home) -> None:
    """Reap until nothing is left to do: the engine may still end what the dead had asked for."""
    limit = time.monotonic() + SECONDS
    while True:
        home.run("reap", "--apply", code=None)
        if not home.json("reap")["chores"]:
            return
        assert time.monotonic() < limit, home.run("reap")
        time.sleep(0.5)


def totals(home: Home) -> Any:
    """Return what `plan` counts as held by the owner."""
    return home.json("plan", NAME, *UP)["decision"]["document"]["owner_totals"]


@pytest.fixture(scope="module")
def counts(home: Home) -> Iterator[dict[str, int]]:
    """How many engine calls a whole `up` and a whole `down` make."""
    home.run("up", NAME, *UP)  # the gateway starts with the first
    home.run("down", NAME)
    yield {command: int(run(home, NEVER, command).stdout) for command in ("up", "down")}
    assert state(home) == "destroyed"


def check_up(home: Home, last: int) -> None:
    before, held = home.listing(), totals(home)
    dead = killed(home, last, "up")
    was = state(home)
    if was == "ready":
        home.run("down", NAME)
    settle(home)
    assert home.listing() == before, last
    assert totals(home) == held, last
    assert state(home) in ("failed", "destroyed", "none"), last
    assert dead or was == "ready"
    home.run("audit", "verify")


def check_down(home: Home, last: int) -> None:
    before, held = home.listing(), totals(home)
    home.run("up", NAME, *UP)
    killed(home, last, "down")
    settle(home)
    if state(home) == "ready":  # killed while its work was being kept: it is as it was
        home.run("exec", NAME, "--", "true")
        home.run("down", NAME)
        settle(home)
    assert state(home) == "destroyed", last
    assert home.listing() == before, last
    assert totals(home) == held, last
    home.run("audit", "verify")


def again(home: Home) -> None:
    """The name works as if nothing had been."""
    home.run("up", NAME, *UP)
    home.run("exec", NAME, "--", "true")
    home.run("down", NAME)


@pytest.mark.parametrize("part", SPREAD)
@pytest.mark.parametrize("command", ["up", "down"])
def test_killed_at_some_calls(
    home: Home, counts: dict[str, int], command: str, part: float
) -> None:
    last = max(1, round(counts[command] * part))
    {"up": check_up, "down": check_down}[command](home, last)
    if part == SPREAD[-1]:
        again(home)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("command", ["up", "down"])
def test_killed_at_every_call(home: Home, counts: dict[str, int], command: str) -> None:
    for last in range(1, counts[command] + 1):
        {"up": check_up, "down": check_down}[command](home, last)
    again(home)


def test_two_up_of_one_name_at_once(home: Home) -> None:
    before = home.listing()
    both = [home.start("up", NAME, *UP, "-o", "json") for _ in range(2)]
    ended = [process.communicate(timeout=SECONDS) for process in both]
    codes = sorted(process.returncode for process in both)
    # The second meets the first while it is made, or finds it ready: never a second sandbox.
    assert codes in ([0, 6], [0, 0]), ended
    assert [s["name"] for s in home.json("list")["sandboxes"]].count(NAME) == 1
    home.run("exec", NAME, "--", "true")
    home.run("down", NAME)
    assert home.listing() == before
