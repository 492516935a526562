"""The way out on the real engine: approved names alone, wherever a name leads, and no bridge.

The outside is a network of this test's own, of documentation addresses, with a web server and a
name server that says what a test wants. The proxy joins it after `up`: by then it has noted which
networks the engine has, and refuses them.
"""

import json
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Any

import pytest
from docker.types import IPAMConfig, IPAMPool

from tests.docker.conftest import UP, Home

pytestmark = pytest.mark.docker

# squid asks again for what it did not find only after ten seconds: each address has its own names.
LED = [f"{kind}-{number}.example.com" for kind in ("bad", "mixed") for number in range(6)]
HOSTS = ("api.example.com", "rebind.example.com", *LED)
WORLD = """
import http.server, json, pathlib, socket, struct, threading
times = {}
def answers():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 53))
    while True:
        q, who = s.recvfrom(512)
        end, place, labels = q.index(b"\\0", 12) + 5, 12, []
        while q[place]:
            labels.append(q[place + 1:place + 1 + q[place]].decode()); place += 1 + q[place]
        name = ".".join(labels)
        print("asked", name, flush=True)
        told = json.loads(pathlib.Path("/tmp/told.json").read_text()).get(name, [])
        if told and isinstance(told[0], list):  # another answer each time
            times[name] = times.get(name, -1) + 1
            told = told[times[name] % len(told)]
        records = b"".join(
            b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\0\\0\\4" + socket.inet_aton(a) for a in told)
        head = struct.pack(">5H", 0x8180 if told else 0x8183, 1, len(told), 0, 0)
        s.sendto(q[:2] + head + q[12:end] + records, who)
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print("got", self.path, dict(self.headers), flush=True)
        said = b"outside"
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)
    def log_message(self, *said): pass
def serve(port):
    http.server.ThreadingHTTPServer(("", port), Page).serve_forever()
threading.Thread(target=answers, daemon=True).start()
threading.Thread(target=serve, args=(443,), daemon=True).start()
serve(80)
"""
# A page by plain HTTP and one through a tunnel, as programs ask by the environment alone.
CLIENT = """
import http.client, json, os, sys, urllib.request, urllib.error
def page(host):
    try:
        return urllib.request.urlopen(f"http://{host}/a/path?secret=1", timeout=20).status
    except urllib.error.HTTPError as error:
        return error.code
def tunnel(host, port):
    way = http.client.HTTPConnection(os.environ["https_proxy"][7:], timeout=20)
    way.set_tunnel(host, port)
    try:
        way.request("GET", "/in/tunnel?secret=2")
        return way.getresponse().status
    except OSError as error:
        refusal = str(error).partition("Tunnel connection failed: ")[2]
        return int(refusal[:3] or 0)  # 0: the tunnel stood, whoever was at its end
"""
BOTH = """
print(json.dumps({h: [page(h), tunnel(h, 443)] for h in sys.argv[1:]}))
"""
# squid keeps an answer for ten seconds at least, so three lookups fall into this, and requests
# into every moment between a judgement and its connection.
HAMMER = """
import time
seen, until = set(), time.monotonic() + 25
while time.monotonic() < until:
    seen |= {page(sys.argv[1]), tunnel(sys.argv[1], 443)}
    time.sleep(0.01)  # else what is refused at once fills the proxy's log, and its beginning goes
print(json.dumps(sorted(seen)))
"""
LISTENER = """
import pathlib, select, socket
servers = [socket.create_server(("0.0.0.0", port)) for port in (80, 443)]
if select.select(servers, [], [], 240)[0]:
    pathlib.Path("/work/reached").touch()
"""
LITERALS = """
import json, os, socket, sys
where = os.environ["https_proxy"][7:].split(":")
def ask(request):
    with socket.create_connection((where[0], int(where[1])), 10) as way:
        way.sendall(f"CONNECT {request} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n".encode())
        return int(way.recv(64).split()[1])
print(json.dumps([ask(f"{host}:{port}") for host, port in json.loads(sys.argv[1])]))
"""

