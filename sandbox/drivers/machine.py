"""The machine that this runs on: its addresses, and whose process this is."""

import os
import pwd
from contextlib import suppress
from pathlib import Path

from sandbox.core.egress import local_addresses

_ROUTES = Path("/proc/net/fib_trie")


def own_addresses() -> tuple[str, ...]:
    """Return the machine's own IPv4 addresses; none where it is not Linux and cannot be asked."""
    with suppress(OSError):
        return local_addresses(_ROUTES.read_text("ascii"))
    return ()


def own_user() -> str:
    """Return the operating-system user of this process, by the kernel: variables such as USER and
    LOGNAME say what anybody sets them to."""
    uid = os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
