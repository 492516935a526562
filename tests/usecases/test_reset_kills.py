"""kill -9 after every step of `reset`: the reaper, or another reset, finishes it; all is kept."""

import pytest

from sandbox.core.anatomy import container_name
from sandbox.core.errors import Conflict, Unavailable
from sandbox.core.ports import Context
from sandbox.core.snapshot import Snapshot
from sandbox.usecases.homes import InitRequest, init
from sandbox.usecases.leases import restore
from sandbox.usecases.line import LiftLineRequest, StopLineRequest, lift_line, stop_line
from sandbox.usecases.reaping import ReapRequest, reap
from sandbox.usecases.resetting import ResetRequest, reset
from sandbox.usecases.sandboxes import DownRequest, down
from sandbox.usecases.snapshots import RemoveSnapshotRequest, remove
from tests.fakes import Clock, FakeEngine, FakeGateway
from tests.usecases.asking_up import chain_holds, make, state
from tests.usecases.dying import Spread, killed_after, killed_at, steps
from tests.usecases.leasing import BACK, NAME, on_record, running
from tests.usecases.pools import reaped
from tests.usecases.test_resetting import FIRST, SECOND, newer, sees


@pytest.fixture(autouse=True)
def _made(ctx: Context, home: object, snapshot: Snapshot, engine: FakeEngine) -> None:
    """A home with gateway and images, and a sandbox with work in it that could see newer data."""
    init(ctx, InitRequest(folder=str(home)))
    make(ctx)
    engine.contents[container_name(on_record(ctx).id, "work")]["notes.md"] = b"mine"
    newer(ctx)
    reaped(ctx)


def to_newest(context: Context) -> object:
    return reset(context, ResetRequest(name=NAME, latest=True))


def back(ctx: Context) -> None:
    """Have it see the first snapshot again, as if it had never been reset."""
    with ctx.registry.writing() as tx:
        sandbox = on_record(ctx)
        spec = sandbox.spec.model_copy(update={"snapshot": FIRST})
        tx.save_sandbox(sandbox.model_copy(update={"spec": spec, "former": ()}))
    reset(ctx, ResetRequest(name=NAME))


def counted(ctx: Context) -> int:
    count = steps(ctx, to_newest)
    back(ctx)
    assert count > 10
    return count


def check_whole(ctx: Context, engine: FakeEngine, gateway: FakeGateway, before: object) -> None:
    """Everything runs, nothing is left over, and the work is what it was."""
    assert (state(ctx), on_record(ctx).reset) == ("ready", None)
    assert engine.listing() == before
    assert running(ctx, engine) == {"tool", "lab"}
    assert set(gateway.routes) == {NAME}
    assert sees(ctx, engine).endswith(on_record(ctx).spec.snapshot.replace("@", "-"))
    assert engine.contents[container_name(on_record(ctx).id, "work")]["notes.md"] == b"mine"
    assert chain_holds(ctx)
    assert reaped(ctx) == []


def test_the_reaper_finishes_what_was_killed_after_every_step(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway, spread: Spread
) -> None:
    before, count = engine.listing(), counted(ctx)
    seen = set()
    for last in spread(count):
        killed_after(ctx, to_newest, last)
        owed, sees_now = on_record(ctx).reset is not None, on_record(ctx).spec.snapshot
        seen.add((owed, sees_now))
        assert reaped(ctx) == ([("finish-reset", NAME)] if owed else [])
        assert on_record(ctx).spec.snapshot == sees_now
        check_whole(ctx, engine, gateway, before)
        back(ctx)
    # Either nothing had begun, or it went on to the newest, or it was done.
    assert seen == {(False, FIRST), (True, SECOND), (False, SECOND)}


@pytest.mark.parametrize("latest", [True, False])
def test_another_reset_finishes_it_too(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway, latest: bool
) -> None:
    before = engine.listing()
    without_tool(ctx)
    reset(ctx, ResetRequest(name=NAME, latest=latest))
    assert on_record(ctx).spec.snapshot == SECOND
    check_whole(ctx, engine, gateway, before)


def test_down_ends_what_was_killed(ctx: Context, engine: FakeEngine) -> None:
    without_tool(ctx)
    mine = on_record(ctx).id
    kept = down(ctx, DownRequest(name=NAME)).kept
    assert kept is not None  # its work is read through another container than its tool
    assert not [name for _, name in engine.listing() if mine in name]
    assert {kind for kind, _ in reaped(ctx)} <= {"mend-gateway"}


def without_tool(ctx: Context) -> None:
    """Kill a reset when the old tool is gone and the new one is not there yet."""
    killed_at(ctx, to_newest, "create_container")
    tool = container_name(on_record(ctx).id, "tool")
    assert ("container", tool) not in ctx.engine.listing()  # type: ignore[attr-defined]
    assert on_record(ctx).reset is not None


def test_killed_and_then_expired_it_can_be_restored(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway, clock: Clock
) -> None:
    before = engine.listing()
    without_tool(ctx)
    clock.advance(hours=4)
    with pytest.raises(Unavailable) as refused:
        restore(ctx, BACK)
    assert "sandbox reap --apply" in refused.value.hint
    kinds = [kind for kind, _ in reaped(ctx)] + [kind for kind, _ in reaped(ctx)]
    assert kinds == ["expire", "finish-reset"]
    assert (engine.listing(), running(ctx, engine)) == (before, set())
    restore(ctx, BACK)
    check_whole(ctx, engine, gateway, before)
    assert on_record(ctx).spec.snapshot == SECOND


def test_both_snapshots_are_in_use_until_it_is_finished(ctx: Context) -> None:
    without_tool(ctx)
    for version in (FIRST, SECOND):
        with pytest.raises(Conflict, match=NAME):
            remove(ctx, RemoveSnapshotRequest(id=version))
    reaped(ctx)
    remove(ctx, RemoveSnapshotRequest(id=FIRST))


def test_killed_and_then_the_line_was_stopped(ctx: Context, engine: FakeEngine) -> None:
    before = engine.listing()
    without_tool(ctx)
    stop_line(ctx, StopLineRequest(reason="A mask is wrong"))
    assert reaped(ctx) == [("finish-reset", NAME)]
    assert (state(ctx), running(ctx, engine)) == ("frozen", set())
    assert engine.listing() == before
    lift_line(ctx, LiftLineRequest())


def test_a_volume_that_is_gone_is_a_loss_as_ever(ctx: Context, engine: FakeEngine) -> None:
    without_tool(ctx)
    name = container_name(on_record(ctx).id, "lab")
    engine.remove("container", name)
    engine.remove("volume", name)
    (chore,) = reap(ctx, ReapRequest()).chores
    assert chore.kind == "lost"
    assert "lab" in chore.why


def test_the_reaper_itself_killed_after_every_step_of_finishing(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway, spread: Spread
) -> None:
    before = engine.listing()

    def apply(context: Context) -> object:
        return reap(context, ReapRequest(apply=True))

    without_tool(ctx)
    count = steps(ctx, apply)
    back(ctx)
    for last in spread(count):
        without_tool(ctx)
        killed_after(ctx, apply, last)
        reaped(ctx)
        check_whole(ctx, engine, gateway, before)
        back(ctx)
