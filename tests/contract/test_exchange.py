"""The exchange of one-time links: the real program, with links of the real driver, but no Caddy."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from sandbox.core.objects import Image, Route
from sandbox.core.settings import GatewaySettings
from sandbox.drivers.gateway import CaddyGateway
from tests.contract.programs import EXCHANGE
from tests.fakes import FakeEngine

ROUTE = Route("spring-coupon", "10.229.0.2", 8080, "s" * 43)
TOKEN = f"{ROUTE.address}~{ROUTE.port}~{ROUTE.secret}"
GONE = b"HTTP/1.1 410 Gone\r\n"


def link(route: Route = ROUTE, minutes_ago: float = 0) -> str:
    """Return what stands after `?sbx=` in a link that was made some minutes ago."""
    gateway = CaddyGateway(
        FakeEngine(),
        lambda: Image("gateway:1", ()),
        GatewaySettings(),
        lambda: "contract",
        lambda: time.time() - 60 * minutes_ago,
    )
    return gateway.link(route).split("?sbx=")[1]


def say(path: Path, question: bytes, more: bool = False) -> bytes:
    """Send bytes to the exchange and return all that it answers; with `more`, end nothing."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(10)
        peer.connect(str(path))
        peer.sendall(question)
        if not more:
            peer.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := peer.recv(4096):
            answer += chunk
        return answer


class Exchange:
    """The running program and its folders."""

    def __init__(self, folder: Path) -> None:
        self.routes, self.path = folder / "routes", folder / "exchange.sock"
        (self.routes / ".used").mkdir(parents=True)
        self.open(ROUTE)
        self.process: subprocess.Popen[bytes] | None = None

    def open(self, route: Route) -> None:
        (self.routes / route.name).mkdir()
        (self.routes / route.name / f"{route.address}~{route.port}~{route.secret}").touch()

    def start(self, *command: str) -> "subprocess.Popen[bytes]":
        words = [sys.executable, "-IS", str(EXCHANGE), str(self.routes), str(self.path), *command]
        self.process = subprocess.Popen(words, start_new_session=True)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            try:
                say(self.path, b"")
            except OSError:
                time.sleep(0.01)
            else:
                break
        return self.process

    def ask(self, asked: str, name: str = ROUTE.name) -> bytes:
        return say(self.path, f"GET /{name}/{asked} HTTP/1.1\r\nHost: \r\n\r\n".encode())

    def marks(self) -> list[str]:
        return sorted(p.name for p in (self.routes / ".used").iterdir())


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    made = Exchange(tmp_path)
    made.start("/bin/sleep", "60")
    yield made
    assert made.process is not None
    os.killpg(made.process.pid, signal.SIGKILL)
    made.process.wait(10)


def test_caddy_is_told_where_to_listen_and_how_much_it_may_hold(tmp_path: Path) -> None:
    made, said = Exchange(tmp_path), tmp_path / "said"
    script = f"echo $LISTEN $(ulimit -n) > {said}.new; mv {said}.new {said}; exec sleep 60"
    process = made.start("/bin/sh", "-c", script)
    until = time.monotonic() + 5
    while not said.exists() and time.monotonic() < until:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)
    address, files = said.read_text().split()
    assert not IPv4Address(address).is_unspecified
    assert files == "2048"


def test_a_link_gives_the_session_once(exchange: Exchange) -> None:
    asked = link()
    assert f"Session: {TOKEN}\r\n".encode() in exchange.ask(asked)
    assert exchange.marks() == [asked.rsplit("~", 1)[0]]
    assert exchange.ask(asked).startswith(GONE)
    assert b"204" in exchange.ask(link())


def test_of_many_at_once_exactly_one_wins(exchange: Exchange) -> None:
    asked = link()
    with ThreadPoolExecutor(16) as crowd:
        answers = list(crowd.map(lambda _: exchange.ask(asked), range(32)))
    assert sum(TOKEN.encode() in a for a in answers) == 1
    assert sum(a.startswith(GONE) for a in answers) == 31


def test_used_stays_used_after_a_restart(exchange: Exchange) -> None:
    asked = link()
    assert b"204" in exchange.ask(asked)
    assert exchange.process is not None
    os.killpg(exchange.process.pid, signal.SIGKILL)
    exchange.process.wait(10)
    exchange.start("/bin/sleep", "60")
    assert exchange.ask(asked).startswith(GONE)


