"""Use on a real engine: an open page with nobody before it is none, a person's doings are. A rule
freezes what nobody uses."""

import json
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.docker.browser import ask, cookie_of, get, open_socket
from tests.docker.conftest import UP, Home

pytestmark = pytest.mark.docker
NAME = "used"
# What an open page of marimo was seen to ask for, untouched, and after its socket was cut.
UNTOUCHED = ("/api/usage", "/health", "/api/lsp/health")
RUN = "/api/kernel/run"  # what the page asks for when a person acts
RULE = """
apiVersion: sandbox.policy/v1
kind: PolicySet
metadata: {name: idle, version: "1", owner: it, change: CHG-2}
effective_from: "2026-01-01T00:00:00+09:00"
rules:
  - id: idle-soon
    title: {en: It is used all the time, ja: 常に使われている}
    mode: enforce
    at: [idle]
    assert: {field: idle_hours, max: 0}
    fix: {en: Ask IT to start it again, ja: IT部門に再開を依頼してください}
"""


@pytest.fixture(scope="module")
def used(home: Home) -> Iterator[dict[str, Any]]:
    made: dict[str, Any] = home.json("up", NAME, *UP)["sandbox"]
    yield made
    home.run("down", NAME, "--no-keep")


def last_used(home: Home, command: str = "show") -> datetime | None:
    if command == "show":
        told = home.json("show", NAME)["sandbox"]["last_used"]
    else:
        (told,) = [s["last_used"] for s in home.json("list")["sandboxes"] if s["name"] == NAME]
    return datetime.fromisoformat(told) if told else None


def reap(home: Home) -> list[tuple[str, str]]:
    done = home.json("reap", "--apply", code=0)["chores"]
    return [(c["kind"], c["outcome"]) for c in done if c["subject"] == NAME]


def settled(home: Home) -> datetime | None:
    """Return the last use once it rests: a page that was opened runs its cells first, in the lab.

    PostgreSQL adds up what a connection did up to ten seconds later.
    """
    before, until = None, time.monotonic() + 120
    while (now := last_used(home, "list")) is None or now != before:
        assert time.monotonic() < until
        before = now
        time.sleep(12)
        reap(home)
    return now


def in_lab(home: Home, sandbox: dict[str, Any], statement: str) -> None:
    """Run a statement as a notebook of the owner does: no command of ours sees it."""
    tool = home.client.containers.get(f"sandbox-{sandbox['id']}-tool")
    question = json.dumps({"sql": statement, "limit": 1})
    shell = f"echo '{question}' | /opt/venv/bin/python -I -m sandbox_query"
    ran = tool.exec_run(["/bin/sh", "-c", shell], user="10001:10001")
    assert ran.exit_code == 0, ran.output


@pytest.mark.slow
def test_what_is_use_and_what_is_not(home: Home, used: dict[str, Any]) -> None:
    # Neither `up` with its probes, its attacks and its lab's password, nor the link alone.
    assert last_used(home) is None
    cookie = cookie_of(home, NAME)
    assert last_used(home) is None
    assert get(home, NAME, "/", Cookie=cookie).status == 200
    assert last_used(home) is not None
    # The socket that an open page of marimo holds.
    with open_socket(home.port, NAME, "/ws?session_id=s_idle01", Cookie=cookie):
        first = settled(home)
        for _ in range(8):
            for path in UNTOUCHED:
                assert get(home, NAME, path, Cookie=cookie).status < 500
            time.sleep(1)
        # Neither the open page, nor the reaper's reading of the lab and the gateway.
        reap(home)
        assert last_used(home) == last_used(home, "list") == first
    # The page is closed, and its kernel may end what it has open in the lab.
    first = settled(home)
    assert first is not None
    assert get(home, NAME, "/api/usage").status == 403
    assert ask(home.port, NAME, RUN, "POST", {}).status == 403
    assert last_used(home) == first

    ask(home.port, NAME, RUN, "POST", {"Cookie": cookie})
    second = last_used(home)
    assert second is not None
    assert second > first

    # From this reading on, work in the lab is not the work of that request any more.
    reap(home)
    in_lab(home, used, "CREATE TABLE lab.notes AS SELECT 1 AS a")
    reap(home)
    third = last_used(home, "list")
    assert third is not None
    assert third > second
    reap(home)
    assert last_used(home) == third


def test_a_rule_freezes_what_nobody_uses(home: Home, used: dict[str, Any]) -> None:
    rules = home.folder / "policies/idle.yaml"
    shipped = rules.read_text("utf-8")
    rules.write_text(RULE, "utf-8")
    try:
        until = time.monotonic() + 60
        while not (done := reap(home)) and time.monotonic() < until:
            time.sleep(1)
        assert done == [("freeze-idle", "done")]
        shown = home.json("show", NAME)["sandbox"]
        assert shown["state"] == "frozen"
        assert shown["reason"].startswith("rule idle-soon: the time without use (hours) is 0.0")
        refused = home.json("sql", NAME, "SELECT 1", code=6)["error"]
        assert f"sandbox resume {NAME}" in refused["hint"]
        frozen = [e for e in home.json("audit", "list")["events"] if e["code"] == "sandbox.frozen"]
        assert (frozen[-1]["actor"], frozen[-1]["subject"]) == ("system", NAME)
        assert f"sandbox resume {NAME}" in home.run("show", NAME)
    finally:
        rules.write_text(shipped, "utf-8")
    home.run("resume", NAME)
    assert reap(home) == []
    assert home.json("show", NAME)["sandbox"]["state"] == "ready"
