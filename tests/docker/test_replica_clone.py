"""Where the engine's volumes lie on storage that clones files, each sandbox has its own standby.

On a small XFS in a file, with an engine of the test's own.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import pytest

from sandbox.drivers.catalogue.home import HomeCatalogue
from tests.docker.cluster_trial import Trial
from tests.docker.conftest import Home
from tests.docker.disks import in_file
from tests.docker.private_engine import private_engine, private_home, why_not
from tests.docker.slim import SPEAKING, add_slim, add_speaking
from tests.docker.test_replica import COUNTS, READ, UP, inside

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(900)]
MB = 1 << 20
SMALL, LARGE = 200_000, 5_000_000
_TRIES = 7


def mkfs_xfs() -> list[str]:
    """Return the words that make an XFS that clones; skip where they cannot be had."""
    if shutil.which("mkfs.xfs") is None:
        subprocess.run(["apt-get", "install", "-y", "xfsprogs"], capture_output=True, timeout=300)
    if shutil.which("mkfs.xfs") is None:
        pytest.skip("mkfs.xfs is not here and cannot be installed (xfsprogs)")
    return ["mkfs.xfs", "-q", "-m", "reflink=1"]


@pytest.fixture(scope="module")
def images(slim_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all images that a speaking template needs."""
    add_speaking(slim_home.folder)
    slim_home.run("template", "build", SPEAKING)
    own = HomeCatalogue(slim_home.folder)
    wanted = [own.base_image(), own.lab_image(), own.gateway_image(), own.replica_image()]
    wanted += [own.service_image("segment-rfm", "tool"), own.service_image(SPEAKING, "tool")]
    file = tmp_path_factory.mktemp("speaking") / "images.tar"
    command = ["docker", "save", "--output", str(file), *(image.tag for image in wanted)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return file


@pytest.fixture(scope="module")
def cloning(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, Path]]:
    """A home whose engine's volumes lie on XFS, and where that is mounted."""
    if why := why_not():
        pytest.skip(why)
    base = tmp_path_factory.mktemp("xfs")
    with (
        in_file(base / "image", base / "disk", 8000, mkfs_xfs()),
        private_engine(base / "disk/storage") as engine,
    ):
        engine.load(images)
        with private_home(engine, base / "disk" / "home") as home:
            add_slim(home.folder)
            add_speaking(home.folder)
            home.run("template", "build", SPEAKING)
            yield home, base / "disk"


def test_each_sandbox_has_its_own_standby(cloning: tuple[Home, Path]) -> None:
    home, disk = cloning
    assert home.json("plan", "one", *UP)["postgres"]["kind"] == "clone"
    made = home.json("up", "one", *UP)["sandbox"]
    assert made["postgres"] == "clone"
    taken = shutil.disk_usage(disk).used
    home.run("up", "two", *UP)
    print(f"\na further sandbox took {(shutil.disk_usage(disk).used - taken) / MB:.1f} MB")
    try:
        assert inside(home, "one", READ, COUNTS) == inside(home, "two", READ, COUNTS)
        said = home.json("verify", "one")
        assert not [check for check in said["checks"] if not check["held"]]
        home.run("freeze", "one", "--reason", "A look at it")
        home.run("resume", "one")
        assert inside(home, "one", READ, "SELECT 1 AS one") == "[(1,)]"
    finally:
        home.run("down", "one", "--no-keep")
        home.run("down", "two", "--no-keep")
    gone = {each["name"] for each in home.json("show", "one")["certificate"]["gone"]}
    assert f"sandbox-{made['id']}-replica" in gone
    assert not [line for line in home.listing() if made["id"] in line]


def test_a_clone_is_ready_within_a_second_whatever_its_size(
    cloning: tuple[Home, Path], run_id: str
) -> None:
    """Both sizes by turns, so that a busy machine is as busy for both."""
    home, disk = cloning
    times: dict[int, list[float]] = {SMALL: [], LARGE: []}
    with ExitStack() as held:
        trials = {n: held.enter_context(Trial(home, f"{run_id}-{n}")) for n in times}
        for rows, trial in trials.items():
            table = (
                f"SELECT i AS id, 'customer ' || i AS name, i * 1.5 AS x FROM range({rows}) r(i)"
            )
            told = trial.fill((f"CREATE TABLE t AS {table}", "CREATE TABLE empty (a INTEGER)"))
            assert told.code == 0, told.out
        taken = shutil.disk_usage(disk).used
        for number in range(_TRIES):
            for rows, trial in trials.items():
                times[rows].append(trial.cloned(f"clone-{number}"))
        more = (shutil.disk_usage(disk).used - taken) / MB / _TRIES / 2
        for rows, trial in trials.items():
            size = trial.ask("SELECT pg_database_size('replica') / 1000000")[0]
            print(f"\n{rows:,} rows, {size} MB: ready in {median(times[rows]):.2f} s")
            assert trial.ask("SELECT count(*) FROM core.t") == [str(rows)]
            assert trial.refused("INSERT INTO core.t SELECT * FROM core.t LIMIT 1")
    print(f"disk for each: {more:.1f} MB")
    assert more < 10
    # The best tells what it takes; the others, how busy the machine is.
    assert min(times[LARGE]) <= 1.0
    assert median(times[LARGE]) <= median(times[SMALL]) * 1.3
