"""A frozen cluster of a test's own, filled and run by the programs of the product's image."""

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from sandbox.core.objects import BigFile, Container, Image, Mount, Ran
from sandbox.core.replica import FILL, Cluster, filler, login_name, own_standby, shared_server
from sandbox.drivers.catalogue.home import HomeCatalogue
from sandbox.drivers.engine import DockerEngine
from tests.docker.conftest import Home

SQL = (
    "/usr/lib/postgresql/15/bin/psql",
    *("-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"),
    *("-h", "/tmp", "-U", "postgres", "-d", "replica"),
)
_SECONDS = 30.0
_PASSWORD = "of-the-test"


class Trial:
    """Objects of one cluster, removed in the end; its labels are the test's, not a home's."""

    def __init__(self, home: Home, name: str) -> None:
        self.engine = DockerEngine(home.environment)
        self.image: Image = HomeCatalogue(home.folder).replica_image()
        self.cluster = Cluster(name, f"{name}-snapshot", "core")
        self.made: list[tuple[Any, str]] = []
        self._standby = ""

    def __enter__(self) -> "Trial":
        return self

    def __exit__(self, *error: object) -> None:
        for kind, name in sorted(self.made):
            self.engine.remove(kind, name)
        self.engine.close()

    def fill(self, statements: Sequence[str]) -> Ran:
        """Make a snapshot's file by statements, and fill the cluster from it."""
        for volume in (self.cluster.snapshot_volume, self.cluster.volume):
            self.engine.create_volume(volume, {})
            self.made.append(("volume", volume))
        self._publish(statements)
        self._container(replace(filler(self.cluster, self.image), labels={}))
        order: dict[str, Any] = {"source": "core", "unique": [], "indexed": [["empty", ["a"]]]}
        order["logins"] = {login_name(0): _PASSWORD}
        told = self.engine.run(self.cluster.filler, FILL, stdin=json.dumps(order).encode() + b"\n")
        self.engine.remove("container", self.cluster.filler)
        return told

    def _publish(self, statements: Sequence[str]) -> None:
        with TemporaryDirectory() as folder:
            file = Path(folder) / "core.duckdb"
            with duckdb.connect(file) as snapshot:
                for statement in statements:
                    snapshot.execute(statement)
            carrier = replace(
                filler(self.cluster, self.image),
                name=f"{self.cluster.snapshot_volume}-carrier",
                labels={},
                mounts=(Mount(self.cluster.snapshot_volume, "/replica"),),
            )
            self.engine.create_container(carrier)
            self.made.append(("container", carrier.name))
            with file.open("rb") as content:
                chunks = iter(lambda: content.read(1 << 20), b"")
                big = BigFile("core.duckdb", file.stat().st_size, chunks)
                self.engine.put(carrier.name, "/replica", [big])
        self.engine.remove("container", carrier.name)

    def stand_by(self, longest: str = "6 minutes") -> None:
        """Run it as a shared server does, but on no network; `longest` as in its own program."""
        server = replace(
            shared_server(self.cluster, self.image),
            labels={},
            network=None,
            sysctls={},
            restart=False,
            env={"LONGEST": longest},
        )
        self._container(server)
        self._wait(server.name)

    def cloned(self, name: str) -> float:
        """Run a clone of it; return how many seconds that took, to the first answer."""
        volume = f"{self.cluster.snapshot_volume}-{name}"
        began = time.monotonic()
        self.engine.create_volume(volume, {})
        self.made.append(("volume", volume))
        self._container(own_standby(volume, self.image, {}, self.cluster.volume))
        self._wait(volume)
        return time.monotonic() - began

    def ask(self, sql: str) -> list[str]:
        """Return the lines of an answer, as the superuser sees it."""
        ran = self.engine.run(self._standby, (*SQL, "-c", sql), user="10002:10002")
        assert ran.code == 0, ran.err
        return ran.out.decode().rstrip("\n").split("\n")

    def as_reader(self, sql: str) -> Ran:
        """Run statements as a login does, from the server's own machine."""
        uri = f"postgresql://{login_name(0)}:{_PASSWORD}@127.0.0.1/replica"
        return self.engine.run(self._standby, (SQL[0], uri, "-X", "-q", "-c", sql))

    def refused(self, sql: str) -> bool:
        """Say whether even the superuser is refused a statement."""
        ran = self.engine.run(self._standby, (*SQL, "-c", sql), user="10002:10002")
        return ran.code != 0 and b"ERROR" in ran.err

    def _container(self, container: Container) -> None:
        self.engine.create_container(container)
        self.made.append(("container", container.name))
        self.engine.start(container.name)

    def _wait(self, container: str) -> None:
        self._standby = container
        limit = time.monotonic() + _SECONDS
        while self.engine.run(container, (*SQL, "-c", "SELECT 1"), user="10002:10002").code:
            assert time.monotonic() < limit, self.engine.logs(container, 20)
            time.sleep(0.01)


def rows_of(told: Ran) -> dict[str, int]:
    """Return the rows of each table that a filling told of."""
    lines = [json.loads(line) for line in told.out.splitlines()]
    return {line["table"]: line["rows"] for line in lines if "table" in line}
