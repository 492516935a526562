"""`plan` says what `up` would do: make it, return it, or refuse it, and then in the same words."""

from dataclasses import replace
from datetime import timedelta

import pytest

from sandbox.core.errors import Conflict, Denied, SandboxError
from sandbox.core.ports import Actor, Context
from sandbox.core.settings import LeaseSettings
from sandbox.core.snapshot import Snapshot
from sandbox.usecases.planning import PlanRequest, PlanResult, plan
from sandbox.usecases.provisioning import UpRequest, up
from sandbox.usecases.sandboxes import DownRequest, down
from tests.fakes import Clock, FakeEngine
from tests.usecases.asking_up import make, wish

pytestmark = pytest.mark.usefixtures("snapshot")

OTHER = "Which of them buys again without any coupon?"


def asked(ctx: Context, **changes: str) -> PlanResult:
    return plan(ctx, PlanRequest(wish=wish(**changes)))


def refused(ctx: Context, **changes: str) -> SandboxError:
    with pytest.raises(SandboxError) as caught:
        up(ctx, UpRequest(wish=wish(**changes)))
    return caught.value


def test_a_free_name_would_be_made(ctx: Context) -> None:
    assert (asked(ctx).answer, asked(ctx).why) == ("made", "")
    make(ctx)
    down(ctx, DownRequest(name="spring-coupon"))
    assert asked(ctx).answer == "made"


def test_the_same_wish_would_return_the_one_that_runs(ctx: Context) -> None:
    made = make(ctx)
    planned = asked(ctx)
    assert (planned.answer, planned.why) == ("runs", "")
    assert planned.decision == made.decision == make(ctx).decision


def test_a_running_one_is_returned_even_if_a_new_one_would_be_denied(ctx: Context) -> None:
    """One person holds at most five: asking for the fifth again is not asking for a sixth."""
    for name in ("a1", "a2", "a3", "a4", "spring-coupon"):
        make(ctx, name)
    assert asked(ctx).answer == "runs"
    assert not make(ctx).created
    assert asked(ctx, name="a6").answer == "denied"


@pytest.mark.parametrize(
    ("changes", "differs"),
    [({"purpose": OTHER}, "purpose"), ({"ttl": "5h"}, "ttl"), ({"purpose": "test"}, "purpose")],
)
def test_a_name_taken_with_another_wish_is_refused_as_up_does(
    ctx: Context, changes: dict[str, str], differs: str
) -> None:
    make(ctx)
    planned, error = asked(ctx, **changes), refused(ctx, **changes)
    assert isinstance(error, Conflict)
    assert planned.answer == "taken"
    assert f"with another {differs}" in planned.why
    assert (planned.why, planned.hint) == (error.message, error.hint)


def test_a_name_taken_by_somebody_else_or_expired_is_refused(ctx: Context, clock: Clock) -> None:
    make(ctx, ttl="1h")
    bert = replace(ctx, actor=Actor("bert", "operating-system user"))
    assert "another owner" in asked(bert, ttl="1h").why
    clock.advance(hours=2)
    planned = asked(ctx, ttl="1h")
    assert planned.answer == "taken"
    assert "expired" in planned.why
    assert planned.hint.splitlines() == [
        "Bring it back: sandbox restore spring-coupon",
        "Remove it first: sandbox down spring-coupon",
    ]


def test_a_denied_wish_would_be_denied(ctx: Context) -> None:
    planned = asked(ctx, purpose="test")
    assert (planned.answer, planned.decision.verdict) == ("denied", "deny")
    assert refused(ctx, purpose="test").code == "denied"


def test_a_snapshot_that_was_wished_for_counts(ctx: Context, snapshot: Snapshot) -> None:
    make(ctx)
    assert asked(ctx, snapshot=snapshot.id).answer == "runs"


def test_a_first_lease_beyond_the_longest_is_refused_with_the_most(
    ctx: Context, engine: FakeEngine
) -> None:
    short = LeaseSettings(longest=timedelta(hours=36))
    own = replace(ctx, settings=ctx.settings.model_copy(update={"lease": short}))
    before = engine.listing()
    with pytest.raises(Denied) as planned:
        asked(own, ttl="37h")
    upped = refused(own, ttl="37h")
    for error in (planned.value, upped):
        assert (type(error), error.subject) == (Denied, "spring-coupon")
        assert error.hint == "At most: --ttl 36h"
    assert engine.listing() == before
    assert asked(own, ttl="36h").answer == "made"
    # What a rule says to it tells more.
    assert "policy" in refused(own, ttl="90d").message.lower()
