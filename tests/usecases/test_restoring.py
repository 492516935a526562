"""Restoring: what is brought back within the grace, and what is not."""

from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.core.anatomy import container_name
from sandbox.core.errors import Conflict, Denied, InvalidInput, Unavailable
from sandbox.core.ports import Context
from sandbox.drivers.catalogue.home import HomeCatalogue
from sandbox.usecases.leases import (
    RestoreRequest,
    restore,
)
from sandbox.usecases.sandboxes import (
    ListRequest,
    OpenRequest,
    ShowRequest,
    list_sandboxes,
    open_link,
    show,
)
from sandbox.usecases.starting import tell_guards
from tests.fakes import NOON, Clock, FakeEngine, FakeGateway, Trap, unavailable
from tests.usecases.asking_up import chain_holds, codes, events, make, state
from tests.usecases.leasing import BACK, HOUR, NAME, expire, guards_end, on_record, owed, running

pytestmark = pytest.mark.usefixtures("snapshot")


def test_an_expired_sandbox_is_hidden_but_kept(ctx: Context, clock: Clock) -> None:
    make(ctx)
    clock.advance(hours=4)
    assert list_sandboxes(ctx, ListRequest()).sandboxes == ()
    (kept,) = list_sandboxes(ctx, ListRequest(everything=True)).sandboxes
    assert (kept.state, kept.kept_until) == ("expired", NOON + 75 * HOUR)
    assert show(ctx, ShowRequest(name=NAME)).sandbox.allowed_actions == ("restore", "down")
    with pytest.raises(Conflict) as refused:
        open_link(ctx, OpenRequest(name=NAME))
    assert f"sandbox restore {NAME}" in refused.value.hint
    with pytest.raises(Conflict, match="taken by a sandbox that is expired") as taken:
        make(ctx)
    assert f"sandbox restore {NAME}" in taken.value.hint
    assert f"sandbox down {NAME}" in taken.value.hint
    assert taken.value.details["allowed_actions"] == ["restore", "down"]


def test_restore_brings_everything_back(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway, clock: Clock
) -> None:
    made = make(ctx)
    route = gateway.routes[NAME]
    expire(ctx, engine, clock, hours=5)
    gateway.close(NAME)
    engine.forget_calls()
    engine.asked.clear()
    back = restore(ctx, BACK)
    assert (back.sandbox.state, back.sandbox.id) == ("ready", made.sandbox.id)
    assert back.sandbox.deadline == clock.moment + 2 * HOUR
    assert back.sandbox.extensions_left == 2
    assert running(ctx, engine) == {"tool", "lab"}
    assert gateway.routes[NAME] == route
    assert guards_end(ctx, engine) == int((clock.moment + 2 * HOUR).timestamp())
    assert not owed(ctx)
    told = [n for n, (call, _) in enumerate(engine.calls) if call == "put"]
    started = [n for n, (call, _) in enumerate(engine.calls) if call == "start"]
    assert told[0] < min(started)  # a guard whose deadline is over starts nothing
    lab = [stdin for asked, _, stdin in engine.asked if asked.endswith("-lab")]
    assert [ctx.keys.derive(f"lab {made.sandbox.id}").encode() in (s or b"") for s in lab] == [True]
    assert codes(ctx, NAME)[-1] == "sandbox.restored"
    assert events(ctx, NAME)[-1].reason == BACK.reason
    assert open_link(ctx, OpenRequest(name=NAME)).link
    assert chain_holds(ctx)


def test_restore_without_a_ttl_gives_a_day_or_what_is_left(
    ctx: Context, engine: FakeEngine, clock: Clock, home: Path
) -> None:
    settings = home / "sandbox.yaml"
    text = settings.read_text().replace("defaults:\n", "defaults:\n  ttl: 3h\n")
    settings.write_text(text + "lease: {longest: 10h}\n")
    short = replace(ctx, settings=HomeCatalogue(home).settings())
    make(short)
    make(ctx, "other")
    expire(short, engine, clock, hours=1, seconds=0.5)
    assert restore(short, RestoreRequest(name=NAME)).sandbox.minutes_left == 5 * 60 + 59
    again = restore(ctx, RestoreRequest(name="other")).sandbox
    assert again.minutes_left == 24 * 60


