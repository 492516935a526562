"""Stand-ins for what stands outside: clock, engine, gateway, source. They keep the rules that the
real ones keep (see contract/), and fail where a test tells them to."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from sandbox.core.clock import Reading
from sandbox.core.crossing import Masked, Seen
from sandbox.core.drift import LiveTypes
from sandbox.core.errors import SandboxError, Unavailable
from sandbox.core.leaks import GateReport
from sandbox.core.objects import INSTALLATION, ROLE, Container, Route
from sandbox.core.ports import Built, GatewayState, Progress
from sandbox.core.relations import Relations
from sandbox.core.snapshot import ColumnCopy, TableCopy
from sandbox.core.source import Column, Source, Table
from sandbox.core.survey import Survey
from tests.fake_engine import DeadEngine as DeadEngine
from tests.fake_engine import FakeEngine as FakeEngine
from tests.fake_engine import Trap as Trap
from tests.fake_engine import ran_saying as ran_saying
from tests.fake_engine import unavailable as unavailable

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class Clock:
    """A clock that moves only when told to."""

    def __init__(self, start: datetime = NOON) -> None:
        self.moment = start

    def __call__(self) -> datetime:
        return self.moment

    def reading(self) -> Reading:
        return Reading(wall=self.moment, uptime=self.moment.timestamp(), boot="test")

    def advance(self, **span: float) -> None:
        self.moment += timedelta(**span)


class Ids:
    """Ids that follow each other: 000000000001, 000000000002…"""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> str:
        self.count += 1
        return f"{self.count:012x}"


class Said:
    """Progress that remembers what was said."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.passed: list[tuple[str, bytes]] = []

    def say(self, step: str, text: str, done: int | None = None, total: int | None = None) -> None:
        self.steps.append(text)

    def output(self, stream: str, chunk: bytes) -> None:
        self.passed.append((stream, chunk))


class FakeGateway:
    """A gateway whose routes are a dict; its container stands in the fake engine."""

    def __init__(self, engine: FakeEngine, installation: Callable[[], str]) -> None:
        self._engine, self._installation = engine, installation
        self.routes: dict[str, Route] = {}
        self.image = "gateway:1"
        self.error: SandboxError | None = None
        self.links = 0
        self.deaf = False
        self.used: dict[str, datetime] | None = {}
        self.free_bytes: int | None = None

    @property
    def container(self) -> str:
        return f"sandbox-gateway-{self._installation()}"

    def state(self) -> GatewayState:
        found = self._engine.running_image(self.container)
        if found is None or self.deaf:
            return "off"
        return "current" if found == self.image else "older"

    def start(self, progress: Progress) -> None:
        labels = {INSTALLATION: self._installation(), ROLE: "gateway"}
        self._engine.remove("container", self.container)
        self.routes.clear()
        self.deaf = False
        box = Container(self.container, self.image, labels, "1:1", ("caddy",), 128, 1.0, 128)
        self._engine.create_container(box)
        self._engine.start(self.container)

    def open(self, route: Route) -> None:
        if self.error:
            raise self.error
        self.routes[route.name] = route

    def close(self, name: str) -> None:
        self.routes.pop(name, None)

    def uses(self) -> Mapping[str, datetime] | None:
        return self.used if self.container in self._engine.containers else None

    def url(self, name: str) -> str:
        return f"http://{name}.localhost:8700"

    def link(self, route: Route) -> str:
        self.links += 1
        return f"{self.url(route.name)}/?sbx=link-{self.links}"

    def port_is_free(self) -> bool:
        return True

    def engine_free_bytes(self) -> int | None:
        return self.free_bytes

    def answers(self, route: Route, path: str) -> bool:
        return self.routes.get(route.name) == route and self._reaches(IPv4Address(route.address))

    def _reaches(self, address: IPv4Address) -> bool:
        """Say whether its container is on the network of that address."""
        return any(
            self.container in self._engine.endpoints[name]
            for name, network in self._engine.networks.items()
            if network.subnet and address in IPv4Network(network.subnet)
        )


class FakeDemo:
    """A demo core that lacks what a test says, and has no rows to be loaded with unless told."""

    def __init__(self, lacks: str = "", *, installed: bool = True) -> None:
        self.lacks, self.installed = lacks, installed

    def check_rows(self) -> None:
        if not self.installed:
            raise Unavailable("The CDNOW purchases are not installed.")

    def ensure(self, progress: Progress) -> Mapping[str, Any]:
        self.lacks = ""
        return {"host": "127.0.0.1", "port": 5432, "rows": {"customers": 10}}

    def lacking(self) -> str:
        return self.lacks


class FakeReader:
    """A core system with exactly the columns that its file lists, but for `live`."""

    def __init__(self) -> None:
        self.live: LiveTypes | None = None
        self.error: BaseException | None = None
        self.gate = GateReport(places=3, detectors={"mail": 1}, real_values=7, canaries=0)
        self.keys: list[bytes] = []
        self.judged: tuple[list[str], list[str], bytes] | None = None
        self.sight = Survey(tables=())
        self.examples: dict[str, tuple[str, ...]] = {}
        self.surveyed: tuple[Source, str, tuple[str, ...]] | None = None

    def columns(self, source: Source, password: str) -> LiveTypes:
        if self.live is not None:
            return self.live
        return {n: dict.fromkeys(table.columns, "VARCHAR") for n, table in source.tables.items()}

    def survey(
        self, source: Source, password: str, tables: Sequence[str], progress: Progress
    ) -> Survey:
        if self.error:
            raise self.error
        self.surveyed = (source, password, tuple(tables))
        return self.sight

    def copy(
        self, source: Source, password: str, key: bytes, target: Path, progress: Progress
    ) -> Built:
        target.write_bytes(b"DUCK" * 1000)
        self.keys.append(key)
        if self.error:
            raise self.error
        tables = tuple(
            TableCopy(
                name=name,
                rows=10,
                columns=tuple(
                    ColumnCopy(
                        name=c,
                        type="VARCHAR",
                        data_class=r.data_class,
                        mask=r.mask.method,
                        examples=self.examples.get(c, ()),
                    )
                    for c, r in table.columns.items()
                    if r.mask.method != "drop"
                ),
            )
            for name, table in source.tables.items()
        )
        digest = hashlib.sha256(target.read_bytes()).hexdigest()
        return Built(target, tables, NOON - timedelta(hours=1), 4000, digest, self.gate)

    def judge(
        self,
        tables: Mapping[str, Table],
        canaries: Sequence[str],
        relations: Relations,
        file: Path,
        progress: Progress,
    ) -> GateReport:
        self.judged = (sorted(tables), list(canaries), file.read_bytes())
        return self.gate


class FakeBorder:
    """Sees in every file what a test says; masks every cell of a column to `masked`."""

    def __init__(self) -> None:
        self.seen = Seen(
            format="csv",
            tabular=True,
            rows=6,
            columns=("segment", "customers"),
            smallest_group=600,
            found=(),
        )
        self.looked: list[tuple[str, bytes, tuple[str, ...]]] = []
        self.masked: list[tuple[str, Column, str, bytes]] = []
        self.identities = 60

    def look(
        self, name: str, content: bytes, forms: Sequence[str], *, leaving: bool = False
    ) -> Seen:
        self.looked.append((name, content, tuple(forms)))
        return self.seen.model_copy(update={"leaves": content if leaving else b""})

    def mask(self, content: bytes, column: str, rule: Column, type_: str, key: bytes) -> Masked:
        self.masked.append((column, rule, type_, key))
        return Masked(content=b"masked " + content, rows=60, identities=self.identities)
