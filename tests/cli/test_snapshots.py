"""What people see of the leak gate, and the exit code of `snapshot verify`."""

from sandbox.cli import render
from sandbox.core.leaks import GateReport, Leak
from sandbox.core.ports import Context
from sandbox.usecases.attesting import VerifySnapshotRequest, verify
from sandbox.usecases.snapshots import (
    BuildSnapshotRequest,
    RemoveSnapshotRequest,
    ShowSnapshotRequest,
    build,
    remove,
    show,
)
from tests.cli.conftest import Seen
from tests.fakes import FakeReader

ID = "core@2026-11-23.1"
LEAK = Leak(table="customers", column="note", detector="mail", count=3000, because="values")
REPORT = GateReport(places=3, detectors={"mail": 1}, real_values=7, canaries=1)


def test_verify_exits_4_and_names_the_place(ctx: Context, reader: FakeReader, seen: Seen) -> None:
    build(ctx, BuildSnapshotRequest(source="core"))
    result = verify(ctx, VerifySnapshotRequest(id=ID))
    assert render.exit_code(result) == 0
    assert "nothing found: 3 places" in seen(result)
    reader.gate = REPORT.model_copy(update={"leaks": (LEAK,)})
    result = verify(ctx, VerifySnapshotRequest(id=ID))
    assert render.exit_code(result) == 4
    assert "customers  note    mail   3,000" in seen(result)


def test_a_removal_is_one_line(ctx: Context, seen: Seen) -> None:
    build(ctx, BuildSnapshotRequest(source="core"))
    assert seen(remove(ctx, RemoveSnapshotRequest(id=ID))) == f"snapshot  {ID}, removed\n"
    assert "column" in seen(show(ctx, ShowSnapshotRequest(id=ID)))


def test_show_says_label_and_gate(ctx: Context, reader: FakeReader, seen: Seen) -> None:
    reader.gate = REPORT
    build(ctx, BuildSnapshotRequest(source="core"))
    out = seen(show(ctx, ShowSnapshotRequest(id=ID)))
    assert "label     pseudonymised" in out
    assert "passed: 3 places, 1 detectors, 7 real values and 1 canaries looked for" in out
