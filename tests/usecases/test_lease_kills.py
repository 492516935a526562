"""kill -9 after every step of every lease verb: one `reap --apply`, and engine and record agree."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sandbox.core.errors import SandboxError
from sandbox.core.phases import State
from sandbox.core.ports import Context
from sandbox.usecases.leases import (
    FreezeRequest,
    ResumeRequest,
    extend,
    freeze,
    restore,
    resume,
)
from sandbox.usecases.line import LiftLineRequest, StopLineRequest, lift_line, stop_line
from sandbox.usecases.reaping import ReapRequest, reap
from sandbox.usecases.sandboxes import DownRequest, down
from tests.fakes import Clock, FakeEngine, FakeGateway
from tests.usecases.asking_up import chain_holds, make
from tests.usecases.dying import Act, Spread, killed_after, steps
from tests.usecases.leasing import BACK, MORE, NAME, guards_end, on_record, owed, running

pytestmark = pytest.mark.usefixtures("snapshot", "marked")

FREEZE = FreezeRequest(name=NAME, reason="Too many queries")
Step = Callable[[Context, FakeEngine, Clock], object]


def nothing(ctx: Context, engine: FakeEngine, clock: Clock) -> None:
    """It is ready, and that is what the verb needs."""


def frozen(ctx: Context, engine: FakeEngine, clock: Clock) -> None:
    freeze(ctx, FREEZE)


def over(ctx: Context, engine: FakeEngine, clock: Clock) -> None:
    clock.advance(hours=3, minutes=1)
    stopped(ctx, engine, clock)


def frozen_and_over(ctx: Context, engine: FakeEngine, clock: Clock) -> None:
    freeze(ctx, FREEZE)
    clock.advance(hours=3, minutes=1)


def stopped(ctx: Context, engine: FakeEngine, clock: Clock) -> None:
    """Everything of it stopped, as after a reboot, and its guards know nothing."""
    its = on_record(ctx).id
    for part in ("tool", "lab"):
        engine.stop(f"sandbox-{its}-{part}", 0)


def extended_and_frozen(ctx: Context, engine: FakeEngine, clock: Clock) -> None:
    """Frozen, and given more time by a command that could not tell the guards any more."""
    freeze(ctx, FREEZE)
    count = steps(ctx, lambda context: extend(context, MORE))
    down(ctx, DownRequest(name=NAME, keep=False))
    make(ctx)
    freeze(ctx, FREEZE)
    killed_after(ctx, lambda context: extend(context, MORE), count - 2)
    assert owed(ctx)
    clock.advance(hours=4)


def line(context: Context) -> None:
    stop_line(context, StopLineRequest(reason="A mask is wrong"))


VERBS: dict[str, tuple[Step, Act]] = {
    "extend": (nothing, lambda ctx: extend(ctx, MORE)),
    "freeze": (nothing, lambda ctx: freeze(ctx, FREEZE)),
    "stop the line": (nothing, line),
    "resume": (frozen, lambda ctx: resume(ctx, ResumeRequest(name=NAME))),
    "resume with credit": (frozen, lambda ctx: resume(ctx, ResumeRequest(name=NAME, credit=True))),
    "restore": (over, lambda ctx: restore(ctx, BACK)),
    "restore of a frozen one": (frozen_and_over, lambda ctx: restore(ctx, BACK)),
    "restart": (stopped, lambda ctx: reap(ctx, ReapRequest(apply=True))),
    "expire": (over, lambda ctx: reap(ctx, ReapRequest(apply=True))),
    "resume after a lost extend": (
        extended_and_frozen,
        lambda ctx: resume(ctx, ResumeRequest(name=NAME)),
    ),
}


def agree(ctx: Context, engine: FakeEngine, gateway: FakeGateway) -> None:
    """Check that engine, gateway and guards are what the record says."""
    sandbox, network = on_record(ctx), engine.endpoints[f"sandbox-{on_record(ctx).id}"]
    up = sandbox.state_at(ctx.now()) is State.READY
    assert running(ctx, engine) == ({"tool", "lab"} if up else set())
    if up:
        assert set(gateway.routes) == {NAME}
        assert gateway.container in network
    if sandbox.state_at(ctx.now()) in (State.READY, State.FROZEN):
        assert sandbox.lease.deadline is not None
        assert guards_end(ctx, engine) == int(sandbox.lease.deadline.timestamp())
    assert not owed(ctx)
    assert chain_holds(ctx)


@pytest.mark.parametrize("name", VERBS)
def test_killed_after_every_step(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway, clock: Clock, name: str, spread: Spread
) -> None:
    before, verb = VERBS[name]

    def begin() -> None:
        make(ctx)
        before(ctx, engine, clock)

    begin()
    count = steps(ctx, verb)
    assert count >= 3
    for last in spread(count):
        end(ctx)
        begin()
        killed_after(ctx, verb, last)
        done = reap(ctx, ReapRequest(apply=True))
        assert not done.failed, (last, done)
        agree(ctx, engine, gateway)
        assert reap(ctx, ReapRequest(apply=True)).chores == ()


def end(ctx: Context) -> None:
    down(ctx, DownRequest(name=NAME, keep=False))
    try:
        lift_line(ctx, LiftLineRequest())
    except SandboxError:
        return


class Meddled:
    """An engine beside which somebody stops the line as soon as anything is started."""

    def __init__(self, real: FakeEngine, context: Context) -> None:
        self._real, self._context, self._begun = real, context, threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def start(self, name: str) -> None:
        if self._begun.acquire(blocking=False):
            line(self._context)
        self._real.start(name)


def test_the_line_stopped_while_the_reaper_starts_something(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway, clock: Clock
) -> None:
    make(ctx)
    stopped(ctx, engine, clock)
    meddled: Any = Meddled(engine, ctx)
    done = reap(replace(ctx, engine=meddled), ReapRequest(apply=True)).chores
    assert [c.outcome for c in done if c.kind == "restart"] == ["failed"]
    agree(ctx, engine, gateway)
    assert on_record(ctx).state == "frozen"
    assert NAME not in gateway.routes
