"""`extend` and `restore`: what they give, what they refuse, and what a failure leaves."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.core.errors import Conflict, Denied, InvalidInput, NotFound, Unavailable
from sandbox.core.ports import Actor, Context
from sandbox.drivers.catalogue.home import HomeCatalogue
from sandbox.usecases.leases import (
    FreezeRequest,
    extend,
    freeze,
    restore,
)
from sandbox.usecases.sandboxes import (
    DownRequest,
    ListRequest,
    ShowRequest,
    down,
    list_sandboxes,
    show,
)
from sandbox.usecases.starting import tell_guards
from tests.fakes import NOON, Clock, FakeEngine, Trap, unavailable
from tests.usecases.asking_up import chain_holds, events, make
from tests.usecases.leasing import BACK, HOUR, MORE, NAME, guards_end, on_record, owed

pytestmark = pytest.mark.usefixtures("snapshot")


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
    with pytest.raises(Conflict, match="expired cannot be extended") as refused:
        extend(ctx, MORE)
    assert refused.value.details["allowed_actions"] == ["restore", "down"]
    clock.advance(hours=72)
    with pytest.raises(Conflict, match="expired cannot be extended") as refused:
        extend(ctx, MORE)
    assert refused.value.details["allowed_actions"] == ["down"]


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
