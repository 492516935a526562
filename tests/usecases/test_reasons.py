"""Why something failed stands in the record and in its event, in words that people understand."""

import pytest

from sandbox.core.errors import Unavailable
from sandbox.core.ports import Context
from sandbox.usecases.sandboxes import ShowRequest, show
from sandbox.usecases.snapshots import BuildSnapshotRequest, build
from tests.fakes import FakeEngine, FakeReader, Trap, unavailable
from tests.usecases.asking_up import events, make

INTERRUPTED = "interrupted (Ctrl-C)"


@pytest.mark.usefixtures("snapshot")
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyboardInterrupt(), INTERRUPTED),
        (unavailable(), unavailable().message),
        (ZeroDivisionError("by \x1b[31m"), "ZeroDivisionError"),
    ],
)
def test_a_failed_up_says_why(
    ctx: Context, engine: FakeEngine, error: BaseException, reason: str
) -> None:
    engine.trap = Trap(error, method="create_network")
    with pytest.raises(type(error)):
        make(ctx)
    engine.trap = None
    last = events(ctx, "spring-coupon")[-1]
    assert (last.code, last.reason) == ("sandbox.failed", reason)
    assert show(ctx, ShowRequest(name="spring-coupon")).sandbox.reason == reason


@pytest.mark.parametrize(
    ("error", "reason"),
    [(KeyboardInterrupt(), INTERRUPTED), (Unavailable("It broke."), "It broke.")],
)
def test_a_failed_build_says_why(
    ctx: Context, reader: FakeReader, error: BaseException, reason: str
) -> None:
    reader.error = error
    with pytest.raises(type(error)):
        build(ctx, BuildSnapshotRequest(source="core"))
    last = events(ctx)[-1]
    assert (last.code, last.reason) == ("snapshot.failed", reason)
