"""The warm pool on the real engine: filled, claimed, retired. Killed: test_kills.py."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.docker.conftest import UP, Home

pytestmark = pytest.mark.docker

NAME = "claimed"
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
    assert pool.reaped() == ["fill-pool"]
    (one,) = pool.pooled()
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
    assert pool.reaped() == ["fill-pool"]
    (waiting,) = pool.pooled()
    newer = pool.json("snapshot", "build", "core")["snapshot"]["id"]
    assert pool.reaped() == ["retire", "fill-pool"]
    assert [s["snapshot"] for s in pool.pooled()] == [newer]
    assert pool.json("show", waiting["name"])["sandbox"]["state"] == "destroyed"
    pool.run("down", pool.pooled()[0]["name"])
    pool.run("snapshot", "rm", newer)
    pool.run("down", NAME)
    pool.run("audit", "verify")
