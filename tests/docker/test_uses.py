"""What the real gateway tells of requests: what moves the last use of a name, what is written."""

import json
import time
from collections.abc import Callable
from datetime import datetime

import pytest

from sandbox.core.objects import Route
from tests.docker.browser import open_socket
from tests.docker.test_links import TOOL, Place, opened, place  # noqa: F401 - fixtures

pytestmark = pytest.mark.docker
IGNORING = Route("quiet", TOOL, 8080, "q" * 43, ("/health", "/api/status*"))


def seen(place: Place, name: str) -> datetime | None:  # noqa: F811
    found = place.gateway.uses()
    assert found is not None
    return found.get(name)


def moved(place: Place, name: str, act: Callable[[], object], seconds: float) -> bool:  # noqa: F811
    """Say whether the last use of a name is another, so many seconds after an act."""
    before = seen(place, name)
    # What comes within a second of the last use is not told apart.
    time.sleep(1.1)
    act()
    until = time.monotonic() + seconds
    while seen(place, name) == before and time.monotonic() < until:
        time.sleep(0.05)
    return seen(place, name) != before


def held_open(place: Place, cookie: str) -> None:  # noqa: F811
    """Open a WebSocket, send on it, and end it."""
    with open_socket(place.settings.port, IGNORING.name, "/ws", Cookie=cookie) as held:
        held.sendall(b"ping")
        assert held.recv(4096) == b"ping"


def test_what_moves_the_last_use_and_what_is_written(place: Place) -> None:  # noqa: F811
    place.gateway.open(IGNORING)
    cookie = f"sbx={TOOL}~8080~{IGNORING.secret}"

    def ask(path: str, **headers: str) -> Callable[[], object]:
        return lambda: place.get(path, IGNORING.name, **headers)

    try:
        no_use = {
            "no session": ask("/private-plan"),
            "another's session": ask("/private-plan", Cookie=cookie.replace("q", "r")),
            "a foreign page": ask("/private-plan", Cookie=cookie, Origin="http://evil.example"),
            "our probe": lambda: place.gateway.answers(IGNORING, "/private-plan"),
            "a link": lambda: place.get(place.link(IGNORING), IGNORING.name),
            "an ignored path": ask("/health?private=1", Cookie=cookie),
            "another": ask("/api/status/connections", Cookie=cookie),
            "a WebSocket": lambda: held_open(place, cookie),
        }
        assert [why for why, act in no_use.items() if moved(place, "quiet", act, 0.3)] == []
        assert seen(place, "quiet") is None
        for path in ("/private-plan?private=1", "/healthy"):
            assert moved(place, "quiet", ask(path, Cookie=cookie), 5)
        last = seen(place, "quiet")
        assert last is not None
        assert abs(last.timestamp() - time.time()) < 10
    finally:
        place.gateway.close(IGNORING.name)
    # Once the route is closed, what was seen is still known.
    assert seen(place, "quiet") == last
    logs = place.engine.logs(place.gateway.container, 1000).decode()
    kept = place.engine.read(place.gateway.container, "/routes/.seen/last.json").decode()
    for secret in ("private", "healthy", IGNORING.secret):
        assert secret not in logs + kept


def test_the_tool_does_not_see_the_mark_of_our_probe(place: Place) -> None:  # noqa: F811
    headers = json.loads(place.get("/", Cookie=place.cookie(), Sandbox_Probe="1").body)[1]
    assert "Sandbox-Probe" not in headers