def test_a_link_ends_with_its_time_and_with_its_route(exchange: Exchange) -> None:
    assert exchange.ask(link(minutes_ago=10.1)).startswith(GONE)
    asked = link()
    (exchange.routes / ROUTE.name / TOKEN).unlink()
    assert exchange.ask(asked).startswith(GONE)
    assert exchange.marks() == []


def test_marks_of_links_that_are_too_old_go(exchange: Exchange) -> None:
    old = exchange.routes / ".used" / f"{int(time.time()) - 5}~{'n' * 22}"
    kept = exchange.routes / ".used" / f"{int(time.time()) + 500}~{'n' * 22}"
    old.touch()
    kept.touch()
    assert b"204" in exchange.ask(link())
    assert not old.exists()
    assert kept.exists()
    assert len(exchange.marks()) == 2


def test_a_link_that_cannot_be_marked_opens_nothing(exchange: Exchange) -> None:
    (exchange.routes / ".used").rmdir()
    assert exchange.ask(link()).startswith(GONE)


def test_a_link_opens_no_other_sandbox(exchange: Exchange) -> None:
    other = Route("summer-sale", "10.229.0.18", 8080, "t" * 43)
    exchange.open(other)
    assert exchange.ask(link(), other.name).startswith(GONE)
    assert exchange.ask(link(other)).startswith(GONE)
    # A new sandbox under the old name has another secret.
    assert exchange.ask(link(Route(ROUTE.name, "10.229.0.2", 8080, "u" * 43))).startswith(GONE)


def _longer(asked: str) -> str:
    until, rest = asked.split("~", 1)
    return f"{int(until) + 60}~{rest}"


FORGED: dict[str, Callable[[str], str]] = {
    "longer life": _longer,
    "another number": lambda asked: asked.replace(asked[11:33], "n" * 22),
    "another seal": lambda asked: asked[:-43] + "A" * 43,
    "no seal": lambda asked: asked[:-44],
    "a path": lambda asked: f"../{ROUTE.name}/{asked}",
    "the token itself": lambda _: TOKEN,
    "with more": lambda asked: asked + "x",
    "in its query": lambda asked: f"x?sbx={asked}",
    "wide digits": lambda asked: "\uff11" + asked[1:],
    "nothing": lambda _: "",
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
def test_forged_links_open_nothing(exchange: Exchange, forge: Callable[[str], str]) -> None:
    asked = link()
    assert exchange.ask(forge(asked)).startswith(GONE)
    assert exchange.marks() == []
    assert b"204" in exchange.ask(asked)


@pytest.mark.parametrize("name", ["..", ".used", "", "a/b", f"../routes/{ROUTE.name}", "A", "%2e"])
def test_names_are_no_paths(exchange: Exchange, name: str) -> None:
    # Sealed for exactly this name: only the pattern stands in its way.
    sealed = link(Route(name, ROUTE.address, ROUTE.port, ROUTE.secret))
    assert exchange.ask(sealed, name).startswith(GONE)
    assert exchange.marks() == []


@pytest.mark.parametrize("question", [b"", b"\0" * 100, b"GET", b"x" * 100_000, b"\r\n\r\n"])
def test_nonsense_is_answered_and_the_next_one_is_served(
    exchange: Exchange, question: bytes
) -> None:
    try:
        assert say(exchange.path, question).startswith(GONE)
    except (BrokenPipeError, ConnectionResetError):
        assert len(question) > 4096
    assert b"204" in exchange.ask(link())


def test_who_says_nothing_is_let_go(exchange: Exchange) -> None:
    began = time.monotonic()
    assert say(exchange.path, b"GET /", more=True) == b""
    assert 1 < time.monotonic() - began < 5
    assert b"204" in exchange.ask(link())


def test_the_socket_is_for_its_own_user_alone(exchange: Exchange) -> None:
    assert exchange.path.stat().st_mode & 0o077 == 0


def test_it_ends_with_its_child_and_passes_its_code_on(tmp_path: Path) -> None:
    made = Exchange(tmp_path)
    process = made.start("/bin/sh", "-c", "sleep 0.5; exit 7")
    assert process.wait(10) == 7


def test_it_passes_the_signal_to_end_on(tmp_path: Path) -> None:
    process = Exchange(tmp_path).start("/bin/sh", "-c", "trap 'exit 9' TERM; sleep 30 & wait")
    time.sleep(0.2)
    process.terminate()
    assert process.wait(10) == 9
