"""The gateway's image is built by us, and an older one gives way only when nobody is on it."""

import threading

import pytest

from sandbox.core.phases import LIVE
from sandbox.core.ports import Context
from sandbox.usecases.gateway import ensure_gateway
from sandbox.usecases.homes import DoctorRequest, doctor
from sandbox.usecases.leases import FreezeRequest, freeze
from sandbox.usecases.reaping import ReapRequest, reap
from sandbox.usecases.sandboxes import DownRequest, down
from tests.fakes import FakeEngine, FakeGateway, Said, Trap, unavailable
from tests.usecases.asking_up import codes, make
from tests.usecases.dying import killed_after, steps

pytestmark = pytest.mark.usefixtures("snapshot")


def image_of(context: Context, engine: FakeEngine) -> str | None:
    return engine.running_image(context.gateway.container)


def checks(context: Context) -> dict[str, tuple[str, str]]:
    return {c.name: (c.status, c.fix) for c in doctor(context, DoctorRequest()).checks}


def test_its_images_are_built_before_it_starts(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway, said: Said
) -> None:
    engine.images.clear()
    engine.forget_calls()
    ensure_gateway(ctx)
    image = ctx.catalogue.gateway_image()
    wanted = [("build", i.tag) for i in (*image.needs, image)]
    done = [c for c in engine.calls if c[0] in ("build", "start")]
    assert done == [*wanted, ("start", gateway.container)]
    assert any(image.tag in text for text in said.steps)
    engine.forget_calls()
    ensure_gateway(ctx)
    assert engine.changes() == []


def test_an_older_one_is_replaced_when_no_sandbox_is_up(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway
) -> None:
    ensure_gateway(ctx)
    gateway.image = "gateway:2"
    make(ctx)
    assert image_of(ctx, engine) == "gateway:2"


def test_an_older_one_stays_while_a_sandbox_is_up_and_doctor_says_so(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway
) -> None:
    make(ctx, "first")
    assert "gateway" not in checks(ctx)
    gateway.image = "gateway:2"
    make(ctx, "second")
    assert image_of(ctx, engine) == "gateway:1"
    assert set(gateway.routes) == {"first", "second"}
    status, fix = checks(ctx)["gateway"]
    assert (status, bool(fix)) == ("warn", True)
    for name in ("first", "second"):
        down(ctx, DownRequest(name=name))
    make(ctx, "third")
    assert image_of(ctx, engine) == "gateway:2"
    assert "gateway" not in checks(ctx)


def test_one_that_stopped_is_started_again(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway
) -> None:
    make(ctx, "first")
    engine.containers[gateway.container].running = False
    make(ctx, "second")
    assert image_of(ctx, engine) == gateway.image


def applied(context: Context) -> list[tuple[str, str]]:
    context.files.belongs_to(context.registry.installation())
    done = reap(context, ReapRequest(apply=True))
    return [(chore.kind.value, chore.outcome) for chore in done.chores]


def joined(context: Context, engine: FakeEngine) -> set[str]:
    """Return the names of the sandboxes on whose network the gateway is."""
    with context.registry.reading() as tx:
        names = {f"sandbox-{s.id}": s.name for s in tx.sandboxes(LIVE)}
    ends = engine.endpoints
    return {names[n] for n in names if n in ends and context.gateway.container in ends[n]}


def lose(context: Context, engine: FakeEngine, gateway: FakeGateway) -> None:
    """Take the gateway away as somebody at the engine would: routes are in its volume still."""
    engine.remove("container", context.gateway.container)
    gateway.routes.pop("second", None)


def test_the_reaper_brings_a_lost_one_back_for_all_who_are_up(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway
) -> None:
    for name in ("first", "second", "third"):
        make(ctx, name)
    freeze(ctx, FreezeRequest(name="third", reason="odd"))
    routes = dict(gateway.routes)
    lose(ctx, engine, gateway)
    assert applied(ctx) == [("mend-gateway", "done")]
    assert image_of(ctx, engine) == gateway.image
    assert joined(ctx, engine) == {"first", "second"}
    assert gateway.routes == routes
    assert codes(ctx)[-1] == "gateway.mended"
    assert applied(ctx) == []


def test_one_that_stopped_is_brought_back(ctx: Context, engine: FakeEngine) -> None:
    make(ctx)
    engine.containers[ctx.gateway.container].running = False
    assert applied(ctx) == [("mend-gateway", "done")]
    assert joined(ctx, engine) == {"spring-coupon"}


def test_one_that_nobody_can_reach_is_replaced(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway
) -> None:
    make(ctx)
    gateway.deaf = True
    assert checks(ctx)["gateway"] == ("warn", "sandbox reap --apply")
    assert applied(ctx) == [("mend-gateway", "done")]
    assert joined(ctx, engine) == {"spring-coupon"}
    assert applied(ctx) == []


def test_nobody_needs_one_while_nobody_is_up(ctx: Context, engine: FakeEngine) -> None:
    make(ctx)
    freeze(ctx, FreezeRequest(name="spring-coupon", reason="odd"))
    engine.remove("container", ctx.gateway.container)
    assert applied(ctx) == []


def test_a_new_one_is_joined_to_those_who_were_up_before(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway
) -> None:
    make(ctx, "first")
    lose(ctx, engine, gateway)
    make(ctx, "other")
    assert joined(ctx, engine) == {"first", "other"}
    assert set(gateway.routes) == {"first", "other"}
    assert applied(ctx) == []


def test_mending_it_killed_after_every_step(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway
) -> None:
    for name in ("first", "second"):
        make(ctx, name)
    lose(ctx, engine, gateway)
    count = steps(ctx, ensure_gateway)
    assert count > 6
    for last in range(1, count + 1):
        lose(ctx, engine, gateway)
        killed_after(ctx, ensure_gateway, last)
        applied(ctx)
        assert joined(ctx, engine) == {"first", "second"}, last
        assert set(gateway.routes) == {"first", "second"}, last
        assert applied(ctx) == []


def test_whom_it_cannot_be_joined_to_is_named_and_tried_again(
    ctx: Context, engine: FakeEngine
) -> None:
    make(ctx)
    engine.remove("container", ctx.gateway.container)
    engine.trap = Trap(unavailable(), method="connect")
    ctx.files.belongs_to(ctx.registry.installation())
    done = reap(ctx, ReapRequest(apply=True))
    assert [chore.outcome for chore in done.chores] == ["failed"]
    assert "cannot be joined" in done.chores[0].said
    engine.trap = None
    assert applied(ctx) == [("mend-gateway", "done")]
    assert joined(ctx, engine) == {"spring-coupon"}


def test_two_who_need_it_at_once_start_it_once(ctx: Context, engine: FakeEngine) -> None:
    engine.forget_calls()
    threads = [threading.Thread(target=ensure_gateway, args=(ctx,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert engine.calls.count(("start", ctx.gateway.container)) == 1


def test_a_route_that_could_not_be_closed_does_not_come_back(
    ctx: Context, gateway: FakeGateway
) -> None:
    make(ctx, "first")
    gateway.routes["gone"] = gateway.routes["first"]
    ctx.engine.remove("container", ctx.gateway.container)
    ensure_gateway(ctx)
    assert set(gateway.routes) == {"first"}
