"""kill -9 of `up`, of a claim and of `down`, on the real engine: nothing stays."""

import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

import pytest

from tests.docker.conftest import UP, Home
from tests.docker.slim import SLIM, limit_totals

pytestmark = pytest.mark.docker

NAME = "mortal"
SECONDS = 90
NEVER = 1_000_000
RACERS = 8
SPREAD = (0.2, 0.6, 0.95)
COMMANDS = ("up", "claim", "down")
# What the reaper has to do once a claim was killed, by the state then; else nobody had claimed.
CLAIMED = {"provisioning": ["settle"], "ready": []}


@dataclass(frozen=True)
class Scene:
    """A home, what is asked for in it, and what it holds and counts while nothing is up."""

    home: Home
    wish: tuple[str, ...]
    before: set[str]
    held: Any

    @property
    def template(self) -> str:
        return self.wish[1]

    def up(self) -> None:
        self.home.run("up", NAME, *self.wish)

    def state(self) -> str:
        return self.home.state(NAME)


def totals(home: Home, wish: tuple[str, ...]) -> Any:
    """Return what `plan` counts as held by the owner, and by the whole home."""
    document = home.json("plan", NAME, *wish)["decision"]["document"]
    return document["owner_totals"], document.get("home_totals")


def scene(home: Home, wish: tuple[str, ...]) -> Scene:
    home.run("up", NAME, *wish)  # the gateway starts with the first
    home.run("down", NAME)
    return Scene(home, wish, home.listing(), totals(home, wish))


@pytest.fixture(scope="module")
def usual(home: Home) -> Scene:
    return scene(home, UP)


@pytest.fixture(scope="module")
def quick(slim_home: Home) -> Scene:
    return scene(slim_home, SLIM)


def run(on: Scene, last: int, command: str) -> "subprocess.CompletedProcess[str]":
    """Run one command that is killed after its step number `last`."""
    words = [sys.executable, "-m", "tests.docker.killed", str(on.home.folder), str(last)]
    words += [command, NAME, on.template]
    return subprocess.run(words, capture_output=True, text=True, timeout=SECONDS)


def killed(on: Scene, last: int, command: str) -> bool:
    """Run it; say whether it came so far as to be killed."""
    ran = run(on, last, command)
    assert ran.returncode in (0, -signal.SIGKILL), ran.stderr
    return ran.returncode != 0


def fill_pool(on: Scene) -> None:
    """Have one sandbox wait in the pool; the settings are then as before, so no more are made."""
    file = on.home.folder / "sandbox.yaml"
    settings = file.read_text()
    file.write_text(f"{settings}\npool: {{{on.template}: 1}}\n")
    on.home.run("reap", "--apply")
    file.write_text(settings)


def check_settled(on: Scene, last: int) -> None:
    on.home.settle()
    assert on.home.listing() == on.before, last
    assert totals(on.home, on.wish) == on.held, last
    on.home.run("audit", "verify")


def killed_up(on: Scene, last: int) -> str:
    """Kill `up` and return the state that it left; what was ready works, and is removed."""
    dead = killed(on, last, "up")
    was = on.state()
    assert dead or was == "ready"
    if was == "ready":
        on.home.run("exec", NAME, "--", "true")
        on.home.run("down", NAME)
    return was


def check_up(on: Scene, last: int) -> None:
    killed_up(on, last)
    check_ended(on, last)


def check_claim(on: Scene, last: int) -> None:
    fill_pool(on)
    (waiting,) = on.home.pooled()
    was = killed_up(on, last)
    left = {other["id"] for other in on.home.pooled()}
    assert (waiting["id"] in left) == (was not in CLAIMED), (last, was)
    assert on.home.reaped() == CLAIMED.get(was, ["retire"]), (last, was)
    check_ended(on, last)


def check_ended(on: Scene, last: int) -> None:
    check_settled(on, last)
    assert on.state() in ("failed", "destroyed", "none"), last


def check_down(on: Scene, last: int) -> None:
    on.up()
    killed(on, last, "down")
    on.home.settle()
    if on.state() == "ready":  # killed while its work was being kept: it is as it was
        on.home.run("exec", NAME, "--", "true")
        on.home.run("down", NAME)
    check_settled(on, last)
    assert on.state() == "destroyed", last


CHECKS = {"up": check_up, "claim": check_claim, "down": check_down}


def count(on: Scene, command: str) -> int:
    """Return how many steps the whole command has; afterwards nothing is up."""
    if command == "down":
        on.up()
    if command == "claim":
        fill_pool(on)
    steps = int(run(on, NEVER, "down" if command == "down" else "up").stdout)
    if command != "down":
        assert on.state() == "ready"
        on.home.run("down", NAME)
    check_settled(on, NEVER)
    return steps


def check_again(on: Scene) -> None:
    """The name works as if nothing had been."""
    on.up()
    on.home.run("exec", NAME, "--", "true")
    on.home.run("down", NAME)
    check_settled(on, NEVER)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    # A claim is killed at every step on an engine in memory: usecases/test_pool_kills.py.
    "command",
    ["up", "down", pytest.param("claim", marks=pytest.mark.slow)],
)
def test_killed_at_some_steps(usual: Scene, command: str) -> None:
    steps = count(usual, command)
    for part in SPREAD:
        CHECKS[command](usual, max(1, round(steps * part)))
    check_again(usual)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("command", COMMANDS)
def test_killed_at_every_step(quick: Scene, command: str) -> None:
    """The next try has the same name: that it works is shown each time."""
    began, steps = time.monotonic(), count(quick, command)
    for last in range(1, steps + 1):
        CHECKS[command](quick, last)
    check_again(quick)
    print(f"{command}: killed after each of {steps} steps, {time.monotonic() - began:.0f} s")


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


@pytest.mark.slow  # who gets it the registry alone decides: usecases/test_races.py
def test_eight_race_for_the_last_slot(home: Home) -> None:
    before = home.listing()
    file = home.folder / "policies" / "baseline.yaml"
    policies = file.read_text()
    held = int(totals(home, UP)[0]["sandboxes"])  # the one that is planned included
    limit_totals(home.folder, "owner_totals.sandboxes", held)
    try:
        racing = [home.start("up", f"racer-{n}", *UP, "-o", "json") for n in range(RACERS)]
        ended = [process.communicate(timeout=SECONDS) for process in racing]
        codes = [process.returncode for process in racing]
        assert sorted(codes) == [0, *[4] * (RACERS - 1)], ended
        won = codes.index(0)
        assert [s["name"] for s in home.json("list")["sandboxes"]] == [f"racer-{won}"]
        home.run("exec", f"racer-{won}", "--", "true")
        home.run("down", f"racer-{won}", "--no-keep")
    finally:
        file.write_text(policies)
    assert home.listing() == before
