"""One-time links on the real gateway: what opens, what does not, and what the tool gets to see."""

import errno
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import docker
import pytest

from sandbox.core.objects import INSTALLATION, Container, Image, Network, Route
from sandbox.core.settings import GatewaySettings
from sandbox.drivers.catalogue.home import HomeCatalogue
from sandbox.drivers.engine import DockerEngine
from sandbox.drivers.gateway import CaddyGateway
from tests.docker.browser import (
    Answer,
    ask,
    cookie_of,
    get,
    open_socket,
    path_of,
    web_socket,
)
from tests.docker.conftest import UP, Home
from tests.fakes import Said
from tests.ports import free_port

pytestmark = pytest.mark.docker

THIRD = secrets.randbelow(256)
SUBNET = f"10.229.{THIRD}.32/28"
TOOL, GATE = f"10.229.{THIRD}.34", f"10.229.{THIRD}.39"
# In place of a tool: it answers with what it was asked, and echoes on a WebSocket.
LISTENER = """
import http.server, json
class Listener(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        seen = json.dumps([self.requestline, dict(self.headers)]).encode()
        if "Upgrade" in self.headers:
            self.connection.sendall(b"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket"
                                    b"\\r\\nConnection: Upgrade\\r\\n\\r\\n")
            while got := self.connection.recv(64):
                self.connection.sendall(got)
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(seen)
http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Listener).serve_forever()
"""


@dataclass
class Place:
    """A gateway with one route, and the listener behind it."""

    gateway: CaddyGateway
    engine: DockerEngine
    settings: GatewaySettings
    image: Image
    run: str
    route: Route
    given: list[str] = field(default_factory=list)

    def link(self, route: Route | None = None, minutes_ago: float = 0) -> str:
        """Return the path of a fresh link."""
        gateway = CaddyGateway(
            self.engine,
            lambda: self.image,
            self.settings,
            lambda: self.run,
            lambda: time.time() - 60 * minutes_ago,
        )
        self.given.append(gateway.link(route or self.route).split("?sbx=")[1])
        return f"/?sbx={self.given[-1]}"

    def get(self, path: str, name: str = "", method: str = "GET", **headers: str) -> Answer:
        """Ask the gateway as a browser would."""
        plain = {k.replace("_", "-"): v for k, v in headers.items()}
        return ask(self.settings.port, name or self.route.name, path, method, plain)

    def cookie(self) -> str:
        """Use a fresh link; return what the browser sends from then on."""
        return self.get(self.link()).headers["Set-Cookie"].split(";")[0]


@pytest.fixture(scope="module")
def place(home: Home) -> Iterator[Place]:
    engine, run = DockerEngine(os.environ), f"links-{secrets.token_hex(4)}"
    settings = GatewaySettings(port=free_port())
    catalogue = HomeCatalogue(home.folder)
    image, labels = catalogue.gateway_image(), {INSTALLATION: run}
    gateway = CaddyGateway(engine, lambda: image, settings, lambda: run)
    engine.create_network(Network(f"{run}-net", labels, SUBNET))
    engine.create_container(
        Container(
            name=f"{run}-tool",
            image=catalogue.base_image().tag,
            labels=labels,
            user="10001:10001",
            command=("/opt/venv/bin/python", "-u", "-c", LISTENER),
            memory_mb=64,
            cpus=1.0,
            pids=32,
            network=f"{run}-net",
            address=TOOL,
        )
    )
    try:
        engine.start(f"{run}-tool")
        gateway.start(Said())
        engine.connect(f"{run}-net", gateway.container, GATE)
        made = Place(gateway, engine, settings, image, run, Route("spring", TOOL, 8080, "s" * 43))
        yield made
    finally:
        for container in (f"{run}-tool", gateway.container):
            engine.remove("container", container)
        for network in (f"{run}-net", gateway.container):
            engine.remove("network", network)
        engine.remove("volume", gateway.container)
        assert engine.owned(run) == []


