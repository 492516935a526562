"""Data that is older than its source allows: nothing new sees it, what runs keeps it."""

from pathlib import Path

import pytest

from sandbox.core.errors import Conflict, Denied, SandboxError
from sandbox.core.ports import Context
from sandbox.core.snapshot import Snapshot
from sandbox.usecases.homes import Check, DoctorRequest, InitRequest, doctor, init
from sandbox.usecases.planning import PlanRequest, plan
from sandbox.usecases.reaping import ReapRequest, reap
from sandbox.usecases.resetting import ResetRequest, reset
from sandbox.usecases.sandboxes import ShowRequest, show
from sandbox.usecases.snapshots import (
    BuildSnapshotRequest,
    ListSnapshotsRequest,
    ShowSnapshotRequest,
    build,
    list_snapshots,
)
from sandbox.usecases.snapshots import show as show_snapshot
from tests.fakes import Clock, FakeEngine
from tests.usecases.asking_up import cap, codes, make, state, wish
from tests.usecases.leasing import NAME, expire, on_record
from tests.usecases.pools import TEMPLATE, filled, pooled, reaped

# The fake core's data is as of an hour before the clock starts.
LIMIT = "24h"


@pytest.fixture(autouse=True)
def _limited(home: Path) -> None:
    file = home / "sources/core.yaml"
    file.write_text(f"{file.read_text('utf-8')}max_age: {LIMIT}\n", "utf-8")


def checks(ctx: Context, name: str) -> list[Check]:
    return [c for c in doctor(ctx, DoctorRequest()).checks if c.name == name]


def age(clock: Clock) -> None:
    """Let the data of the first snapshot become just too old."""
    clock.advance(hours=23)


def test_up_and_plan_are_denied_alike_with_what_mends_it(
    ctx: Context, engine: FakeEngine, snapshot: Snapshot, clock: Clock
) -> None:
    clock.advance(hours=22, minutes=59)
    assert plan(ctx, PlanRequest(wish=wish())).answer == "made"
    clock.advance(minutes=1)
    engine.forget_calls()
    said = set()
    for ask in (lambda: make(ctx), lambda: plan(ctx, PlanRequest(wish=wish()))):
        with pytest.raises(Denied) as refused:
            ask()
        said.add((str(refused.value), refused.value.subject, refused.value.hint))
    ((message, subject, hint),) = said
    assert message == "The snapshot is too old: its data is 24 h old, core allows 24 h."
    assert subject == snapshot.id
    assert "sandbox snapshot build core" in hint
    assert (engine.changes(), state(ctx)) == ([], "none")


def test_a_certain_snapshot_is_judged_by_its_own_age(
    ctx: Context, snapshot: Snapshot, clock: Clock
) -> None:
    clock.advance(hours=30)
    with pytest.raises(Denied, match="31 h old"):
        make(ctx, snapshot=snapshot.id)


def test_a_rule_of_policy_that_says_no_tells_more(
    ctx: Context, home: Path, snapshot: Snapshot, clock: Clock
) -> None:
    age(clock)
    cap(home, "ttl-max", 1)
    with pytest.raises(Denied) as denied:
        make(ctx)
    assert denied.value.details["decision"]["findings"][0]["rule"] == "ttl-max"


def test_what_runs_keeps_its_data_and_is_returned(
    ctx: Context, snapshot: Snapshot, clock: Clock, engine: FakeEngine
) -> None:
    make(ctx, ttl="72h")
    age(clock)
    again = make(ctx, ttl="72h")
    assert not again.created
    assert again.age is not None
    assert again.age.too_old
    shown = show(ctx, ShowRequest(name=NAME))
    assert shown.age == again.age
    with pytest.raises(Conflict, match="another purpose"):
        make(ctx, ttl="72h", purpose="Which customers buy twice a week?")
    reset(ctx, ResetRequest(name=NAME))
    assert on_record(ctx).reset is None


def test_a_name_that_is_taken_is_told_first(
    ctx: Context, engine: FakeEngine, snapshot: Snapshot, clock: Clock
) -> None:
    make(ctx)
    expire(ctx, engine, clock)
    age(clock)
    assert plan(ctx, PlanRequest(wish=wish())).answer == "taken"
    with pytest.raises(Conflict):
        make(ctx)


def test_a_reset_onto_newer_data_that_is_too_old_as_well(
    ctx: Context, snapshot: Snapshot, clock: Clock
) -> None:
    make(ctx, ttl="72h")
    build(ctx, BuildSnapshotRequest(source="core"))
    age(clock)
    with pytest.raises(Denied, match="too old"):
        reset(ctx, ResetRequest(name=NAME, latest=True))
    assert on_record(ctx).spec.snapshot == snapshot.id


def test_the_pool_is_retired_by_the_same_judgement(
    ctx: Context, home: Path, snapshot: Snapshot, clock: Clock
) -> None:
    clock.advance(hours=10)
    warm = filled(ctx, home)
    clock.advance(hours=12)
    assert reaped(warm) == []
    clock.advance(hours=1, minutes=1)
    (one,) = pooled(ctx)
    with pytest.raises(Denied, match="too old"):
        make(warm)
    done = reap(warm, ReapRequest(apply=True))
    assert [(c.kind.value, c.outcome) for c in done.chores] == [
        ("retire", "done"),
        ("fill-pool", "failed"),
    ]
    assert done.chores[0].why == "its data is 24 h 1 min old, core allows 24 h"
    assert "too old" in done.chores[1].said
    assert pooled(ctx) == []
    (line,) = checks(warm, "pool")
    assert line.status == "warn"
    assert f"{TEMPLATE}: 0 of 1 are ready" in line.said
    assert codes(ctx, one.name)[-1] == "sandbox.destroyed"


def test_lists_and_the_doctor_tell_the_age(
    ctx: Context, home: Path, snapshot: Snapshot, clock: Clock
) -> None:
    init(ctx, InitRequest(folder=str(home)))
    (line,) = checks(ctx, "data")
    assert (line.status, line.said) == ("ok", f"{snapshot.id} is 1 h old")
    clock.advance(hours=30)
    (line,) = checks(ctx, "data")
    assert line.status == "warn"
    assert line.said == f"{snapshot.id} is 31 h old, too old: the limit is 24 h"
    assert "sandbox snapshot build core" in line.fix
    listed = list_snapshots(ctx, ListSnapshotsRequest())
    assert listed.ages[snapshot.id].too_old
    shown = show_snapshot(ctx, ShowSnapshotRequest(id=snapshot.id))
    assert shown.age == listed.ages[snapshot.id]


def test_without_the_source_s_file_the_age_is_told_and_no_limit(
    ctx: Context, home: Path, snapshot: Snapshot, clock: Clock
) -> None:
    (home / "sources/core.yaml").unlink()
    clock.advance(hours=30)
    found = show_snapshot(ctx, ShowSnapshotRequest(id=snapshot.id)).age
    assert found is not None
    assert (found.words, found.too_old) == ("31 h old", False)
    with pytest.raises(SandboxError):
        make(ctx)
