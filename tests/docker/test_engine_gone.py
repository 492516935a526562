"""The engine is killed or restarted under our hands: clear errors, nothing lost, nothing left."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docker.conftest import PARTS, UP, Home, wait_until
from tests.docker.private_engine import PrivateEngine, private_engine, private_home, until, why_not

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(900)]

SECONDS = 120
NAME = "shaken"
KILL, TERM = signal.SIGKILL, signal.SIGTERM
Moment = tuple[str, str, str]  # kind of object, what happens to it, how its name ends
CERTIFIED = {"container", "network", "volume", "route", "endpoint", "credential"}


@pytest.fixture(scope="module")
def private(images_file: Path) -> Iterator[PrivateEngine]:
    if lacking := why_not():
        pytest.skip(lacking)
    with private_engine() as engine:
        engine.load(images_file)
        yield engine


@pytest.fixture(scope="module")
def shaken(private: PrivateEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home on the private engine, its gateway running."""
    with private_home(private, tmp_path_factory.mktemp("shaken") / "home") as home:
        home.run("up", NAME, *UP)
        home.run("down", NAME, "--no-keep")
        yield home


def cut_off(
    engine: PrivateEngine, home: Home, moment: Moment, how: signal.Signals, *command: str
) -> dict[str, Any]:
    """End the engine when `moment` comes in `command`; return the error that it ended with."""
    kind, action, ending = moment
    events = home.client.events(decode=True, filters={"type": kind, "event": action})
    process = home.start(*command, "-o", "json")
    for event in events:
        attributes = event["Actor"]["Attributes"]
        name = attributes.get("name", "") or event["Actor"]["ID"]
        if name.startswith("sandbox-") and name.endswith(ending):
            break
    engine.end(how)
    out, err = process.communicate(timeout=SECONDS)
    events.close()
    assert "Traceback" not in out + err
    assert process.returncode == 7, (out, err)
    error: dict[str, Any] = json.loads(out)["error"]
    assert error["code"] == "unavailable"
    assert error["message"]
    assert error["hint"]
    return error


def back(engine: PrivateEngine, home: Home) -> None:
    """Start the engine again; return when it has brought the gateway back, which is alone there.

    What remains of the one before would answer at the new one's address, and refuse.
    """
    engine.start()
    gateway = f"sandbox-gateway-{home.installation}"
    until(lambda: bool(home.client.containers.get(gateway).status == "running"))
    until(lambda: ends(engine, home) == 1, seconds=10)


def ends(engine: PrivateEngine, home: Home) -> int:
    """Return how many network namespaces are joined to the gateway's own network."""
    network = home.client.networks.get(f"sandbox-gateway-{home.installation}")
    command = ["ip", "-oneline", "link", "show", "master", f"br-{str(network.id)[:12]}"]
    ran = subprocess.run([*engine.inside, *command], capture_output=True, text=True, check=True)
    return len(ran.stdout.splitlines())


