"""Quotas and disks as people and scripts see them."""

import json
from pathlib import Path

import pytest

from sandbox.cli import render
from sandbox.core.anatomy import container_name
from sandbox.core.disk import MB
from sandbox.core.ports import Context
from sandbox.usecases.homes import DoctorRequest, InitRequest, doctor, init
from sandbox.usecases.planning import PlanRequest, plan
from sandbox.usecases.reaping import ReapRequest, reap
from sandbox.usecases.sandboxes import ListRequest, ShowRequest, list_sandboxes, show
from tests.cli.conftest import Seen
from tests.fakes import FakeEngine
from tests.usecases.asking_up import cap, make, wish
from tests.usecases.leasing import NAME, on_record

pytestmark = pytest.mark.usefixtures("snapshot")


def rows(text: str) -> dict[str, list[str]]:
    """Return the cells of each line after its first words, by these."""
    lines = [line for line in text.splitlines() if line.startswith(("sandb", "mem", "CPU", "disk"))]
    return {line[:9].strip(): line[9:].split() for line in lines}


def test_plan_shows_what_is_held_and_left(ctx: Context, home: Path, seen: Seen) -> None:
    cap(home, "disk-in-home", 5000)
    make(ctx)
    result = plan(ctx, PlanRequest(wish=wish("another")))
    text = seen(result)
    table = rows(text[text.index("quota") :])
    assert table["sandboxes"] == ["1", "1", "5", "4", "1", "100", "99"]
    assert table["CPUs"] == ["1.5", "1.5", "12", "10.5", "1.5", "150", "148.5"]
    assert table["disk MB"][4:] == ["3,072", "5,000", "1,928,", "too", "little"]
    assert "free      engine's disk 95,367 MB, home's disk" in text
    known = json.loads(seen(result, "json"))
    assert known["room"]["engine"] == 10**11
    assert known["quotas"][7] == {
        "of": "home",
        "what": "disk_mb",
        "held": 3072,
        "asked": 3072,
        "allowed": 5000,
        "left": 1928,
        "fits": False,
    }


def test_a_disk_that_is_too_full_ends_plan_as_up_would(
    ctx: Context, engine: FakeEngine, seen: Seen
) -> None:
    engine.free_bytes = 3000 * MB
    result = plan(ctx, PlanRequest(wish=wish()))
    assert render.exit_code(result) == 7
    assert "would be refused: The engine's disk has 3,000 MB free" in seen(result)


def test_a_nearly_full_sandbox_is_warned_of(
    ctx: Context, engine: FakeEngine, home: Path, seen: Seen
) -> None:
    init(ctx, InitRequest(folder=str(home)))
    make(ctx)
    assert "disk      not measured yet, of 3,072 MB" in seen(show(ctx, ShowRequest(name=NAME)))
    engine.sizes[container_name(on_record(ctx).id, "work")] = 2600 * MB
    reap(ctx, ReapRequest(apply=True))
    told = "spring-coupon: its disk is 85 % full: 2,600 of 3,072 MB"
    assert f"warning   {told}\n" in seen(list_sandboxes(ctx, ListRequest()))
    shown = seen(show(ctx, ShowRequest(name=NAME)))
    assert f"warning   {told}\n" in shown
    assert "disk      2,600 MB when last measured, of 3,072 MB" in shown


def test_what_was_not_measured_is_told(
    ctx: Context, engine: FakeEngine, home: Path, seen: Seen
) -> None:
    init(ctx, InitRequest(folder=str(home)))
    engine.free_bytes = None
    text = seen(reap(ctx, ReapRequest()))
    assert "unknown   how much the engine's disk has free\nNothing to settle." in text


@pytest.mark.parametrize(
    ("free", "status"), [(10_000, "ok"), (3000, "warn"), (2048, "warn"), (2047, "fail")]
)
def test_doctor_fails_where_up_would_be_refused(
    ctx: Context, engine: FakeEngine, free: int, status: str
) -> None:
    engine.free_bytes = free * MB
    (found,) = [c for c in doctor(ctx, DoctorRequest()).checks if c.name == "disk"]
    assert found.status == status
