"""The attacks of `sandbox verify`: what an owner could try from a program in the tool.

In: {"phase": "quiet"} with what sandbox_reach needs, {"phase": "proxy"} with what sandbox_proxy
needs (`up` asks this one too), {"phase": "lab"}, {"phase": "replica"} or {"phase": "limits"}. The
outcomes are those of sandbox_verify. `limits` fills the container for a few seconds; nothing else
disturbs who works there.
"""

import errno
import json
import os
import select
import signal
from collections.abc import Callable
from typing import Any

from sandbox_verify import Attack, Outcome, attacks, run, tried

# Few at once: threads count as processes of the container.
WORKERS = 8
# Each ends by itself long before; on a busy machine, slow must not look like fallen.
SECONDS = {"quiet": 150.0, "proxy": 60.0, "lab": 60.0, "replica": 60.0, "limits": 60.0}
REFUSALS = {errno.EPERM, errno.EACCES, errno.EROFS, errno.ENOSYS}


def checks(asked: dict[str, Any]) -> list[dict[str, str | bool]]:
    """Run the attacks of the phase asked for; see the module's head."""
    phase = str(asked["phase"])
    known = {"quiet": quiet, "proxy": proxy, "lab": lab, "replica": replica, "limits": limits}
    chosen = known[phase](asked)
    return run(chosen, SECONDS[phase], WORKERS if phase in ("quiet", "proxy") else 1)


def quiet(asked: dict[str, Any]) -> list[Attack]:
    """Return what nobody else notices."""
    import sandbox_contained
    import sandbox_held
    import sandbox_reach

    return [
        *sandbox_reach.attacks(asked),
        *attacks([]),
        *sandbox_held.attacks(),
        *sandbox_contained.attacks(),
    ]


def proxy(asked: dict[str, Any]) -> list[Attack]:
    """Return the attacks on the way out, where there is one."""
    import sandbox_proxy

    return sandbox_proxy.attacks(asked)


def lab(asked: dict[str, Any]) -> list[Attack]:
    """Return the attacks on PostgreSQL."""
    import sandbox_sql

    return sandbox_sql.attacks()


def replica(asked: dict[str, Any]) -> list[Attack]:
    """Return the attacks on the PostgreSQL replica."""
    import sandbox_standby

    return sandbox_standby.attacks()


def limits(asked: dict[str, Any]) -> list[Attack]:
    """Return the attacks on the container's limits."""
    import sandbox_limits

    return sandbox_limits.attacks()


def in_child(attempt: Callable[[], Outcome], seconds: float = 4.0) -> Outcome:
    """Run an attack in a process of its own, which ends with it or after so many seconds."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, json.dumps(tried(attempt)).encode())
        os._exit(0)
    os.close(writer)
    try:
        ready = select.select([reader], [], [], seconds)[0]
        said = os.read(reader, 65536) if ready else b""
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if not said:
        return False, "no answer in time"
    held, detail = json.loads(said)
    return held, detail


def all_refused(tries: dict[str, Callable[[], object]]) -> Outcome:
    """Return whether the kernel refused every one of `tries` for want of rights.

    Any other failure, a missing file apart, proves nothing, so it has not held.
    """
    seen: set[str] = set()
    for name, attempt in tries.items():
        try:
            attempt()
        except FileNotFoundError:
            continue
        except OSError as error:
            code = errno.errorcode.get(error.errno or 0, str(error))
            if error.errno not in REFUSALS:
                return False, f"{name} was not refused: {code}"
            seen.add(code)
        else:
            return False, f"{name} worked"
    return True, ", ".join(sorted(seen)) or "nothing there"
