"""The command line in this process, in a home of its own, without an engine."""

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sandbox.cli import render
from sandbox.cli.app import main
from sandbox.core.ports import Context
from sandbox.core.snapshot import Snapshot
from sandbox.core.values import Result
from tests.fakes import Clock
from tests.usecases.asking_up import make

Cli = Callable[..., tuple[int, str, str]]
Seen = Callable[..., str]
DEAD = "unix:///nonexistent/docker.sock"


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("DOCKER_HOST", DEAD)
    monkeypatch.delenv("SANDBOX_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    kept = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, kept)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(list(arguments))
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        assert "\x1b" not in out + err
        return code, out, err

    return run


@pytest.fixture
def seen(capsys: pytest.CaptureFixture[str]) -> Seen:
    """Give what people see of a result; or programs, with `json`."""

    def show_it(result: Result, output: str = "table") -> str:
        capsys.readouterr()
        render.show(result, output)
        return capsys.readouterr().out

    return show_it


@pytest.fixture(scope="session")
def just_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home as `sandbox init` leaves it; made once, since its registry takes long to make."""
    folder = tmp_path_factory.mktemp("made") / "h"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", DEAD)
        assert main(["init", str(folder)]) == 0
    return folder


@pytest.fixture
def made(just_made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that home, which the command finds."""
    # Without the 16 MiB that it can give up.
    left_out = shutil.ignore_patterns("ballast")
    folder = tmp_path / "h"
    shutil.copytree(just_made, folder, ignore=left_out, copy_function=shutil.copy)
    monkeypatch.setenv("SANDBOX_HOME", str(folder))
    return folder


def error(out: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(out)["error"]
    assert set(body) >= {"code", "message", "subject", "hint"}
    return body


@pytest.fixture
def stocked(home: Path, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a snapshot on record, so that `up` gets as far as the engine."""
    monkeypatch.setenv("SANDBOX_HOME", str(home))
    return home


@pytest.fixture
def lived_in(stocked: Path, ctx: Context, clock: Clock) -> Path:
    """A home with the sandbox `spring-coupon` on record; its objects stood in a fake engine."""
    clock.moment = datetime.now(UTC)
    make(ctx, purpose="休眠顧客のうち誰がクーポン[/x]に反応しますか。")
    return stocked
