"""The warm pool on the real engine: filled, claimed, killed half-way through a claim, retired."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.docker.conftest import UP, Home

pytestmark = pytest.mark.docker

NAME = "claimed"
NEVER = 1_000_000
SECONDS = 90
READS_LAB = """
import json, sys
from sandbox_lab import Lab, Refused
login = json.load(open("/run/sandbox/lab.json")) | json.loads(sys.argv[1])
try:
    with Lab(login) as lab:
        print(lab.ask("SELECT current_user")[0][0])
except Refused as error:
    print(error.code)
"""


@pytest.fixture
def pool(home: Home) -> Iterator[Home]:
    """The home with a pool of one; afterwards as it was, and nothing of the pool left."""
    settings = home.folder / "sandbox.yaml"
    before, text = home.listing(), settings.read_text()
    settings.write_text(text + "pool: {segment-rfm: 1}\n")
    try:
        yield home
    finally:
        settings.write_text(text)
        home.run("reap", "--apply")
    assert home.listing() == before


def reaped(home: Home) -> list[str]:
    return [chore["kind"] for chore in home.json("reap", "--apply")["chores"]]


def pooled(home: Home) -> list[dict[str, Any]]:
    found = home.json("list", "--all")["sandboxes"]
    return [sandbox for sandbox in found if sandbox["state"] == "pooled"]


def lease_file(home: Home, id: str, name: str) -> str:
    tool = home.client.containers.get(f"sandbox-{id}-tool")
    ran: Any = tool.exec_run(["cat", f"/run/sandbox/{name}"], user="10001:10001")
    assert ran.exit_code == 0, ran.output
    return str(ran.output.decode())


def lab_says(home: Home, **login: str) -> str:
    """Return as whom the lab takes the tool, or by which code it refuses it."""
    code = ("/opt/venv/bin/python", "-I", "-c", READS_LAB, json.dumps(login))
    return home.run("exec", NAME, "--", *code).strip()


def test_a_pooled_one_is_filled_claimed_and_retired(pool: Home) -> None:
    assert reaped(pool) == ["fill-pool"]
    (one,) = pooled(pool)
    assert (one["owner"], one["url"]) == ("", "")
    assert pool.json("list")["pooled"] == {"segment-rfm": 1}
    old = json.loads(lease_file(pool, one["id"], "lab.json"))["password"]
    assert not [line for line in pool.listing() if line.startswith("route ") and "pool" in line]
    pool.run("open", one["name"], code=6)

    made = pool.json("up", NAME, *UP, "--ttl", "3h")
    assert (made["pool"], made["sandbox"]["id"]) == ("claimed", one["id"])
    assert lab_says(pool) == "lab"
    assert lab_says(pool, password=old) == "28P01"
    assert pool.json("sql", NAME, "SELECT count(*) FROM core.purchases")["rows"][0][0] > 10_000
    pool.run("sql", NAME, "CREATE TABLE lab.mine AS SELECT 1 AS one")
    ends = int(lease_file(pool, one["id"], "deadline").split()[0])
    assert ends == int(datetime.fromisoformat(made["sandbox"]["deadline"]).timestamp())

    assert pool.json("up", "second", *UP)["pool"] == "none is left"
    pool.run("down", "second")
    assert reaped(pool) == ["fill-pool"]
    (waiting,) = pooled(pool)
    newer = pool.json("snapshot", "build", "core")["snapshot"]["id"]
    assert reaped(pool) == ["retire", "fill-pool"]
    assert [s["snapshot"] for s in pooled(pool)] == [newer]
    assert pool.json("show", waiting["name"])["sandbox"]["state"] == "destroyed"
    pool.run("down", pooled(pool)[0]["name"])
    pool.run("snapshot", "rm", newer)
    pool.run("down", NAME)
    pool.run("audit", "verify")


def claim(home: Home, last: int) -> "subprocess.CompletedProcess[str]":
    """Claim one; the process is killed after its step number `last`."""
    words = [sys.executable, "-m", "tests.docker.killed", str(home.folder), str(last)]
    words += ["up", NAME, "segment-rfm"]
    return subprocess.run(words, capture_output=True, text=True, timeout=SECONDS)


def check_claim(home: Home, last: int) -> None:
    reaped(home)
    (one,) = pooled(home)
    ran = claim(home, last)
    assert ran.returncode in (0, -signal.SIGKILL), ran.stderr
    found = home.json("list")["sandboxes"]
    state = found[0]["state"] if found else "none"
    if state == "ready":
        home.run("exec", NAME, "--", "true")
        home.run("down", NAME)
    assert reaped(home) == {"provisioning": ["settle", "fill-pool"], "ready": ["fill-pool"]}.get(
        state, []
    ), (last, state)
    left = {other["id"] for other in pooled(home)}
    assert (one["id"] in left) == (state == "none")
    home.run("audit", "verify")


@pytest.fixture
def count(pool: Home) -> int:
    """How many steps a whole claim has: engine calls and commits."""
    reaped(pool)
    steps = int(claim(pool, NEVER).stdout)
    pool.run("down", NAME)
    return steps


@pytest.mark.parametrize("part", [0.2, 0.8])
def test_a_claim_killed_at_some_steps(pool: Home, count: int, part: float) -> None:
    check_claim(pool, max(1, round(count * part)))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_claim_killed_at_every_step(pool: Home, count: int) -> None:
    for last in range(1, count + 1):
        check_claim(pool, last)
