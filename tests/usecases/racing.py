"""Several processes on one registry, all of them at the same moment."""

import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from sandbox.core.ports import Context
from sandbox.drivers.registry.store import SqlRegistry
from sandbox.usecases.provisioning import UpResult
from tests.usecases.asking_up import make

SECONDS = 60
_FORK = multiprocessing.get_context("fork")
_RACERS = 8
Racer = Callable[[Callable[[], UpResult]], Any]


def eight_make(ctx: Context, home: Path, racer: Racer) -> list[Any]:
    """Let eight processes make a sandbox each at once; return what `racer` told of each try."""
    ctx.registry.close()  # type: ignore[attr-defined]
    start, outcomes = _FORK.Barrier(_RACERS), _FORK.Queue()
    racers = [
        _FORK.Process(target=_run, args=(ctx, home, racer, 0xA0 + n, start, outcomes))
        for n in range(_RACERS)
    ]
    for each in racers:
        each.start()
    said = [outcomes.get(timeout=SECONDS) for _ in racers]
    for each in racers:
        each.join(SECONDS)
    return said


def _run(
    ctx: Context, home: Path, racer: Racer, number: int, start: Barrier, outcomes: Any
) -> None:
    """One process: its own connection to the registry, its own engine, its own ids."""
    own = SqlRegistry(home / ".sandbox")
    mine = replace(ctx, registry=own, new_id=lambda: f"{number:012x}")
    start.wait(SECONDS)
    outcomes.put(racer(lambda: make(mine, f"racer-{number}")))
    own.close()
