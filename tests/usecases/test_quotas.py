"""Quotas where they count: at `up`, at `resume` and `restore`, and in the forecast of `plan`."""

from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.core.errors import Denied
from sandbox.core.headroom import Quota
from sandbox.core.ports import Actor, Context
from sandbox.usecases.leases import (
    FreezeRequest,
    RestoreRequest,
    ResumeRequest,
    freeze,
    restore,
    resume,
)
from sandbox.usecases.planning import PlanRequest, plan
from tests.fakes import Clock, FakeEngine
from tests.usecases.asking_up import cap, codes, events, make, state, wish
from tests.usecases.leasing import NAME, expire, running

pytestmark = pytest.mark.usefixtures("snapshot")
WHY = "Forgot the chart"


def denied_by(error: Denied) -> list[str]:
    return [finding["rule"] for finding in error.details["decision"]["findings"]]


def left(ctx: Context, of: str, what: str) -> Quota:
    result = plan(ctx, PlanRequest(wish=wish("another")))
    return next(quota for quota in result.quotas if (quota.of, quota.what) == (of, what))


@pytest.mark.parametrize(
    ("rule", "most", "told"),
    [
        ("sandboxes-in-home", 2, "is 3, the limit is 2 (2 held, 1 asked)"),
        ("memory-in-home", 2000, "is 2784, the limit is 2000 (1856 held, 928 asked)"),
        ("cpus-in-home", 4, "is 4.5, the limit is 4 (3 held, 1.5 asked)"),
        ("disk-in-home", 9000, "is 9216, the limit is 9000 (6144 held, 3072 asked)"),
        ("cpus-per-owner", 4, "is 4.5, the limit is 4 (3 held, 1.5 asked)"),
        ("disk-per-owner", 9000, "is 9216, the limit is 9000 (6144 held, 3072 asked)"),
    ],
)
def test_every_sum_is_capped(ctx: Context, home: Path, rule: str, most: float, told: str) -> None:
    cap(home, rule, most)
    make(ctx, "a1")
    make(ctx, "a2")
    with pytest.raises(Denied) as caught:
        make(ctx, "a3")
    assert denied_by(caught.value) == [rule]
    assert told in caught.value.message
    assert state(ctx, "a3") == "denied"


def test_what_others_hold_counts_for_the_home_only(ctx: Context, home: Path) -> None:
    cap(home, "disk-in-home", 9000)
    cap(home, "disk-per-owner", 4000)
    bert = replace(ctx, actor=Actor("bert", "operating-system user"))
    make(ctx, "a1")
    make(bert, "b1")
    carla = replace(ctx, actor=Actor("carla", "operating-system user"))
    with pytest.raises(Denied) as caught:
        make(carla, "c1")
    assert denied_by(caught.value) == ["disk-in-home"]


def test_a_frozen_one_holds_its_disk_and_its_slot_only(ctx: Context) -> None:
    make(ctx)
    freeze(ctx, FreezeRequest(name=NAME, reason="Too many queries"))
    held = {what: left(ctx, "owner", what).held for what in ("sandboxes", "memory_mb", "disk_mb")}
    assert held == {"sandboxes": 1, "memory_mb": 0, "disk_mb": 3072}


def test_freezing_does_not_lead_round_the_quota(ctx: Context, home: Path) -> None:
    cap(home, "memory-per-owner", 1000)
    make(ctx)
    freeze(ctx, FreezeRequest(name=NAME, reason="Too many queries"))
    make(ctx, "second")
    with pytest.raises(Denied) as caught:
        resume(ctx, ResumeRequest(name=NAME))
    assert denied_by(caught.value) == ["memory-per-owner"]
    assert "is 1856, the limit is 1000 (928 held, 928 asked)" in caught.value.message
    assert state(ctx) == "frozen"
    assert codes(ctx, NAME)[-1] == "sandbox.start-denied"


def test_nor_does_restoring(ctx: Context, home: Path, engine: FakeEngine, clock: Clock) -> None:
    cap(home, "sandboxes-per-owner", 1)
    make(ctx)
    expire(ctx, engine, clock)
    make(ctx, "second")
    with pytest.raises(Denied) as caught:
        restore(ctx, RestoreRequest(name=NAME, ttl="1h", reason=WHY))
    assert denied_by(caught.value) == ["sandboxes-per-owner"]
    assert state(ctx) == "ready"  # on record; the clock says that it has expired
    assert not running(ctx, engine)


def test_a_slot_taken_while_it_starts_stops_it_again(
    ctx: Context, home: Path, engine: FakeEngine
) -> None:
    """The answer of the first look may be old when everything runs: the last one counts."""
    cap(home, "memory-per-owner", 1000)
    make(ctx)
    freeze(ctx, FreezeRequest(name=NAME, reason="Too many queries"))
    taken: list[str] = []

    class Meanwhile(FakeEngine):
        def start(self, name: str) -> None:
            super().start(name)
            if not taken:
                taken.append(name)
                make(replace(ctx, engine=engine), "second")

    late = Meanwhile()
    late.__dict__.update(engine.__dict__)
    with pytest.raises(Denied):
        resume(replace(ctx, engine=late), ResumeRequest(name=NAME))
    assert state(ctx) == "frozen"
    tools = [box.running for n, box in engine.containers.items() if n.endswith("-tool")]
    assert sorted(tools) == [False, True]


def test_more_disk_is_given_by_a_resume_within_the_quota(ctx: Context, home: Path) -> None:
    make(ctx)
    freeze(ctx, FreezeRequest(name=NAME, reason="Too many queries"))
    cap(home, "disk-per-owner", 5000)
    with pytest.raises(Denied, match=r"is 6000, the limit is 5000 \(3072 held, 2928 asked\)"):
        resume(ctx, ResumeRequest(name=NAME, disk_mb=6000))
    back = resume(ctx, ResumeRequest(name=NAME, disk_mb=5000)).sandbox
    assert (back.state, back.disk_mb) == ("ready", 5000)
    assert events(ctx, NAME)[-1].details["disk_mb"] == 5000


def test_plan_forecasts_what_is_held_and_left(ctx: Context, home: Path) -> None:
    cap(home, "disk-in-home", 5000)
    make(ctx)
    mine, all_of_them = left(ctx, "owner", "disk_mb"), left(ctx, "home", "disk_mb")
    assert (mine.held, mine.asked, mine.allowed, mine.left, mine.fits) == (
        3072,
        3072,
        20480,
        17408,
        True,
    )
    assert (all_of_them.left, all_of_them.fits) == (1928, False)
    assert plan(ctx, PlanRequest(wish=wish("another"))).answer == "denied"
