"""What every gateway keeps, the fake included; and what the real one leaves in its volume."""

import os
import secrets
import socket
import time
from collections.abc import Iterator

import pytest

from sandbox.bootstrap import ask
from sandbox.core.errors import Conflict
from sandbox.core.objects import Image, Route
from sandbox.core.ports import Engine, Gateway
from sandbox.core.settings import GatewaySettings
from sandbox.drivers.catalogue.home import HomeCatalogue
from sandbox.drivers.engine import DockerEngine
from sandbox.drivers.gateway import CaddyGateway
from sandbox.usecases.homes import InitRequest
from tests.fakes import FakeEngine, FakeGateway, Said
from tests.ports import free_port

# The SDK leaves its sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

RUN = f"contract-{secrets.token_hex(4)}"
ROUTE = Route("spring-coupon", "10.229.0.2", 8080, "s" * 43)
OTHER = Route("summer-sale", "10.229.0.18", 8080, "t" * 43)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The gateway's image as a new home wants it, built if nobody did yet."""
    folder = tmp_path_factory.mktemp("gateway") / "home"
    ask(InitRequest(folder=str(folder)), Said())
    wanted = HomeCatalogue(folder).gateway_image()
    engine = DockerEngine(os.environ)
    for each in (*wanted.needs, wanted):
        if engine.image_id(each.tag) is None:
            engine.build(each, Said())
    return wanted


@pytest.fixture
def real(image: Image) -> Iterator[tuple[DockerEngine, CaddyGateway]]:
    engine = DockerEngine(os.environ)
    settings = GatewaySettings(port=free_port())
    yield engine, CaddyGateway(engine, lambda: image, settings, lambda: RUN)
    for kind in ("container", "network", "volume"):
        engine.remove(kind, f"sandbox-gateway-{RUN}")
    assert engine.owned(RUN) == []


@pytest.fixture(params=["fake", pytest.param("docker", marks=pytest.mark.docker)])
def any_gateway(request: pytest.FixtureRequest) -> tuple[Engine, Gateway]:
    if request.param == "docker":
        pair: tuple[Engine, Gateway] = request.getfixturevalue("real")
        return pair
    engine = FakeEngine()
    return engine, FakeGateway(engine, lambda: RUN)


def test_off_started_stopped_and_started_again(any_gateway: tuple[Engine, Gateway]) -> None:
    engine, gateway = any_gateway
    assert gateway.state() == "off"
    gateway.close("nobody")
    gateway.start(Said())
    assert gateway.state() == "current"
    assert [o.name for o in engine.owned(RUN) if o.kind == "container"] == [gateway.container]
    gateway.open(ROUTE)
    gateway.close(ROUTE.name)
    gateway.close(ROUTE.name)
    gateway.open(ROUTE)
    gateway.start(Said())
    assert gateway.state() == "current"
    assert not gateway.answers(ROUTE, "/")
    engine.remove("container", gateway.container)
    assert gateway.state() == "off"
    gateway.close(ROUTE.name)


def test_who_was_there_is_unknown_before_it_and_nobody_at_first(
    any_gateway: tuple[Engine, Gateway],
) -> None:
    _, gateway = any_gateway
    assert gateway.uses() is None
    gateway.start(Said())
    until = time.monotonic() + 10
    while gateway.uses() is None and time.monotonic() < until:
        time.sleep(0.05)
    assert gateway.uses() == {}


def routes(engine: DockerEngine, gateway: CaddyGateway) -> list[str]:
    ran = engine.run(gateway.container, ["find", "/routes", "-mindepth", "1"])
    found = (line.removeprefix("/routes/") for line in ran.lines())
    # What begins with a dot is the gateway's own, and comes when it likes.
    return sorted(name for name in found if not name.startswith("."))


def test_every_link_is_fresh_and_tells_no_secret(any_gateway: tuple[Engine, Gateway]) -> None:
    _, gateway = any_gateway
    links = {gateway.link(ROUTE) for _ in range(3)}
    assert len(links) == 3
    for link in links:
        assert link.startswith(f"{gateway.url(ROUTE.name)}/?sbx=")
        assert ROUTE.secret not in link
        assert ROUTE.address not in link


@pytest.mark.docker
def test_a_closed_route_leaves_nothing_and_touches_no_other(
    real: tuple[DockerEngine, CaddyGateway],
) -> None:
    engine, gateway = real
    gateway.start(Said())
    gateway.open(OTHER)
    others = routes(engine, gateway)
    gateway.open(ROUTE)
    assert len(routes(engine, gateway)) == len(others) + 3
    gateway.close(ROUTE.name)
    assert routes(engine, gateway) == others
    gateway.close(ROUTE.name)
    assert routes(engine, gateway) == others


@pytest.mark.docker
def test_a_route_closed_while_it_is_stopped_is_gone_when_it_starts(
    real: tuple[DockerEngine, CaddyGateway],
) -> None:
    engine, gateway = real
    gateway.start(Said())
    gateway.open(OTHER)
    others = routes(engine, gateway)
    gateway.open(ROUTE)
    engine.stop(gateway.container, 1)
    gateway.close(ROUTE.name)
    engine.start(gateway.container)
    # Even whoever starts it behind our back finds the route closed.
    assert routes(engine, gateway) == sorted([*others, ROUTE.name])
    gateway.start(Said())
    # A new one knows nobody: whoever starts it opens the routes of those who are up.
    assert not [one for one in routes(engine, gateway) if not one.startswith(".")]
    gateway.open(OTHER)
    assert routes(engine, gateway) == others


@pytest.mark.docker
def test_another_image_makes_it_older(real: tuple[DockerEngine, CaddyGateway]) -> None:
    engine, gateway = real
    gateway.start(Said())
    settings = GatewaySettings(port=int(gateway.url("x").rpartition(":")[2]))
    newer = CaddyGateway(engine, lambda: Image(f"{RUN}:newer", ()), settings, lambda: RUN)
    assert (gateway.state(), newer.state()) == ("current", "older")


@pytest.mark.docker
def test_one_that_nobody_can_reach_is_off(
    real: tuple[DockerEngine, CaddyGateway], image: Image
) -> None:
    """As when Docker's own proxy in front of it gave up, or when the port was set anew."""
    engine, gateway = real
    gateway.start(Said())
    elsewhere = CaddyGateway(engine, lambda: image, GatewaySettings(port=free_port()), lambda: RUN)
    assert (gateway.state(), elsewhere.state()) == ("current", "off")


@pytest.mark.docker
def test_a_taken_port_is_a_conflict_that_leaves_no_container(
    real: tuple[DockerEngine, CaddyGateway], image: Image
) -> None:
    engine, _ = real
    with socket.create_server(("127.0.0.1", 0)) as other:
        settings = GatewaySettings(port=other.getsockname()[1])
        gateway = CaddyGateway(engine, lambda: image, settings, lambda: RUN)
        with pytest.raises(Conflict, match="port is taken"):
            gateway.start(Said())
    assert [o.kind for o in engine.owned(RUN)] == ["volume"]


@pytest.mark.docker
def test_it_sees_what_the_engine_has_free(real: tuple[DockerEngine, CaddyGateway]) -> None:
    engine, gateway = real
    assert gateway.engine_free_bytes() is None
    gateway.start(Said())
    assert gateway.engine_free_bytes() == pytest.approx(engine.facts().free_bytes, rel=0.1)
