"""The doctor on a reaper that nobody runs, or whose chores fail."""

import pytest

from sandbox.core.ports import Context
from sandbox.core.snapshot import Snapshot
from sandbox.usecases.homes import Check, DoctorRequest, doctor
from sandbox.usecases.reaping import ReapRequest, reap
from tests.fakes import Clock, FakeEngine, Trap, unavailable
from tests.usecases.asking_up import make

pytestmark = pytest.mark.usefixtures("marked")


def reaper_line(ctx: Context) -> Check:
    (found,) = [c for c in doctor(ctx, DoctorRequest()).checks if c.name == "reaper"]
    return found


def test_one_that_nobody_runs(ctx: Context, clock: Clock) -> None:
    reap(ctx, ReapRequest())  # a dry run settles nothing
    assert (reaper_line(ctx).status, reaper_line(ctx).fix[:22]) == (
        "warn",
        "sandbox reap --install",
    )
    reap(ctx, ReapRequest(apply=True))
    clock.advance(minutes=7)
    assert reaper_line(ctx) == Check(
        name="reaper", status="ok", said="it settled what was due 7 min ago"
    )
    clock.advance(hours=1)
    assert reaper_line(ctx).status == "warn"


def test_one_whose_chores_fail(
    ctx: Context, clock: Clock, engine: FakeEngine, snapshot: Snapshot
) -> None:
    make(ctx, ttl="1h")
    clock.advance(days=9)
    engine.trap = Trap(unavailable(), method="remove")
    assert reap(ctx, ReapRequest(apply=True)).failed
    found = reaper_line(ctx)
    assert (found.status, found.fix) == ("warn", "sandbox reap --apply")
    assert found.said.endswith("1 of its chores failed")
