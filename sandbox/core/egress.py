"""Which hosts outside a sandbox may reach, by name alone, and what its proxy goes by. Pure.

A name is safe to approve only if everybody reads it the same way, so what could be an address in
any spelling is none. Where a name leads is judged again at every lookup, by the proxy.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from ipaddress import IPv4Network, collapse_addresses
from typing import Literal
from urllib.parse import unquote

from pydantic import AwareDatetime

from sandbox.core.errors import InvalidInput
from sandbox.core.objects import File
from sandbox.core.text import clean
from sandbox.core.values import Value

PROXY_UID = 10004
PROXY_PORT = 3128
MOST_HOSTS = 32
_EXAMPLE = "Name hosts as in api.example.com, one by one."
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# A last label like these makes the whole an IPv4 address, however it is spelled (WHATWG URL 3.5).
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
# RFC 6761, 6762, 7686, 8375, 9476 and ICANN 2024: names that no public server answers.
_SPECIAL = frozenset(
    {"localhost", "local", "internal", "arpa", "test", "example", "invalid", "onion", "alt"}
)
# Where no approved name may lead: the special-purpose addresses of RFC 6890 and its successors.
# The documentation networks are not among them: they are routed nowhere, so nobody is there.
_REFUSED = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/3",
)
_ACCESS = re.compile(
    r"(?m)^access (?P<at>\d+\.\d{3}) (?P<verdict>[A-Z_]+)/(?P<status>\d{3}) (?P<method>[A-Za-z]+) "
    r"(?P<host>[!-~]{1,256}) (?P<port>\d{1,5}) (?P<sent>\d+) (?P<received>\d+)"
    r"(?: times (?P<times>\d+))?"
)
_ACCESS_AT = re.compile(r"(?m)^access (?P<at>\d+\.\d{3}) ")
# What squid does not even ask its rules about; nobody was reached.
_ANSWERED_ITSELF = "NONE_NONE"
_LOOKED_UP = re.compile(
    r"(?m)^resolver \d+\.\d{3} (?:refused|unknown) (?P<host>[a-z0-9.-]+)(?: (?P<address>[0-9.]+))?$"
)
Why = Literal["", "rule", "name", "address"]
Span = tuple[datetime, datetime]


class Asked(Value):
    """One request that a sandbox's proxy had, and what it did; or the last of many `times` alike.

    Where there are very many, all for hosts that are not approved are alike.
    `refused` tells whether it was let through, `why` what refused it: a rule of the proxy, a name
    that was not found, or an address (`leads_to`) that its name must not have. `verifying`: it was
    refused while `verify` ran, whose attacks look like anybody's requests. Bytes are those of the
    sandbox's side: what it sent and what it got.
    """

    at: AwareDatetime
    method: str
    host: str
    port: int
    refused: bool
    why: Why
    leads_to: str
    verifying: bool
    sent: int
    received: int
    times: int = 1


class Contact(Value):
    """What a sandbox's proxy did for one host and port: how often, how much, when last.

    The words are those of `Asked`; `why` is that of the last request.
    """

    host: str
    port: int
    refused: bool
    times: int
    sent: int
    received: int
    last: AwareDatetime
    why: Why = ""
    leads_to: str = ""
    verifying: bool = False


def check_hosts(given: Iterable[str], own_domain: str) -> tuple[str, ...]:
    """Return host names in the one form in which they are kept, sorted, each once.

    Raises InvalidInput for what is no public host name, what lies under `own_domain` (the
    gateway's), and for more than MOST_HOSTS.
    """
    hosts = sorted({check_host(text) for text in given})
    for host in hosts:
        if host == own_domain or host.endswith(f".{own_domain}"):
            raise _refusal("This is the gateway's own name, not one outside.", host)
    if len(hosts) > MOST_HOSTS:
        raise InvalidInput(
            f"These are {len(hosts)} hosts; a sandbox reaches at most {MOST_HOSTS}.",
            subject="egress",
            hint="Name only those that the work needs.",
        )
    return tuple(hosts)


def check_host(text: str) -> str:
    """Return one host name in lower-case ASCII (IDNA); raises InvalidInput if it is none."""
    _check_spelling(text)
    try:
        host = text.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise _refusal("This is no host name.", text) from None
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        raise _refusal("This is an address, not a host name.", text)
    if len(host) > 253 or not all(map(_LABEL.fullmatch, labels)) or not all(map(_decodes, labels)):
        raise _refusal("This is no host name.", text)
    if len(labels) == 1:
        raise _refusal("This is a name without a domain.", text)
    if labels[-1] in _SPECIAL:
        raise _refusal(f"Names under .{labels[-1]} lead to nobody outside.", text)
    return host


def _check_spelling(text: str) -> None:
    """Say what people write in place of a host name: addresses of pages, patterns, ports."""
    problems = {
        "There is no name.": not text.strip(),
        "This is the address of a page, not a host name.": "/" in text or "@" in text,
        "A pattern could be any host.": "*" in text or "?" in text,
        "This is an address, not a host name.": text.count(":") > 1 or "[" in text,
        "A host is named without its port: 443 is meant, and 80 without TLS.": ":" in text,
        "A host is named whole, not its domain alone.": text.startswith("."),
        "A host is named without a dot at its end.": text.endswith((".", "。", "．", "｡")),
    }
    for problem, found in problems.items():
        if found:
            raise _refusal(problem, text)


def _decodes(label: str) -> bool:
    """Say whether an encoded label (xn--) stands for a name that encodes to just that."""
    if not label.startswith("xn--"):
        return True
    try:
        return label.encode().decode("idna").encode("idna").decode().lower() == label
    except UnicodeError:
        return False


def _refusal(problem: str, text: str) -> InvalidInput:
    return InvalidInput(problem, subject=clean(text)[:100] or "egress", hint=_EXAMPLE)


def host_problems(given: Iterable[str]) -> Iterator[str]:
    """Yield what is wrong with a template's list of hosts, the first thing alone."""
    try:
        check_hosts(given, own_domain="localhost")
    except InvalidInput as error:
        yield f"{error.subject}: {error.message}"


def refused_networks(own: Iterable[str]) -> tuple[str, ...]:
    """Return the IPv4 networks that no approved name may lead to, `own` (CIDR or addresses) too.

    None lies within another: squid would not take both. IPv6 is refused as a whole elsewhere.
    """
    known = [IPv4Network(text, strict=False) for text in (*_REFUSED, *own)]
    return tuple(str(network) for network in collapse_addresses(known))


def proxy_files(
    hosts: Iterable[str],
    *,
    address: str,
    subnet: str,
    refused: Iterable[str],
    resolvers: Iterable[str],
) -> list[File]:
    """Return what the proxy at `address` finds on the lease volume; nobody else can read it.

    It serves `subnet` alone, reaches `hosts` unless they lead to `refused` (CIDR), and asks
    `resolvers`, or the engine's if there are none.
    """
    lines = {
        "proxy.conf": [f"http_port {address}:{PROXY_PORT}"],
        "proxy.own": [subnet],
        "proxy.hosts": hosts,
        "proxy.refused": refused,
        "proxy.resolvers": resolvers,
    }
    return [
        File(name, "".join(f"{line}\n" for line in said).encode(), mode=0o400, uid=PROXY_UID)
        for name, said in lines.items()
    ]


def proxy_environment(address: str, own: Iterable[str]) -> dict[str, str]:
    """Return what tells programs of the proxy at `address`; `own` names and addresses need none."""
    proxy = f"http://{address}:{PROXY_PORT}"
    none = ",".join(("localhost", "127.0.0.1", *own))
    said = {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, "NO_PROXY": none}
    return said | {name.lower(): value for name, value in said.items()}


def asked(log: str, since: datetime, verified: Iterable[Span] = ()) -> tuple[Asked, ...]:
    """Return the requests from `since` on that a proxy's log tells of, as they came.

    `verified` are the spans in which our own attacks ran. Lines of other forms are none.
    """
    looked_up = {found["host"]: found["address"] or "" for found in _LOOKED_UP.finditer(log)}
    spans = tuple(verified)
    every = (_asked(found, looked_up, spans) for found in _ACCESS.finditer(log))
    return tuple(one for one in every if one.at >= since)


def _asked(found: re.Match[str], looked_up: Mapping[str, str], verified: Iterable[Span]) -> Asked:
    at = datetime.fromtimestamp(float(found["at"]), UTC)
    host, port = clean(unquote(found["host"])).lower(), int(found["port"])
    refused = "DENIED" in found["verdict"] or found["verdict"].startswith(_ANSWERED_ITSELF)
    why: Why = "rule" if refused else ""
    # A request that no rule lets through is refused before its name is looked up.
    if refused and host in looked_up and port == (443 if found["method"] == "CONNECT" else 80):
        why = "address" if looked_up[host] else "name"
    return Asked(
        at=at,
        method=found["method"],
        host=host,
        port=port,
        refused=refused,
        why=why,
        leads_to=looked_up[host] if why == "address" else "",
        # What got out counts whenever it was: nobody hides behind our attacks.
        verifying=refused and any(first <= at <= last for first, last in verified),
        sent=int(found["sent"]),
        received=int(found["received"]),
        times=int(found["times"] or 1),
    )


def contacts(requests: Iterable[Asked]) -> tuple[Contact, ...]:
    """Return what became of requests, summed by host, port, verdict and whether `verify` ran."""
    counted: dict[tuple[str, int, bool, bool], Contact] = {}
    for one in requests:
        own = one.model_dump(exclude={"at", "method"})
        contact = Contact(last=one.at, **own)
        key = (one.host, one.port, one.refused, one.verifying)
        counted[key] = _added(counted[key], contact) if key in counted else contact
    return tuple(counted[key] for key in sorted(counted))


def goes_back_to(log: str, since: datetime) -> bool:
    """Say whether a proxy's log still begins before `since`, when its proof was written into it.

    It is kept in a bounded place: who asks often enough pushes out what was there.
    """
    first = _ACCESS_AT.search(log)
    return first is not None and datetime.fromtimestamp(float(first["at"]), UTC) < since


def _added(known: Contact, one: Contact) -> Contact:
    summed = ("times", "sent", "received")
    return one.model_copy(update={n: getattr(known, n) + getattr(one, n) for n in summed})


def local_addresses(fib_trie: str) -> tuple[str, ...]:
    """Return a machine's own IPv4 addresses from the text of Linux' /proc/net/fib_trie."""
    found = re.findall(r"\|-- ([0-9.]+)\n\s+/32 host LOCAL", fib_trie)
    return tuple(sorted(set(found)))
