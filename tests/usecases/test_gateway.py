"""The gateway's image is built by us, and an older one gives way only when nobody is on it."""

import pytest

from sandbox.core.ports import Context
from sandbox.usecases.gateway import ensure_gateway
from sandbox.usecases.homes import DoctorRequest, doctor
from sandbox.usecases.sandboxes import DownRequest, down
from tests.fakes import FakeEngine, FakeGateway, Said
from tests.usecases.asking_up import make

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