@pytest.fixture(autouse=True)
def opened(request: pytest.FixtureRequest) -> Iterator[None]:
    """The route is open in every test of a place, and closed after it."""
    if "place" not in request.fixturenames:
        yield
        return
    place: Place = request.getfixturevalue("place")
    place.gateway.open(place.route)
    until = time.monotonic() + 10
    while not place.gateway.answers(place.route, "/") and time.monotonic() < until:
        time.sleep(0.05)
    yield
    place.gateway.close(place.route.name)


def test_no_sandbox_can_connect_to_it(place: Place) -> None:
    """A sandbox with many connections, or long headers, took its memory, and it ended for all."""
    knock = f"import socket; print(socket.socket().connect_ex(('{GATE}', 8700)))"
    ran = place.engine.run(f"{place.run}-tool", ["/opt/venv/bin/python", "-c", knock])
    assert int(ran.out) == errno.ECONNREFUSED


def test_long_headers_are_refused(place: Place) -> None:
    assert place.get("/", X_Long="x" * 30_000).status == 431


def test_the_first_use_gives_a_cookie_and_a_clean_address(place: Place) -> None:
    first = place.get(place.link().replace("/?", "/notes/1?x=1&"))
    assert (first.status, first.headers["Location"]) == (303, "/notes/1")
    value, *marks = first.headers["Set-Cookie"].split("; ")
    assert set(marks) == {"Path=/", "HttpOnly", "SameSite=Strict"}
    assert first.headers["Cache-Control"] == "no-store"
    assert first.headers["Referrer-Policy"] == "no-referrer"
    assert place.route.secret not in place.given[-1]
    assert place.given[-1] not in str(first)
    assert place.get("/notes/1", Cookie=value).status == 200


def test_the_second_use_gets_a_page_that_says_so_in_both_languages(place: Place) -> None:
    link = place.link()
    cookie = place.get(link).headers["Set-Cookie"].split(";")[0]
    again = place.get(link)
    assert again.status == 403
    assert "Set-Cookie" not in again.headers
    assert "This link was used" in again.body
    assert "このリンクは使用済み" in again.body
    assert "sandbox open NAME" in again.body
    # Who has the cookie simply goes on.
    on = place.get(link, Cookie=cookie)
    assert (on.status, on.headers["Location"]) == (303, "/")


def test_of_twenty_clicks_at_once_exactly_one_opens(place: Place) -> None:
    link = place.link()
    with ThreadPoolExecutor(20) as crowd:
        answers = list(crowd.map(lambda _: place.get(link).status, range(20)))
    assert sorted(answers) == [303] + [403] * 19


def test_an_expired_link_is_refused(place: Place) -> None:
    assert place.get(place.link(minutes_ago=10.1)).status == 403
    assert place.get(place.link(minutes_ago=9)).status == 303


def test_a_cookie_or_link_of_one_sandbox_opens_no_other(place: Place) -> None:
    other = Route("summer", TOOL, 8080, "t" * 43)
    place.gateway.open(other)
    try:
        cookie = place.cookie()
        assert place.get("/", Cookie=cookie).status == 200
        assert place.get("/", other.name, Cookie=cookie).status == 403
        link = place.link()
        assert place.get(link, other.name).status == 403
        assert place.get(link).status == 303
    finally:
        place.gateway.close(other.name)