@pytest.mark.parametrize(
    ("hours", "ttl", "error", "words"),
    [
        (2, "2h", Conflict, "ready cannot be restored"),
        (3 + 72, "2h", Conflict, "grace ended"),
        (4, "73h", Denied, "beyond what its lease allows"),
        (4, "0h", InvalidInput, "is nothing"),
    ],
)
def test_what_cannot_be_restored(
    ctx: Context, clock: Clock, hours: int, ttl: str, error: type[Exception], words: str
) -> None:
    make(ctx)
    clock.advance(hours=hours)
    with pytest.raises(error, match=words):
        restore(ctx, BACK.model_copy(update={"ttl": ttl}))
    assert on_record(ctx).lease.moves == ()


def test_after_grace_only_removal_is_offered(ctx: Context, clock: Clock) -> None:
    make(ctx)
    clock.advance(hours=3 + 72)
    for ask in (lambda: restore(ctx, BACK), lambda: make(ctx)):
        with pytest.raises(Conflict) as refused:
            ask()
        assert refused.value.details["allowed_actions"] == ["down"]
        assert "restore" not in refused.value.hint
    assert show(ctx, ShowRequest(name=NAME)).sandbox.allowed_actions == ("down",)


def test_a_restore_that_policy_denies_starts_nothing(
    ctx: Context, engine: FakeEngine, clock: Clock, home: Path
) -> None:
    make(ctx)
    expire(ctx, engine, clock)
    rules = home / "policies/baseline.yaml"
    rules.write_text(rules.read_text().replace("max: 336", "max: 4"))
    engine.forget_calls()
    with pytest.raises(Denied, match="the limit is 4"):
        restore(ctx, BACK)
    assert engine.changes() == []
    assert codes(ctx, NAME)[-1] == "sandbox.extension-denied"


def test_a_restore_may_fail_at_every_call_and_leaves_it_stopped(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway, clock: Clock
) -> None:
    make(ctx)
    expire(ctx, engine, clock)
    gateway.close(NAME)
    before = on_record(ctx)
    number, failed = 0, 0
    while state(ctx) == "ready" and on_record(ctx).lease == before.lease and number < 100:
        number += 1
        engine.forget_calls()
        engine.trap = Trap(unavailable(), at=number)
        try:
            restore(ctx, BACK)
        except Unavailable:
            failed += 1
            if on_record(ctx).lease == before.lease:
                assert running(ctx, engine) == set()
                assert NAME not in gateway.routes
    engine.trap = None
    assert failed > 6
    # The last that failed was telling the guards: it runs by its record, and they are owed that.
    assert running(ctx, engine) == {"tool", "lab"}
    assert owed(ctx)
    assert guards_end(ctx, engine) < int(on_record(ctx).lease.deadline.timestamp())  # type: ignore[union-attr]
    tell_guards(ctx, on_record(ctx))
    assert chain_holds(ctx)


def test_until_it_has_answered_the_guards_have_ten_minutes(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway, clock: Clock
) -> None:
    make(ctx)
    expire(ctx, engine, clock)
    gateway.error = unavailable()
    with pytest.raises(Unavailable):
        restore(ctx, BACK)
    assert guards_end(ctx, engine) == int(clock.moment.timestamp()) + 600


def test_a_sandbox_whose_parts_are_gone_is_not_restored(
    ctx: Context, engine: FakeEngine, clock: Clock
) -> None:
    made = make(ctx)
    expire(ctx, engine, clock)
    engine.remove("container", container_name(made.sandbox.id, "lab"))
    with pytest.raises(Unavailable, match="gone: lab") as refused:
        restore(ctx, BACK)
    assert f"sandbox down {NAME}" in refused.value.hint
    assert running(ctx, engine) == set()


def test_a_gateway_that_was_replaced_is_joined_again(
    ctx: Context, engine: FakeEngine, clock: Clock
) -> None:
    made = make(ctx)
    expire(ctx, engine, clock)
    engine.remove("container", ctx.gateway.container)
    restore(ctx, BACK)
    assert ctx.gateway.container in engine.endpoints[f"sandbox-{made.sandbox.id}"]


def test_a_tool_that_ends_before_its_first_answer_is_not_restored(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway, clock: Clock
) -> None:
    made = make(ctx)
    expire(ctx, engine, clock)
    tool, start = container_name(made.sandbox.id, "tool"), engine.start

    def end_at_once(name: str) -> None:
        start(name)
        engine.stop(name, 0) if name == tool else None

    engine.start = end_at_once  # type: ignore[method-assign]
    gateway.answers = lambda route, path: engine.is_running(tool)  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match="The container ended"):
        restore(ctx, BACK)
    assert running(ctx, engine) == set()
    assert on_record(ctx).lease.moves == ()
