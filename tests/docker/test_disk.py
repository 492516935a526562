"""A small disk that sandboxes fill: engine, snapshot and registry are all on it.

It has no blocks that only root may use: full is full for everybody.
"""

import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox.drivers.catalogue.home import HomeCatalogue
from tests.docker.conftest import UP, Home
from tests.docker.disks import in_file
from tests.docker.private_engine import PrivateEngine, private_engine, private_home, until, why_not

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(900)]
MB = 1 << 20
LIMIT, RESERVE, FLOOR = 200, 150, 100
# It writes as long as there is a byte, and again as soon as there is one.
GREEDY = """
import time
with open("/work/greedy", "ab", buffering=0) as out:
    size = 1 << 20
    while True:
        try:
            out.write(b"x" * size)
        except OSError:
            size = max(1, size // 2)
            time.sleep(0.001)
"""


@dataclass(frozen=True)
class Small:
    """A home on its own small disk, with its own engine."""

    disk: Path
    home: Home
    engine: PrivateEngine

    def free_mb(self) -> int:
        return shutil.disk_usage(self.disk).free // MB

    def write(self, name: str, megabytes: int) -> None:
        """Let the owner of a sandbox write so much into its work folder."""
        code = f"open('/work/big', 'wb').write(b'x' * {megabytes} * (1 << 20))"
        self.home.run("exec", name, "--", "/opt/venv/bin/python", "-c", code)

    def greedy(self, name: str) -> None:
        """Let a program inside write until nothing is left, and go on trying."""
        its = self.home.json("show", name)["sandbox"]["id"]
        tool = self.home.client.containers.get(f"sandbox-{its}-tool")
        tool.exec_run(["/opt/venv/bin/python", "-c", GREEDY], detach=True)
        until(lambda: shutil.disk_usage(self.disk).free < 64 * 1024)

    def running(self) -> list[str | None]:
        """Return the containers of sandboxes that run.

        Not those that the engine lists as running: what ends while its disk is full stays listed.
        """
        listed = self.home.client.containers.list
        found = listed(all=True, filters={"label": "bimodal-sandbox.sandbox"})
        return [c.name for c in found if self.engine.lives(str(c.id))]

    def states(self) -> dict[str, str]:
        return {s["name"]: s["state"] for s in self.home.json("list")["sandboxes"]}

    def codes(self) -> list[str]:
        return [event["code"] for event in self.home.json("audit", "list")["events"]]


