"""When names were last used, as the gateway's PID 1 keeps it: the real program, fed by a child that
says what Caddy would say."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.test_exchange import ROUTE, Exchange

NOW = 1_795_449_000.0
LATER = NOW + 60
STARS = "/x*a*a*a*a*a*b"
IGNORED = ("/health", "/api/status*", "/a+b", STARS, "/one*two", "/mid*mid")


class Ear(Exchange):
    """The running program, a file that stands for what Caddy says, and what is kept of it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (self.routes / ".seen").mkdir()
        (self.routes / ROUTE.name / ".ignore").write_text("\n".join(IGNORED))
        self.caddy = folder / "caddy"
        self.caddy.touch()

    def begin(self) -> None:
        self.start("/usr/bin/tail", "-n", "+1", "-f", "-s", "0.01", str(self.caddy))

    def end(self) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def says(self, *lines: bytes) -> None:
        with self.caddy.open("ab") as file:
            file.writelines(line + b"\n" for line in lines)

    def kept(self) -> dict[str, float]:
        return dict(json.loads((self.routes / ".seen" / "last.json").read_bytes()))

    def after(self, *lines: bytes) -> dict[str, float]:
        """Say lines, then one of another name; return what is kept of all others when it is."""
        mark = f"mark{time.monotonic_ns()}"
        self.says(*lines, request(name=mark, at=NOW + 1e6))
        until = time.monotonic() + 5
        while mark not in self.kept():
            assert time.monotonic() < until
            time.sleep(0.01)
        return {name: at for name, at in self.kept().items() if not name.startswith("mark")}


def request(
    path: str = "/", at: float = NOW, name: str = ROUTE.name, status: int = 200, **more: Any
) -> bytes:
    asked = {"host": f"{name}.localhost:8700", "uri": path}
    said = {"level": "info", "ts": at + 0.5, "duration": 0.5, "status": status, "request": asked}
    return json.dumps(said | more).encode()


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[Ear]:
    made = Ear(tmp_path)
    made.begin()
    yield made
    made.end()


def test_a_pattern_of_many_stars_holds_nobody_up(ear: Ear) -> None:
    assert ear.after(request("/x" + "a" * 40_000)) == {ROUTE.name: NOW}


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        *(("/one-two", False), ("/onetwo", False), ("/one-two-three", True), ("/one", True)),
        *(("/mid", True), ("/mid/mid", False), ("/xaaaaab", False), ("/xaaaab", True)),
    ],
)
def test_a_star_is_any_text(ear: Ear, path: str, counts: bool) -> None:
    assert ear.after(request(path)) == ({ROUTE.name: NOW} if counts else {})


def test_nothing_is_kept_before_anybody_came(ear: Ear) -> None:
    assert ear.kept() == {}


def test_a_request_is_use_from_when_it_began(ear: Ear) -> None:
    assert ear.after(request("/api/kernel/run")) == {ROUTE.name: NOW}
    assert ear.after(request(at=NOW + 60)) == {ROUTE.name: NOW + 60}
    # A download that began before and ended now.
    assert ear.after(request(at=NOW + 30)) == {ROUTE.name: NOW + 60}


NO_USE: dict[str, bytes] = {
    "a path of the page itself": request("/health", LATER),
    "one that a star covers": request("/api/status/connections", LATER),
    "one with letters that mean more elsewhere": request("/a+b", LATER),
    "no answer from the tool": request(at=LATER, status=502),
    "no name": request(at=LATER, name=""),
    "a path for a name": request(at=LATER, name="../x"),
    "no JSON": b"2026/11/23 started",
    "JSON of another kind": b"[1, 2]",
    "nothing of a request": b'{"ts": 1}',
    "a time that is none": request(ts="soon"),
    "a very long line": request("/" + "x" * 70_000, LATER),
}


@pytest.mark.parametrize("line", NO_USE.values(), ids=NO_USE.keys())
def test_what_is_no_use_moves_nothing(ear: Ear, line: bytes) -> None:
    before = ear.after(request())
    assert ear.after(line) == before
    assert ear.after(request(at=LATER)) == {ROUTE.name: LATER}


LIKE_IT = ["/health/", "/healthy", "/api/statu", "/aab", "/xhealth", "/HEALTH"]


@pytest.mark.parametrize("path", LIKE_IT)
def test_paths_that_are_only_alike_are_use(ear: Ear, path: str) -> None:
    assert ear.after(request(path)) == {ROUTE.name: NOW}


def test_each_name_has_its_own_paths(ear: Ear) -> None:
    assert ear.after(request("/health", name="summer-sale")) == {"summer-sale": NOW}


def test_what_was_kept_outlives_a_restart(ear: Ear) -> None:
    ear.after(request())
    ear.end()
    ear.caddy.write_bytes(b"")
    ear.begin()
    assert ear.kept()[ROUTE.name] == NOW


@pytest.mark.parametrize("broken", [b"", b"{", b"[]", b'{"a": null}', b"\xff"])
def test_a_broken_note_begins_anew(tmp_path: Path, broken: bytes) -> None:
    made = Ear(tmp_path)
    (made.routes / ".seen" / "last.json").write_bytes(broken)
    made.begin()
    assert made.after(request()) == {ROUTE.name: NOW}
    made.end()


def test_the_note_stays_small(tmp_path: Path) -> None:
    made = Ear(tmp_path)
    many = {f"n{number}": NOW + number for number in range(1000)}
    (made.routes / ".seen" / "last.json").write_text(json.dumps(many))
    made.begin()
    kept = made.after(request(at=NOW + 5000))
    made.end()
    assert len(kept) == 999
    assert set(many) - set(kept) == {"n0", "n1"}


def test_no_path_is_kept_anywhere(ear: Ear) -> None:
    ear.after(request("/api/secret-campaign"))
    files = [p for p in ear.routes.rglob("*") if p.is_file()]
    assert not [p for p in files if b"secret-campaign" in p.read_bytes()]


def test_a_note_that_cannot_be_written_stops_nobody(ear: Ear) -> None:
    ear.after(request())
    (ear.routes / ".seen").rename(ear.routes / ".away")
    ear.says(*[request(at=NOW + second) for second in range(1, 50)])
    (ear.routes / ".away").rename(ear.routes / ".seen")
    assert ear.after(request(at=NOW + 99)) == {ROUTE.name: NOW + 99}
