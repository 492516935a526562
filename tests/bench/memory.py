"""Rows of memory: what runs of ours beside the tool while nobody does anything.

Counted as PSS (`/proc/PID/smaps_rollup`): a page that several processes map counts once, divided
among them; what is only cached of files counts not at all.
"""

import time
from pathlib import Path

from .commands import docker, gateway_of, inspected, say
from .house import House
from .table import Row, not_run

_SETTLED = 10.0
_WITH, _WITHOUT = "our memory beside the tool's own, idle, with a lab", "the same, without a lab"
_GOALS = {_WITH: 48, _WITHOUT: 5}


def rows(house: House) -> list[Row]:
    """Make one sandbox, wait until it is idle, and return the rows; memory in MB."""
    say("memory of an idle sandbox")
    house.up("idle")
    time.sleep(_SETTLED)
    try:
        return _rows(house)
    except PermissionError:
        goals = _GOALS.items()
        return [not_run(what, "–", "only root sees it", f"≤ {most} MB") for what, most in goals]
    finally:
        house.down("idle")


def _rows(house: House) -> list[Row]:
    made = house.json("show", "idle")["sandbox"]
    tool, lab = (f"sandbox-{made['id']}-{part}" for part in ("tool", "lab"))
    its = inspected(tool)
    guard, beside = _memory(its["State"]["Pid"]), sum(_memory(pid) for pid in _processes(lab))
    gateway = sum(_memory(pid) for pid in _processes(gateway_of(its)))
    return [
        _row(_WITH, guard + beside, f"guard {guard:.1f}, lab with its guard {beside:.1f}"),
        _row(_WITHOUT, guard, "guard"),
        Row("the gateway, one for all sandboxes", "–", f"{gateway:.1f} MB", "–", None),
    ]


def _row(what: str, megabytes: float, parts: str) -> Row:
    most = _GOALS[what]
    return Row(what, "–", f"{megabytes:.1f} MB ({parts})", f"≤ {most} MB", megabytes <= most)


def _processes(container: str) -> list[int]:
    return [int(line) for line in docker("top", container, "-eo", "pid").splitlines()[1:]]


def _memory(pid: int) -> float:
    """Return the PSS of a process of this machine in MB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    kibibytes = next(line.split()[1] for line in lines if line.startswith("Pss:"))
    return int(kibibytes) * 1024 / 1e6
