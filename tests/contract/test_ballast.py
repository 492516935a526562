"""The registry writes on a disk that somebody else has filled."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.core.audit import AuditEvent, NewEvent, first_break
from sandbox.core.errors import Unavailable
from sandbox.core.home import STATE
from sandbox.drivers.home import HomeFolder
from sandbox.drivers.registry.store import SqlRegistry
from tests.fakes import NOON


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 320 MiB in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=320m", "none", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def write(registry: SqlRegistry, number: int) -> None:
    event = NewEvent(
        code="test.written", at=NOON, actor="anna", identity="test", subject="x" * 5000,
        reason=str(number), details={},
    )  # fmt: skip
    with registry.writing() as tx:
        tx.record(event)


def write_many(registry: SqlRegistry, count: int) -> None:
    for number in range(count):
        write(registry, number)


def read(registry: SqlRegistry) -> list[AuditEvent]:
    with registry.reading() as tx:
        assert first_break(tx.chain(), tx.head())[1] is None
        return tx.events()


def fill(folder: Path) -> Path:
    """Fill the disk to the last byte, as a sandbox would."""
    file = folder / "work"
    with file.open("ab", buffering=0) as out:
        try:
            while True:
                out.write(b"x" * (1 << 20))
        except OSError:
            pass
        try:
            while True:
                out.write(b"x")
        except OSError:
            return file


def begun(disk: Path) -> tuple[HomeFolder, SqlRegistry]:
    """Return a home on that disk with its ballast, and its registry with one event."""
    (disk / STATE).mkdir()
    files, registry = HomeFolder(disk), SqlRegistry(disk / STATE)
    write_many(registry, 1)
    files.take_ballast()
    registry.close()
    return files, registry


def test_on_a_full_disk_the_ballast_goes_and_events_are_written(small_disk: Path) -> None:
    files, registry = begun(small_disk)
    work = fill(small_disk)
    assert files.free_bytes() == 0
    with pytest.raises(Unavailable, match="The disk that holds the registry is full"):
        write_many(registry, 1)
    with pytest.raises(Unavailable, match="The disk that holds the registry is full"):
        read(registry)  # not even that
    files.drop_ballast()
    write_many(registry, 99)
    assert len(read(registry)) == 100
    work.unlink()
    files.take_ballast()
    assert (small_disk / STATE / "ballast").stat().st_blocks * 512 >= 16 << 20
    registry.close()


def test_taking_and_dropping_it_is_repeatable_and_never_fails(small_disk: Path) -> None:
    files, registry = begun(small_disk)
    registry.close()
    files.take_ballast()
    files.drop_ballast()
    files.drop_ballast()
    fill(small_disk)
    files.take_ballast()
    assert not (small_disk / STATE / "ballast").exists()
