"""How much is held and free: what every engine and every home can tell."""

import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.core.errors import NotFound
from sandbox.core.home import STATE
from sandbox.core.objects import INSTALLATION, Container, File, Mount
from sandbox.core.ports import Engine
from sandbox.drivers.engine import DockerEngine
from sandbox.drivers.home import HomeFolder
from tests.fakes import FakeEngine

# The SDK leaves its sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

RUN = f"contract-{secrets.token_hex(4)}"
OURS, OTHERS = f"{RUN}-ours", f"{RUN}-others"


@pytest.fixture(params=["fake", pytest.param("docker", marks=pytest.mark.docker)])
def any_engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    engine: Engine = FakeEngine() if request.param == "fake" else DockerEngine(os.environ)
    yield engine
    for name in (OURS, OTHERS):
        engine.remove("container", name)
        engine.remove("volume", name)
    assert engine.owned(RUN) == []


def holding(engine: Engine, name: str, installation: str, size: int) -> None:
    """Make a volume that holds a file of so many bytes."""
    labels = {INSTALLATION: installation}
    engine.create_volume(name, labels)
    box = Container(
        name, "debian:bookworm-slim", labels, "0:0", ("true",), 16, 0.1, 8,
        mounts=(Mount(name, "/held"),),
    )  # fmt: skip
    engine.create_container(box)
    engine.put(name, "/held", [File("file", b"x" * size)])


def test_each_of_our_volumes_is_measured(any_engine: Engine) -> None:
    holding(any_engine, OURS, RUN, 123_456)
    holding(any_engine, OTHERS, f"{RUN}-2", 10)
    assert any_engine.volume_bytes(RUN) == {OURS: 123_456}
    assert any_engine.volume_bytes(f"{RUN}-nobody") == {}


def test_where_a_volume_lies_is_told_only_of_one_that_is_there(any_engine: Engine) -> None:
    with pytest.raises(NotFound):
        any_engine.volume_folder(OURS)
    any_engine.create_volume(OURS, {INSTALLATION: RUN})
    folder = any_engine.volume_folder(OURS)
    assert folder is None or OURS in folder


def test_a_home_tells_what_is_free_there_and_elsewhere(tmp_path: Path) -> None:
    (tmp_path / STATE).mkdir()
    files = HomeFolder(tmp_path)
    free = shutil.disk_usage(tmp_path).free
    assert files.free_bytes() == pytest.approx(free, rel=0.1)
    assert files.free_bytes(str(tmp_path)) == pytest.approx(free, rel=0.1)
    assert files.free_bytes("/nowhere/at/all") is None


@pytest.mark.skipif(not os.geteuid(), reason="root may look into every folder")
def test_a_closed_folder_is_told_of_by_its_nearest_open_one(tmp_path: Path) -> None:
    (tmp_path / "closed" / "inner").mkdir(parents=True)
    (tmp_path / "closed").chmod(0)
    free = HomeFolder(tmp_path).free_bytes(str(tmp_path / "closed" / "inner"))
    (tmp_path / "closed").chmod(0o700)
    assert free is not None
