"""A real engine and one real demo home for all engine tests, swept at the end."""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import docker
import pytest

from sandbox.core.connection import Postgres
from sandbox.core.objects import INSTALLATION
from sandbox.drivers.catalogue.home import HomeCatalogue
from sandbox.drivers.engine import DockerEngine
from tests.docker.slim import add_slim
from tests.ports import free_port

PURPOSE = "Which lapsed customers react to a coupon?"
PARTS = ("tool", "lab")
UP = ("--template", "segment-rfm", "--purpose", PURPOSE)


@dataclass(frozen=True)
class Home:
    """A demo home and the command line in it.

    `inside` stands before each command and `environment` is added to its own, where the engine is
    not the shared one.
    """

    folder: Path
    installation: str
    port: int
    client: docker.DockerClient
    inside: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(
        self, *arguments: str, code: int | None = 0, stdin: str = "", seconds: float = 300
    ) -> str:
        """Run `sandbox ...`; return stdout, and check the exit code unless it is None."""
        ran = subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            input=stdin,
            timeout=seconds,
            env={**os.environ, **self.environment},
        )
        assert code is None or ran.returncode == code, (arguments, ran.stdout, ran.stderr)
        assert "Traceback" not in ran.stdout + ran.stderr
        return ran.stdout

    def json(self, *arguments: str, code: int = 0, seconds: float = 300) -> Any:
        """Run `sandbox ... -o json` and return what it printed."""
        return json.loads(self.run(*arguments, "-o", "json", code=code, seconds=seconds))

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start `sandbox ...` in a session of its own, to be interrupted."""
        return subprocess.Popen(
            self.command(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, **self.environment},
        )

    def command(self, *arguments: str) -> list[str]:
        """Return the words of `sandbox ...` in this home."""
        own = (sys.executable, "-m", "sandbox", "--home", str(self.folder))
        return [*self.inside, *own, *arguments]

    def state(self, name: str) -> str:
        """Return what the record says of the newest sandbox of this name; this needs no engine."""
        found = [s for s in self.json("list", "--all")["sandboxes"] if s["name"] == name]
        return str(found[-1]["state"]) if found else "none"

    def running(self, sandbox: Mapping[str, Any]) -> set[str]:
        """Return which parts of a sandbox run."""
        found = {p: self.client.containers.get(f"sandbox-{sandbox['id']}-{p}") for p in PARTS}
        return {part for part, container in found.items() if container.status == "running"}

    def pooled(self) -> list[dict[str, Any]]:
        """Return the sandboxes that wait in the warm pool."""
        found = self.json("list", "--all")["sandboxes"]
        return [sandbox for sandbox in found if sandbox["state"] == "pooled"]

    def reaped(self) -> list[str]:
        """Reap; return the kind of each chore."""
        return [chore["kind"] for chore in self.json("reap", "--apply")["chores"]]

    def settle(self) -> None:
        """Reap until nothing is left to do: the engine may still end what the dead asked for."""
        limit = time.monotonic() + 120
        while True:
            self.run("reap", "--apply", code=None)
            if not self.json("reap")["chores"]:
                return
            assert time.monotonic() < limit, self.run("reap")
            time.sleep(0.5)

    def listing(self) -> set[str]:
        """Return every engine object of the installation, endpoints, open routes and names held."""
        label: Any = {"label": f"{INSTALLATION}={self.installation}"}
        found = {f"container {c.name}" for c in self.client.containers.list(True, filters=label)}
        found |= {f"volume {v.name}" for v in self.client.volumes.list(filters=label)}
        for network in self.client.networks.list(filters=label):
            network.reload()
            ends = {c["Name"] for c in network.attrs["Containers"].values()}
            found |= {f"network {network.name}"} | {f"end {network.name} {e}" for e in ends}
        gateway = self.client.containers.get(f"sandbox-gateway-{self.installation}")
        routes: Any = gateway.exec_run(["find", "/routes", "-mindepth", "1", "-type", "d"]).output
        found |= {f"route {line}" for line in routes.decode().split()}
        found |= {f"file {p.name}" for p in (self.folder / ".sandbox" / "build").glob("*")}
        return found | {f"name {s['name']}" for s in self.json("list")["sandboxes"]}


@dataclass(frozen=True)
class Core:
    """The demo's core system, as its administrator sees it."""

    host: str
    port: int
    database: str
    user: str
    password: str
    container: Any

    def psql(self, sql: str) -> str:
        """Run SQL as superuser; return what psql prints, unaligned."""
        command = [
            "/usr/lib/postgresql/15/bin/psql",
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            "/tmp",
            "-U",
            "postgres",
            "-d",
            self.database,
            "-c",
            sql,
        ]
        ran = self.container.exec_run(command, user="10002:10002")
        assert ran.exit_code == 0, ran.output
        return str(ran.output.decode().strip())


