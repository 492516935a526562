"""What people see of `verify`."""

from pathlib import Path

import pytest

from sandbox.cli import render
from sandbox.usecases.verifying import Check, VerifyResult
from tests.cli.conftest import Cli, error

HELD = Check(about="guard", name="trace the guard", held=True, detail="EPERM")
FELL = Check(about="core data", name="its folder entry", held=False, detail="renaming worked")


def shown(capsys: pytest.CaptureFixture[str], *checks: Check) -> list[str]:
    result = VerifyResult(
        name="spring",
        id="0" * 12,
        held=all(c.held for c in checks),
        checks=checks,
        notes=("No other sandbox runs.",),
        seconds=1.25,
    )
    render.show(result, "table")
    return capsys.readouterr().out.splitlines()


def test_what_held_is_said_in_one_line_first(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, HELD)
    first = "spring: none of 1 attacks from inside got through (1.2 s)"
    assert lines[0] == f"{'holds':<10}{first}"
    assert "No other sandbox runs." in lines[1]
    assert lines[-1].split() == ["guard", "trace", "the", "guard", "held", "EPERM"]


def test_what_got_through_stands_out(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, HELD, FELL)
    assert lines[0].startswith("FAILED")
    assert "1 of 2 attacks from inside got through (" in lines[0]
    assert any("FELL" in line and "renaming worked" in line for line in lines)


def test_without_an_engine_nothing_is_proven(cli: Cli, lived_in: Path) -> None:
    code, out, _ = cli("verify", "spring-coupon", "-o", "json")
    assert code == 7
    assert error(out)["code"] == "unavailable"
