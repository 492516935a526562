"""Use as it is read and kept, and what the reaper makes of rules about it."""

from datetime import timedelta
from pathlib import Path

import pytest

from sandbox.core.errors import Conflict, InvalidInput
from sandbox.core.objects import Ran
from sandbox.core.phases import Frozen
from sandbox.core.policy import Decision
from sandbox.core.ports import Context
from sandbox.core.snapshot import Snapshot
from sandbox.usecases.homes import InitRequest, init
from sandbox.usecases.idling import LAB_WORK, not_counted
from sandbox.usecases.importing import ImportRequest, import_csv
from sandbox.usecases.inside import (
    ExecRequest,
    LogsRequest,
    SqlRequest,
    execute,
    logs,
    sql,
)
from sandbox.usecases.leases import ResumeRequest, resume
from sandbox.usecases.reaping import ReapRequest, reap
from sandbox.usecases.sandboxes import (
    DownRequest,
    ListRequest,
    OpenRequest,
    ShowRequest,
    down,
    list_sandboxes,
    open_link,
    show,
)
from sandbox.usecases.views import SandboxView
from tests.fakes import NOON, Clock, FakeEngine, FakeGateway, Said, Trap, unavailable
from tests.usecases.asking_up import chain_holds, codes, events, make
from tests.usecases.leasing import NAME, on_record

RULE = """
apiVersion: sandbox.policy/v1
kind: PolicySet
metadata: {name: idle, version: "1", owner: it, change: CHG-2}
effective_from: "2026-01-01T00:00:00+09:00"
rules:
  - id: idle-rule
    title: {en: It is used, ja: 使われている}
    mode: MODE
    at: [idle]
    assert: {field: idle_hours, max: 24}
    fix: {en: Ask IT to start it again, ja: IT部門に依頼してください}
"""


@pytest.fixture(autouse=True)
def _made(ctx: Context, home: Path, snapshot: Snapshot) -> None:
    init(ctx, InitRequest(folder=str(home)))
    make(ctx, ttl="120h")


def rules(home: Path, mode: str) -> None:
    (home / "policies/idle.yaml").write_text(RULE.replace("MODE", mode))


def applied(ctx: Context) -> list[tuple[str, str]]:
    done = reap(ctx, ReapRequest(apply=True)).chores
    return [(c.kind.value, c.outcome) for c in done if "idle" in c.kind]


def planned(ctx: Context) -> list[tuple[str, str]]:
    return [(c.kind.value, c.why) for c in reap(ctx, ReapRequest()).chores if "idle" in c.kind]


def lab_worked(engine: FakeEngine, ms: float) -> None:
    engine.programs[LAB_WORK] = Ran(0, f"{ms}\n".encode(), b"")


def listed(ctx: Context) -> SandboxView:
    (found,) = list_sandboxes(ctx, ListRequest()).sandboxes
    return found


def shown(ctx: Context) -> SandboxView:
    return show(ctx, ShowRequest(name=NAME)).sandbox


def test_what_is_on_record_is_shown_without_an_engine(ctx: Context, engine: FakeEngine) -> None:
    engine.trap = Trap(unavailable(), method="owned")
    found = show(ctx, ShowRequest(name=NAME))
    assert (found.unseen, found.parts) == ("The engine went away.", ())
    assert found.sandbox.purpose
    assert found.decision


def test_a_persons_requests_are_shown_at_once_and_kept_by_the_reaper(
    ctx: Context, gateway: FakeGateway, clock: Clock
) -> None:
    assert shown(ctx).last_used is None
    clock.advance(hours=2)
    gateway.used = {NAME: NOON + timedelta(hours=1), "other": NOON}
    assert shown(ctx).last_used == NOON + timedelta(hours=1)
    assert listed(ctx).last_used is None
    before = codes(ctx)
    reap(ctx, ReapRequest())
    assert listed(ctx).last_used is None
    reap(ctx, ReapRequest(apply=True))
    assert listed(ctx).last_used == NOON + timedelta(hours=1)
    assert codes(ctx) == before


def test_the_name_of_an_earlier_sandbox_is_not_its_use(ctx: Context, gateway: FakeGateway) -> None:
    gateway.used = {NAME: NOON - timedelta(seconds=1)}
    assert shown(ctx).last_used is None


