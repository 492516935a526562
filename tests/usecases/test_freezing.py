"""`freeze`, `resume` and the stopped line: what runs, what is kept, who is told why."""

from dataclasses import replace

import pytest

from sandbox.cli.tables import blocks
from sandbox.core.errors import Conflict, InvalidInput, Unavailable
from sandbox.core.ports import Context
from sandbox.core.resolving import Wish
from sandbox.usecases.homes import DoctorRequest, doctor
from sandbox.usecases.inside import LogsRequest, SqlRequest, logs, sql
from sandbox.usecases.leases import (
    FreezeRequest,
    RestoreRequest,
    ResumeRequest,
    freeze,
    restore,
    resume,
)
from sandbox.usecases.line import LiftLineRequest, StopLineRequest, lift_line, stop_line
from sandbox.usecases.planning import PlanRequest, plan
from sandbox.usecases.sandboxes import DownRequest, ListRequest, down, list_sandboxes
from tests.fakes import NOON, Clock, DeadEngine, FakeEngine, FakeGateway, Said, Trap, unavailable
from tests.usecases.asking_up import chain_holds, codes, events, make, state, wish
from tests.usecases.leasing import HOUR, expire, guards_end, on_record, owed, running

pytestmark = pytest.mark.usefixtures("snapshot")
NAME = "spring-coupon"
FREEZE = FreezeRequest(name=NAME, reason="Too many queries")
STOP = StopLineRequest(reason="A mask is wrong")


def test_freeze_stops_and_keeps(ctx: Context, engine: FakeEngine, gateway: FakeGateway) -> None:
    make(ctx)
    objects = engine.listing()
    frozen = freeze(ctx, FREEZE).sandbox
    assert (frozen.state, frozen.reason) == ("frozen", FREEZE.reason)
    assert frozen.deadline == NOON + 3 * HOUR
    assert running(ctx, engine) == set()
    assert NAME not in gateway.routes
    assert engine.listing() == objects
    assert events(ctx, NAME)[-1].code == "sandbox.frozen"
    assert events(ctx, NAME)[-1].reason == FREEZE.reason
    with pytest.raises(Conflict, match="frozen cannot be frozen"):
        freeze(ctx, FREEZE)
    with pytest.raises(Conflict) as taken:
        make(ctx)
    assert f"sandbox resume {NAME}" in taken.value.hint


def test_freeze_wants_a_reason(ctx: Context, engine: FakeEngine) -> None:
    make(ctx)
    with pytest.raises(InvalidInput, match="no reason"):
        freeze(ctx, FreezeRequest(name=NAME, reason=""))
    assert running(ctx, engine) == {"tool", "lab"}


def test_what_is_frozen_is_on_record_before_it_is_stopped(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway
) -> None:
    make(ctx)
    engine.trap = Trap(KeyboardInterrupt(), method="stop")
    with pytest.raises(KeyboardInterrupt):
        freeze(ctx, FREEZE)
    assert state(ctx) == "frozen"
    assert NAME not in gateway.routes


def test_without_an_engine_it_says_what_is_on_record_and_what_stops_it(ctx: Context) -> None:
    make(ctx)
    with pytest.raises(Unavailable, match="recorded as frozen, but was not stopped") as told:
        freeze(replace(ctx, engine=DeadEngine()), FREEZE)
    assert told.value.subject == NAME
    assert "sandbox reap --apply" in told.value.hint
    assert state(ctx) == "frozen"


def test_one_frozen_for_its_disk_is_told_to_come_back_with_room(ctx: Context) -> None:
    make(ctx)
    full = on_record(ctx)
    with ctx.registry.writing() as tx:
        tx.save_sandbox(full.model_copy(update={"used_mb": full.disk_mb + 1}))
    assert freeze(ctx, FREEZE).sandbox.resume_command.endswith(f"--disk-mb {full.disk_mb + 1025}")
    with pytest.raises(Conflict) as told:
        sql(ctx, SqlRequest(name=NAME, sql="SELECT 1"))
    assert on_record(ctx).resume_command in told.value.hint


