"""A real home on disk, with a real registry, catalogue and keys; only the outside is faked."""

import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sandbox.bootstrap import shipped
from sandbox.core.home import STATE
from sandbox.core.ports import Actor, Context
from sandbox.core.snapshot import Snapshot
from sandbox.drivers.archives import KeptFolder
from sandbox.drivers.catalogue.home import HomeCatalogue
from sandbox.drivers.catalogue.new_home import demo_source, settings_file
from sandbox.drivers.home import SETTINGS, HomeFolder, lay_out
from sandbox.drivers.keys import FileKeys
from sandbox.drivers.registry.store import FILE, SqlRegistry
from sandbox.drivers.schedule import MachineSchedule
from sandbox.usecases.snapshots import BuildSnapshotRequest, build
from tests.fakes import Clock, FakeBorder, FakeEngine, FakeGateway, FakeReader, Ids, Said

# Without bytecode on disk each command that a test starts compiles the whole product, and each run
# of the tests reads all their asserts anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# DuckDB looks for pandas at every value that it is handed. What is not there is searched for anew
# each time, along the whole path: that was a third of the contract tests.
sys.modules["pandas"] = None  # type: ignore[assignment]


def pytest_configure() -> None:
    """Hear Ctrl-C even where whoever started us ignores it, as a shell's background job does."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ids() -> Ids:
    return Ids()


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture(scope="session")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home as `sandbox init --demo` lays it out, without the demo's server; made once."""
    folder = tmp_path_factory.mktemp("laid-out") / "home"
    settings = settings_file(demo=True, port=8700, ca_bundle="", package_index="")
    files = {
        SETTINGS: settings,
        "sources/core.yaml": demo_source(5432),
        f"{STATE}/secrets/core-password": "not-in-any-output\n",
    }
    lay_out(folder, shipped(), files)
    FileKeys(folder / STATE / "keys", folder, {}).create()
    return folder


@pytest.fixture
def home(tmp_path: Path, laid_out: Path) -> Path:
    """A copy of that home, to do anything with."""
    return Path(shutil.copytree(laid_out, tmp_path / "home", copy_function=shutil.copy))


class Hasty(SqlRegistry):
    """A registry that does not wait for the disk: a test need not outlive a power cut."""

    def _connect(self) -> sqlite3.Connection:
        connection = super()._connect()
        connection.execute("PRAGMA synchronous = OFF")
        return connection


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a fresh registry: making one for every test took a fifth of all the time."""
    folder = tmp_path_factory.mktemp("registry")
    with closing(SqlRegistry(folder)) as made:
        made.installation()
    return folder / FILE


@pytest.fixture
def registry(home: Path, migrated: Path) -> Iterator[SqlRegistry]:
    shutil.copy(migrated, home / STATE / FILE)
    with closing(Hasty(home / STATE)) as opened:
        yield opened


@pytest.fixture
def gateway(engine: FakeEngine, registry: SqlRegistry) -> FakeGateway:
    return FakeGateway(engine, registry.installation)


@pytest.fixture
def reader() -> FakeReader:
    return FakeReader()


@pytest.fixture
def border() -> FakeBorder:
    return FakeBorder()


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def ctx(
    home: Path,
    clock: Clock,
    ids: Ids,
    engine: FakeEngine,
    registry: SqlRegistry,
    gateway: FakeGateway,
    reader: FakeReader,
    border: FakeBorder,
    said: Said,
) -> Context:
    catalogue = HomeCatalogue(home)
    return Context(
        actor=Actor("anna", "operating-system user"),
        now=clock,
        reading=clock.reading,
        own_addresses=lambda: ("203.0.113.9",),
        new_id=ids,
        files=HomeFolder(home),
        catalogue=catalogue,
        registry=registry,
        engine=engine,
        gateway=gateway,
        reader=reader,
        border=border,
        demo=None,
        keys=FileKeys(home / STATE / "keys", home, {}),
        schedule=MachineSchedule(
            {"HOME": str(home), "PATH": str(home / "machine/bin")},
            "anna",
            superuser=True,
            root=home / "machine",
        ),
        archives=KeptFolder(home / STATE / "kept"),
        settings=catalogue.settings(),
        progress=said,
    )


@pytest.fixture
def snapshot(ctx: Context) -> Snapshot:
    """A snapshot that is ready."""
    return build(ctx, BuildSnapshotRequest(source="core")).snapshot