FLOOD = """
import json, os, socket, sys, threading
where = os.environ["https_proxy"][7:].split(":")
def ask(first):
    for number in range(first, first + 3000):
        with socket.create_connection((where[0], int(where[1])), 20) as way:
            asked = f"CONNECT x{number}.example.net:443 HTTP/1.1"
            way.sendall(asked.encode() + b"\\r\\nHost: x\\r\\n\\r\\n")
            assert b" 403 " in way.recv(64)
asking = [threading.Thread(target=ask, args=(3000 * n,)) for n in range(10)]
[each.start() for each in asking], [each.join() for each in asking]
print(1)
"""


@dataclass(frozen=True)
class Outside:
    """A sandbox with a way out to a world of the test's own."""

    home: Home
    name: str
    id: str
    world: Any
    address: str

    def tell(self, names: Mapping[str, Sequence[str | list[str]]]) -> None:
        """Let the name server answer so from now on."""
        text = json.dumps(names)
        program = f"import pathlib; pathlib.Path('/tmp/told.json').write_text({text!r})"
        assert self.world.exec_run(["python3", "-c", program]).exit_code == 0

    def inside(self, program: str, *arguments: str) -> Any:
        """Run a Python program in the tool; return the JSON that it prints."""
        command = ["/opt/venv/bin/python", "-c", program, *arguments]
        return json.loads(self.home.run("exec", self.name, "--", *command))

    def part(self, name: str) -> Any:
        return self.home.client.containers.get(f"sandbox-{self.id}-{name}")


@pytest.fixture(scope="module")
def approving(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """The home as it would be with approved hosts and a name server of its own."""
    kept = tmp_path_factory.mktemp("kept")
    policy, settings = home.folder / "policies/baseline.yaml", home.folder / "sandbox.yaml"
    for file in (policy, settings):
        shutil.copy(file, kept / file.name)
    text = policy.read_text("utf-8").replace("one_of: []", f"one_of: [{', '.join(HOSTS)}]")
    policy.write_text(text, "utf-8")
    server = free_network() + 2
    text = settings.read_text("utf-8").replace("network:\n", f"network:\n  resolvers: [{server}]\n")
    settings.write_text(text, "utf-8")
    yield replace(home)
    for file in (policy, settings):
        shutil.copy(kept / file.name, file)


_NETWORK = IPv4Address("198.51.100.0") + 16 * secrets.randbelow(16)


def free_network() -> IPv4Address:
    """Return the first address of this run's network outside."""
    return _NETWORK


@pytest.fixture(scope="module")
def outside(approving: Home, base_image: str) -> Iterator[Outside]:
    home, name = approving, f"sbtest-world-{secrets.token_hex(4)}"
    before = home.listing()
    made = home.json("up", "outward", *UP, *(w for h in HOSTS for w in ("--egress", h)))["sandbox"]
    address = str(_NETWORK + 2)
    network = home.client.networks.create(
        name,
        internal=True,
        options={"com.docker.network.bridge.inhibit_ipv4": "true"},
        ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=f"{_NETWORK}/28")]),
    )
    world = home.client.containers.create(base_image, ["python3", "-c", WORLD], name=name)
    try:
        home.client.networks.get("bridge").disconnect(world)
        network.connect(world, ipv4_address=address)
        world.start()
        network.connect(f"sandbox-{made['id']}-proxy")
        found = Outside(home, "outward", made["id"], world, address)
        found.tell({h: [address] for h in HOSTS})
        yield found
    finally:
        home.run("down", "outward", "--no-keep")
        world.remove(force=True)
        network.remove()
    assert home.listing() == before


def test_approved_hosts_are_reached_and_others_are_not(outside: Outside) -> None:
    said = outside.inside(
        CLIENT + BOTH, "api.example.com", "x.api.example.com", "other.example.com"
    )
    assert said == {
        "api.example.com": [200, 200],
        "x.api.example.com": [403, 403],
        "other.example.com": [403, 403],
    }
    world = outside.world.logs().decode()
    # Names that nobody approved are not even looked up, and who asked is not told on.
    assert "other.example.com" not in world
    assert "Forwarded" not in world
    assert "Via" not in world


