"""What people mistype: the exit code, exactly one message, one hint, and nothing left behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, error

PURPOSE = "Which lapsed customers react to a coupon?"
UP = ["up", "spring-coupon", "-t", "segment-rfm", "-p", PURPOSE]
NOT_UTF8 = "a\udcff"  # what Python makes of the byte 0xff in an argument


def told_once(err: str) -> None:
    message, hint = err.splitlines()
    assert message.startswith("Error ")
    assert hint


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lst"], "Did you mean 'list'"),
        (["snapshot", "biuld"], "Did you mean 'build'"),
        (["list", "--al"], "--all"),
        (["sql", "a", "SELECT 1", "--limt", "3"], "--limit"),
        (["up", "a", "--templte", "b"], "--template"),
        (["up", "-x", "-t", "segment-rfm"], "-x"),
        (["list", "--home", "x"], "before the command: sandbox --home DIR list."),
        (["audit", "list", "--home", "x"], "sandbox --home DIR audit list."),
    ],
)
def test_a_wrong_word_gets_the_right_one(cli: Cli, arguments: list[str], words: str) -> None:
    code, out, err = cli(*arguments)
    assert (code, out) == (2, "")
    assert words in err
    told_once(err)


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (["--ttl", "0"], "90m, 72h, 3d"),
        (["--ttl", "-5h"], "90m, 72h, 3d"),
        (["--ttl=-5h"], "90m, 72h, 3d"),
        (["--ttl", "5 bananas"], "90m, 72h, 3d"),
        (["--ttl", "999999999999d"], "90m, 72h, 3d"),
        (["--set", "bins=abc"], "from 3 to 5"),
        (["--set", "bins=9"], "from 3 to 5"),
        (["--set", "bons=5"], "Did you mean bins?"),
        (["--set", "bins"], "--set bins=4"),
        (["--set", "=5"], "--set bins=4"),
        (["--owner", "analyze=x"], "Did you mean analyse?"),
    ],
)
def test_bad_values_are_told_once_and_leave_nothing(
    cli: Cli, stocked: Path, extra: list[str], words: str
) -> None:
    code, out, err = cli(*UP, *extra)
    assert (code, out) == (3, "")
    assert words in err
    told_once(err)
    assert nothing_on_record(cli)


@pytest.mark.parametrize(
    ("name", "words"), [("Ab", "ab"), ("-x", "x"), ("a" * 64, "a" * 40), ("日本", "spring-coupon")]
)
def test_bad_names_get_a_good_one(cli: Cli, stocked: Path, name: str, words: str) -> None:
    code, out, err = cli("up", "-t", "segment-rfm", "-p", PURPOSE, "--", name)
    assert (code, out) == (3, "")
    assert err.splitlines()[1] == f"For example: {words}"
    told_once(err)
    assert nothing_on_record(cli)


def test_up_with_a_dead_engine(cli: Cli, stocked: Path) -> None:
    code, out, err = cli(*UP)
    assert (code, out) == (7, "")
    told_once("\n".join(line for line in err.splitlines() if not line.startswith("·")))
    assert "systemctl start docker" in err
    assert json.loads(cli("list", "-o", "json")[1])["sandboxes"] == []
    code, out, _ = cli(*UP, "-o", "json")
    assert (code, error(out)["code"]) == (7, "unavailable")


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", NOT_UTF8],
        ["show", NOT_UTF8],
        [*UP[:-1], NOT_UTF8],
        ["sql", "spring-coupon", NOT_UTF8],
        ["import", "spring-coupon", NOT_UTF8],
        ["exec", "spring-coupon", "--", "ls", NOT_UTF8],
        ["--home", NOT_UTF8, "list"],
        [NOT_UTF8],
    ],
)
def test_bytes_that_are_no_text_are_no_fault_of_ours(
    cli: Cli, lived_in: Path, arguments: list[str]
) -> None:
    code, out, err = cli(*arguments)
    assert (code, out) == (3, "")
    assert "not text in UTF-8" in err
    told_once(err)
    position = arguments.index("--") if "--" in arguments else len(arguments)
    code, out, err = cli(*arguments[:position], "-o", "json", *arguments[position:])
    assert (code, err) == (3, "")
    assert error(out)["subject"] == "a\ufffd"


def test_bytes_that_are_no_text_from_a_real_command_line(lived_in: Path) -> None:
    ran = sandbox("show", b"a\xff")
    assert ran.returncode == 3
    assert "not text in UTF-8" in ran.stderr.decode()


def test_a_terminal_without_japanese_gets_question_marks(lived_in: Path) -> None:
    ran = sandbox("list", PYTHONIOENCODING="ascii")
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert b"???" in ran.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_is_interrupted_says_so(
    made: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """`doctor` waits for an engine that takes the question and never answers."""
    with SilentEngine(tmp_path / "engine.sock") as engine:
        running = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "doctor"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "DOCKER_HOST": f"unix://{engine.path}"},
        )
        assert engine.was_asked.wait(30)
        running.send_signal(number)
        out, err = running.communicate(timeout=30)
    assert (running.returncode, out) == (130, b"")
    assert err.decode().startswith("Interrupted")
    assert b"Traceback" not in err


def nothing_on_record(cli: Cli) -> bool:
    return not json.loads(cli("list", "--all", "-o", "json")[1])["sandboxes"]


def sandbox(*arguments: str | bytes, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "sandbox", *arguments],
        capture_output=True,
        timeout=60,
        env={**os.environ, **environment},
        check=False,
    )


class SilentEngine:
    """Listens where an engine would, and never answers what it is asked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.was_asked = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._listen)

    def __enter__(self) -> "SilentEngine":
        self._listener.bind(str(self.path))
        self._listener.listen()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        for each in (self._listener, *self._open):
            each.close()

    def _listen(self) -> None:
        while True:
            try:
                asking, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(asking)
            if asking.recv(1000):  # nothing: somebody only looked whether we listen
                self.was_asked.set()


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--"], "ls /work"), (["--part", "lab", "ls"], "Options come before the name")],
)
def test_exec_without_a_command_says_how_it_is_written(
    cli: Cli, words: list[str], said: str
) -> None:
    code, out, err = cli("exec", "spring-coupon", *words)
    assert (code, out) == (3, "")
    assert said in err
    told_once(err)
