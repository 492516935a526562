"""`extend` and `restore`: what they give, what they refuse, and what a failure leaves."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.core.anatomy import container_name
from sandbox.core.errors import Conflict, Denied, InvalidInput, NotFound, Unavailable
from sandbox.core.lifecycle import Sandbox
from sandbox.core.ports import Actor, Context
from sandbox.drivers.catalogue.home import HomeCatalogue
from sandbox.usecases.leases import (
    ExtendRequest,
    FreezeRequest,
    RestoreRequest,
    extend,
    freeze,
    restore,
)
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
from sandbox.usecases.starting import guards_owed, tell_guards
from tests.fakes import NOON, Clock, FakeEngine, FakeGateway, Trap, unavailable
from tests.usecases.asking_up import chain_holds, codes, events, make, state

pytestmark = pytest.mark.usefixtures("snapshot")
NAME = "spring-coupon"
MORE = ExtendRequest(name=NAME, ttl="2h", reason="The campaign runs on")
BACK = RestoreRequest(name=NAME, ttl="2h", reason="Forgot the chart")
HOUR = timedelta(hours=1)


def on_record(ctx: Context) -> Sandbox:
    with ctx.registry.reading() as tx:
        found = tx.sandbox(NAME)
    assert found is not None
    return found


def guards_end(ctx: Context, engine: FakeEngine) -> int:
    """Return the end that the guards of the sandbox know, in unix seconds."""
    holder = container_name(on_record(ctx).id, "lease")
    return int(engine.read(holder, "/run/sandbox/deadline").split()[0])


def running(ctx: Context, engine: FakeEngine) -> set[str]:
    mine = on_record(ctx).id
    return {n.removeprefix(f"sandbox-{mine}-") for n, b in engine.containers.items() if b.running
            and mine in n}  # fmt: skip


def owed(ctx: Context) -> bool:
    with ctx.registry.reading() as tx:
        return guards_owed(tx, on_record(ctx))


def expire(ctx: Context, engine: FakeEngine, clock: Clock, **after: float) -> None:
    """Let the lease of three hours end, as its guards would."""
    clock.advance(hours=3)
    clock.advance(**after)
    for part in ("tool", "lab"):
        engine.stop(container_name(on_record(ctx).id, part), 0)


def test_extend_moves_the_end_for_record_and_guards(
    ctx: Context, engine: FakeEngine, clock: Clock
) -> None:
    make(ctx)
    clock.advance(hours=1)
    told = extend(ctx, MORE)
    assert told.sandbox.deadline == NOON + 5 * HOUR
    assert (told.sandbox.state, told.sandbox.minutes_left) == ("ready", 240)
    assert (told.sandbox.extensions_left, told.sandbox.minutes_to_ask) == (2, 72 * 60)
    assert told.decision.point == "extend"
    assert guards_end(ctx, engine) == int((NOON + 5 * HOUR).timestamp())
    assert not owed(ctx)
    event = events(ctx, NAME)[-1]
    assert (event.code, event.reason) == ("sandbox.extended", MORE.reason)
    assert event.details["deadline"] == (NOON + 5 * HOUR).isoformat()
    assert event.details["decision"]["verdict"] == "allow"
    assert chain_holds(ctx)


def test_policy_sees_the_whole_time(ctx: Context) -> None:
    make(ctx)
    extend(ctx, MORE)
    document = extend(ctx, MORE).decision.document
    assert (document["ttl_hours"], document["extension_hours"]) == (7, 2)
    assert (document["kind"], document["extensions"]) == ("extend", 2)
    assert (document["reason"]["words"], document["owner"]) == (4, "anna")


def test_policy_may_say_no_and_that_is_kept(ctx: Context, home: Path, engine: FakeEngine) -> None:
    make(ctx)
    rules = home / "policies/baseline.yaml"
    rules.write_text(rules.read_text().replace("max: 336", "max: 4"))
    with pytest.raises(Denied, match="is 5, the limit is 4") as refused:
        extend(ctx, MORE)
    assert refused.value.details["decision"]["verdict"] == "deny"
    assert events(ctx, NAME)[-1].code == "sandbox.extension-denied"
    assert events(ctx, NAME)[-1].details["decision"]["verdict"] == "deny"
    assert on_record(ctx).lease.moves == ()
    assert guards_end(ctx, engine) == int((NOON + 3 * HOUR).timestamp())


def test_a_frozen_sandbox_can_be_extended(ctx: Context, engine: FakeEngine) -> None:
    make(ctx)
    freeze(ctx, FreezeRequest(name=NAME, reason="looks odd"))
    assert extend(ctx, MORE).sandbox.state == "frozen"
    assert guards_end(ctx, engine) == int((NOON + 5 * HOUR).timestamp())


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"ttl": "73h"}, Denied, "72 h now, 3 of 3 extensions left"),
        ({"ttl": "soon"}, InvalidInput, "not a duration"),
        ({"ttl": ""}, InvalidInput, "not a duration"),
        ({"reason": " "}, InvalidInput, "no reason"),
        ({"name": "nobody"}, NotFound, "no such sandbox"),
        ({"name": "No Name"}, InvalidInput, "lower-case"),
    ],
)
def test_what_cannot_be_extended(
    ctx: Context, changes: dict[str, Any], error: type[Exception], words: str
) -> None:
    make(ctx)
    with pytest.raises(error, match=words):
        extend(ctx, MORE.model_copy(update=changes))
    assert on_record(ctx).lease.moves == ()


def test_beyond_the_cap_says_on_what_and_how_much_is_left(ctx: Context) -> None:
    make(ctx)
    for _ in range(3):
        extend(ctx, MORE)
    with pytest.raises(Denied, match="cannot be extended any more") as refused:
        extend(ctx, MORE)
    assert refused.value.subject == NAME
    assert refused.value.details == {"extensions_left": 0, "minutes_left_to_ask": 0}


@pytest.mark.parametrize("verb", [extend, restore])
def test_only_its_owner_asks_for_more(ctx: Context, clock: Clock, verb: Any) -> None:
    make(ctx)
    if verb is restore:
        clock.advance(hours=4)
    other = replace(ctx, actor=Actor("boris", "operating-system user"))
    with pytest.raises(Denied, match="anna's sandbox") as refused:
        verb(other, MORE if verb is extend else BACK)
    assert refused.value.details["owner"] == "anna"
    assert on_record(ctx).lease.moves == ()


def test_an_expired_one_is_restored_not_extended(ctx: Context, clock: Clock) -> None:
    make(ctx)
    clock.advance(hours=3)
    with pytest.raises(Conflict, match="expired cannot extend") as refused:
        extend(ctx, MORE)
    assert refused.value.details["allowed_actions"] == ["restore", "remove"]


@pytest.mark.parametrize("verb", [extend, restore])
def test_nothing_brings_back_what_is_destroyed(ctx: Context, verb: Any) -> None:
    make(ctx)
    down(ctx, DownRequest(name=NAME))
    with pytest.raises(Conflict, match="destroyed cannot") as refused:
        verb(ctx, MORE if verb is extend else BACK)
    assert refused.value.details["allowed_actions"] == []


@pytest.mark.parametrize("verb", [extend, restore])
def test_two_commands_do_not_move_one_lease(ctx: Context, clock: Clock, verb: Any) -> None:
    made = make(ctx)
    clock.advance(hours=0 if verb is extend else 4)
    with (
        ctx.files.working_on(made.sandbox.id),
        pytest.raises(Conflict, match="Another command") as refused,
    ):
        verb(ctx, MORE if verb is extend else BACK)
    assert refused.value.details["allowed_actions"]
    verb(ctx, MORE if verb is extend else BACK)


def test_a_dead_engine_is_found_before_anything_is_promised(
    ctx: Context, engine: FakeEngine
) -> None:
    make(ctx)
    engine.trap = Trap(unavailable(), method="owned")
    with pytest.raises(Unavailable):
        extend(ctx, MORE)
    assert on_record(ctx).lease.moves == ()
    assert not owed(ctx)


def test_guards_that_were_not_told_are_owed_it(ctx: Context, engine: FakeEngine) -> None:
    make(ctx)
    engine.trap = Trap(KeyboardInterrupt(), method="put")
    with pytest.raises(KeyboardInterrupt):
        extend(ctx, MORE)
    engine.trap = None
    assert on_record(ctx).lease.deadline == NOON + 5 * HOUR
    assert guards_end(ctx, engine) == int((NOON + 3 * HOUR).timestamp())
    assert owed(ctx)
    tell_guards(ctx, on_record(ctx))
    assert guards_end(ctx, engine) == int((NOON + 5 * HOUR).timestamp())
    assert not owed(ctx)


def test_later_edits_of_the_settings_touch_only_new_leases(ctx: Context, home: Path) -> None:
    make(ctx)
    settings = home / "sandbox.yaml"
    settings.write_text(settings.read_text() + "lease: {extensions: 0, grace: 1h}\n")
    edited = replace(ctx, settings=HomeCatalogue(home).settings())
    assert make(edited, "later").sandbox.extensions_left == 0
    with pytest.raises(Denied, match="allows 0 extensions"):
        extend(edited, MORE.model_copy(update={"name": "later"}))
    assert extend(edited, MORE).sandbox.extensions_left == 2


def test_a_warning_shows_until_the_end_is_moved(ctx: Context, clock: Clock) -> None:
    make(ctx)
    assert show(ctx, ShowRequest(name=NAME)).sandbox.warning == ""
    clock.advance(hours=2, minutes=10)
    assert show(ctx, ShowRequest(name=NAME)).sandbox.warning == "ends in 50 min"
    (listed,) = list_sandboxes(ctx, ListRequest()).sandboxes
    assert (listed.warning, listed.extensions_left) == ("ends in 50 min", 3)
    assert extend(ctx, MORE).sandbox.warning == ""


def test_an_expired_sandbox_is_hidden_but_kept(ctx: Context, clock: Clock) -> None:
    make(ctx)
    clock.advance(hours=4)
    assert list_sandboxes(ctx, ListRequest()).sandboxes == ()
    (kept,) = list_sandboxes(ctx, ListRequest(everything=True)).sandboxes
    assert (kept.state, kept.kept_until) == ("expired", NOON + 75 * HOUR)
    assert show(ctx, ShowRequest(name=NAME)).sandbox.allowed_actions == ("restore", "remove")
    with pytest.raises(Conflict) as refused:
        open_link(ctx, OpenRequest(name=NAME))
    assert f"sandbox restore {NAME}" in refused.value.hint
    with pytest.raises(Conflict, match="taken by a sandbox that is expired") as taken:
        make(ctx)
    assert f"sandbox restore {NAME}" in taken.value.hint
    assert f"sandbox down {NAME}" in taken.value.hint
    assert taken.value.details["allowed_actions"] == ["restore", "remove"]


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
    settings.write_text(settings.read_text() + "lease: {longest: 10h}\n")
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
        (2, "2h", Conflict, "ready cannot restore"),
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
        assert refused.value.details["allowed_actions"] == ["remove"]
        assert "restore" not in refused.value.hint
    assert show(ctx, ShowRequest(name=NAME)).sandbox.allowed_actions == ("remove",)


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
