"""What people see of the leak gate, and the exit code of `snapshot verify`."""

import pytest

from sandbox.cli import render
from sandbox.core.leaks import GateReport, Leak
from sandbox.core.ports import Context
from sandbox.usecases.attesting import VerifySnapshotRequest, VerifySnapshotResult, verify
from sandbox.usecases.snapshots import BuildSnapshotRequest, ShowSnapshotRequest, build, show
from tests.fakes import FakeReader

ID = "core@2026-11-23.1"
LEAK = Leak(table="customers", column="note", detector="mail", count=3000, because="values")
REPORT = GateReport(places=3, detectors={"mail": 1}, real_values=7, canaries=1)


def seen(capsys: pytest.CaptureFixture[str], result: VerifySnapshotResult) -> tuple[int, str]:
    render.show(result, "table")
    return render.exit_code(result), capsys.readouterr().out


def test_verify_exits_4_and_names_the_place(
    ctx: Context, reader: FakeReader, capsys: pytest.CaptureFixture[str]
) -> None:
    build(ctx, BuildSnapshotRequest(source="core"))
    code, out = seen(capsys, verify(ctx, VerifySnapshotRequest(id=ID)))
    assert code == 0
    assert "nothing found: 3 places" in out
    reader.gate = REPORT.model_copy(update={"leaks": (LEAK,)})
    code, out = seen(capsys, verify(ctx, VerifySnapshotRequest(id=ID)))
    assert code == 4
    assert "customers  note    mail   3,000" in out


def test_show_says_label_and_gate(
    ctx: Context, reader: FakeReader, capsys: pytest.CaptureFixture[str]
) -> None:
    reader.gate = REPORT
    build(ctx, BuildSnapshotRequest(source="core"))
    render.show(show(ctx, ShowSnapshotRequest(id=ID)), "table")
    out = capsys.readouterr().out
    assert "label     pseudonymised" in out
    assert "passed: 3 places, 1 detectors, 7 real values and 1 canaries looked for" in out
