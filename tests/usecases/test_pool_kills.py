"""kill -9 after every step of a fill and of a claim; and many who claim the last one at once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.core.errors import SandboxError
from sandbox.core.phases import LIVE
from sandbox.core.ports import Context
from sandbox.core.snapshot import Snapshot
from sandbox.usecases.homes import InitRequest, init
from sandbox.usecases.provisioning import UpResult
from sandbox.usecases.reaping import ReapRequest, reap
from sandbox.usecases.sandboxes import DownRequest, down
from tests.fakes import FakeEngine, FakeGateway
from tests.usecases.asking_up import chain_holds, codes, journal, make, state
from tests.usecases.dying import Spread, killed_after, steps
from tests.usecases.pools import TEMPLATE, pooled, reaped, with_pool
from tests.usecases.racing import eight_make

NAME = "spring-coupon"


@pytest.fixture
def warm(ctx: Context, home: Path, snapshot: Snapshot) -> Context:
    """A home with gateway, images, another sandbox, and a pool of one that is not filled yet."""
    init(ctx, InitRequest(folder=str(home)))
    make(ctx, "other")
    return with_pool(ctx, segment_rfm=1)


def fill(context: Context) -> object:
    return reap(context, ReapRequest(apply=True))


def check_empty(ctx: Context, engine: FakeEngine, gateway: FakeGateway, before: object) -> None:
    """Everything is as before the pool was filled, and the reaper has nothing to do."""
    assert engine.listing() == before
    assert set(gateway.routes) == {"other"}
    with ctx.registry.reading() as tx:
        assert [s.name for s in tx.sandboxes(LIVE)] == ["other"]
        assert not [
            entry for s in tx.sandboxes() if s.name != "other" for entry in journal(ctx, s.id)
        ]
    assert chain_holds(ctx)
    assert reaped(with_pool(ctx)) == []


def test_a_claim_killed_after_every_step(
    warm: Context, engine: FakeEngine, gateway: FakeGateway, spread: Spread
) -> None:
    before, cold = engine.listing(), with_pool(warm)
    reaped(warm)
    count = steps(warm, make)
    down(warm, DownRequest(name=NAME))
    assert count > 6
    seen = set()
    for last in spread(count):
        assert reaped(warm) == [("fill-pool", TEMPLATE)]
        (one,) = pooled(warm)
        killed_after(warm, make, last)
        was, left = state(warm), pooled(warm)
        seen.add((was, len(left)))
        if left:  # nobody had claimed it: it stays, and serves the next
            assert reaped(warm) == []
            assert make(warm).pool == "claimed"
            down(warm, DownRequest(name=NAME))
        elif was == "ready":  # committed: it is there, and stays
            assert reaped(cold) == []
            down(warm, DownRequest(name=NAME))
        else:
            assert was == "provisioning"
            assert reaped(cold) == [("settle", NAME)]
            assert state(warm) == "failed"
        assert not [name for _, name in engine.listing() if one.id in name]
        check_empty(warm, engine, gateway, before)
    assert {was for was, _ in seen} >= {"provisioning", "ready"}
    assert ("provisioning", 1) not in seen


def test_a_fill_killed_after_every_step(
    warm: Context, engine: FakeEngine, gateway: FakeGateway, spread: Spread
) -> None:
    before, cold = engine.listing(), with_pool(warm)
    reaped(warm)  # what the first look writes down is no part of the way
    reaped(cold)
    count = steps(warm, fill)
    reaped(cold)
    filled = 0
    for last in spread(count):
        killed_after(warm, fill, last)
        if found := pooled(warm):
            filled += 1
            assert reaped(cold) == [("retire", found[0].name)]
        else:
            assert {kind for kind, _ in reaped(cold)} <= {"settle"}
        check_empty(warm, engine, gateway, before)
    assert 1 <= filled < 4
    assert reaped(warm) == [("fill-pool", TEMPLATE)]
    assert make(warm).pool == "claimed"


def test_a_retirement_killed_after_every_step(
    warm: Context, engine: FakeEngine, gateway: FakeGateway, spread: Spread
) -> None:
    before, cold = engine.listing(), with_pool(warm)
    reaped(warm)
    count = steps(cold, fill)
    assert count > 5
    for last in spread(count):
        reaped(warm)
        killed_after(cold, fill, last)
        assert {kind for kind, _ in reaped(cold)} <= {"retire", "finish-removal"}
        check_empty(warm, engine, gateway, before)


def _claims(make_mine: Callable[[], UpResult]) -> tuple[str, str]:
    try:
        made = make_mine()
    except SandboxError as error:
        return type(error).__name__, ""
    return made.pool, made.sandbox.id


def test_eight_processes_race_for_the_last_pooled_one(warm: Context, home: Path) -> None:
    reaped(warm)
    (one,) = pooled(warm)
    said = eight_make(warm, home, _claims)
    assert [each for pool, each in said if pool == "claimed"] == [one.id], said
    # Four of anna's five slots are left; the others go cold or are denied.
    assert sorted(pool for pool, _ in said) == ["Denied"] * 4 + ["claimed"] + ["none is left"] * 3
    assert pooled(warm) == []
    assert chain_holds(warm)
    winner = next(s for s in _live(warm) if s.id == one.id)
    assert codes(warm, winner.name) == ["sandbox.requested", "sandbox.ready"]


def _live(ctx: Context) -> Any:
    with ctx.registry.reading() as tx:
        return tx.sandboxes(LIVE)
