"""Making, migrating and opening a registry, and what it says in trouble."""

import multiprocessing
import os
import re
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory

from sandbox.core.errors import Unavailable
from sandbox.drivers.registry import store as driver
from sandbox.drivers.registry.store import FILE, HEAD, SqlRegistry
from tests.contract.registry_samples import append, verified

FORK = multiprocessing.get_context("fork")
NOBODY = 65534


def test_a_fresh_registry_is_private_and_has_one_installation(tmp_path: Path) -> None:
    old_mask = os.umask(0)
    try:
        first, second = SqlRegistry(tmp_path), SqlRegistry(tmp_path)
        assert re.fullmatch(r"[0-9a-f]{12}", first.installation())
        assert second.installation() == first.installation()
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()}
    finally:
        os.umask(old_mask)
        first.close()
        second.close()
    assert modes == {FILE: 0o600, f"{FILE}-wal": 0o600, f"{FILE}-shm": 0o600}


def test_the_installation_is_made_by_the_given_function(tmp_path: Path) -> None:
    for number in ("1" * 12, "2" * 12):
        registry = SqlRegistry(tmp_path, lambda made=number: made)  # type: ignore[misc]
        assert registry.installation() == "1" * 12
        registry.close()


def test_nothing_touches_the_disk_before_the_first_use(tmp_path: Path) -> None:
    SqlRegistry(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_head_is_the_newest_migration() -> None:
    scripts = ScriptDirectory(str(Path(driver.__file__).parent / "migrations"))
    assert scripts.get_current_head() == HEAD


def test_a_command_imports_neither_alembic_nor_sqlalchemy(registry: SqlRegistry) -> None:
    folder = registry._folder
    registry.check()
    script = (
        "import sys; from pathlib import Path;"
        "from sandbox.drivers.registry.store import SqlRegistry;"
        "print(SqlRegistry(Path(sys.argv[1])).check(), {'alembic', 'sqlalchemy'} & {*sys.modules})"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(Path(driver.__file__).parents[3])},
    )
    assert ran.stdout == f"schema {HEAD}, journal wal, integrity ok set()\n"


def test_a_registry_of_a_newer_version_is_left_alone(registry: SqlRegistry, tmp_path: Path) -> None:
    append(registry, 1)
    registry.close()
    with sqlite3.connect(tmp_path / FILE) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    with pytest.raises(Unavailable, match="newer version") as caught:
        registry.installation()
    assert "Upgrade" in caught.value.hint


def test_a_home_whose_path_has_odd_characters(tmp_path: Path) -> None:
    folder = tmp_path / "家 100%s?x=1#"
    folder.mkdir()
    registry = SqlRegistry(folder)
    append(registry, 1)
    registry.close()
    assert (folder / FILE).is_file()
    assert list(tmp_path.iterdir()) == [folder]


def check_three_parts(error: Unavailable, folder: Path) -> None:
    assert error.message.endswith(".")
    assert str(folder) in error.subject
    assert error.hint


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"this is not a database\n" * 500, "not a registry"),
        (b"\0" * 5000, "not a registry"),
        (b"SQLite format 3\0" + b"\xff" * 5000, "not a registry|damaged|cannot"),
    ],
)
def test_a_file_that_is_no_registry_is_left_as_it_is(
    registry: SqlRegistry, tmp_path: Path, content: bytes, says: str
) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(Unavailable, match=says) as caught:
        registry.installation()
    check_three_parts(caught.value, tmp_path)
    assert (tmp_path / FILE).read_bytes() == content


def test_a_damaged_file_is_reported(registry: SqlRegistry, tmp_path: Path) -> None:
    append(registry, 200)
    registry.close()
    with (tmp_path / FILE).open("r+b") as file:
        size = (tmp_path / FILE).stat().st_size
        for offset in range(16 * 4096, size, 4096):
            file.seek(offset)
            file.write(b"\xa5" * 512)
    with pytest.raises(Unavailable, match="damaged") as caught:
        registry.check()
    check_three_parts(caught.value, tmp_path)
    with pytest.raises(Unavailable, match="damaged"):
        verified(registry)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be opened") as caught:
        SqlRegistry(tmp_path / "nowhere").installation()
    check_three_parts(caught.value, tmp_path)


def test_a_folder_in_the_place_of_the_file(registry: SqlRegistry, tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(Unavailable, match="cannot be opened"):
        registry.installation()


def _write_as_a_stranger(folder: Path, answer: Any) -> None:
    if os.geteuid() == 0:
        os.setuid(NOBODY)
    try:
        append(SqlRegistry(folder), 1)
        answer.send("written")
    except Unavailable as error:
        answer.send(error.message)


def test_a_file_that_we_may_only_read() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        registry = SqlRegistry(folder)
        append(registry, 1)
        # Left open: the -shm file stays, without which nobody can read in a folder like this.
        for file in folder.iterdir():
            file.chmod(0o444)
        folder.chmod(0o555)
        ours, theirs = FORK.Pipe()
        stranger = FORK.Process(target=_write_as_a_stranger, args=(folder, theirs))
        stranger.start()
        stranger.join()
        folder.chmod(0o700)
        assert ours.recv() == "The registry cannot be written."
        assert verified(registry) == (1, None)
        registry.close()


class Narrow(SqlRegistry):
    """A database that may not grow, as SQLite sees a full disk."""

    def _connect(self) -> sqlite3.Connection:
        connection = super()._connect()
        connection.execute("PRAGMA max_page_count = 60")
        return connection


@contextmanager
def _page_limit(folder: Path) -> Iterator[SqlRegistry]:
    yield Narrow(folder)


@contextmanager
def _small_disk(folder: Path) -> Iterator[SqlRegistry]:
    """A real file system of one megabyte."""
    mounting = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(mounting, capture_output=True).returncode:
        pytest.skip("this user cannot mount a small file system")
    try:
        yield SqlRegistry(folder)
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _fill(registry: SqlRegistry) -> tuple[int, Unavailable]:
    """Append until the disk is full; return how many appends were confirmed."""
    for written in range(1000):
        try:
            append(registry, 1, filling="x" * 8000)
        except Unavailable as error:
            return written, error
    raise AssertionError("the disk never filled up")


@pytest.mark.parametrize("small", [_page_limit, _small_disk])
def test_a_full_disk_costs_nothing_that_was_written(
    tmp_path: Path, small: Callable[[Path], Any]
) -> None:
    with small(tmp_path) as registry:
        written, error = _fill(registry)
        assert error.message.endswith("is full; nothing was changed.")
        check_three_parts(error, tmp_path)
        assert written > 5
        assert verified(registry) == (written, None)
        assert registry.check().endswith("integrity ok")
        registry.close()
        assert verified(registry) == (written, None)
        registry.close()
