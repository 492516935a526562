"""Who works on what, and whose home it is: locks of the kernel, and one small file."""

import multiprocessing
import threading
from pathlib import Path

import pytest

from sandbox.core.errors import Conflict
from sandbox.drivers.home import HomeFolder

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def files(home: Path) -> HomeFolder:
    return HomeFolder(home)


def is_free(home: Path, name: str) -> bool:
    """Ask as another process would: by a folder of its own."""
    with HomeFolder(home).alone_with(name) as alone:
        return alone


def test_who_has_it_alone_may_work_on_it(files: HomeFolder, home: Path) -> None:
    with files.alone_with("a1") as alone:
        assert alone
        with files.working_on("a1"), files.working_on("a1"):
            assert not is_free(home, "a1")
        assert not is_free(home, "a1")
    assert is_free(home, "a1")


def test_another_thread_still_waits(files: HomeFolder) -> None:
    began = threading.Event()

    def work() -> None:
        with files.working_on("a1"):
            began.set()

    thread = threading.Thread(target=work)
    with files.alone_with("a1"):
        thread.start()
        assert not began.wait(0.3)
    thread.join(10)
    assert began.is_set()


def test_two_may_work_but_not_alone(files: HomeFolder, home: Path) -> None:
    with files.working_on("a1"), HomeFolder(home).working_on("a1"):
        assert not is_free(home, "a1")
        assert is_free(home, "b2")
    assert is_free(home, "a1")
    assert not list((home / ".sandbox/locks").iterdir())


def _work_for_ever(home: Path, began: object) -> None:
    with HomeFolder(home).working_on("a1"):
        began.set()  # type: ignore[attr-defined]
        threading.Event().wait(60)


def test_a_killed_process_holds_nothing(home: Path) -> None:
    began = FORK.Event()
    process = FORK.Process(target=_work_for_ever, args=(home, began))
    process.start()
    assert began.wait(10)
    assert not is_free(home, "a1")
    process.kill()
    process.join(10)
    assert is_free(home, "a1")


def test_a_workshop_in_use_is_told_and_left_as_it_is(files: HomeFolder, home: Path) -> None:
    assert not files.building("core")
    with files.workshop("core") as folder:
        (folder / "half").write_text("made")
        assert HomeFolder(home).building("core")
        assert (folder / "half").exists()
    assert not files.building("core")


def test_what_a_killed_build_left_is_not_in_use_and_stays(files: HomeFolder, home: Path) -> None:
    left = home / ".sandbox/build/core/half"
    left.parent.mkdir(parents=True)
    left.write_text("made")
    assert not files.building("core")
    assert left.exists()


def test_a_home_says_whose_it_is_once(files: HomeFolder, home: Path) -> None:
    assert files.installation() == ""
    files.belongs_to("0123456789ab")
    files.belongs_to("0123456789ab")
    assert files.installation() == "0123456789ab"
    assert (home / ".sandbox/installation").stat().st_mode & 0o777 == 0o600
    with pytest.raises(Conflict, match="0123456789ab"):
        files.belongs_to("fedcba987654")
    assert files.installation() == "0123456789ab"


def test_a_file_that_is_no_text_names_nobody_we_know(files: HomeFolder, home: Path) -> None:
    (home / ".sandbox/installation").write_bytes(b"\xff\xfe\n")
    with pytest.raises(Conflict):
        files.belongs_to("0123456789ab")