def demo_home(
    folder: Path,
    client: docker.DockerClient,
    inside: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
) -> Home:
    """Make a demo home with one snapshot, its images built; who asks for it removes it."""
    port = free_port()
    own = (sys.executable, "-m", "sandbox", "init", "--demo", str(folder), "-o", "json")
    # Images may have to be built first, on a new machine: minutes.
    made = subprocess.run(
        [*inside, *own, "--gateway-port", str(port)],
        capture_output=True,
        text=True,
        timeout=900,
        env={**os.environ, **(environment or {})},
    )
    assert made.returncode == 0, made.stderr
    installation = json.loads(made.stdout)["installation"]
    home = Home(folder, installation, port, client, inside, environment or {})
    home.run("template", "build", "segment-rfm")
    home.run("snapshot", "build", "core")
    return home


def end_home(home: Home) -> None:
    """Remove all of a home from the engine, and see that nothing is left."""
    for sandbox in home.json("list")["sandboxes"]:
        home.run("down", sandbox["name"], "--no-keep")
    home.run("uninstall")
    label: Any = {"label": f"{INSTALLATION}={home.installation}"}
    assert not home.client.containers.list(True, filters=label)
    assert not home.client.volumes.list(filters=label)
    assert not home.client.networks.list(filters=label)


def wait_until(moment: str, seconds: float) -> None:
    """Wait until so many seconds after `moment`, with nothing of ours running."""
    left = (datetime.fromisoformat(moment) - datetime.now(UTC)).total_seconds() + seconds
    assert left < 150
    time.sleep(max(0, left))


@pytest.fixture(scope="session")
def docker_client() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="session")
def run_id() -> str:
    return f"sbtest-{secrets.token_hex(4)}"


@pytest.fixture(scope="session")
def home(
    docker_client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Home]:
    """A demo home with one snapshot, its images built."""
    made = demo_home(tmp_path_factory.mktemp("demo") / "home", docker_client)
    yield made
    end_home(made)


@pytest.fixture(scope="session")
def slim_home(
    docker_client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Home]:
    """A demo home with the tests' own template, without quotas."""
    made = demo_home(tmp_path_factory.mktemp("slim") / "home", docker_client)
    add_slim(made.folder)
    made.run("template", "build", "slim")
    yield made
    end_home(made)


@pytest.fixture(scope="session")
def images_file(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all images that a home needs, for engines that have none."""
    file = tmp_path_factory.mktemp("images") / "images.tar"
    own = HomeCatalogue(home.folder)
    wanted = [own.base_image(), own.lab_image(), own.gateway_image()]
    wanted += [own.service_image("segment-rfm", "tool")]
    command = ["docker", "save", "--output", str(file), *(image.tag for image in wanted)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return file


@pytest.fixture(scope="session")
def base_image(home: Home) -> str:
    return HomeCatalogue(home.folder).base_image().tag


@pytest.fixture(scope="session")
def lab_image(home: Home) -> str:
    return HomeCatalogue(home.folder).lab_image().tag


@pytest.fixture(scope="session")
def demo_core(home: Home) -> Core:
    source = HomeCatalogue(home.folder).source("core").connection
    assert isinstance(source, Postgres)
    password = (home.folder / ".sandbox/secrets/core-password").read_text().strip()
    container = home.client.containers.get(f"sbx-{home.installation}-demo-core")
    return Core(source.host, source.port, source.database, source.user, password, container)


@pytest.fixture
def engine() -> DockerEngine:
    return DockerEngine(os.environ)


@pytest.fixture
def nothing_left(home: Home) -> Iterator[None]:
    """Check that a test leaves engine, routes, names and files as it found them."""
    before = home.listing()
    yield
    assert home.listing() == before
