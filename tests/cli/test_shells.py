"""What the command does with other programs: completion in a real shell, a real browser program."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandbox.cli.app import main
from sandbox.core.ports import Actor, Context
from sandbox.drivers.machine import own_user
from tests.cli.conftest import Cli
from tests.cli.terminals import COMMAND
from tests.fakes import Clock
from tests.usecases.asking_up import make

Offered = Callable[..., list[str]]

# Fills in COMP_WORDS as a press of TAB does, and prints what bash would offer.
PRESS_TAB = """
COMP_WORDS=("$@")
COMP_CWORD=$(( $# - 1 ))
_sandbox_completion sandbox
printf '%s\\n' "${COMPREPLY[@]}"
"""
IN_ZSH = """
autoload -Uz compinit && compinit -u -D
eval "$(sandbox --show-completion zsh)" || exit 1
print -r -- "${_comps[sandbox]}"
"""


@pytest.fixture
def command_path(tmp_path: Path) -> str:
    """A search path on which `sandbox` is this checkout's command."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "sandbox"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sandbox "$@"\n')
    program.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


@pytest.fixture(scope="module")
def script() -> str:
    """What a shell reads once, when it starts, to complete our commands."""
    asked = [*COMMAND, "--show-completion", "bash"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def bash(script: str, command_path: str) -> Offered:
    def offered(*words: str) -> list[str]:
        ran = subprocess.run(
            ["bash", "--norc", "-ec", script + PRESS_TAB, "bash", "sandbox", *words],
            capture_output=True, text=True, timeout=120, check=True,
            env={**os.environ, "PATH": command_path},
        )  # fmt: skip
        assert ran.stderr == ""
        return ran.stdout.split()

    return offered


def test_bash_completes_verbs_and_options(lived_in: Path, bash: Offered) -> None:
    assert {"list", "open", "sql", "snapshot"} <= set(bash(""))
    assert bash("snap") == ["snapshot"]
    assert bash("snapshot", "b") == ["build"]
    assert bash("list", "--a") == ["--all"]


def test_bash_offers_only_names_that_fit_and_none_without_a_home(
    lived_in: Path, bash: Offered, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bash("open", "spr") == ["spring-coupon"]
    assert bash("open", "x") == []
    monkeypatch.delenv("SANDBOX_HOME")
    assert bash("open", "") == []
    assert bash("--home", str(lived_in), "open", "") == ["spring-coupon"]


@pytest.mark.parametrize("verb", ["open", "show", "down", "sql", "import", "exec", "logs"])
@pytest.mark.usefixtures("lived_in")
def test_live_names_are_offered_to_each_verb(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # What the shell's script hands to the command, without a shell: seven would take seconds.
    monkeypatch.setenv("_SANDBOX_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"sandbox {verb} ")
    monkeypatch.setenv("COMP_CWORD", "2")
    with pytest.raises(SystemExit, match="0"):
        main([])
    assert capsys.readouterr().out.split() == ["spring-coupon"]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh here")
def test_zsh_takes_the_completion(lived_in: Path, command_path: str) -> None:
    ran = subprocess.run(
        ["zsh", "-f", "-c", IN_ZSH],
        capture_output=True, text=True, timeout=120, check=True,
        env={**os.environ, "PATH": command_path},
    )  # fmt: skip
    assert ran.stdout.strip() == "_sandbox_completion"


@pytest.fixture
def browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that stands where the browser would: it keeps what it was told and what it read."""
    program, kept = tmp_path / "browser", tmp_path / "opened"
    program.write_text(
        f'#!/bin/sh\necho "$@" > "{kept}.told"\nfile="${{1#file://}}"\n'
        f'stat -c %a "$file" > "{kept}.mode"\ncat "$file" > "{kept}"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(program))
    monkeypatch.setenv("HOME", str(tmp_path))
    return kept


@pytest.fixture
def own(stocked: Path, ctx: Context, clock: Clock) -> Path:
    """A home with the sandbox `spring-coupon` of whoever runs the command."""
    clock.moment = datetime.now(UTC)
    make(replace(ctx, actor=Actor(own_user(), "operating-system user")))
    return stocked


@pytest.mark.usefixtures("own")
def test_browse_opens_the_link_that_it_prints_and_tells_no_argument_of_it(
    browser: Path, tmp_path: Path
) -> None:
    ran = ran_here("open", "spring-coupon", "--browse")
    assert (ran.returncode, ran.stderr) == (0, "")
    link = ran.stdout.strip()
    assert link.startswith("http://spring-coupon.localhost:8700/?sbx=")
    assert f'content="0;url={link}"' in browser.read_text()
    told = browser.with_name("opened.told").read_text()
    assert "sbx" not in told
    assert told.startswith(f"file://{tmp_path}/sandbox-")
    assert browser.with_name("opened.mode").read_text() == "600\n"
    assert not list(tmp_path.glob("sandbox-*.html"))


@pytest.mark.usefixtures("own")
def test_without_browse_none_is_opened(browser: Path, cli: Cli) -> None:
    code, out, _ = cli("open", "spring-coupon")
    assert code == 0
    assert out.startswith("http://spring-coupon")
    assert not browser.exists()


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("output", ["table", "json"])
def test_without_a_browser_the_link_is_still_printed(
    monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    monkeypatch.setenv("BROWSER", "/nonexistent/browser")
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.delenv("DISPLAY", raising=False)
    ran = ran_here("open", "spring-coupon", "--browse", "-o", output)
    assert ran.returncode == 7
    assert "http://spring-coupon.localhost:8700/" in ran.stdout
    assert "No browser could be started here." in ran.stderr
    assert "Open the link yourself" in ran.stderr
    assert "error" not in ran.stdout


def ran_here(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sandbox", *arguments],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
