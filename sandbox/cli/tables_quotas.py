"""What people see of quotas and disks: what is held and left, and who is about to be stopped."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sandbox.cli.blocks import Block, Grid, Line, named
from sandbox.core.disk import MB

if TYPE_CHECKING:
    from sandbox.core.disk import Room
    from sandbox.core.headroom import Quota
    from sandbox.usecases.planning import PlanResult
    from sandbox.usecases.views import SandboxView

_WHAT = {"sandboxes": "sandboxes", "memory_mb": "memory MB", "cpus": "CPUs", "disk_mb": "disk MB"}


def quotas(result: "PlanResult") -> list[Block]:
    """Return what `plan` says of quotas, and of the disks' free space."""
    if result.answer == "runs":
        return []
    grid = Grid(("quota", "asked", "you hold", "of", "left", "all hold", "of", "left"))
    both = {(quota.of, quota.what): quota for quota in result.quotas}
    for what, words in _WHAT.items():
        mine, home = both["owner", what], both["home", what]
        grid.rows.append((words, _number(mine.asked), *_standing(mine), *_standing(home)))
    return [grid, named("free", _free(result.room))]


def full(views: Iterable["SandboxView"]) -> list[Line]:
    """Return a line for each sandbox whose disk is nearly full."""
    return [
        named("warning", f"{view.name}: {view.disk_warning}", style="yellow")
        for view in views
        if view.disk_warning
    ]


def disk(view: "SandboxView") -> list[Line]:
    """Return what `show` says of the disk of one sandbox."""
    if not view.disk_mb or view.state in ("denied", "failed", "destroyed"):
        return []
    held = "not measured yet" if view.used_mb is None else f"{view.used_mb:,} MB when last measured"
    return [*full([view]), named("disk", f"{held}, of {view.disk_mb:,} MB")]


def _standing(quota: "Quota") -> tuple[str, str, str]:
    if quota.allowed is None or quota.left is None:
        return _number(quota.held), "any", ""
    left = _number(quota.left) + ("" if quota.fits else ", too little")
    return _number(quota.held), _number(quota.allowed), left


def _number(value: float) -> str:
    return f"{value:,.1f}".removesuffix(".0")


def _free(room: "Room") -> str:
    places = {"engine's disk": room.engine, "home's disk": room.home}
    return ", ".join(
        f"{place} {'not known' if free is None else f'{free // MB:,} MB'}"
        for place, free in places.items()
    )