def test_work_in_the_lab_is_use_and_our_own_reading_is_not(
    ctx: Context, engine: FakeEngine, clock: Clock
) -> None:
    for minute, ms in enumerate((7, 7, 7)):
        clock.moment = NOON + timedelta(minutes=minute)
        lab_worked(engine, ms)
        reap(ctx, ReapRequest(apply=True))
        assert shown(ctx).last_used is None
    clock.advance(hours=1)
    lab_worked(engine, 8)
    assert shown(ctx).last_used == clock.moment
    reap(ctx, ReapRequest(apply=True))
    at = clock.moment
    clock.advance(hours=1)
    assert shown(ctx).last_used == listed(ctx).last_used == at


def test_our_own_attacks_in_the_lab_are_no_use_but_what_was_before_is(
    ctx: Context, engine: FakeEngine, clock: Clock
) -> None:
    lab_worked(engine, 7)
    reap(ctx, ReapRequest(apply=True))
    clock.advance(hours=1)
    with not_counted(ctx, on_record(ctx)):
        lab_worked(engine, 50)
        clock.advance(minutes=1)
    assert shown(ctx).last_used is None
    lab_worked(engine, 51)
    with not_counted(ctx, on_record(ctx)):
        at = clock.moment
        clock.advance(minutes=1)
        lab_worked(engine, 99)
    assert shown(ctx).last_used == listed(ctx).last_used == at


def test_a_lab_that_does_not_tell_keeps_nobody_from_the_rest(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway
) -> None:
    gateway.used = {NAME: NOON}
    for ran in (Ran(2, b"", b"no"), Ran(0, b"", b""), Ran(0, b"none", b"")):
        engine.programs[LAB_WORK] = ran
        assert shown(ctx).last_used == NOON


def test_commands_inside_are_use_and_looking_is_not(
    ctx: Context, engine: FakeEngine, clock: Clock
) -> None:
    for word in ("sandbox_query", "sandbox_import"):
        engine.programs[word] = Ran(0, b'{"error": "no"}', b"")
    clock.advance(hours=1)
    list_sandboxes(ctx, ListRequest())
    logs(ctx, LogsRequest(name=NAME))
    open_link(ctx, OpenRequest(name=NAME))
    assert shown(ctx).last_used is None
    clock.moment = NOON + timedelta(hours=2)
    execute(ctx, ExecRequest(name=NAME, command=("ls",)))
    assert listed(ctx).last_used == NOON + timedelta(hours=2)
    # Also what is refused inside: somebody is there.
    clock.moment = NOON + timedelta(hours=3)
    with pytest.raises(InvalidInput):
        sql(ctx, SqlRequest(name=NAME, sql="SELECT 1"))
    assert listed(ctx).last_used == NOON + timedelta(hours=3)
    clock.moment = NOON + timedelta(hours=4)
    with pytest.raises(InvalidInput):
        import_csv(ctx, ImportRequest(name=NAME, file="a.csv", content=b"a\n1"))
    assert listed(ctx).last_used == NOON + timedelta(hours=4)


def test_many_commands_in_a_minute_write_once(ctx: Context, clock: Clock) -> None:
    for _ in range(5):
        execute(ctx, ExecRequest(name=NAME, command=("ls",)))
        clock.advance(seconds=10)
    assert listed(ctx).last_used == NOON
    clock.advance(seconds=10)
    execute(ctx, ExecRequest(name=NAME, command=("ls",)))
    assert listed(ctx).last_used == NOON + timedelta(minutes=1)


def test_the_shipped_rule_warns_after_a_day_once_and_again_after_use(
    ctx: Context, gateway: FakeGateway, clock: Clock
) -> None:
    clock.advance(hours=24)
    assert applied(ctx) == []
    clock.advance(hours=2)
    ((kind, why),) = planned(ctx)
    assert kind == "warn-idle"
    assert why.startswith("rule idle-told: the time without use (hours) is 26, the limit is 24")
    assert listed(ctx).idle_warning == ""
    assert applied(ctx) == [("warn-idle", "done")]
    assert applied(ctx) == []
    clock.advance(hours=1)
    assert listed(ctx).idle_warning == shown(ctx).idle_warning == "idle 27 h"
    (event,) = [e for e in events(ctx, NAME) if e.code == "sandbox.idle-warned"]
    assert event.details["decision"]["document"]["idle_hours"] == 26
    assert gateway.used is not None
    gateway.used[NAME] = clock.moment
    assert shown(ctx).idle_warning == ""
    assert applied(ctx) == []
    assert listed(ctx).idle_warning == ""
    clock.advance(hours=25)
    assert applied(ctx) == [("warn-idle", "done")]
    assert chain_holds(ctx)


