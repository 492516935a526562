"""Older snapshots go as settings and source files say; none that is needed, never the newest."""

from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.core.errors import Conflict, InvalidInput, Unavailable
from sandbox.core.ports import Context
from sandbox.core.retention import Retention
from sandbox.core.snapshot import SnapshotState
from sandbox.usecases.reaping import ReapRequest, reap
from sandbox.usecases.resetting import ResetRequest, reset
from sandbox.usecases.retaining import PruneRequest, PruneResult, prune
from sandbox.usecases.sandboxes import DownRequest, down
from sandbox.usecases.snapshots import BuildSnapshotRequest, RemoveSnapshotRequest, build, remove
from tests.fakes import Clock, FakeEngine, Trap, unavailable
from tests.usecases.asking_up import codes, events, journal, make
from tests.usecases.dying import killed_after, steps
from tests.usecases.leasing import NAME, expire
from tests.usecases.pools import filled, pooled, reaped, with_pool

pytestmark = pytest.mark.usefixtures("marked")

FIRST, SECOND, THIRD = (f"core@2026-11-23.{n}" for n in (1, 2, 3))


def keeping(ctx: Context, **rule: int) -> Context:
    settings = ctx.settings.model_copy(update={"snapshots": Retention(**rule)})
    return replace(ctx, settings=settings)


def in_source(home: Path, lines: str) -> None:
    file = home / "sources/core.yaml"
    file.write_text(f"{file.read_text('utf-8')}{lines}\n", "utf-8")


def ready(ctx: Context) -> list[str]:
    with ctx.registry.reading() as tx:
        return [s.id for s in tx.snapshots() if s.state is SnapshotState.READY]


def outcomes(result: PruneResult) -> list[tuple[str, str]]:
    return [(each.id, each.outcome) for each in result.snapshots]


@pytest.fixture
def three(ctx: Context) -> Context:
    for _ in range(3):
        build(ctx, BuildSnapshotRequest(source="core"))
    return ctx


def test_without_a_rule_all_stay(three: Context) -> None:
    result = prune(three, PruneRequest(apply=True))
    assert (result.snapshots, result.rules) == ((), {})
    assert len(ready(three)) == 3


def test_a_dry_run_shows_and_apply_removes(three: Context, engine: FakeEngine) -> None:
    two = keeping(three, keep=2)
    dry = prune(two, PruneRequest())
    assert outcomes(dry) == [(FIRST, "to do")]
    assert dry.rules == {"core": "the newest 2"}
    assert len(ready(three)) == 3
    done = prune(two, PruneRequest(apply=True))
    assert (outcomes(done), done.failed) == ([(FIRST, "removed")], False)
    assert ready(three) == [SECOND, THIRD]
    assert len(engine.volumes) == 2
    event = events(three, FIRST)[-1]
    assert (event.code, event.reason) == (
        "snapshot.removed",
        "older than what is kept: the newest 2",
    )
    assert prune(two, PruneRequest(apply=True)).snapshots == ()


def test_one_that_is_needed_stays_and_it_is_told_by_whom(three: Context) -> None:
    make(three, snapshot=FIRST)
    one = keeping(three, keep=1)
    assert [c.subject for c in reap(one, ReapRequest()).chores] == [SECOND]
    done = prune(one, PruneRequest(apply=True))
    assert outcomes(done) == [(FIRST, "held"), (SECOND, "removed")]
    (holder,) = done.snapshots[0].holders
    assert (holder.name, holder.state) == (NAME, "ready")
    assert holder.until is not None
    assert not done.failed
    down(three, DownRequest(name=NAME))  # its archive is kept, and needs no snapshot
    assert outcomes(prune(one, PruneRequest(apply=True))) == [(FIRST, "removed")]


def test_an_expired_one_can_be_restored_and_needs_it_still(
    three: Context, engine: FakeEngine, clock: Clock
) -> None:
    make(three, snapshot=FIRST)
    expire(three, engine, clock)
    reaped(three)
    one = keeping(three, keep=1)
    assert outcomes(prune(one, PruneRequest(apply=True)))[0] == (FIRST, "held")
    clock.advance(hours=73)
    kinds = [kind for kind, _ in reaped(one)] + [kind for kind, _ in reaped(one)]
    assert "remove-snapshot" in kinds
    assert ready(three) == [THIRD]


