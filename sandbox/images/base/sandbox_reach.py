"""Attacks on the network: out, to other sandboxes, to the host, and through the gateway.

In: "hosts": the host's addresses, "others": [[address, port], ...] of other sandboxes, "unused":
addresses of the own network that nobody has, "ports" to try at these, and "gateway": {"address",
"port", "last_port", "host", "link", "own", "others", "targets"}: where it is, up to which port to
look, the own host, the path of the own link, the own address, and hosts and addresses of others.
"""

import errno
import re
import select
import socket
import struct
from collections.abc import Callable, Iterable
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from sandbox_verify import Attack, Outcome, connect

NAMES = ("host.docker.internal", "metadata.google.internal", "deb.debian.org")
OUTSIDE = ("192.0.2.1", "198.51.100.1", "169.254.169.254", "8.8.8.8", "224.0.0.1")
NO_WAY = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EPERM, errno.EADDRNOTAVAIL}
CLOSED = {400, 403, 404, 405, 421}
ADMIN_PORT = 2019
AT_ONCE = 256
SCAN_SECONDS = 90.0
WAIT = 2.0


def attacks(asked: dict[str, Any]) -> list[Attack]:
    """Return the attacks on the network. The slowest come first."""
    gateway = asked["gateway"]
    address, port = str(gateway["address"]), int(gateway["port"])
    last = int(gateway["last_port"])
    ports = tuple(int(each) for each in asked["ports"])
    tries: list[tuple[str, str, Callable[[], Outcome]]] = [
        ("gateway", "its other ports", lambda: other_ports(address, port, last)),
        ("gateway", f"its control port {ADMIN_PORT}", lambda: open_to(address, ADMIN_PORT)),
        ("network", "unused addresses", lambda: silent(asked["unused"], ports)),
        ("network", "out by UDP", out_by_udp),
        ("network", "IPv6", link_local),
        ("network", "ask a resolver by TCP", lambda: resolver_by_tcp(servers())),
    ]
    for host in asked["hosts"]:
        tries.append(("host", f"{host}, by any port", partial(silent, [host], ports)))
    tries += [("network", f"resolve {name}", partial(resolve, name)) for name in NAMES]
    tries += [
        ("other sandboxes", f"connect {host}:{there}", partial(connect, str(host), int(there)))
        for host, there in asked["others"]
    ]
    return [*(Attack(*each) for each in tries), *through(gateway)]


def other_ports(address: str, known: int, last: int) -> Outcome:
    """Try every port of an address up to `last`."""
    found = open_ports(address, range(1, last + 1)) - {known}
    return not found, f"open: {sorted(found)[:5]}" if found else f"1 to {last}, none open"


def open_to(address: str, port: int) -> Outcome:
    """Try one port of a part that may answer; a refusal is what it should say."""
    code = knock(address, port)
    return code != 0, errno.errorcode.get(code, "no answer") if code else "connected"


def knock(address: str, port: int) -> int:
    """Connect to one port; return 0 if it is open, else the number of the error."""
    with socket.socket() as attempt:
        attempt.settimeout(WAIT)
        return attempt.connect_ex((address, port))


def open_ports(address: str, ports: Iterable[int]) -> set[int]:
    """Return the open ports. Raises OSError when nobody is there, or no time to try them all."""
    until, waiting, found = monotonic() + SCAN_SECONDS, list(ports), set()
    while waiting:
        batch, waiting = waiting[:AT_ONCE], waiting[AT_ONCE:]
        opened, closed = answering([(address, port) for port in batch], WAIT)
        found |= {port for _, port in opened}
        if not opened | closed or monotonic() > until:
            raise TimeoutError(f"{len(waiting)} ports were not tried")
    return found


def answering(
    targets: list[tuple[str, int]], seconds: float
) -> tuple[set[tuple[str, int]], set[tuple[str, int]]]:
    """Connect to all targets at once; return which are open, and which refused."""
    asked: dict[int, tuple[socket.socket, tuple[str, int]]] = {}
    poll = select.poll()
    for target in targets:
        attempt = socket.socket()
        attempt.setblocking(False)
        attempt.connect_ex(target)
        asked[attempt.fileno()] = (attempt, target)
        poll.register(attempt, select.POLLOUT)
    opened: set[tuple[str, int]] = set()
    refused: set[tuple[str, int]] = set()
    until = monotonic() + seconds
    while asked and (left := until - monotonic()) > 0:
        for number, _ in poll.poll(left * 1000):
            attempt, target = asked.pop(number)
            code = attempt.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            poll.unregister(attempt)
            attempt.close()
            opened |= {target} if code == 0 else set()
            refused |= {target} if code == errno.ECONNREFUSED else set()
    for attempt, _ in asked.values():
        attempt.close()
    return opened, refused


