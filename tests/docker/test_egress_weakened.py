"""The attacks on the proxy get through where a wall is missing: squid with one rule less each.

No way out is opened for it: a proxy that only tries, and fails, has let the attack through.
"""

from collections.abc import Iterator
from typing import Any

import docker
import pytest
from docker.models.containers import Container

from sandbox.drivers.catalogue.home import HomeCatalogue
from tests.docker.conftest import Home
from tests.docker.weakened import FOREVER, Weakened, address_of

pytestmark = pytest.mark.docker

# The product's own configuration, changed by one expression of sed; names come from a file, for
# there is no name server here, and nothing is waited for long.
SQUID = """
mkdir /tmp/run
sed -e 's#/run/sandbox/#/tmp/run/#' -e '/^hosts_file/d' -e '/^udp_outgoing/d' \
    -e "$1" /etc/squid/squid.conf > /tmp/squid.conf
printf 'dns_timeout 1 second\\nconnect_timeout 1 second\\nhosts_file /tmp/run/hosts\\n' \
    >> /tmp/squid.conf
echo 'http_port 3128' > /tmp/run/proxy.conf
echo '10.0.0.0/8' > /tmp/run/proxy.own
echo 'api.example.com' > /tmp/run/proxy.hosts
echo '203.0.113.0/24' > /tmp/run/proxy.refused
echo "${2:-198.51.100.9} api.example.com" > /tmp/run/hosts
exec /usr/sbin/squid -N -f /tmp/squid.conf
"""
# Two open ports and a yes to everything: no proxy at all.
YES = """
import http.server, threading
class Yes(http.server.BaseHTTPRequestHandler):
    def say(self):
        self.send_response(200)
        self.end_headers()
    do_GET = do_POST = do_CONNECT = say
    def log_message(self, *said): pass
servers = [http.server.ThreadingHTTPServer(("", port), Yes) for port in (3128, 2019)]
threading.Thread(target=servers[0].serve_forever, daemon=True).start()
servers[1].serve_forever()
"""


@pytest.fixture(scope="module")
def images(home: Home) -> tuple[str, str]:
    """The tags of the tool's image and of the proxy's, built."""
    catalogue = HomeCatalogue(home.folder)
    proxy = catalogue.proxy_image()
    if not home.client.images.list(proxy.tag):
        from sandbox.drivers.engine import DockerEngine
        from tests.fakes import Said

        DockerEngine({}, "host").build(proxy, Said())
    return catalogue.service_image("segment-rfm", "tool").tag, proxy.tag


@pytest.fixture(scope="module")
def weak(docker_client: docker.DockerClient, images: tuple[str, str]) -> Iterator[Weakened]:
    made = Weakened(docker_client, images[0], images[0], "10.248.64.0/20")
    yield made
    made.close()


def beside(weak: Weakened, image: str, *command: str) -> tuple[Container, str]:
    """Return a tool beside a proxy that runs `command`, once that listens, and its address."""
    network = weak.network()
    proxy = weak.start(network, command, image=image)
    tool = weak.start(network, FOREVER)
    address = address_of(proxy, network)
    ready = ["/opt/venv/bin/python", "-c", WAIT.format(address=address)]
    assert tool.exec_run(ready).exit_code == 0, proxy.logs()[-2000:]
    return tool, address


def attacked(weak: Weakened, image: str, *command: str) -> dict[str, Any]:
    """Attack a proxy that runs `command`, from a tool in the same network."""
    tool, address = beside(weak, image, *command)
    asked: dict[str, Any] = {"address": address, "port": 3128, "hosts": ["api.example.com"]}
    return weak.attack(tool, "proxy", targets=["10.20.30.40"], last_port=3200, **asked)


WAIT = """
import socket, time
for _ in range(200):
    try:
        socket.create_connection(({address!r}, 3128), 1).close()
        break
    except OSError:
        time.sleep(0.05)
else:
    raise SystemExit(1)
"""

LITERAL = {"an address outside", "private and own addresses", "a bridge to 10.20.30.40"}
NAMES = {"a name that is not approved", "a name beside an approved one"}


@pytest.mark.parametrize(
    ("change", "fallen"),
    [
        ("s/x/x/", set()),
        ("s/^http_access deny !listed/#/", NAMES | LITERAL | {"a second request behind a first"}),
        ("s/^http_access deny connect !tls/#/", {"an approved name, another port"}),
        (
            "s/^http_access deny !connect !http/#/;s/^http_access deny !connect !plain/#/",
            {"an approved name, another protocol"},
        ),
        ("s/^http_access deny manager/http_access allow manager/", {"its own control"}),
    ],
)
def test_each_rule_of_the_proxy_is_a_wall(
    weak: Weakened, images: tuple[str, str], change: str, fallen: set[str]
) -> None:
    checks = attacked(weak, images[1], "/bin/sh", "-c", SQUID, "squid", change)
    through = {name for name, check in checks.items() if not check["held"]}
    assert through >= fallen, checks
    assert bool(through) == bool(fallen), checks


def test_a_proxy_that_says_yes_to_all_holds_nothing(
    weak: Weakened, images: tuple[str, str]
) -> None:
    checks = attacked(weak, images[0], "/opt/venv/bin/python", "-c", YES)
    assert [name for name, check in checks.items() if check["held"]] == []
    assert "2019" in checks["other ports of the proxy"]["detail"]


ASK = """
import socket
with socket.create_connection(({address!r}, 3128), 10) as way:
    way.sendall(b"CONNECT api.example.com:443 HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    raise SystemExit(int(way.recv(64).split()[1]) - 400)
"""


@pytest.mark.parametrize(
    ("change", "leads_to", "status"),
    [
        ("s/x/x/", "198.51.100.9", 503),  # tried, and there is no way
        ("s/x/x/", "203.0.113.9", 403),
        ("s/^http_access deny refused/#/", "203.0.113.9", 503),
    ],
)
def test_squid_itself_refuses_where_a_name_leads(
    weak: Weakened, images: tuple[str, str], change: str, leads_to: str, status: int
) -> None:
    """The second wall, behind the resolver, which is not asked here."""
    tool, address = beside(weak, images[1], "/bin/sh", "-c", SQUID, "squid", change, leads_to)
    asked = tool.exec_run(["/opt/venv/bin/python", "-c", ASK.format(address=address)])
    assert asked.exit_code == status - 400
