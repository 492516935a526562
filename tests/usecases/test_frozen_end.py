"""What IT froze and what then expired: its owner gets time for it, and does not get it running."""

import pytest

from sandbox.core.errors import Conflict
from sandbox.core.ports import Context
from sandbox.core.snapshot import Snapshot
from sandbox.usecases.leases import FreezeRequest, ResumeRequest, freeze, restore, resume
from sandbox.usecases.reaping import ReapRequest, reap
from tests.fakes import Clock, FakeEngine, FakeGateway
from tests.usecases.asking_up import chain_holds, codes, make
from tests.usecases.leasing import BACK, HOUR, NAME, guards_end, on_record, owed, running

FREEZE = FreezeRequest(name=NAME, reason="Too many queries")


@pytest.fixture(params=[True, False], ids=["reaped", "only over"])
def over(request: pytest.FixtureRequest, ctx: Context, clock: Clock, snapshot: Snapshot) -> None:
    """A sandbox that was frozen and is past its end, whether or not that is on record."""
    ctx.files.belongs_to(ctx.registry.installation())
    make(ctx)
    freeze(ctx, FREEZE)
    clock.advance(hours=4)
    if request.param:
        reap(ctx, ReapRequest(apply=True))
        assert on_record(ctx).state == "expired"


@pytest.mark.usefixtures("over")
def test_restored_it_is_frozen_still(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway, clock: Clock
) -> None:
    assert on_record(ctx).reason == FREEZE.reason
    engine.forget_calls()
    back = restore(ctx, BACK).sandbox
    assert (back.state, back.reason) == ("frozen", FREEZE.reason)
    assert not [call for call in engine.calls if call[0] == "start"]
    assert running(ctx, engine) == set()
    assert NAME not in gateway.routes
    end = on_record(ctx).lease.deadline
    assert end == clock() + 2 * HOUR
    assert guards_end(ctx, engine) == int(end.timestamp())
    assert not owed(ctx)
    with pytest.raises(Conflict, match="frozen cannot be restored"):
        restore(ctx, BACK)
    assert reap(ctx, ReapRequest(apply=True)).chores == ()
    resumed = resume(ctx, ResumeRequest(name=NAME)).sandbox
    assert resumed.state == "ready"
    assert codes(ctx, NAME)[-2:] == ["sandbox.restored", "sandbox.resumed"]
    assert chain_holds(ctx)


@pytest.mark.usefixtures("over")
def test_credit_gives_nothing_back_of_before_its_end(ctx: Context, clock: Clock) -> None:
    restore(ctx, BACK)
    clock.advance(minutes=7)
    assert resume(ctx, ResumeRequest(name=NAME, credit=True)).credited_minutes == 7
