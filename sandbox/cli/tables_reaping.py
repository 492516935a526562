"""What people see of the reaper's results."""

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sandbox.cli.blocks import Block, Grid, Line, dry_run, named
from sandbox.core.text import clean

if TYPE_CHECKING:
    from sandbox.core.schedule import Scheduled
    from sandbox.usecases.reaping import ReapResult
    from sandbox.usecases.scheduling import ScheduleResult


def _reaped(result: "ReapResult") -> list[Block]:
    unknown = [named("unknown", each) for each in result.unmeasured]
    if not result.chores:
        return [*unknown, Line("Nothing to settle.")]
    grid = Grid(("what", "on", "why", "outcome"))
    for chore in result.chores:
        said = f": {chore.said}" if chore.said else ""
        grid.rows.append((chore.kind, chore.subject, chore.why, chore.outcome + said))
    if result.applied:
        return [*unknown, grid]
    return [*unknown, grid, dry_run("sandbox reap")]


def _scheduled(result: "ScheduleResult") -> list[Block]:
    if not result.done:
        return [Line("Nothing was scheduled.")]
    verb = "wrote" if result.installed else "removed"
    shown = [line for each in result.done for line in _means(each, verb)]
    if result.installed:
        often = f"every {result.minutes} minutes" if result.minutes else "all the time"
        shown.append(named("runs", f"{often}: {shlex.join(result.command)}"))
    return [*shown]


def _means(done: "Scheduled", verb: str) -> list[Line]:
    shown: list[Line] = []
    for file in done.files:
        shown.append(named(verb, file.path))
        shown += [Line(clean(text), label="  ", raw=True) for text in file.text.splitlines()]
    return shown + [named("ran", command) for command in done.ran]


SHOWN: dict[str, Callable[[Any], list[Block]]] = {
    "ReapResult": _reaped,
    "ScheduleResult": _scheduled,
}
