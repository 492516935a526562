"""Builds that are killed, removed, started twice or short of disk: nothing of them stays."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from sandbox.core.home import STATE
from sandbox.core.objects import INSTALLATION
from sandbox.core.snapshot import Snapshot, next_id
from sandbox.drivers.registry.store import SqlRegistry
from tests.docker.conftest import Home
from tests.docker.disks import tiny

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("nothing_left")]

SECONDS = 60


class Build:
    """A `snapshot build core` that runs in a process of its own."""

    def __init__(self, home: Home) -> None:
        self._home = home
        before = len(on_record(home))
        self.process = home.start("snapshot", "build", "core", "-o", "json")
        try:
            self.wait(lambda: len(on_record(home)) > before)
        except BaseException:
            self.end(signal.SIGKILL)
            raise
        self.record = on_record(home)[-1]

    def wait(self, seen: Callable[[], Any]) -> None:
        limit = time.monotonic() + SECONDS
        while not seen():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < limit, "the build never came so far"
            time.sleep(0.01)

    def has_file(self) -> bool:
        return any(self.folder.glob("*.duckdb*"))

    def has_volume(self) -> bool:
        return bool(self._home.client.volumes.list(filters={"name": self.record.volume}))

    @property
    def folder(self) -> Path:
        return self._home.folder / ".sandbox/build/core"

    def end(self, how: signal.Signals) -> tuple[int, str, str]:
        """Send a signal, wait for the end, and return exit code, stdout and stderr."""
        self.process.send_signal(how)
        out, err = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, out, err


@pytest.fixture
def build(home: Home) -> Iterator[Build]:
    begun = Build(home)
    yield begun
    begun.process.kill()
    begun.process.wait(SECONDS)


def on_record(home: Home) -> list[Snapshot]:
    with closing(SqlRegistry(home.folder / STATE)) as registry, registry.reading() as tx:
        return tx.snapshots()


def state(home: Home, id: str) -> str:
    return next(s.state.value for s in on_record(home) if s.id == id)


def left(home: Home, build: Build) -> list[str]:
    return [o for o in home.listing() if build.record.volume in o or o.startswith("file")]


@pytest.mark.parametrize(
    ("then", "moment"),
    [
        pytest.param("rm", Build.has_file, id="rm-copying"),
        pytest.param("build", Build.has_volume, id="build-publishing"),
        pytest.param("rm", Build.has_volume, id="rm-publishing", marks=pytest.mark.slow),
        pytest.param("build", Build.has_file, id="build-copying", marks=pytest.mark.slow),
    ],
)
def test_kill_9(home: Home, build: Build, then: str, moment: Callable[[Build], bool]) -> None:
    build.wait(lambda: moment(build))
    assert build.end(signal.SIGKILL)[0] == -signal.SIGKILL
    dead = build.record.id
    assert state(home, dead) == "building"
    if then == "rm":
        home.run("snapshot", "rm", dead)
        assert state(home, dead) == "removed"
    else:
        made = home.json("snapshot", "build", "core")["snapshot"]["id"]
        assert state(home, dead) == "failed"
        home.run("snapshot", "rm", made)
    assert left(home, build) == []


def test_a_second_build_of_the_source_is_refused(home: Home, build: Build) -> None:
    build.wait(build.has_file)
    build.process.send_signal(signal.SIGSTOP)
    error = home.json("snapshot", "build", "core", code=6)["error"]
    assert (error["code"], error["subject"]) == ("conflict", "core")
    code, out, err = build.end(signal.SIGCONT)
    assert code == 0, err
    home.run("snapshot", "rm", json.loads(out)["snapshot"]["id"])


def test_a_build_removed_while_it_runs_never_becomes_ready(home: Home, build: Build) -> None:
    build.wait(build.has_file)
    build.process.send_signal(signal.SIGSTOP)
    home.run("snapshot", "rm", build.record.id)
    code, out, _ = build.end(signal.SIGCONT)
    assert code == 6, out
    assert "taken away" in json.loads(out)["error"]["message"]
    assert state(home, build.record.id) == "removed"
    assert left(home, build) == []


@pytest.fixture
def full_volume(home: Home) -> Iterator[str]:
    """The next snapshot's volume, made ahead with room for less than the snapshot needs."""
    version = next_id("core", date.today(), (s.id for s in on_record(home)))
    name = f"sandbox-{home.installation}-{version.replace('@', '-')}"
    home.client.volumes.create(
        name,
        driver_opts={"type": "tmpfs", "device": "tmpfs", "o": "size=512k"},
        labels={INSTALLATION: home.installation},
    )
    yield name
    assert name not in [v.name for v in home.client.volumes.list()]


def test_the_engines_disk_is_full(home: Home, full_volume: str) -> None:
    error = home.json("snapshot", "build", "core", code=7)["error"]
    assert (error["code"], error["subject"]) == ("unavailable", full_volume)
    assert error["message"] == "The engine's disk is full."
    assert "snapshot rm" in error["hint"]
    assert on_record(home)[-1].volume == full_volume
    assert on_record(home)[-1].state == "failed"


@pytest.fixture
def full_build_folder(home: Home) -> Iterator[Path]:
    """The home's build folder on a disk with room for less than the snapshot needs."""
    with tiny(home.folder / ".sandbox/build", "512k") as folder:
        yield folder


def test_the_homes_disk_is_full(home: Home, full_build_folder: Path) -> None:
    error = home.json("snapshot", "build", "core", code=7)["error"]
    assert "disk is full" in error["message"]
    assert list(full_build_folder.iterdir()) == []
