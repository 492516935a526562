"""The machine that this runs on, as far as it matters to what leaves its sandboxes."""

from contextlib import suppress
from pathlib import Path

from sandbox.core.egress import local_addresses

_ROUTES = Path("/proc/net/fib_trie")


def own_addresses() -> tuple[str, ...]:
    """Return the machine's own IPv4 addresses; none where it is not Linux and cannot be asked."""
    with suppress(OSError):
        return local_addresses(_ROUTES.read_text("ascii"))
    return ()
