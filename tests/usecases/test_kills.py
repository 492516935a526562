"""kill -9 after every step of `up` and `down`: the reaper leaves what was there before."""

import pytest

from sandbox.core.phases import LIVE
from sandbox.core.ports import Context
from sandbox.core.snapshot import Snapshot
from sandbox.usecases.homes import InitRequest, init
from sandbox.usecases.reaping import ReapRequest, reap
from sandbox.usecases.sandboxes import DownRequest, down
from tests.fakes import FakeEngine, FakeGateway
from tests.usecases.asking_up import chain_holds, journal, make, state
from tests.usecases.dying import Spread, killed_after, steps

NAME = "spring-coupon"


@pytest.fixture(autouse=True)
def _settled(ctx: Context, home: object, snapshot: Snapshot) -> None:
    """A home with gateway and images, and another sandbox that must not notice anything."""
    init(ctx, InitRequest(folder=str(home)))
    make(ctx, "other")
    make(ctx)
    down(ctx, DownRequest(name=NAME))


def reaped(ctx: Context) -> list[str]:
    done = reap(ctx, ReapRequest(apply=True))
    assert not done.failed, done
    assert {chore.outcome for chore in done.chores} <= {"done"}
    return [chore.kind.value for chore in done.chores]


def check_gone(ctx: Context, engine: FakeEngine, gateway: FakeGateway, before: object) -> None:
    assert engine.listing() == before
    assert set(gateway.routes) == {"other"}
    with ctx.registry.reading() as tx:
        assert [s.name for s in tx.sandboxes(LIVE)] == ["other"]
        ended = [s for s in tx.sandboxes() if s.name == NAME]
    assert not [entry for s in ended for entry in journal(ctx, s.id)]
    assert chain_holds(ctx)
    assert reap(ctx, ReapRequest(apply=True)).chores == ()


def test_up_killed_after_every_step(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway, spread: Spread
) -> None:
    before = engine.listing()
    count = steps(ctx, make)
    down(ctx, DownRequest(name=NAME))
    assert count > 20
    ready = 0
    for last in spread(count):
        killed_after(ctx, make, last)
        was = state(ctx)
        found = reaped(ctx)
        if was == "ready":  # committed: it is there, and stays
            ready += 1
            assert found == []
            assert state(ctx) == "ready"
            down(ctx, DownRequest(name=NAME))
        elif was == "provisioning":
            assert found == ["settle"]
            assert state(ctx) == "failed"
        check_gone(ctx, engine, gateway, before)
    assert 1 <= ready < 4
    assert make(ctx).created


def test_down_killed_after_every_step(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway, spread: Spread
) -> None:
    before = engine.listing()

    def end(context: Context) -> object:
        return down(context, DownRequest(name=NAME))

    make(ctx)
    count = steps(ctx, end)
    assert count > 8
    unharmed = 0
    for last in spread(count):
        make(ctx)
        killed_after(ctx, end, last)
        was, found = state(ctx), set(reaped(ctx))
        if was == "ready":  # its work was not kept yet: it is as it was
            unharmed += 1
            assert found <= {"remove-archive"}
            end(ctx)
        else:
            assert was in ("removing", "destroyed")
            assert found <= {"finish-removal"}
        assert state(ctx) == "destroyed"
        check_gone(ctx, engine, gateway, before)
    assert unharmed < count / 2
    assert make(ctx).created


def test_the_reaper_itself_killed_after_every_step(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway, spread: Spread
) -> None:
    before = engine.listing()

    def apply(context: Context) -> object:
        return reap(context, ReapRequest(apply=True))

    apply(ctx)  # what it measures for the first time is written once
    killed_after(ctx, make, 12)
    count = steps(ctx, apply)
    assert count > 5
    for last in spread(count):
        killed_after(ctx, make, 12)
        assert state(ctx) == "provisioning"
        killed_after(ctx, apply, last)
        reaped(ctx)
        check_gone(ctx, engine, gateway, before)