def test_a_rule_freezes_and_says_who_why_and_what_to_do(
    ctx: Context, home: Path, engine: FakeEngine, gateway: FakeGateway, clock: Clock
) -> None:
    rules(home, "enforce")
    clock.advance(hours=30)
    assert [kind for kind, _ in planned(ctx)] == ["freeze-idle"]
    assert listed(ctx).state == "ready"
    assert applied(ctx) == [("freeze-idle", "done")]
    phase = on_record(ctx).phase
    assert isinstance(phase, Frozen)
    assert phase.by == "system"
    assert phase.reason.startswith("rule idle-rule: the time without use (hours) is 30")
    (event,) = [e for e in events(ctx, NAME) if e.code == "sandbox.frozen"]
    assert (event.actor, event.identity) == ("system", "the reaper, run by anna")
    decision = Decision.model_validate(event.details["decision"])
    assert (decision.verdict, decision.point) == ("deny", "idle")
    assert decision.document["idle_hours"] == 30
    assert NAME not in gateway.routes
    assert not [n for n, b in engine.containers.items() if b.running and on_record(ctx).id in n]
    with pytest.raises(Conflict, match="rule idle-rule") as caught:
        sql(ctx, SqlRequest(name=NAME, sql="SELECT 1"))
    assert f"sandbox resume {NAME}" in caught.value.hint
    assert applied(ctx) == []
    assert chain_holds(ctx)


def test_what_is_resumed_is_not_frozen_again_at_once(
    ctx: Context, home: Path, clock: Clock
) -> None:
    rules(home, "enforce")
    clock.advance(hours=30)
    applied(ctx)
    clock.advance(hours=5)
    resume(ctx, ResumeRequest(name=NAME))
    assert applied(ctx) == []
    clock.advance(hours=23)
    assert applied(ctx) == []
    clock.advance(hours=2)
    assert applied(ctx) == [("freeze-idle", "done")]


def test_used_between_judging_and_acting_it_is_left_alone(
    ctx: Context, home: Path, gateway: FakeGateway, clock: Clock
) -> None:
    rules(home, "enforce")
    clock.advance(hours=30)

    asked = iter([{}, {NAME: clock.moment}, {NAME: clock.moment}])
    gateway.uses = lambda: next(asked)  # type: ignore[method-assign]
    assert applied(ctx) == [("freeze-idle", "left")]
    assert listed(ctx).state == "ready"


def test_a_gateway_that_cannot_tell_has_nobody_taken_for_idle(
    ctx: Context, home: Path, gateway: FakeGateway, clock: Clock
) -> None:
    rules(home, "enforce")
    clock.advance(hours=30)
    gateway.used = None
    assert applied(ctx) == []
    gateway.uses = lambda: (_ for _ in ()).throw(unavailable())  # type: ignore[method-assign]
    assert applied(ctx) == []
    assert shown(ctx).last_used is None


def test_without_a_rule_nobody_is_told(ctx: Context, home: Path, clock: Clock) -> None:
    (home / "policies/idle.yaml").unlink()
    clock.advance(hours=90)
    assert applied(ctx) == []


def test_policies_that_cannot_be_read_keep_the_reaper_from_nothing_else(
    ctx: Context, home: Path, engine: FakeEngine, clock: Clock, said: Said
) -> None:
    (home / "policies/idle.yaml").write_text("rules: [")
    clock.advance(hours=30)
    engine.stop(f"sandbox-{on_record(ctx).id}-tool", 0)
    done = reap(ctx, ReapRequest(apply=True)).chores
    assert [(c.kind.value, c.outcome) for c in done] == [("restart", "done")]
    assert any("idle" in line for line in said.steps)


def test_one_that_expired_is_not_idle(ctx: Context, home: Path, clock: Clock) -> None:
    rules(home, "enforce")
    clock.advance(hours=121)
    assert [c.kind.value for c in reap(ctx, ReapRequest(apply=True)).chores] == ["expire"]


def test_use_of_one_that_is_gone_is_forgotten(ctx: Context, gateway: FakeGateway) -> None:
    gateway.used = {NAME: NOON}
    down(ctx, DownRequest(name=NAME, keep=False))
    assert shown(ctx).last_used is None