@pytest.fixture(scope="module")
def small(images_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    if why := why_not():
        pytest.skip(why)
    base = tmp_path_factory.mktemp("small")
    mkfs = ["mkfs.ext4", "-q", "-F", "-m", "0"]
    with in_file(base / "image", base / "disk", 4000, mkfs):
        disk = base / "disk"
        with private_engine(disk / "storage") as engine:
            engine.load(images_file)
            with private_home(engine, disk / "home") as home:
                _narrow(home)
                # What is taken here need not be written by the tests.
                taken = shutil.disk_usage(disk).free - 900 * MB
                subprocess.run(["fallocate", "-l", str(taken), str(disk / "taken")], check=True)
                yield Small(disk, home, engine)


def _narrow(home: Home) -> None:
    """Set small limits; the template's image is named anew, as it is built from the same files."""
    catalogue = HomeCatalogue(home.folder)
    built = catalogue.service_image("segment-rfm", "tool").tag
    template = home.folder / "templates/segment-rfm/template.yaml"
    text = template.read_text("utf-8").replace("answers: tool\n", "answers: tool\ndisk_mb: 200\n")
    template.write_text(text, "utf-8")
    repository, tag = catalogue.service_image("segment-rfm", "tool").tag.split(":")
    home.client.images.get(built).tag(repository, tag)
    with (home.folder / "sandbox.yaml").open("a", encoding="utf-8") as settings:
        settings.write(f"disk:\n  reserve_mb: {RESERVE}\n  floor_mb: {FLOOR}\n")


@pytest.fixture
def two(small: Small) -> Iterator[Small]:
    """Two sandboxes that are up; in the end nothing of them or of what a test filled is left."""
    small.home.run("up", "one", *UP)
    small.home.run("up", "two", *UP)
    yield small
    small.home.run("reap", "--apply", code=None)
    for name in small.states():
        small.home.run("down", name, "--no-keep")


def reaped(home: Home) -> list[tuple[str, str, str]]:
    chores = home.json("reap", "--apply")["chores"]
    return [(c["kind"], c["subject"], c["outcome"]) for c in chores]


def holds(home: Home) -> bool:
    return bool(home.json("audit", "verify")["broken"] is None)


def test_who_holds_more_than_its_limit_is_frozen_and_the_floor_stops_all(two: Small) -> None:
    home = two.home
    two.write("one", 165)
    assert reaped(home) == []
    assert "8" in home.json("show", "one")["sandbox"]["disk_warning"]

    two.write("one", LIMIT + 20)
    assert reaped(home) == [("freeze-full", "one", "done")]
    seen = home.json("show", "one")["sandbox"]
    assert seen["reason"].startswith(f"its disk holds {seen['used_mb']} MB, its limit is 200 MB")
    assert seen["used_mb"] > LIMIT
    refused = home.json("resume", "one", code=6)["error"]
    home.run("resume", "one", "--disk-mb", refused["hint"].split()[-1])
    assert two.states() == {"one": "ready", "two": "ready"}

    two.write("two", two.free_mb() - FLOOR + 20)
    chores = reaped(home)
    assert chores == [("freeze-full", "one", "done"), ("freeze-full", "two", "done")]
    assert two.states() == {"one": "frozen", "two": "frozen"}
    said = home.json("up", "three", *UP, code=7)["error"]["message"]
    assert "MB free; 200 MB are asked for and 150 MB must stay free" in said
    assert home.json("plan", "three", *UP, code=7)["answer"] == "full"
    assert "the floor is 100 MB" in home.json("resume", "one", code=7)["error"]["message"]
    home.run("snapshot", "build", "core", code=7)
    home.run("extend", "one", "--ttl", "1h", "--reason", "The disk was full")
    assert two.codes()[-1] == "sandbox.extended"
    assert holds(home)

    home.run("down", "two", "--no-keep")
    home.run("resume", "one")
    assert two.states() == {"one": "ready"}
    assert reaped(home) == []
    assert home.run("exec", "one", "--", "ls", "/work").split()[0] == "big"


def test_on_a_disk_that_is_full_to_the_brim_the_reaper_still_stops_and_records(two: Small) -> None:
    home = two.home
    home.run("reap", "--apply")
    assert len(two.running()) == 4
    two.greedy("two")
    assert "sandbox reap --apply" in home.json("list", code=7)["error"]["hint"]
    began = time.monotonic()
    assert reaped(home) == [("freeze-full", "one", "done"), ("freeze-full", "two", "done")]
    assert time.monotonic() - began < 60
    assert two.states() == {"one": "frozen", "two": "frozen"}
    home.run("extend", "one", "--ttl", "1h", "--reason", "The disk was full")
    assert two.codes()[-3:] == ["sandbox.frozen", "sandbox.frozen", "sandbox.extended"]
    assert holds(home)
    assert two.running() == []
    assert not any(part["running"] for part in home.json("show", "one")["parts"])

    home.run("down", "two", "--no-keep")
    assert reaped(home) == []
    assert (home.folder / ".sandbox/ballast").stat().st_blocks * 512 >= 16 * MB
    home.run("resume", "one")
    assert home.json("sql", "one", "SELECT 1 AS x")["rows"] == [[1]]


def test_a_disk_that_fills_during_up_leaves_nothing(small: Small) -> None:
    home, filled = small.home, small.disk / "filled"
    home.run("reap", "--apply")
    before = home.listing()
    events: Any = home.client.events(decode=True, filters={"type": "volume", "event": "create"})
    asked = home.start("up", "late", *UP, "-o", "json")
    next(events)
    size = shutil.disk_usage(small.disk).free
    subprocess.run(["fallocate", "-l", str(size), str(filled)], check=False)
    with filled.open("ab", buffering=0) as rest:
        _to_the_brim(rest)
    out, err = asked.communicate(timeout=120)
    events.close()
    assert asked.returncode == 7, (out, err)
    assert "full" in out, out
    filled.unlink()
    chores = reaped(home)
    assert chores in ([], [("settle", "late", "done")])
    assert home.listing() == before
    assert holds(home)
    home.run("up", "late", *UP)
    home.run("down", "late", "--no-keep")


def _to_the_brim(out: Any) -> None:
    for size in (MB, 4096, 1):
        try:
            while True:
                out.write(b"x" * size)
        except OSError:
            continue