FORGED: dict[str, Callable[[str, Route], str]] = {
    "another seal": lambda link, _: link[:-43] + "A" * 43,
    "longer life": lambda link, _: link[:6] + "9" + link[7:],
    "a path": lambda link, route: link.replace("=", f"=../{route.name}/"),
    "an encoded path": lambda link, route: link.replace("=", f"=..%2f{route.name}%2f"),
    "only dots": lambda link, _: "/?sbx=..",
    "a new line": lambda link, _: link + "%0d%0aX:%20y",
    "nothing": lambda link, _: "/?sbx=",
    "much": lambda link, _: link + "a" * 9000,
    "twice": lambda link, _: f"/?sbx=x&sbx={link[6:]}",
    "the session itself": lambda _, r: f"/?sbx={r.address}~{r.port}~{r.secret}",
    "another host": lambda link, _: "//evil.example" + link[1:],
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
def test_forged_links_are_refused_and_use_nothing(
    place: Place, forge: Callable[[str, Route], str]
) -> None:
    link = place.link()
    refused = place.get(forge(link, place.route))
    assert (refused.status, "Set-Cookie" in refused.headers) == (403, False)
    assert place.get(link).status == 303


@pytest.mark.parametrize("value", ["..", "../spring/x", "{token}x", "x{token}", "{link}"])
def test_forged_cookies_are_refused(place: Place, value: str) -> None:
    token = f"{place.route.address}~{place.route.port}~{place.route.secret}"
    forged = value.format(token=token, link=place.link()[6:])
    assert place.get("/", Cookie=f"sbx={forged}").status == 403
    assert place.get("/", Cookie=f"sbx={token}").status == 200


def test_only_a_person_s_visit_uses_a_link(place: Place) -> None:
    link = place.link()
    assert place.get(link, method="HEAD").status == 403
    assert place.get(link, method="POST").status == 403
    assert place.get(link, Origin="http://evil.example").status == 403
    assert place.get(link, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors").status == 403
    # Followed from a mail: no redirect, or the browser would keep the cookie back.
    mail = place.get(link, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")
    assert (mail.status, mail.headers["Refresh"]) == (200, "0; url=/")
    assert "SameSite=Strict" in mail.headers["Set-Cookie"]
    assert place.get("/", Cookie=place.cookie(), Origin="http://evil.example").status == 403


def test_the_tool_sees_neither_cookie_nor_link(place: Place) -> None:
    cookie = place.cookie()
    for sent in (cookie, f"a=1; {cookie}; b=2"):
        seen = json.loads(place.get("/x?q=1", Cookie=sent).body)
        assert seen[0] == "GET /x?q=1 HTTP/1.1"
        assert seen[1].get("Cookie") == ("a=1; b=2" if "a=1" in sent else None)
        assert not [given for given in [*place.given, place.route.secret] if given in str(seen)]
    assert place.get(place.link() + "&q=1", Cookie=cookie).headers["Location"] == "/"
    logs = place.engine.logs(f"{place.run}-tool", 1000).decode()
    assert "/x?q=1" in logs
    assert not [g for g in [*place.given, place.route.secret, "sbx"] if g in logs]


def test_a_websocket_opens_with_the_cookie_alone_and_outlives_other_links(place: Place) -> None:
    where = (place.settings.port, place.route.name, "/ws")
    with open_socket(*where, Cookie=place.cookie()) as held:
        place.cookie()
        other = Route("summer", TOOL, 8080, "t" * 43)
        place.gateway.open(other)
        place.gateway.close(other.name)
        held.sendall(b"still there")
        assert held.recv(4096) == b"still there"
    with web_socket(*where) as refused:
        assert refused.recv(4096).startswith(b"HTTP/1.1 403")


def test_links_and_cookies_end_with_the_route(place: Place) -> None:
    cookie, link = place.cookie(), place.link()
    place.gateway.close(place.route.name)
    assert place.get(link).status == 403
    assert place.get("/", Cookie=cookie).status == 403


def test_a_used_link_stays_used_and_a_dead_exchange_ends_the_gateway(
    place: Place, docker_client: docker.DockerClient
) -> None:
    link = place.link()
    assert place.get(link).status == 303
    gateway = docker_client.containers.get(place.gateway.container)
    began = gateway.attrs["State"]["StartedAt"]
    # Caddy is the exchange's child: whichever ends, the container does and is started again.
    gateway.exec_run(["/usr/bin/python3", "-c", KILL_CADDY])
    until = time.monotonic() + 20
    while gateway.attrs["State"]["StartedAt"] == began and time.monotonic() < until:
        time.sleep(0.1)
        gateway.reload()
    assert gateway.attrs["State"]["StartedAt"] != began
    while not place.gateway.answers(place.route, "/") and time.monotonic() < until:
        time.sleep(0.1)
    assert place.get(link).status == 403
    assert place.get(place.link()).status == 303


KILL_CADDY = """
import os
for pid in filter(str.isdigit, os.listdir("/proc")):
    if pid != "1" and open(f"/proc/{pid}/comm").read().startswith("caddy"):
        os.kill(int(pid), 9)
"""


def test_nothing_reaches_the_exchange_but_caddy(
    place: Place, docker_client: docker.DockerClient
) -> None:
    gateway = docker_client.containers.get(place.gateway.container)
    config = gateway.attrs["HostConfig"]
    assert (config["ReadonlyRootfs"], config["CapDrop"]) == (True, ["ALL"])
    assert gateway.attrs["Config"]["User"] == "10003:10003"
    table: Any = gateway.exec_run(["cat", "/proc/net/tcp", "/proc/net/tcp6"]).output
    lines = [line.split() for line in table.decode().splitlines()]
    # 0A is "listening"; the engine's own resolver does so on 127.0.0.11.
    listening = [f[1] for f in lines if f[3] == "0A" and not f[1].startswith("0B00007F")]
    assert {where.split(":")[1] for where in listening} == {f"{8700:04X}"}
    mode: Any = gateway.exec_run(["stat", "-c", "%a %u", "/tmp/exchange.sock"]).output
    assert mode.decode().split() == ["700", "10003"]


def test_no_link_is_where_others_look(place: Place, docker_client: docker.DockerClient) -> None:
    opened_once = place.link()
    assert place.get(opened_once).status == 303
    place.get(opened_once)
    place.get(place.link(minutes_ago=11))
    gateway = docker_client.containers.get(place.gateway.container)
    said = gateway.logs().decode() + json.dumps(gateway.attrs) + str(gateway.top())
    seals = [given.rsplit("~", 1)[1] for given in place.given]
    assert len(seals) >= 2
    assert not [s for s in [*seals, place.route.secret] if s in said]


@pytest.fixture(scope="module")
def spring(home: Home) -> Iterator[dict[str, Any]]:
    yield home.json("up", "linked", *UP)["sandbox"]
    home.run("down", "linked")


def test_open_gives_fresh_links_that_are_kept_nowhere(home: Home, spring: dict[str, Any]) -> None:
    first, second = home.run("open", "linked").strip(), home.json("open", "linked")["link"]
    assert first != second
    for link in (first, second):
        path = path_of(link)
        assert get(home, "linked", path).status == 303
        assert get(home, "linked", path).status == 403
    # Neither the probe of `up` nor `sql` comes by a link.
    third = home.run("open", "linked").strip()
    home.run("sql", "linked", "SELECT 1")
    opened = get(home, "linked", path_of(third))
    session = opened.headers["Set-Cookie"].split(";")[0].rsplit("~", 1)[1]
    said = home.run("show", "linked", "-o", "json") + home.run("list", "-o", "json")
    said += home.run("audit", "list", "-o", "json")
    for name in [f"sandbox-{spring['id']}-{p}" for p in ("tool", "lab")] + [
        f"sandbox-gateway-{home.installation}"
    ]:
        container = home.client.containers.get(name)
        said += container.logs().decode() + json.dumps(container.attrs) + str(container.top())
    for secret in [session, *(link.rsplit("~", 1)[1] for link in (first, second, third))]:
        assert secret not in said


def test_after_down_nothing_opens(home: Home, nothing_left: None) -> None:
    home.run("up", "leaving", *UP)
    unused, cookie = path_of(home.run("open", "leaving")), cookie_of(home, "leaving")
    assert cookie
    home.run("down", "leaving")
    home.run("up", "leaving", *UP)
    try:
        assert get(home, "leaving", unused).status == 403
        assert get(home, "leaving", "/", Cookie=cookie).status == 403
    finally:
        home.run("down", "leaving")