def test_logs_are_read_as_long_as_there_are_containers(ctx: Context, engine: FakeEngine) -> None:
    make(ctx)
    freeze(ctx, FREEZE)
    assert logs(ctx, LogsRequest(name=NAME)).lines
    down(ctx, DownRequest(name=NAME, keep=False))
    with pytest.raises(Conflict, match="is destroyed"):
        logs(ctx, LogsRequest(name=NAME))
    make(ctx)
    engine.containers.clear()
    with pytest.raises(Conflict, match="no logs: it is ready"):
        logs(ctx, LogsRequest(name=NAME))


def test_the_lease_runs_on_while_it_is_frozen(ctx: Context, clock: Clock) -> None:
    make(ctx)
    freeze(ctx, FREEZE)
    clock.advance(hours=3)
    with pytest.raises(Conflict, match="expired cannot be resumed") as refused:
        resume(ctx, ResumeRequest(name=NAME))
    assert refused.value.details["allowed_actions"] == ["restore", "down"]


def test_resume_starts_it_again(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway, clock: Clock
) -> None:
    make(ctx)
    route = gateway.routes[NAME]
    freeze(ctx, FREEZE)
    clock.advance(hours=1)
    told = resume(ctx, ResumeRequest(name=NAME))
    assert (told.sandbox.state, told.credited_minutes) == ("ready", 0)
    assert told.sandbox.deadline == NOON + 3 * HOUR
    assert running(ctx, engine) == {"tool", "lab"}
    assert gateway.routes[NAME] == route
    assert codes(ctx, NAME)[-2:] == ["sandbox.frozen", "sandbox.resumed"]
    assert chain_holds(ctx)


def test_credit_gives_the_frozen_time_back(ctx: Context, engine: FakeEngine, clock: Clock) -> None:
    make(ctx)
    freeze(ctx, FREEZE)
    clock.advance(hours=1, seconds=1.5)
    told = resume(ctx, ResumeRequest(name=NAME, credit=True))
    assert told.credited_minutes == 60
    assert told.sandbox.extensions_left == 3
    end = on_record(ctx).lease.deadline
    assert end is not None
    assert (end - NOON - 4 * HOUR).total_seconds() == 1
    assert guards_end(ctx, engine) == int(end.timestamp())
    assert not owed(ctx)
    said = f"1 h given back that anna had it frozen for: {FREEZE.reason}"
    assert events(ctx, NAME)[-1].reason == said


def test_only_what_is_frozen_is_resumed(ctx: Context) -> None:
    make(ctx)
    with pytest.raises(Conflict, match="ready cannot be resumed") as refused:
        resume(ctx, ResumeRequest(name=NAME))
    assert "freeze" in refused.value.details["allowed_actions"]


def test_a_resume_may_fail_at_every_call_and_leaves_it_frozen(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway
) -> None:
    make(ctx)
    freeze(ctx, FREEZE)
    number = 0
    while state(ctx) == "frozen" and number < 100:
        number += 1
        engine.forget_calls()
        engine.trap = Trap(unavailable(), at=number)
        try:
            resume(ctx, ResumeRequest(name=NAME))
        except Unavailable:
            assert state(ctx) == "frozen"
            assert running(ctx, engine) == set()
            assert NAME not in gateway.routes
    assert number > 6
    assert running(ctx, engine) == {"tool", "lab"}


def test_the_stopped_line_freezes_all_and_refuses_to_start(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway, clock: Clock, said: Said
) -> None:
    make(ctx, "expired", ttl="1h")
    make(ctx)
    make(ctx, "second")
    clock.advance(hours=2)
    told = stop_line(ctx, STOP)
    assert told.frozen == (NAME, "second")
    assert (
        (told.stopped.by, told.stopped.reason) == ("anna", STOP.reason) if told.stopped else False
    )
    assert not [n for n, b in engine.containers.items() if b.running and on_record(ctx).id in n]
    assert set(gateway.routes) == {"expired"}
    assert "Stopped 2 of 2 sandboxes" in said.steps
    assert "A mask is wrong" in on_record(ctx).reason
    starts = (
        lambda: make(ctx, "new"),
        lambda: resume(ctx, ResumeRequest(name=NAME)),
        lambda: restore(ctx, RestoreRequest(name="expired", ttl="1h")),
    )
    for start in starts:
        with pytest.raises(Conflict, match="anna has stopped the line: A mask is wrong") as no:
            start()
        assert "--lift" in no.value.hint
        assert no.value.details["line"]["by"] == "anna"
    planned = plan(ctx, PlanRequest(wish=Wish.model_validate(wish("new"))))
    assert "stopped the line" in planned.why
    said_of_plan = "".join(getattr(block, "text", "") for block in blocks(planned))
    assert "A mask is wrong. Nothing is started until" in said_of_plan
    assert chain_holds(ctx)