def test_no_address_is_reached_however_it_is_spelled(outside: Outside) -> None:
    own = outside.part("tool").attrs["NetworkSettings"]["Networks"]
    tool = own[f"sandbox-{outside.id}"]["IPAddress"]
    number = int(IPv4Address(outside.address))
    spelled = [outside.address, str(number), hex(number), f"[::ffff:{outside.address}]"]
    spelled += [tool, "127.0.0.1", "169.254.169.254", "172.17.0.1", "lab", "localhost"]
    asked = [[host, port] for host in spelled for port in (443, 80)]
    asked += [["api.example.com", port] for port in (22, 80, 8080, 3128)]
    assert set(outside.inside(LITERALS, json.dumps(asked))) <= {400, 403}


def test_a_name_that_leads_inside_is_refused(outside: Outside) -> None:
    host = outside.home.client.networks.get("bridge").attrs["IPAM"]["Config"][0]["Gateway"]
    gateway = f"sandbox-gateway-{outside.home.installation}"
    edge = outside.home.client.containers.get(gateway).attrs["NetworkSettings"]["Networks"]
    near = [each["IPAddress"] for each in edge.values() if each["IPAddress"]]
    tried = (host, near[0], "127.0.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0")
    told = {f"bad-{number}.example.com": [address] for number, address in enumerate(tried)}
    told |= {
        f"mixed-{number}.example.com": [outside.address, address]
        for number, address in enumerate(tried)
    }
    outside.tell(told)
    assert outside.inside(CLIENT + BOTH, *LED) == {name: [403, 403] for name in LED}
    log = outside.part("proxy").logs().decode()
    for name, addresses in told.items():
        assert f"refused {name} {addresses[-1]}" in log
    outside.tell({h: [outside.address] for h in HOSTS})


def test_a_name_that_changes_after_it_was_judged_leads_nowhere(outside: Outside) -> None:
    """A server in the tool itself is what a rebound name would reach; it hears nothing."""
    tool = outside.part("tool").attrs["NetworkSettings"]["Networks"][f"sandbox-{outside.id}"]
    command = ["/sandbox/guard", "-x", "--", "/opt/venv/bin/python", "-c", LISTENER]
    outside.part("tool").exec_run(command, user="10001", detach=True)
    inner, both = [tool["IPAddress"]], [outside.address, tool["IPAddress"]]
    outside.tell({"rebind.example.com": [[outside.address], inner, both, inner]})
    seen = set(outside.inside(CLIENT + HAMMER, "rebind.example.com"))
    # 503: squid found no address any more when it went to connect.
    assert {200, 403} <= seen <= {200, 403, 503}
    asked = outside.world.logs().decode().count("asked rebind.example.com")
    assert asked >= 3
    log = outside.part("proxy").logs().decode()
    assert f"refused rebind.example.com {tool['IPAddress']}" in log
    assert "reached" not in outside.home.run("exec", outside.name, "--", "ls", "/work")
    knock = f"import socket; socket.create_connection(({tool['IPAddress']!r}, 443)); print(1)"
    assert outside.inside(knock) == 1
    # The listener did listen all the while.
    assert "reached" in outside.home.run("exec", outside.name, "--", "ls", "/work")
    outside.tell({h: [outside.address] for h in HOSTS})


def test_the_log_names_hosts_and_nothing_else(outside: Outside) -> None:
    outside.inside(CLIENT + BOTH, "api.example.com", "other.example.com")
    found = {(c["host"], c["port"], c["refused"]) for c in
             outside.home.json("show", outside.name)["contacts"]}  # fmt: skip
    assert {
        ("api.example.com", 80, False),
        ("api.example.com", 443, False),
        ("other.example.com", 443, True),
    } <= found
    log = outside.part("proxy").logs().decode()
    assert "secret" not in log
    assert "/a/path" not in log
    assert "api.example.com" in outside.home.run("logs", outside.name, "--part", "proxy")


