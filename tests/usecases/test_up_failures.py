"""Whatever fails while a sandbox is made, and whenever: nothing is left and the name is free."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from sandbox.core.errors import Unavailable
from sandbox.core.ports import Context
from sandbox.core.snapshot import Snapshot
from sandbox.usecases.sandboxes import DownRequest, down
from tests.fakes import FakeEngine, FakeGateway, Trap, unavailable
from tests.usecases.asking_up import chain_holds, codes, journal, make, state
from tests.usecases.interrupting import InterruptedAfterCommit

pytestmark = pytest.mark.usefixtures("snapshot")


def settle(ctx: Context, engine: FakeEngine) -> tuple[list[tuple[str, str]], int]:
    """Build images and gateway once; return the engine's listing and the calls of one `up`."""
    make(ctx, "first")
    down(ctx, DownRequest(name="first"))
    before = engine.listing()
    engine.forget_calls()
    make(ctx, "second")
    count = len(engine.calls)
    down(ctx, DownRequest(name="second"))
    return before, count


@pytest.mark.parametrize("after", [False, True], ids=["not done", "done, answer lost"])
@pytest.mark.parametrize("error", [unavailable, KeyboardInterrupt])
def test_every_engine_call_of_up_may_fail(
    ctx: Context,
    engine: FakeEngine,
    gateway: FakeGateway,
    error: Callable[[], BaseException],
    after: bool,
) -> None:
    before, count = settle(ctx, engine)
    assert count > 15
    for number in range(1, count + 1):
        engine.forget_calls()
        engine.trap = Trap(error(), at=number, after=after)
        with pytest.raises((Unavailable, KeyboardInterrupt)) as raised:
            make(ctx)
        call = engine.calls[number - 1]
        engine.trap = None
        assert raised.type is type(error()), call
        assert engine.listing() == before, call
        assert not gateway.routes, call
        assert state(ctx) in ("failed", "none"), call
        if state(ctx) == "failed":
            with ctx.registry.reading() as tx:
                found = tx.sandbox("spring-coupon")
            assert found is not None
            assert journal(ctx, found.id) == [], call
            assert found.reason, call
    assert codes(ctx, "spring-coupon").count("sandbox.failed") > 12
    assert chain_holds(ctx)
    assert make(ctx).created


@pytest.mark.parametrize("method", ["build", "create_network", "put", "start", "connect", "run"])
def test_the_first_up_of_a_home_may_fail(ctx: Context, engine: FakeEngine, method: str) -> None:
    before = engine.listing()
    engine.trap = Trap(unavailable(), method=method)
    with pytest.raises(Unavailable):
        make(ctx)
    engine.trap = None
    gateway = ("container", ctx.gateway.container)
    assert set(engine.listing()) - {gateway} == set(before)
    assert state(ctx) == "failed"
    assert make(ctx).created


def test_a_gateway_that_refuses_leaves_nothing(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway
) -> None:
    before, _ = settle(ctx, engine)
    gateway.error = unavailable()
    with pytest.raises(Unavailable):
        make(ctx)
    assert engine.listing() == before
    assert state(ctx) == "failed"


def test_when_even_unmaking_fails_down_ends_it(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway
) -> None:
    before, _ = settle(ctx, engine)

    class Gone(Trap):
        def meets(self, number: int, method: str) -> bool:
            return number >= self.at

    engine.forget_calls()
    engine.trap = Gone(unavailable(), at=14)
    with pytest.raises(Unavailable):
        make(ctx)
    engine.trap = None
    assert state(ctx) == "provisioning"
    assert engine.listing() != before
    down(ctx, DownRequest(name="spring-coupon"))
    assert engine.listing() == before
    assert state(ctx) == "destroyed"
    assert chain_holds(ctx)


def test_ctrl_c_just_after_ready_is_too_late(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway
) -> None:
    make(ctx)
    whole = engine.listing()
    down(ctx, DownRequest(name="spring-coupon"))
    with pytest.raises(KeyboardInterrupt):
        make(replace(ctx, registry=InterruptedAfterCommit(ctx.registry, at=2)))
    assert state(ctx) == "ready"
    assert len(engine.listing()) == len(whole)
    assert "spring-coupon" in gateway.routes
    assert not make(ctx).created


def test_others_sandboxes_survive_a_failure(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway
) -> None:
    make(ctx, "other")
    before = engine.listing()
    route = gateway.routes["other"]
    engine.trap = Trap(unavailable(), method="run")
    with pytest.raises(Unavailable):
        make(ctx)
    assert engine.listing() == before
    assert gateway.routes == {"other": route}
    assert state(ctx, "other") == "ready"


def test_the_replica_outlives_its_sandbox(ctx: Context, snapshot: Snapshot) -> None:
    """The replica's volume belongs to no sandbox: unmaking one must not touch it."""
    make(ctx)
    down(ctx, DownRequest(name="spring-coupon"))
    assert make(ctx).replica.id == snapshot.id