def test_list_and_doctor_tell_of_a_stopped_line(ctx: Context) -> None:
    assert list_sandboxes(ctx, ListRequest()).line is None
    stop_line(ctx, STOP)
    line = list_sandboxes(ctx, ListRequest()).line
    assert line is not None
    assert line.reason == STOP.reason
    found = [c for c in doctor(ctx, DoctorRequest()).checks if c.name == "line"]
    assert [(c.status, c.fix) for c in found] == [("warn", "sandbox stop-the-line --lift")]


def test_lifting_leaves_what_is_frozen(ctx: Context, engine: FakeEngine) -> None:
    make(ctx)
    stop_line(ctx, STOP)
    assert lift_line(ctx, LiftLineRequest(reason="mended")).frozen == (NAME,)
    assert codes(ctx, "line") == ["line.stopped", "line.lifted"]
    assert state(ctx) == "frozen"
    resume(ctx, ResumeRequest(name=NAME))
    make(ctx, "new")
    with pytest.raises(Conflict, match="not stopped"):
        lift_line(ctx, LiftLineRequest())


def test_one_that_does_not_stop_keeps_no_other_from_it(
    ctx: Context, engine: FakeEngine, said: Said
) -> None:
    for name in ("first", NAME, "third"):
        make(ctx, name)
    stubborn = f"sandbox-{on_record(ctx).id}-tool"
    stop = engine.stop

    def refuse(name: str, seconds: int) -> None:
        if name == stubborn:
            raise unavailable()
        stop(name, seconds)

    engine.stop = refuse  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match="1 of 3 the engine did not confirm") as told:
        stop_line(ctx, STOP)
    assert told.value.details["not_stopped"] == [NAME]
    assert said.steps[-1] == "Stopped 2 of 3 sandboxes"
    parts = [n for n, b in engine.containers.items() if b.running and "gateway" not in n]
    assert parts == [stubborn]
    engine.stop = stop  # type: ignore[method-assign]
    again = stop_line(ctx, StopLineRequest(reason="again"))
    assert again.stopped is not None
    assert again.stopped.reason == STOP.reason  # who stopped it first stays on record
    assert not running(ctx, engine)
    assert codes(ctx).count("line.stopped") == 1


def line_stops_before_the_tool(ctx: Context, engine: FakeEngine) -> None:
    """Let somebody stop the line when the tool is about to start."""
    start = engine.start

    def stop_first(name: str) -> None:
        if name.endswith("-tool"):
            stop_line(ctx, STOP)
        start(name)

    engine.start = stop_first  # type: ignore[method-assign]


def test_the_line_stopped_meanwhile_unmakes_what_is_being_made(
    ctx: Context, engine: FakeEngine
) -> None:
    make(ctx, "first")
    before = engine.listing()
    line_stops_before_the_tool(ctx, engine)
    with pytest.raises(Conflict, match="stopped the line"):
        make(ctx)
    assert state(ctx) == "failed"
    assert engine.listing() == before


def test_the_line_stopped_meanwhile_stops_what_is_resumed(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway, clock: Clock
) -> None:
    make(ctx)
    expire(ctx, engine, clock)
    line_stops_before_the_tool(ctx, engine)
    with pytest.raises(Conflict, match="stopped the line"):
        restore(ctx, RestoreRequest(name=NAME, ttl="1h"))
    assert running(ctx, engine) == set()
    assert NAME not in gateway.routes
    assert on_record(ctx).lease.moves == ()
