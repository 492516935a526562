"""Kept archives on a real disk, in the real format: whole or not at all."""

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pyrage
import pytest

from sandbox.core.errors import NotFound, Unavailable
from sandbox.drivers.archives import KeptFolder
from sandbox.drivers.keys import FileKeys

CONTENT = b"name\n" * 300_000


@pytest.fixture
def keys(tmp_path: Path) -> FileKeys:
    made = FileKeys(tmp_path / "keys", tmp_path, {})
    made.create()
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kept"


def seal(folder: Path, keys: FileKeys, name: str = "a-1", content: bytes = CONTENT) -> str:
    with KeptFolder(folder).sealing(name, keys.recipient()) as sealed:
        for start in range(0, len(content), 100_000):
            sealed.write(content[start : start + 100_000])
    assert sealed.size == (folder / f"{name}.tar.age").stat().st_size
    return sealed.sha256


def test_what_was_sealed_comes_back_and_nothing_of_it_is_plain(
    folder: Path, keys: FileKeys
) -> None:
    digest = seal(folder, keys)
    archives = KeptFolder(folder)
    assert archives.names() == ["a-1"]
    assert archives.digest("a-1") == digest
    back = bytearray()
    archives.unseal("a-1", keys.identity(), back.extend)
    assert back == CONTENT
    file = folder / "a-1.tar.age"
    assert b"name" not in file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    identity = pyrage.x25519.Identity.from_str((folder.parent / "keys/kept").read_text().strip())
    assert pyrage.decrypt(file.read_bytes(), [identity]) == CONTENT


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path, keys: FileKeys) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(keys.recipient())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert found[0].startswith("age1")
    assert sorted(p.name for p in (tmp_path / "keys").iterdir()) == ["kept", "master"]
    assert stat.S_IMODE((tmp_path / "keys/kept").stat().st_mode) == 0o600


def test_a_damaged_key_is_an_error_and_stays(tmp_path: Path, keys: FileKeys) -> None:
    (tmp_path / "keys/kept").write_text("nothing\n")
    with pytest.raises(Unavailable, match="cannot be read"):
        keys.recipient()
    assert (tmp_path / "keys/kept").read_text() == "nothing\n"


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt()])
def test_an_archive_that_is_not_finished_is_none(
    folder: Path, keys: FileKeys, error: BaseException
) -> None:
    before = seal(folder, keys)

    def give_up() -> None:
        with KeptFolder(folder).sealing("a-1", keys.recipient()) as sealed:
            sealed.write(b"half")
            raise error

    with pytest.raises(type(error)):
        give_up()
    assert [p.name for p in folder.iterdir()] == ["a-1.tar.age"]
    assert KeptFolder(folder).digest("a-1") == before


def test_a_killed_writer_leaves_what_the_next_one_replaces(folder: Path, keys: FileKeys) -> None:
    program = (
        "import os, sys; from pathlib import Path\n"
        "from sandbox.drivers.archives import KeptFolder\n"
        "with KeptFolder(Path(sys.argv[1])).sealing('a-1', sys.argv[2]) as s:\n"
        "    s.write(b'x' * 1000000); os.kill(os.getpid(), 9)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program, str(folder), keys.recipient()])
    assert ran.returncode == -9
    assert [p.name for p in folder.iterdir()] == ["a-1.tar.age.part"]
    assert KeptFolder(folder).names() == ["a-1"]
    seal(folder, keys)
    assert [p.name for p in folder.iterdir()] == ["a-1.tar.age"]
    KeptFolder(folder).remove("a-1")
    KeptFolder(folder).remove("a-1")
    assert KeptFolder(folder).names() == []


def test_a_disk_that_refuses_is_an_error_and_leaves_nothing(folder: Path, keys: FileKeys) -> None:
    recipient = keys.recipient()
    # A limit on the size of files refuses like a full disk, and needs no mount.
    program = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from sandbox.core.errors import Unavailable\n"
        "from sandbox.drivers.archives import KeptFolder\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200000, 200000))\n"
        "try:\n"
        "    with KeptFolder(Path(sys.argv[1])).sealing('a-1', sys.argv[2]) as s:\n"
        "        for _ in range(int(sys.argv[3])): s.write(b'x' * 100000)\n"
        "except Unavailable as error: print(error.message)\n"
    )
    for chunks in (3, 300):
        ran = subprocess.run(
            [sys.executable, "-c", program, str(folder), recipient, str(chunks)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ran.stdout == f"The archive cannot be written: {os.strerror(errno.EFBIG)}.\n", ran
        assert list(folder.iterdir()) == []


def test_what_does_not_open_says_so(tmp_path: Path, folder: Path, keys: FileKeys) -> None:
    seal(folder, keys)
    other = FileKeys(tmp_path / "other", tmp_path, {})
    other.create()
    other.recipient()
    archives = KeptFolder(folder)
    with pytest.raises(Unavailable, match="does not open"):
        archives.unseal("a-1", other.identity(), bytearray().extend)
    file = folder / "a-1.tar.age"
    file.write_bytes(file.read_bytes()[:-70_000])
    with pytest.raises(Unavailable, match="does not open"):
        archives.unseal("a-1", keys.identity(), bytearray().extend)
    with pytest.raises(NotFound):
        archives.unseal("b-1", keys.identity(), bytearray().extend)


def test_an_error_of_who_takes_the_content_stays_that_error(folder: Path, keys: FileKeys) -> None:
    seal(folder, keys)

    def refuse(chunk: bytes) -> None:
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        KeptFolder(folder).unseal("a-1", keys.identity(), refuse)
