"""A running sandbox gets newer data on a real engine: tables, work files, link and end stay, and
the old snapshot can go."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.docker.browser import cookie_of, get
from tests.docker.conftest import PARTS, UP, Core, Home

pytestmark = pytest.mark.docker

NAME = "fresh"
ADDED = "1901-01-01"


@contextmanager
def keeping_one(home: Home) -> Iterator[None]:
    """Have the home keep only the newest snapshot, meanwhile."""
    file = home.folder / "sandbox.yaml"
    settings = file.read_text()
    file.write_text(f"{settings}\nsnapshots: {{keep: 1}}\n")
    yield
    file.write_text(settings)


@pytest.fixture
def newer(home: Home, demo_core: Core) -> Iterator[tuple[dict[str, Any], str]]:
    """A sandbox with something in it, and a snapshot with one purchase more than it sees."""
    made = home.json("up", NAME, *UP, "--ttl", "3h")["sandbox"]
    try:
        home.run("sql", NAME, "CREATE TABLE lab.notes AS SELECT 'half done' AS said")
        home.run("exec", NAME, "--", "sh", "-c", "echo half done > /work/notes.txt")
        demo_core.psql(
            f"INSERT INTO purchases SELECT 0, customer_id, '{ADDED}', quantity, amount "
            "FROM purchases LIMIT 1"
        )
        yield made, str(home.json("snapshot", "build", "core")["snapshot"]["id"])
    finally:
        home.run("down", NAME, "--no-keep")
        demo_core.psql(f"DELETE FROM purchases WHERE purchased_on = '{ADDED}'")
        home.run("snapshot", "build", "core")
        with keeping_one(home):
            home.run("snapshot", "prune", "--apply")


def added(home: Home) -> int:
    asked = f"SELECT count(*) FROM core.purchases WHERE purchased_on = '{ADDED}'"
    return int(home.json("sql", NAME, asked)["rows"][0][0])


def noted(home: Home) -> tuple[str, str]:
    (row,) = home.json("sql", NAME, "SELECT said FROM lab.notes")["rows"]
    return str(row[0]), home.run("exec", NAME, "--", "cat", "/work/notes.txt").strip()


def volumes(home: Home) -> int:
    return sum("volume" in each and "-core-" in each for each in home.listing())


def test_newer_data_and_all_else_stays(home: Home, newer: tuple[dict[str, Any], str]) -> None:
    (made, second), cookie = newer, cookie_of(home, NAME)
    assert added(home) == 0
    (listed,) = home.json("list")["sandboxes"]
    assert (listed["snapshot"], listed["newer_snapshot"]) == (made["snapshot"], second)
    with keeping_one(home):
        held = home.json("snapshot", "prune", "--apply")["snapshots"][-1]
        assert (held["outcome"], held["holders"][0]["name"]) == ("held", NAME)

    done = home.json("reset", NAME, "--latest", "--reason", "The last orders")
    after = done["sandbox"]
    assert (done["before"], after["snapshot"]) == (made["snapshot"], second)
    same = ("id", "deadline", "url", "created", "parameters", "ready")
    assert [after[each] for each in same] == [made[each] for each in same]
    assert added(home) == 1
    assert noted(home) == ("half done", "half done")
    assert home.running(made) == set(PARTS)
    assert get(home, NAME, "/", Cookie=cookie).status == 200
    home.run("exec", NAME, "--", "touch", "/replica/core/x", code=1)
    assert "newest snapshot" in home.json("reset", NAME, "--latest", code=6)["error"]["message"]

    again = home.json("reset", NAME)  # as for a tool that is stuck
    assert again["before"] == second
    assert noted(home) == ("half done", "half done")
    with keeping_one(home):
        assert [c["kind"] for c in home.json("reap")["chores"]] == ["remove-snapshot"]
        (gone,) = home.json("snapshot", "prune", "--apply")["snapshots"]
    assert (gone["id"], gone["outcome"]) == (made["snapshot"], "removed")
    assert volumes(home) == 1
    told = [e["code"] for e in home.json("audit", "list", "--subject", NAME)["events"]]
    assert told[-4:] == ["sandbox.resetting", "sandbox.reset"] * 2


@pytest.mark.slow
def test_killed_half_way_the_reaper_finishes_it(
    home: Home, newer: tuple[dict[str, Any], str]
) -> None:
    (made, second), seen = newer, set()
    words = [sys.executable, "-m", "tests.docker.killed", str(home.folder)]
    # Before the record moves; when the tool is gone; while the new one starts.
    for last in (8, 14, 17, 20):
        onto = "-" if added(home) else "latest"
        ran = subprocess.run(
            [*words, str(last), "reset", NAME, onto], capture_output=True, text=True, timeout=120
        )
        assert ran.returncode in (0, -signal.SIGKILL), ran.stderr
        seen.add(tuple(home.reaped()))
        assert home.run("reap").strip() == "Nothing to settle."
        assert noted(home) == ("half done", "half done")
        assert home.running(made) == set(PARTS)
        assert added(home) == (home.json("show", NAME)["sandbox"]["snapshot"] == second)
    assert ("finish-reset",) in seen
    assert added(home) == 1
