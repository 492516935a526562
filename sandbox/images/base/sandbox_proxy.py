"""Attacks on the egress proxy: to be let out to what was never approved, and into what is inside.

In: "address", "port": where the proxy is, "hosts": the names that it may reach, "targets":
addresses that it must not lead to, "last_port": up to which of its ports to look (0: not at all).
Every question must be refused by the proxy itself: one that it tried, and that failed, got through.
"""

import re
import socket
import struct
from functools import partial
from ipaddress import IPv4Address
from typing import Any

from sandbox_reach import other_ports
from sandbox_verify import Attack, Outcome

REFUSED = {400, 403, 404, 405, 501}
WAIT = 5.0
# Reserved for documentation (RFC 2606), and where clouds and machines keep what is theirs alone.
NAMES = ("example.com", "example.net", "metadata.google.internal", "localhost", "lab", "proxy")
ADDRESSES = ("127.0.0.1", "127.0.0.53", "169.254.169.254", "172.17.0.1", "10.0.0.1", "224.0.0.1")
PORTS = (22, 25, 53, 80, 2375, 3128, 5432, 8443)
SCHEMES = ("https", "ftp", "gopher", "cache_object", "ws", "urn")
CONTROL = ("/squid-internal-mgr/info", "/squid-internal-mgr/shutdown", "/squid-internal-periodic/")


def attacks(asked: dict[str, Any]) -> list[Attack]:
    """Return the attacks on the proxy."""
    where = (str(asked["address"]), int(asked["port"]))
    hosts = [str(host) for host in asked["hosts"]]
    targets = [str(target) for target in asked["targets"]]
    tries = {
        "a name that is not approved": [connect(name, 443) for name in NAMES] + by_http(NAMES),
        "a name beside an approved one": [connect(name, 443) for name in beside(hosts)],
        "an address outside": literals("192.0.2.1"),
        "private and own addresses": [one for address in ADDRESSES for one in literals(address)],
        "an approved name, another port": [connect(host, port) for host in hosts for port in PORTS],
        "an approved name, another protocol": other_schemes(hosts),
        "its own control": control(where[0]),
        "a second request behind a first": [second_request(hosts, name) for name in NAMES[:2]],
    }
    found = [Attack("proxy", name, partial(refused, where, asks)) for name, asks in tries.items()]
    found += [
        Attack("proxy", f"a bridge to {target}", partial(refused, where, literals(target)))
        for target in targets
    ]
    if asked["last_port"]:
        scan = partial(other_ports, where[0], where[1], int(asked["last_port"]))
        found.insert(0, Attack("proxy", "other ports of the proxy", scan))
    return found


def connect(host: str, port: int) -> bytes:
    """Return the request for a tunnel."""
    head = f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode()


def get(url: str, host: str) -> bytes:
    """Return the request for a page by its whole address."""
    return f"GET {url} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()


def by_http(names: tuple[str, ...]) -> list[bytes]:
    """Return requests for a page of each of `names`."""
    return [get(f"http://{name}/", name) for name in names]


def beside(hosts: list[str]) -> list[str]:
    """Return names that only look like approved ones."""
    spelled = [(f"x.{h}", f"{h}.example.net", f"x{h}", h.partition(".")[2]) for h in hosts]
    return [name for each in spelled for name in each]


def literals(address: str) -> list[bytes]:
    """Return requests for an address in every spelling, by tunnel and by page."""
    packed = IPv4Address(address).packed
    (number,) = struct.unpack(">I", packed)
    octal = ".".join(f"0{byte:o}" for byte in packed)
    spelled = (address, str(number), hex(number), octal, f"[::ffff:{address}]", f"[::{address}]")
    tunnels = [connect(host, port) for host in spelled for port in (443, 80)]
    return tunnels + [
        get(f"http://{host}:{port}/", host) for host in spelled for port in (80, 8700)
    ]


def other_schemes(hosts: list[str]) -> list[bytes]:
    """Return requests for approved hosts that are neither a tunnel nor plain HTTP."""
    return [get(f"{scheme}://{host}/", host) for host in hosts for scheme in SCHEMES]


def control(address: str) -> list[bytes]:
    """Return requests for the proxy's own pages, under the names that it may have."""
    own = [get(path, address) for path in CONTROL]
    names = (address, "proxy", "localhost")
    return own + [get(f"http://{name}:3128{path}", name) for name in names for path in CONTROL]


def second_request(hosts: list[str], name: str) -> bytes:
    """Return a refused request with another behind it, in one piece."""
    first = f"POST http://x.{hosts[0]}/ HTTP/1.1\r\nHost: {hosts[0]}\r\nContent-Length: 0\r\n\r\n"
    return first.encode() + connect(name, 443)


def refused(where: tuple[str, int], requests: list[bytes]) -> Outcome:
    """Send each request on a connection of its own; the proxy must answer and refuse them all."""
    seen: set[int] = set()
    for request in requests:
        line = request.partition(b"\r\n")[0].decode()
        said = {
            int(code) for code in re.findall(rb"HTTP/1\.[01] (\d{3})", exchange(where, request))
        }
        if not said:
            return False, f"{line} got no answer"
        if said - REFUSED:
            return False, f"{line} was answered: {sorted(said - REFUSED)}"
        seen |= said
    return True, ", ".join(map(str, sorted(seen)))


def exchange(where: tuple[str, int], request: bytes) -> bytes:
    """Send one request; return what is answered in time, at most 64 KB."""
    said = b""
    with socket.create_connection(where, timeout=WAIT) as stream:
        try:
            stream.sendall(request)
            while len(said) < 65536 and (piece := stream.recv(8192)):
                said += piece
        except OSError:
            return said
    return said