def test_the_proxy_is_hardened_and_no_bridge(outside: Outside) -> None:
    attrs = outside.part("proxy").attrs
    config = attrs["HostConfig"]
    assert (config["ReadonlyRootfs"], config["CapDrop"]) == (True, ["ALL"])
    assert config["Sysctls"]["net.ipv4.ip_forward"] == "0"
    assert attrs["Config"]["User"] == "10004:10004"
    assert attrs["Path"] == "/sandbox/guard"
    assert not any(h in json.dumps(attrs["Config"]) for h in HOSTS)
    outward = outside.home.client.networks.get(f"sandbox-{outside.id}-outside")
    assert outward.attrs["Options"]["com.docker.network.bridge.enable_icc"] == "false"
    outside.home.run("exec", "--part", "proxy", outside.name, "--", "id", code=4)


def test_it_is_frozen_and_comes_back_with_the_rest(outside: Outside) -> None:
    outside.home.run("freeze", outside.name, "--reason", "test")
    assert outside.part("proxy").status == "exited"
    outside.home.run("resume", outside.name)
    assert outside.inside(CLIENT + BOTH, "api.example.com", "other.example.com") == {
        "api.example.com": [200, 200],
        "other.example.com": [403, 403],
    }


def test_a_foreign_image_is_told_at_once_that_there_is_no_such_name(outside: Outside) -> None:
    """Its resolver asks DNS, as ours never do: it has the name server that our parts are given."""
    servers = outside.part("tool").attrs["HostConfig"]["Dns"]
    own = outside.part("tool").attrs["NetworkSettings"]["Networks"][f"sandbox-{outside.id}"]
    assert servers == [str(IPv4Address(own["IPAddress"]) + 5)]  # the gateway, at .7
    foreign = outside.home.client.containers.create(
        "debian:bookworm-slim", ["sleep", "60"], network=f"sandbox-{outside.id}", dns=servers
    )
    try:
        foreign.start()
        began = time.monotonic()
        for name in HOSTS[:3]:
            assert foreign.exec_run(["getent", "hosts", name]).exit_code == 2
        assert time.monotonic() - began < 3
    finally:
        foreign.remove(force=True)


def owners(outside: Outside) -> int:
    """Return how many requests stand in the table as the owner's."""
    told = outside.home.json("show", outside.name)["contacts"]
    return sum(contact["times"] for contact in told if not contact["verifying"])


def test_verify_attacks_the_proxy_too(outside: Outside) -> None:
    before = owners(outside)
    verified = outside.home.json("verify", outside.name)
    assert [c for c in verified["checks"] if not c["held"]] == []
    names = {c["name"] for c in verified["checks"] if c["about"] == "proxy"}
    assert {"an address outside", "its own control", "other ports of the proxy"} <= names
    assert "a bridge to 169.254.169.254" in names
    assert owners(outside) == before
    assert outside.home.json("logs", outside.name, "--part", "proxy")["left_out"] > 100


def test_whoever_asks_very_often_hides_nothing(outside: Outside) -> None:
    """Thirty thousand refused requests are 3 MB of squid's lines; the engine keeps 2 MB."""
    before = {
        (c["host"], c["port"]): c["times"]
        for c in outside.home.json("show", outside.name)["contacts"]
        if not c["refused"]
    }
    outside.inside(FLOOD)
    shown = outside.home.json("show", outside.name)
    assert shown["contacts_whole"]
    after = {(c["host"], c["port"]): c["times"] for c in shown["contacts"] if not c["refused"]}
    assert after == before != {}
    refused = sum(c["times"] for c in shown["contacts"] if c["refused"])
    assert refused >= 0.95 * 30_000
    assert len(outside.part("proxy").logs()) < 1_500_000


def test_without_an_approval_there_is_no_way_out(home: Home, nothing_left: None) -> None:
    error = home.json("up", "other", *UP, "--egress", "files.example.com", code=4)["error"]
    (found,) = error["decision"]["findings"]
    assert (found["rule"], found["actual"]) == ("egress-approved", "files.example.com")
    for text in ("10.0.0.1", "*.example.com", "0x7f000001"):
        assert home.json("up", "other", *UP, "--egress", text, code=3)["error"]["hint"]
