"""`down`: from every state, again after a failure, and never anybody else's."""

from typing import Any

import pytest

from sandbox.core.errors import InvalidInput, NotFound, Unavailable
from sandbox.core.ports import Context
from sandbox.usecases.sandboxes import (
    DownRequest,
    ListRequest,
    ShowRequest,
    down,
    list_sandboxes,
    show,
)
from tests.fakes import Clock, FakeEngine, FakeGateway, Trap, unavailable
from tests.usecases.asking_up import chain_holds, codes, events, journal, make, state

pytestmark = pytest.mark.usefixtures("snapshot")
DOWN = DownRequest(name="spring-coupon", reason="done", keep=False)


def certificate(ctx: Context) -> dict[str, Any]:
    found: dict[str, Any] = events(ctx, "spring-coupon")[-1].details["certificate"]
    return found


def test_down_removes_everything_and_says_what(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway
) -> None:
    make(ctx, "other")
    before = set(engine.listing())
    made = make(ctx)
    mine = set(engine.listing()) - before
    ended = down(ctx, DOWN)
    assert {(p.kind, p.name) for p in ended.removed} == mine
    assert set(engine.listing()) == before
    assert set(gateway.routes) == {"other"}
    assert state(ctx) == "destroyed"
    assert journal(ctx, made.sandbox.id) == []
    told = [e for e in events(ctx, "spring-coupon") if e.code.startswith("sandbox.re")]
    assert told[-1].reason == "done"
    gone = {(g["kind"], g["name"]) for g in certificate(ctx)["gone"]}
    network = next(name for kind, name in mine if kind == "network")
    assert gone == mine | {
        ("route", "spring-coupon"),
        ("endpoint", f"gateway on {network}"),
        ("credential", "link"),
        ("credential", "lab password"),
    }
    assert chain_holds(ctx)


def test_the_gateway_hears_the_end_of_the_containers(ctx: Context, engine: FakeEngine) -> None:
    """Taken off their network before, it would keep connections to nobody."""
    make(ctx)
    engine.forget_calls()
    engine.trap = Trap(unavailable(), method="remove")
    with pytest.raises(Unavailable):
        down(ctx, DownRequest(name="spring-coupon"))
    assert "disconnect" not in dict(engine.calls)
    engine.trap = None
    down(ctx, DownRequest(name="spring-coupon"))
    assert "disconnect" in dict(engine.calls)


def test_an_expired_sandbox_can_be_taken_down(ctx: Context, clock: Clock) -> None:
    make(ctx)
    clock.advance(hours=4)
    down(ctx, DOWN)
    assert state(ctx) == "destroyed"
    assert list_sandboxes(ctx, ListRequest()).sandboxes == ()
    assert len(list_sandboxes(ctx, ListRequest(everything=True)).sandboxes) == 1


def test_down_again_says_that_nothing_is_left(ctx: Context) -> None:
    make(ctx)
    down(ctx, DOWN)
    again = down(ctx, DOWN)
    assert (again.already, again.removed) == ("destroyed", ())
    assert codes(ctx, "spring-coupon").count("sandbox.destroyed") == 1


def test_down_may_fail_at_every_call_and_be_asked_again(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway
) -> None:
    make(ctx, "first")
    engine.forget_calls()
    down(ctx, DownRequest(name="first", keep=False))
    count = len(engine.calls)
    before = engine.listing()
    assert count > 6
    for number in range(1, count + 1):
        make(ctx)
        engine.forget_calls()
        engine.trap = Trap(unavailable(), at=number)
        with pytest.raises(Unavailable):
            down(ctx, DOWN)
        engine.trap = None
        assert state(ctx) == "removing"
        assert not gateway.routes
        down(ctx, DOWN)
        assert engine.listing() == before
        assert state(ctx) == "destroyed"
    assert chain_holds(ctx)


def test_what_cannot_be_removed_is_said_by_name(ctx: Context, engine: FakeEngine) -> None:
    made = make(ctx)
    engine.trap = Trap(unavailable(), method="remove")
    with pytest.raises(Unavailable, match="Not everything could be removed") as raised:
        down(ctx, DOWN)
    mine = {(kind, name) for kind, name in engine.listing() if made.sandbox.id in name}
    assert {(r["kind"], r["name"]) for r in raised.value.details["remains"]} == mine
    told = events(ctx, "spring-coupon")[-1]
    assert told.code == "sandbox.not-destroyed"
    assert len(told.details["certificate"]["remains"]) == len(mine)
    shown = show(ctx, ShowRequest(name="spring-coupon"))
    assert shown.sandbox.state == "removing"
    assert {(r.kind, r.name) for r in shown.remains} == mine
    assert "The engine went away." in shown.remains[0].why
    engine.trap = None
    down(ctx, DOWN)
    shown = show(ctx, ShowRequest(name="spring-coupon"))
    assert shown.certificate
    assert shown.certificate.remains == ()
    assert not shown.remains
    assert shown.certificate.by == "anna"


@pytest.mark.parametrize(("again", "told"), [("", "done"), ("the disk is mended", None)])
def test_the_first_reason_stays_until_another_is_given(
    ctx: Context, engine: FakeEngine, again: str, told: str | None
) -> None:
    make(ctx)
    engine.trap = Trap(unavailable(), method="remove")
    with pytest.raises(Unavailable):
        down(ctx, DownRequest(name="spring-coupon", reason="done"))
    engine.trap = None
    down(ctx, DownRequest(name="spring-coupon", reason=again))
    assert certificate(ctx)["why"] == (told or again)


def test_a_removal_in_two_goes_certifies_all_of_it(ctx: Context, engine: FakeEngine) -> None:
    before = set(engine.listing())
    make(ctx)
    mine = set(engine.listing()) - before
    engine.trap = Trap(unavailable(), at=len(engine.calls) + 7)
    with pytest.raises(Unavailable):
        down(ctx, DOWN)
    assert len(mine & set(engine.listing())) < len(mine)
    engine.trap = None
    down(ctx, DOWN)
    gone = {(g["kind"], g["name"]) for g in certificate(ctx)["gone"]}
    assert {m for m in mine if "gateway" not in m[1]} <= gone


def test_objects_gone_behind_our_back_are_no_failure(ctx: Context, engine: FakeEngine) -> None:
    made = make(ctx)
    engine.remove("container", f"sandbox-{made.sandbox.id}-tool")
    engine.remove("container", ctx.gateway.container)
    down(ctx, DOWN)
    assert state(ctx) == "destroyed"
    assert not [name for _, name in engine.listing() if made.sandbox.id in name]


@pytest.mark.parametrize(
    ("name", "error"), [("nobody-has-it", NotFound), ("No Name", InvalidInput), ("", InvalidInput)]
)
def test_down_of_what_is_not_there(ctx: Context, name: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        down(ctx, DownRequest(name=name))