def silent(hosts: list[str], ports: tuple[int, ...]) -> Outcome:
    """Look who answers at addresses that should be nobody's; a refusal is an answer too."""
    targets = [(str(host), port) for host in hosts for port in ports]
    answered = sorted({host for found in answering(targets, WAIT) for host, _ in found})
    return not answered, f"{', '.join(answered)} answered" if answered else "no answer"


def out_by_udp() -> Outcome:
    """Send a byte to outside addresses, and see whether it found its next hop.

    Docker names the bridge as the way out, but on a network of ours nobody has that address.
    """
    ways = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for address in OUTSIDE:
            try:
                sender.sendto(b"x", (address, 9))
            except OSError as error:
                if error.errno not in NO_WAY:
                    raise
            else:
                ways += 1
    sleep(1.0)
    hops = next_hops()
    answered = sorted(hops & known_neighbours())
    if answered or (ways and not hops):
        return False, f"there is a way out, by {', '.join(answered) or 'no other hop'}"
    return True, f"{', '.join(sorted(hops)) or 'nobody'} does not answer"


def next_hops() -> set[str]:
    """Return the addresses by which routes leave the own network."""
    lines = Path("/proc/net/route").read_text().splitlines()[1:]
    hops = {int(line.split()[2], 16) for line in lines} - {0}
    return {str(IPv4Address(struct.pack("<I", hop))) for hop in hops}


def known_neighbours() -> set[str]:
    """Return the addresses on the own cable that have answered."""
    lines = [line.split() for line in Path("/proc/net/arp").read_text().splitlines()[1:]]
    return {line[0] for line in lines if int(line[2], 16) & 2}


def link_local() -> Outcome:
    """Ask for a way to whoever has an IPv6 address on the same cable."""

    def way(device: int) -> None:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as asked:
            asked.connect(("ff02::1", 9, 0, device))

    devices = [(name, number) for number, name in socket.if_nameindex() if name != "lo"]
    return no_way({name: partial(way, number) for name, number in devices})


def no_way(tries: dict[str, Callable[[], object]]) -> Outcome:
    """Return whether the kernel knew no way for any of `tries`."""
    seen = set()
    for name, attempt in tries.items():
        try:
            attempt()
        except OSError as error:
            if error.errno not in NO_WAY | {errno.EAFNOSUPPORT}:
                return False, f"{name}: {error}"
            seen.add(errno.errorcode[error.errno])
        else:
            return False, f"there is a way to {name}"
    return True, ", ".join(sorted(seen)) or "no other device"


def resolve(name: str) -> Outcome:
    """Look up a name that is none of the sandbox's own."""
    try:
        address = socket.getaddrinfo(name, 443)[0][4][0]
    except socket.gaierror as error:
        return True, str(error.strerror)
    return False, f"it is {address}"


def servers() -> list[str]:
    """Return the name servers that /etc/resolv.conf names, and Docker's own."""
    lines = Path("/etc/resolv.conf").read_text().splitlines()
    named = {line.split()[1] for line in lines if line.startswith("nameserver ")}
    return sorted(named | {"127.0.0.11"})


def resolver_by_tcp(asked: list[str]) -> Outcome:
    """Ask name servers by TCP for a foreign name."""
    query = struct.pack(">6H", 0x5B0C, 0x0100, 1, 0, 0, 0)
    query += b"\7example\3org\0" + struct.pack(">2H", 1, 1)
    for server in asked:
        try:
            with socket.create_connection((server, 53), timeout=WAIT) as stream:
                stream.sendall(struct.pack(">H", len(query)) + query)
                reply = stream.recv(2048)[2:]
        except OSError:
            continue
        if len(reply) >= 12 and reply[3] & 15 == 0 and struct.unpack(">H", reply[6:8])[0]:
            return False, f"{server} gave the address of a foreign name"
    return True, "no answer"


def through(gateway: dict[str, Any]) -> list[Attack]:
    """Return the attempts to use the gateway as a bridge, with the own link's cookie."""
    own, others = str(gateway["host"]), [str(host) for host in gateway["others"]]
    cookie = cookie_of(gateway)  # once: a link opens only once

    def check(make: Callable[[str, str], list[bytes]]) -> Outcome:
        """Send what `make` says; all of it must be shut out, if it can be said at all."""
        if closed(gateway):
            return True, "closed to sandboxes"
        if not cookie:
            return False, "the check itself failed: the own link gave no cookie"
        return shut(gateway, make(own, cookie))

    forged = partial(forge, str(gateway["own"]), [str(host) for host in gateway["targets"]])
    aims = {
        "as a proxy": as_proxy,
        "under its own names": control_names,
        "with a forged address": forged,
    }
    found = [Attack("gateway", name, partial(check, make)) for name, make in aims.items()]
    kinds = {
        "without a link": lambda other, own, cookie: get(other),
        "with this sandbox's link": lambda other, own, cookie: get(other, cookie),
        "named twice": lambda other, own, cookie: get(own, f"{cookie}\r\nHost: {other}"),
        "as a whole address": lambda other, own, cookie: get(own, cookie, f"http://{other}/"),
        "in a second request": second_request,
        "in a smuggled request": smuggled,
        "by forwarding words": lambda other, own, cookie: get(
            other, f"{cookie}\r\nX-Forwarded-Host: {own}\r\nForwarded: host={own}"
        ),
    }
    if others:
        for name, kind in kinds.items():
            make = partial(for_each, kind, others)
            found.append(Attack("other sandboxes", f"its page {name}", partial(check, make)))
    return found


