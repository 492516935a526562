"""Which addresses a sandbox gets: a home's range, cut into numbered /28 networks.

The plan of a /28, by offset:

    0       the network itself
    1       the bridge's own, which our networks leave without an address
    2..5    services, in the order of the template
    6       lab
    7       gateway
    8       egress proxy
    9       PostgreSQL replica
    15      broadcast
"""

from collections.abc import Iterable
from ipaddress import IPv4Network

from sandbox.core.errors import Conflict, InvalidInput
from sandbox.core.values import Value

_PREFIX = 28
_SIZE = 2 ** (32 - _PREFIX)
_SERVICES = range(2, 6)
_LAB = 6
_GATEWAY = 7
_PROXY = 8
_REPLICA = 9
# Where gateway, lab and PostgreSQL replica listen inside, whatever is published outside.
GATEWAY_PORT = 8700
POSTGRES_PORT = 5432


class Addresses(Value):
    """The fixed addresses of one sandbox; `services` are in the order of the template's."""

    subnet: IPv4Network
    services: tuple[str, ...]
    lab: str
    gateway: str
    proxy: str
    replica: str


def addresses(network_range: IPv4Network, index: int) -> Addresses:
    """Return the addresses in subnet number `index`; raises InvalidInput as `subnet` does."""
    own = subnet(network_range, index)
    return Addresses(
        subnet=own,
        services=tuple(str(own[offset]) for offset in _SERVICES),
        lab=str(own[_LAB]),
        gateway=str(own[_GATEWAY]),
        proxy=str(own[_PROXY]),
        replica=str(own[_REPLICA]),
    )


def subnet_of(address: str) -> IPv4Network:
    """Return the /28 of `address`, whatever the range is by now."""
    return IPv4Network((address, _PREFIX), strict=False)


def gateway_beside(address: str) -> str:
    """Return where the gateway is in the /28 of `address`."""
    return str(subnet_of(address)[_GATEWAY])


def replica_beside(address: str) -> str:
    """Return where the PostgreSQL replica is in the /28 of `address`."""
    return str(subnet_of(address)[_REPLICA])


def subnet(network_range: IPv4Network, index: int) -> IPv4Network:
    """Return the /28 number `index` of the range.

    Raises InvalidInput when the range has no such number, or is smaller than a /28.
    """
    if not 0 <= index < how_many(network_range):
        raise InvalidInput(
            f"The range of addresses has no subnet number {index}.",
            subject=str(network_range),
            hint="Widen network.range in sandbox.yaml to what it was before, or beyond.",
        )
    return IPv4Network((int(network_range.network_address) + index * _SIZE, _PREFIX))


def first_free(network_range: IPv4Network, taken: Iterable[int], start: int = 0) -> int:
    """Return the first number from `start` on, round to where it began, that is not `taken`.

    Give the last number handed out plus one as `start`: a subnet just removed rests longest.
    Raises Conflict when all are taken, InvalidInput when the range is smaller than a /28.
    """
    used, count = set(taken), how_many(network_range)
    for step in range(count):
        index = (start + step) % count
        if index not in used:
            return index
    raise Conflict(
        f"All {count} subnets for sandboxes are taken.",
        subject=str(network_range),
        hint="End a sandbox (sandbox list, sandbox down NAME), "
        "or widen network.range in sandbox.yaml.",
    )


def how_many(network_range: IPv4Network) -> int:
    """Return how many /28 subnets the range holds; raises InvalidInput when not even one."""
    if network_range.prefixlen > _PREFIX:
        raise InvalidInput(
            "The range of addresses is too small for even one sandbox.",
            subject=str(network_range),
            hint=f"Set network.range in sandbox.yaml to a /{_PREFIX} or wider; "
            "a /16 holds 4,096 sandboxes.",
        )
    return int(2 ** (_PREFIX - network_range.prefixlen))


def overlapped(network_range: IPv4Network, foreign: Iterable[str]) -> set[int]:
    """Return the numbers of the range's subnets that meet any network in `foreign` (CIDR).

    Networks of this engine that are not ours, or another installation's, may lie in our range.
    """
    found: set[int] = set()
    for text in foreign:
        other = IPv4Network(text, strict=False)
        if not other.overlaps(network_range):
            continue
        low = max(int(other.network_address), int(network_range.network_address))
        high = min(int(other.broadcast_address), int(network_range.broadcast_address))
        start = int(network_range.network_address)
        found |= set(range((low - start) // _SIZE, (high - start) // _SIZE + 1))
    return found