def page(home: Home, name: str) -> int:
    """Return the status with which the tool's page answers whoever has a fresh link."""
    command = [sys.executable, "-m", "tests.docker.page", home.run("open", name).strip()]
    ran = subprocess.run([*home.inside, *command], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return int(ran.stdout)


@pytest.mark.parametrize(
    ("moment", "how"),
    [
        (("network", "create", ""), KILL),
        (("volume", "create", "-work"), KILL),
        (("container", "create", "-lease"), TERM),
        (("container", "create", "-tool"), KILL),
        (("container", "start", "-tool"), KILL),
        (("container", "start", "-tool"), TERM),
        (("container", "start", "-lab"), KILL),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else value.name,
)
def test_gone_while_a_sandbox_is_made(
    private: PrivateEngine, shaken: Home, moment: Moment, how: signal.Signals
) -> None:
    before = shaken.listing()
    cut_off(private, shaken, moment, how, "up", NAME, *UP)
    for command in (("up", "another", *UP), ("reap", "--apply")):
        assert shaken.json(*command, code=7)["error"]["code"] == "unavailable"
    back(private, shaken)
    shaken.settle()
    assert shaken.listing() == before
    assert shaken.state(NAME) == "failed"
    shaken.run("audit", "verify")
    shaken.run("up", NAME, *UP)
    assert page(shaken, NAME) == 200
    shaken.run("down", NAME, "--no-keep")
    assert shaken.listing() == before


@pytest.mark.parametrize("by", ["reap", "down"])
def test_gone_while_one_is_removed(private: PrivateEngine, shaken: Home, by: str) -> None:
    before = shaken.listing()
    made = shaken.json("up", NAME, *UP)["sandbox"]
    shaken.run("exec", NAME, "--", "sh", "-c", "echo chart 7 > /work/notes.txt")
    cut_off(private, shaken, ("container", "destroy", ""), KILL, "down", NAME, "--reason", "done")
    assert shaken.state(NAME) == "removing"
    back(private, shaken)
    if by == "down":
        shaken.run("down", NAME)
    shaken.settle()
    shown = shaken.json("show", NAME)
    assert shown["sandbox"]["state"] == "destroyed"
    certificate = shown["certificate"]
    gone = {(g["kind"], g["name"]) for g in certificate["gone"]}
    assert {kind for kind, _ in gone} == CERTIFIED
    parts = {f"sandbox-{made['id']}-{part}" for part in (*PARTS, "lease")}
    assert parts <= {name for kind, name in gone if kind == "container"}
    assert certificate["remains"] == []
    assert certificate["kept"]["name"].startswith(NAME)
    assert certificate["why"] == "done"
    assert shaken.listing() == before
    shaken.run("audit", "verify")


def test_gone_before_anything_is_removed(private: PrivateEngine, shaken: Home) -> None:
    before = shaken.listing()
    made = shaken.json("up", NAME, *UP)["sandbox"]
    shaken.run("sql", NAME, "CREATE TABLE lab.notes AS SELECT 7 AS chart")
    # The dump of the lab is the first thing that `down` runs in there.
    error = cut_off(private, shaken, ("container", "exec_create", ""), KILL, "down", NAME)
    assert "nothing was removed" in error["message"]
    back(private, shaken)
    shaken.settle()
    assert shaken.running(made) == set(PARTS)
    assert shaken.json("sql", NAME, "SELECT chart FROM lab.notes")["rows"] == [[7]]
    assert shaken.json("down", NAME)["kept"]
    assert shaken.listing() == before


@pytest.mark.parametrize("how", [TERM, KILL], ids=lambda value: value.name)
def test_restarted_under_running_sandboxes(
    private: PrivateEngine, shaken: Home, how: signal.Signals
) -> None:
    before = shaken.listing()
    kept = shaken.json("up", "kept", *UP, "--ttl", "1m")["sandbox"]
    shaken.run("sql", "kept", "CREATE TABLE lab.notes AS SELECT 7 AS chart")
    shaken.run("extend", "kept", "--ttl", "1h", "--reason", "The campaign runs on")
    over = shaken.json("up", "over", *UP, "--ttl", "1m")["sandbox"]
    private.end(how)
    wait_until(over["deadline"], 2)
    back(private, shaken)
    # No policy of the engine's may bring a sandbox back: its lease says whether it may run.
    assert shaken.running(over) == set()
    shaken.run("reap", "--apply")
    assert shaken.running(over) == set()
    assert shaken.json("show", "over")["sandbox"]["state"] == "expired"
    # Its first end is past; what it was given on top was not forgotten.
    assert shaken.running(kept) == set(PARTS)
    assert page(shaken, "kept") == 200
    assert shaken.json("sql", "kept", "SELECT chart FROM lab.notes")["rows"] == [[7]]
    time.sleep(3)
    assert shaken.running(kept) == set(PARTS)
    shaken.run("restore", "over", "--ttl", "30m", "--reason", "The chart")
    assert page(shaken, "over") == 200
    for name in ("kept", "over"):
        shaken.run("down", name, "--no-keep")
    assert shaken.listing() == before
    shaken.run("audit", "verify")
