"""Leases on a real engine: what is extended lives on, what expired comes back, what is frozen
stands still. Guards end containers while nothing of ours runs."""

from typing import Any

import pytest

from tests.docker.browser import cookie_of, get
from tests.docker.conftest import PARTS, UP, Home, wait_until

pytestmark = pytest.mark.docker
BEYOND = 5  # seconds after an end in which its guards must have acted


def page(home: Home, name: str) -> int:
    """Return the status with which the tool's page answers whoever has a fresh link."""
    return get(home, name, "/", Cookie=cookie_of(home, name)).status


def note(home: Home, name: str, text: str) -> None:
    home.run("sql", name, f"CREATE TABLE lab.notes AS SELECT '{text}' AS said")
    home.run("exec", name, "--", "sh", "-c", f"echo {text} > /work/notes.txt")


def noted(home: Home, name: str) -> tuple[Any, str]:
    rows = home.json("sql", name, "SELECT said FROM lab.notes")["rows"]
    return rows[0][0], home.run("exec", name, "--", "cat", "/work/notes.txt").strip()


def test_extended_lives_on_and_expired_comes_back(home: Home, nothing_left: None) -> None:
    kept = home.json("up", "kept", *UP, "--ttl", "1m")["sandbox"]
    over = home.json("up", "over", *UP, "--ttl", "1m")["sandbox"]
    try:
        note(home, "over", "chart 7")
        more = ("--ttl", "1h", "--reason", "The campaign runs on")
        told = home.json("extend", "kept", *more)["sandbox"]
        assert told["extensions_left"] == 2
        wait_until(over["deadline"], BEYOND)
        assert home.running(kept) == set(PARTS)
        assert home.running(over) == set()
        shown = home.json("show", "over")["sandbox"]
        assert (shown["state"], shown["allowed_actions"]) == ("expired", ["restore", "down"])
        assert [s["name"] for s in home.json("list")["sandboxes"]] == ["kept"]
        assert home.json("extend", "over", *more, code=6)["error"]["state"] == "expired"
        assert "sandbox restore over" in home.json("up", "over", *UP, code=6)["error"]["hint"]

        back = home.json("restore", "over", "--ttl", "30m", "--reason", "The chart")["sandbox"]
        assert (back["state"], back["id"], back["minutes_left"]) == ("ready", over["id"], 29)
        assert home.running(over) == set(PARTS)
        assert page(home, "over") == 200
        assert noted(home, "over") == ("chart 7", "chart 7")
        assert page(home, "kept") == 200
    finally:
        for name in ("kept", "over"):
            home.run("down", name)


def test_frozen_stands_still_and_resumes(home: Home, nothing_left: None) -> None:
    made = home.json("up", "cold", *UP)["sandbox"]
    try:
        note(home, "cold", "half done")
        cookie = cookie_of(home, "cold")
        frozen = home.json("freeze", "cold", "--reason", "Too many queries")["sandbox"]
        assert (frozen["state"], frozen["deadline"]) == ("frozen", made["deadline"])
        assert home.running(made) == set()
        assert get(home, "cold", "/", Cookie=cookie).status in (403, 404)
        assert home.json("sql", "cold", "SELECT 1", code=6)["error"]["state"] == "frozen"
        resumed = home.json("resume", "cold", "--credit")["sandbox"]
        assert resumed["deadline"] > made["deadline"]
        assert home.running(made) == set(PARTS)
        assert page(home, "cold") == 200
        assert noted(home, "cold") == ("half done", "half done")
    finally:
        home.run("down", "cold")


def test_the_line_stops_all_at_once(home: Home, nothing_left: None) -> None:
    made = [home.json("up", name, *UP)["sandbox"] for name in ("one", "two")]
    try:
        told = home.json("stop-the-line", "--reason", "A mask is wrong")
        assert told["frozen"] == ["one", "two"]
        assert [home.running(s) for s in made] == [set(), set()]
        assert home.json("up", "three", *UP, code=6)["error"]["line"]["reason"] == "A mask is wrong"
        assert home.json("resume", "one", code=6)["error"]["line"]
        home.run("stop-the-line", "--lift", "--reason", "mended")
        home.run("resume", "one")
        assert home.running(made[0]) == set(PARTS)
    finally:
        if home.json("list")["line"]:
            home.run("stop-the-line", "--lift")
        for name in ("one", "two"):
            home.run("down", name)


def test_a_lost_gateway_comes_back_for_all_who_are_up(home: Home, nothing_left: None) -> None:
    """Taken away by hand, and with it a route that nobody can close any more; then `reap`."""
    gateway = f"sandbox-gateway-{home.installation}"
    for name in ("first", "second", "gone"):
        home.json("up", name, *UP)
    try:
        cookies = {name: cookie_of(home, name) for name in ("first", "second")}
        home.client.containers.get(gateway).remove(force=True)
        home.run("down", "gone", "--no-keep")
        todo = home.json("reap")["chores"]
        assert [chore["kind"] for chore in todo] == ["mend-gateway"]
        home.run("reap", "--apply")
        for name, cookie in cookies.items():
            assert get(home, name, "/", Cookie=cookie).status == 200
        _, said = home.client.containers.get(gateway).exec_run(["ls", "/routes"])
        assert isinstance(said, bytes)
        assert said.split() == [b"first", b"second"]
        home.client.containers.get(gateway).stop(timeout=1)
        home.json("up", "third", *UP)  # starts a new one, which knows those who were up
        for name, cookie in cookies.items():
            assert get(home, name, "/", Cookie=cookie).status == 200
        assert home.json("reap")["chores"] == []
        home.run("down", "third")
        again = home.json("down", "third")
        assert (again["already"], again["removed"]) == ("destroyed", [])
    finally:
        for name in ("first", "second"):
            home.run("down", name)
