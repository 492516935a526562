"""The row of lateness: guards alone end containers at their deadlines, nothing of ours runs."""

import math
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sandbox.core.anatomy import GUARD, LEASE_FOLDER, TOOL_UID
from sandbox.core.clock import Reading, guard_text
from sandbox.drivers.catalogue.home import HomeCatalogue

from .commands import docker, inspected, say
from .house import House
from .table import Row

COUNT, GOAL = 20, 2.0
_ALLOWED, _LONGEST = timedelta(seconds=5), 60
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_HARDENED = (
    *("--user", f"{TOOL_UID}:{TOOL_UID}", "--read-only", "--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges", "--network", "none", "--memory", "16m"),
)


def rows(house: House) -> list[Row]:
    """Return the row; every container has a lease of its own."""
    say(f"{COUNT} leases end with nothing of ours running")
    image = HomeCatalogue(house.folder).base_image().tag
    late = measure(image, house.label, f"late-{house.run_id}", COUNT)
    return [
        Row(
            "Expiry lateness with nothing of ours running",
            "deadline",
            f"p95 {p95(late):.2f} s, worst {max(late):.2f} s (n = {len(late)})",
            f"p95 ≤ {GOAL:g} s",
            p95(late) <= GOAL,
        )
    ]


def p95(values: Sequence[float]) -> float:
    """Return the value that 95 % do not exceed."""
    return sorted(values)[math.ceil(len(values) * 0.95) - 1]


def measure(image: str, label: str, prefix: str, count: int) -> list[float]:
    """Return how many seconds after its deadline each of `count` guarded containers ended.

    What is made carries `label` and is removed again. Raises TimeoutError when one never ends.
    """
    names = [f"{prefix}-{number}" for number in range(count)]
    try:
        deadlines = [_begin(image, label, name) for name in names]
        _wait(label)
        ends = [_ended(name) for name in names]
    finally:
        _remove(label, names)
    return [(end - due).total_seconds() for end, due in zip(ends, deadlines, strict=True)]


def _begin(image: str, label: str, name: str) -> datetime:
    """Start a container whose guard ends it soon; return when it should."""
    docker("volume", "create", "--label", label, name)
    holder = ("--label", label, "--name", f"{name}-holder", "--volume", f"{name}:{LEASE_FOLDER}")
    docker("create", *holder, image, "true")
    deadline = (datetime.now(UTC) + _ALLOWED).replace(microsecond=0)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "deadline"
        file.write_text(guard_text(deadline, _reading()))
        file.chmod(0o444)
        docker("cp", str(file), f"{name}-holder:{LEASE_FOLDER}/deadline")
    lease = ("--volume", f"{name}:{LEASE_FOLDER}:ro")
    own = ("--detach", "--label", label, "--name", name, *lease, *_HARDENED)
    docker("run", *own, image, GUARD, "--", "sleep", "600")
    return deadline


def _reading() -> Reading:
    return Reading(
        wall=datetime.now(UTC),
        uptime=time.clock_gettime(time.CLOCK_BOOTTIME),
        boot=_BOOT.read_text().strip(),
    )


def _wait(label: str) -> None:
    limit = time.monotonic() + _LONGEST
    while docker("ps", "--quiet", "--filter", f"label={label}"):
        if time.monotonic() > limit:
            raise TimeoutError("a container outlived its deadline by far")
        time.sleep(0.5)


def _ended(name: str) -> datetime:
    ended: str = inspected(name)["State"]["FinishedAt"]
    return datetime.fromisoformat(ended[:26].rstrip("Z") + "+00:00")


def _remove(label: str, names: Sequence[str]) -> None:
    made = docker("ps", "--all", "--quiet", "--filter", f"label={label}").split()
    if made:
        docker("rm", "--force", *made)
    there = set(docker("volume", "ls", "--quiet", "--filter", f"label={label}").split())
    if there & set(names):
        docker("volume", "rm", *sorted(there & set(names)))
