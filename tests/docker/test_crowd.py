"""Many at once: thirty sandboxes stand beside each other, each holds, and all go again; what
comes and goes beside somebody does not cut their connection."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from tests.docker.browser import cookie_of, open_socket
from tests.docker.conftest import Home
from tests.docker.slim import SLIM

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(1800)]

# Docker's default address pools end at 30 networks; the demo and the gateway have some already.
MANY = 30
# More at once only wait for each other on two cores.
AT_ONCE = 2
COMINGS = 20
EACH_MB = 64  # what a small tool and a lab may take together, with nothing done in them


def at_once(call: Callable[[str], Any], names: Sequence[str]) -> list[Any]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(call, names))


def taken_mb(home: Home, sandbox: dict[str, Any]) -> float:
    """Return the memory (MiB) that its containers take, without files that may be dropped."""
    found = [home.client.containers.get(f"sandbox-{sandbox['id']}-{p}") for p in ("tool", "lab")]
    total = 0
    for container in found:
        memory: Any = container.stats(stream=False, one_shot=True)
        memory = memory["memory_stats"]
        total += memory["usage"] - memory["stats"].get("total_inactive_file", 0)
    return total / 2**20


@contextmanager
def timed(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - began:.0f} s")


def test_thirty_at_once(slim_home: Home) -> None:
    home = slim_home
    home.run("up", "first", *SLIM)  # the gateway starts with the first
    home.run("down", "first", "--no-keep")
    before, names = home.listing(), [f"crowd-{n:02}" for n in range(MANY)]
    with timed(f"{MANY} up"):
        made = at_once(lambda name: home.json("up", name, *SLIM)["sandbox"], names)
    assert len({s["id"] for s in made}) == MANY
    networks = home.client.networks.list(names=[f"sandbox-{s['id']}" for s in made])
    assert len({n.attrs["IPAM"]["Config"][0]["Subnet"] for n in networks}) == MANY
    memory = [taken_mb(home, sandbox) for sandbox in made]
    print(f"memory: {sum(memory):.0f} MB for {MANY}, at most {max(memory):.0f} MB each")
    assert max(memory) < EACH_MB
    with timed(f"{MANY} verified"):
        verified = at_once(lambda name: home.json("verify", name, seconds=900), names)
    assert all(check["held"] for each in verified for check in each["checks"])
    assert home.json("reap")["chores"] == []
    with timed(f"{MANY} down"):
        at_once(lambda name: home.run("down", name, "--no-keep"), names)
    assert home.listing() == before
    assert home.json("reap")["chores"] == []
    home.run("audit", "verify")


def masked(text: bytes) -> bytes:
    """Return one WebSocket message as a browser sends it."""
    key = os.urandom(4)
    covered = bytes(byte ^ key[i % 4] for i, byte in enumerate(text))
    return bytes([0x81, 0x80 | len(text)]) + key + covered


def test_a_websocket_outlives_the_coming_and_going_of_others(slim_home: Home) -> None:
    home = slim_home
    home.run("up", "steady", *SLIM)
    before = home.listing()
    session = {
        "Origin": f"http://steady.localhost:{home.port}",
        "Cookie": cookie_of(home, "steady"),
    }
    with open_socket(home.port, "steady", "/ws", **session) as held:
        for number in range(COMINGS):
            home.run("up", "passing", *SLIM)
            home.run("down", "passing", "--no-keep")
            message = masked(f"still there {number}".encode())
            held.sendall(message)
            assert held.recv(4096) == message
    assert home.listing() == before
    home.run("down", "steady", "--no-keep")