Kind = Callable[[str, str, str], bytes]


def for_each(kind: Kind, others: list[str], own: str, cookie: str) -> list[bytes]:
    """Return a request of one kind for each other sandbox."""
    return [kind(other, own, cookie) for other in others]


def get(host: str, more: str = "", path: str = "/") -> bytes:
    """Return a plain request with further header lines."""
    lines = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
    return (lines + (f"{more}\r\n" if more else "") + "\r\n").encode()


def second_request(other: str, own: str, cookie: str) -> bytes:
    """Return a refused request with one for another sandbox behind it."""
    first = f"GET / HTTP/1.1\r\nHost: nobody.{own}\r\n\r\n"
    return first.encode() + get(other, cookie)


def smuggled(other: str, own: str, cookie: str) -> bytes:
    """Return a request whose two lengths disagree, with another request in what is left over."""
    inner = get(other, cookie)
    head = f"POST / HTTP/1.1\r\nHost: nobody.{own}\r\n{cookie}\r\nContent-Length: 4\r\n"
    return head.encode() + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner


def as_proxy(own: str, cookie: str) -> list[bytes]:
    """Return requests that ask for the way to an outside address."""
    line = f"CONNECT 192.0.2.1:80 HTTP/1.1\r\nHost: 192.0.2.1:80\r\n{cookie}\r\n"
    closed = line + "Connection: close\r\n\r\n"
    return [closed.encode(), get(own, cookie, "http://192.0.2.1/"), get("192.0.2.1", cookie)]


def control_names(own: str, cookie: str) -> list[bytes]:
    """Return requests for the gateway's own control, under the names that it may have."""
    names = ("localhost:2019", "127.0.0.1", "localhost", "")
    paths = ("/config/", "/load", "/routes/", "/../routes/", "/metrics")
    return [get(name, cookie, path) for name in names for path in paths]


def forge(own: str, targets: list[str], host: str, cookie: str) -> list[bytes]:
    """Return requests whose link names another address than the own."""
    found = []
    for target in [*targets, "127.0.0.1", "172.17.0.1"]:
        forged = cookie.replace(own, target)
        token = forged.partition("=")[2]
        found += [get(host, forged), get(host, "", f"/?sbx={token}")]
        found.append(get(host, "", f"/?sbx=../{host}/{token}"))
    return found


def closed(gateway: dict[str, Any]) -> bool:
    """Say whether the gateway's address is there and refuses connections, as it should."""
    return knock(gateway["address"], gateway["port"]) == errno.ECONNREFUSED


def cookie_of(gateway: dict[str, Any]) -> str:
    """Open the own link; return its cookie as a header line, empty if there is none."""
    try:
        said = exchange(gateway, get(str(gateway["host"]), "", str(gateway["link"])))
    except OSError:
        return ""
    found = re.search(rb"(?im)^Set-Cookie: *([^;\r\n]+)", said)
    return f"Cookie: {found[1].decode()}" if found else ""


def shut(gateway: dict[str, Any], requests: list[bytes]) -> Outcome:
    """Send requests; return whether every answer to each was the closed page."""
    seen = set()
    for request in requests:
        found = {int(n) for n in re.findall(rb"HTTP/1\.[01] (\d{3})", exchange(gateway, request))}
        if found - CLOSED:
            line = request.partition(b"\r\n")[0].decode()
            return False, f"{line} was answered: {sorted(found - CLOSED)}"
        seen |= found
    return True, ", ".join(map(str, sorted(seen))) or "no answer"


def exchange(gateway: dict[str, Any], request: bytes) -> bytes:
    """Send one request to the gateway; return what it answers in time, at most 64 KB."""
    said = b""
    with socket.create_connection((gateway["address"], gateway["port"]), timeout=WAIT) as stream:
        try:
            stream.sendall(request)
            while len(said) < 65536 and (piece := stream.recv(8192)):
                said += piece
        except OSError:
            return said
    return said
