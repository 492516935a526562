"""A real engine and one real demo home for all engine tests, swept at the end."""

import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest

from sandbox.drivers.catalogue.home import HomeCatalogue
from sandbox.drivers.engine import DockerEngine

PURPOSE = "Which lapsed customers react to a coupon?"
UP = ("--template", "segment-rfm", "--purpose", PURPOSE)


@dataclass(frozen=True)
class Home:
    """A demo home and the command line in it."""

    folder: Path
    installation: str
    port: int
    client: docker.DockerClient

    def run(self, *arguments: str, code: int | None = 0, stdin: str = "") -> str:
        """Run `sandbox ...`; return stdout, and check the exit code unless it is None."""
        ran = subprocess.run(
            [sys.executable, "-m", "sandbox", "--home", str(self.folder), *arguments],
            capture_output=True,
            text=True,
            input=stdin,
            timeout=300,
        )
        assert code is None or ran.returncode == code, (arguments, ran.stdout, ran.stderr)
        assert "Traceback" not in ran.stdout + ran.stderr
        return ran.stdout

    def json(self, *arguments: str, code: int = 0) -> Any:
        """Run `sandbox ... -o json` and return what it printed."""
        return json.loads(self.run(*arguments, "-o", "json", code=code))

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start `sandbox ...` in a session of its own, to be interrupted."""
        return subprocess.Popen(
            [sys.executable, "-m", "sandbox", "--home", str(self.folder), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def listing(self) -> set[str]:
        """Return every engine object of the installation, endpoints, open routes and names held."""
        label: Any = {"label": f"bimodal-sandbox.installation={self.installation}"}
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
    folder = tmp_path_factory.mktemp("demo") / "home"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Images may have to be built first, on a new machine: minutes.
    made = subprocess.run(
        [
            sys.executable,
            "-m",
            "sandbox",
            "init",
            "--demo",
            str(folder),
            "-o",
            "json",
            "--gateway-port",
            str(port),
        ],
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert made.returncode == 0, made.stderr
    made_home = Home(folder, json.loads(made.stdout)["installation"], port, docker_client)
    made_home.run("template", "build", "segment-rfm")
    made_home.run("snapshot", "build", "core")
    yield made_home
    for sandbox in made_home.json("list")["sandboxes"]:
        made_home.run("down", sandbox["name"])
    made_home.run("uninstall")
    label: Any = {"label": f"bimodal-sandbox.installation={made_home.installation}"}
    assert not docker_client.containers.list(True, filters=label)
    assert not docker_client.volumes.list(filters=label)
    assert not docker_client.networks.list(filters=label)


@pytest.fixture(scope="session")
def base_image(home: Home) -> str:
    return HomeCatalogue(home.folder).base_image().tag


@pytest.fixture(scope="session")
def lab_image(home: Home) -> str:
    return HomeCatalogue(home.folder).lab_image().tag


@pytest.fixture(scope="session")
def demo_core(home: Home) -> Core:
    source = HomeCatalogue(home.folder).source("core").connection
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
