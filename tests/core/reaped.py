"""A sandbox, its objects on the engine, and what the reaper sees of both."""

from datetime import datetime, timedelta
from typing import Any

from sandbox.core.lease import Lease, LeaseLimits
from sandbox.core.lifecycle import Sandbox
from sandbox.core.objects import INSTALLATION, ROLE, SANDBOX, Kind, Owned
from sandbox.core.phases import LIVE, State
from sandbox.core.reaping import Seen, chores
from tests.core.test_lifecycle import a_sandbox
from tests.phases import NOON, phase

HOUR = timedelta(hours=1)
GRACE = timedelta(hours=72)
ID = "a1"
PARTS: list[tuple[Kind, str]] = [
    ("network", f"sandbox-{ID}"),
    ("volume", f"sandbox-{ID}-lease"),
    ("volume", f"sandbox-{ID}-work"),
    ("container", f"sandbox-{ID}-lease"),
    ("container", f"sandbox-{ID}-tool"),
]
GATEWAY = Owned("container", "gateway", {INSTALLATION: "i", ROLE: "gateway"}, True)


def one(kind: Kind, name: str, sandbox: str = ID, running: bool = False, label: str = "") -> Owned:
    role = name.rpartition("-")[2] if name.count("-") > 1 else "network"
    more = {label: "x"} if label else {}
    return Owned(kind, name, {INSTALLATION: "i", SANDBOX: sandbox, ROLE: role} | more, running)


def whole(running: bool = True, lacking: str = "") -> list[Owned]:
    """Return every object of the sandbox, but the one whose name ends in `lacking`."""
    return [
        one(kind, name, running=running and name.endswith("-tool"))
        for kind, name in PARTS
        if not lacking or not name.endswith(lacking)
    ]


def held(state: State, hours: float = 1, **limits: Any) -> Sandbox:
    """Return a sandbox in `state` whose deadline is so many hours after NOON."""
    lease = Lease(
        owner="anna", ttl=timedelta(hours=hours), limits=LeaseLimits(**limits), started=NOON
    )
    return a_sandbox(phase=phase(state), lease=lease)


def seen(sandbox: Sandbox, objects: list[Owned], now: datetime = NOON, **more: Any) -> Seen:
    journals = {ID: PARTS} if sandbox.state in LIVE else {}
    there = [*objects, GATEWAY]
    return Seen(now=now, sandboxes=[sandbox], objects=there, journals=journals, **more)


def kinds(look: Seen) -> list[str]:
    return [chore.kind.value for chore in chores(look, HOUR)]


def only_why(look: Seen) -> str:
    (chore,) = chores(look, HOUR)
    return chore.why