def test_one_of_the_pool_needs_it_too(ctx: Context, home: Path) -> None:
    build(ctx, BuildSnapshotRequest(source="core"))
    warm = filled(ctx, home)
    build(ctx, BuildSnapshotRequest(source="core"))
    one = keeping(warm, keep=1)
    (waiting,) = pooled(ctx)
    (held,) = prune(one, PruneRequest(apply=True)).snapshots
    assert (held.outcome, held.holders[0].name) == ("held", waiting.name)
    assert ("retire", waiting.name) in reaped(one)
    assert reaped(with_pool(one)) != []
    assert ready(ctx) == [SECOND]


def test_after_a_reset_the_old_one_is_free(three: Context) -> None:
    make(three, snapshot=FIRST)
    with pytest.raises(Conflict) as refused:
        remove(three, RemoveSnapshotRequest(id=FIRST))
    assert f"{NAME} (ready) needs it until 2026-11-26 15:00 UTC at least" in refused.value.hint
    reset(three, ResetRequest(name=NAME, latest=True))
    assert outcomes(prune(keeping(three, keep=1), PruneRequest(apply=True))) == [
        (FIRST, "removed"),
        (SECOND, "removed"),
    ]


def test_a_source_file_says_it_for_its_own(three: Context, home: Path) -> None:
    in_source(home, "snapshots: {keep: 2}")
    assert outcomes(prune(keeping(three, keep=1), PruneRequest())) == [(FIRST, "to do")]
    in_source(home, "snapshot: {keep: 1}")
    with pytest.raises(InvalidInput):
        prune(three, PruneRequest())
    assert reaped(keeping(three, keep=1)) == []  # it may keep more than the home
    (home / "sources/core.yaml").unlink()
    assert outcomes(prune(keeping(three, keep=1), PruneRequest()))[0] == (FIRST, "to do")


def test_the_reaper_shows_and_does_it(three: Context, clock: Clock) -> None:
    old = keeping(three, days=7)
    assert reap(old, ReapRequest()).chores == ()
    clock.advance(days=7)
    found = [(c.kind.value, c.subject) for c in reap(old, ReapRequest()).chores]
    assert found == [("remove-snapshot", FIRST), ("remove-snapshot", SECOND)]
    assert len(ready(three)) == 3
    assert reaped(old) == found
    assert ready(three) == [THIRD]
    assert reaped(old) == []


def test_a_removal_that_is_killed_after_every_step_is_finished(
    ctx: Context, engine: FakeEngine
) -> None:
    def apply(context: Context) -> object:
        return prune(context, PruneRequest(apply=True))

    one = keeping(ctx, keep=1)
    build(ctx, BuildSnapshotRequest(source="core"))
    build(ctx, BuildSnapshotRequest(source="core"))
    reaped(ctx)
    count = steps(one, apply)
    assert count >= 4
    for last in range(1, count + 1):
        build(ctx, BuildSnapshotRequest(source="core"))
        gone = ready(ctx)[0]
        killed_after(one, apply, last)
        assert {kind for kind, _ in reaped(one)} <= {"remove-snapshot"}
        assert len(ready(ctx)) == len(engine.volumes) == 1
        assert journal(ctx, gone) == []
        assert codes(ctx, gone).count("snapshot.removed") == 1


def test_what_cannot_be_removed_is_told_and_found_again(three: Context, engine: FakeEngine) -> None:
    two = keeping(three, keep=2)
    engine.trap = Trap(unavailable(), method="remove")
    failed = prune(two, PruneRequest(apply=True))
    assert (outcomes(failed), failed.failed) == ([(FIRST, "failed")], True)
    engine.trap = None
    assert prune(two, PruneRequest()).snapshots[0].why == "its removal was cut off"
    assert outcomes(prune(two, PruneRequest(apply=True))) == [(FIRST, "removed")]
    assert len(engine.volumes) == 2


def test_a_registry_that_fails_changes_nothing(three: Context, engine: FakeEngine) -> None:
    make(three, snapshot=FIRST)
    engine.trap = Trap(unavailable(), method="remove")
    with pytest.raises(Unavailable):
        remove(three, RemoveSnapshotRequest(id=SECOND))
    assert ready(three) == [FIRST, THIRD]
