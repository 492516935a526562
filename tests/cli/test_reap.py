"""`sandbox reap` as people type it: refusals, exit codes, watching, and what was scheduled."""

import json
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandbox.cli import render
from sandbox.core.reaping import ChoreKind
from sandbox.core.schedule import Scheduled, Written
from sandbox.usecases.reaping import Reaped, ReapResult
from sandbox.usecases.scheduling import ScheduleResult
from tests.cli.conftest import Cli, error

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
SECONDS = 30


@pytest.mark.parametrize("arguments", [("reap",), ("reap", "--apply")])
def test_a_home_without_its_mark_is_refused(
    cli: Cli, made: Path, arguments: tuple[str, ...]
) -> None:
    (made / ".sandbox/installation").unlink()
    code, out, _ = cli(*arguments, "-o", "json")
    said = error(out)
    assert (code, said["code"], said["subject"]) == (6, "conflict", str(made))
    assert said["hint"].endswith(f"sandbox init {made}")
    assert cli("init", str(made))[0] == 0
    assert cli(*arguments)[0] == 7  # it goes on to the engine, which is dead here


def test_init_marks_a_home(cli: Cli, made: Path) -> None:
    code, out, _ = cli("init", str(made), "-o", "json")
    assert code == 0
    assert (made / ".sandbox/installation").read_text().strip() == json.loads(out)["installation"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("reap", "--install", "--apply"),
        ("reap", "--install", "--uninstall"),
        ("reap", "--uninstall", "--watch", "5"),
    ],
)
def test_what_does_not_go_together(cli: Cli, made: Path, arguments: tuple[str, ...]) -> None:
    code, out, _ = cli(*arguments, "-o", "json")
    assert (code, error(out)["code"]) == (3, "invalid")


@pytest.mark.parametrize("seconds", ["-1", "soon", "86401", "1.5"])
def test_a_pause_has_bounds(cli: Cli, made: Path, seconds: str) -> None:
    assert cli("reap", "--watch", seconds)[0] == 2


def a_chore(outcome: str, said: str = "") -> Reaped:
    values = {"kind": ChoreKind.EXPIRE, "subject": "spring-coupon", "why": "its time was over"}
    return Reaped.model_validate(values | {"outcome": outcome, "said": said})


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [((), 0), (("to do",), 0), (("done", "left"), 0), (("done", "failed"), 7)],
)
def test_one_that_failed_is_in_the_exit_code(outcomes: tuple[str, ...], code: int) -> None:
    result = ReapResult(at=NOW, applied=True, chores=tuple(a_chore(o) for o in outcomes))
    assert render.exit_code(result) == code


def test_tables(capsys: pytest.CaptureFixture[str]) -> None:
    failed = a_chore("failed", "The engine\x1b[31m went away.")
    render.show(ReapResult(at=NOW, applied=True, chores=(failed,)), "table")
    render.show(ReapResult(at=NOW, applied=False, chores=(a_chore("to do"),)), "table")
    render.show(ReapResult(at=NOW, applied=True, chores=()), "table")
    out = capsys.readouterr().out
    assert "failed: The engine\ufffd[31m went away." in out
    assert "A dry run: nothing was changed. Do it: sandbox reap --apply" in out
    assert "Nothing to settle." in out


def test_each_look_of_a_watch_is_a_line_with_its_time(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        look = ReapResult(at=NOW, applied=True, chores=(a_chore("done"),))
        render.show(look, "json", one_of_many=True)
    looks = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [datetime.fromisoformat(look["at"]) for look in looks] == [NOW, NOW]


def test_what_was_written_is_printed_exactly(capsys: pytest.CaptureFixture[str]) -> None:
    file = Written(path="/etc/cron.d/sandbox-reap-a1", text="# why\n*/5 * * * * root x\n")
    done = (Scheduled(how="cron", files=(file,), ran=("systemctl daemon-reload",)),)
    command = ("/opt/python", "-m", "sandbox", "--home", "/srv/a b", "reap", "--apply")
    for result in (
        ScheduleResult(installed=True, minutes=5, command=command, done=done),
        ScheduleResult(installed=False, minutes=5, command=command, done=()),
    ):
        render.show(result, "table")
    assert capsys.readouterr().out.splitlines() == [
        "wrote     /etc/cron.d/sandbox-reap-a1",
        "  # why",
        "  */5 * * * * root x",
        "ran       systemctl daemon-reload",
        "runs      every 5 minutes: /opt/python -m sandbox --home '/srv/a b' reap --apply",
        "Nothing was scheduled.",
    ]


def test_watching_goes_on_after_a_failure_until_it_is_interrupted(made: Path) -> None:
    words = [sys.executable, "-m", "sandbox", "--home", str(made), "reap", "--watch", "1"]
    watching = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert watching.stderr
    limit = time.monotonic() + SECONDS
    failures = 0
    while failures < 2 and time.monotonic() < limit and (line := watching.stderr.readline()):
        failures += line.startswith("Error ")
    watching.send_signal(signal.SIGINT)
    _, err = watching.communicate(timeout=SECONDS)
    assert failures == 2
    assert watching.returncode == 130
    assert "Traceback" not in err
