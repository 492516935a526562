"""Asking and answering: what is on record, and what follows from a yes."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from sandbox.core.asks import Ask, AskContent, AskState
from sandbox.core.errors import Conflict, InvalidInput, NotFound, Unavailable
from sandbox.core.ports import Actor, Context
from sandbox.usecases import deciding, duties
from sandbox.usecases.asks import (
    RequestListRequest,
    RequestShowRequest,
    list_asks,
    make_ask,
    show_ask,
    use_ask,
)
from sandbox.usecases.deciding import RequestAcceptRequest, RequestRefuseRequest, accept, refuse
from tests.core.test_asks import DATA, EXPORT
from tests.fakes import Clock
from tests.usecases.asking_up import codes, events

NAME = "spring-coupon"
YES = RequestAcceptRequest(id="r1", reason=" Sums only ")


def asked(ctx: Context, content: AskContent = EXPORT) -> Ask:
    with ctx.registry.writing() as tx:
        return make_ask(ctx, tx, content, subject=NAME, purpose="A chart", roles=("it",))


@pytest.fixture
def followed() -> Iterator[list[str]]:
    """What followed from a yes to data, while a test runs; fails while it holds `down`."""
    before, seen = deciding._FOLLOWS["data"], []

    def follow(context: Context, ask: Ask) -> str:
        if "down" in seen:
            raise Unavailable("The disk is full.")
        seen.append(ask.id)
        return "A draft was written."

    deciding._FOLLOWS["data"] = follow
    yield seen
    deciding._FOLLOWS["data"] = before


def test_asks_are_numbered_and_on_record(ctx: Context) -> None:
    assert [asked(ctx).id, asked(ctx).id] == ["r1", "r2"]
    made = events(ctx, NAME)[-1]
    assert (made.code, made.reason, made.details["id"]) == ("ask.made", "A chart", "r2")
    assert made.details["content"]["digest"] == EXPORT.digest


def test_accept_then_use_once(ctx: Context) -> None:
    asked(ctx)
    ken = replace(ctx, actor=Actor("ken", "operating-system user"))
    result = accept(ken, YES)
    assert result.view.state is AskState.ACCEPTED
    assert result.view.ask.decision is not None
    assert result.view.ask.decision.reason == "Sums only"
    told = events(ctx)[-1]
    assert (told.code, told.actor, told.reason) == ("ask.accepted", "ken", "Sums only")
    assert (told.details["asked_by"]["name"], told.details["same_person"]) == ("anna", False)
    with ctx.registry.writing() as tx:
        assert use_ask(ctx, tx, "r1").state is AskState.USED
    with pytest.raises(Conflict, match="used already"), ctx.registry.writing() as tx:
        use_ask(ctx, tx, "r1")
    assert codes(ctx) == ["ask.made", "ask.accepted", "ask.used"]


def test_one_person_for_both_is_said_openly(ctx: Context) -> None:
    asked(ctx)
    result = accept(ctx, YES)
    assert result.warnings == (duties.PERSONAL, "anna asked and answered.")
    assert events(ctx)[-1].details["same_person"] is True


def test_refuse(ctx: Context) -> None:
    asked(ctx)
    assert refuse(ctx, RequestRefuseRequest(id="1", reason="No")).view.state is AskState.REFUSED
    assert codes(ctx)[-1] == "ask.refused"
    with pytest.raises(Conflict, match="refused already"):
        accept(ctx, YES)


def test_no_answer_without_a_reason(ctx: Context) -> None:
    asked(ctx)
    with pytest.raises(InvalidInput, match="no reason"):
        accept(ctx, RequestAcceptRequest(id="r1", reason=" "))
    with pytest.raises(InvalidInput, match="no reason"):
        refuse(ctx, RequestRefuseRequest(id="r1", reason=""))
    assert codes(ctx) == ["ask.made"]


@pytest.mark.parametrize("id", ["r1", "R1 ", "1", "ｒ１"])
def test_show_forgives(ctx: Context, id: str) -> None:
    asked(ctx)
    assert show_ask(ctx, RequestShowRequest(id=id)).view.ask.id == "r1"


@pytest.mark.parametrize("id", ["r2", "", "99", "x\x1b"])
def test_an_id_that_is_not_there(ctx: Context, id: str) -> None:
    asked(ctx)
    with pytest.raises(NotFound, match="no such request"):
        show_ask(ctx, RequestShowRequest(id=id))


def test_list_shows_what_is_open_and_all_on_demand(ctx: Context, clock: Clock) -> None:
    asked(ctx)
    refuse(ctx, RequestRefuseRequest(id="r1", reason="No"))
    asked(ctx)
    found = list_asks(ctx, RequestListRequest())
    assert ([v.ask.id for v in found.asks], found.waiting) == (["r2"], 1)
    clock.advance(days=7)
    assert list_asks(ctx, RequestListRequest()).asks == ()
    found = list_asks(ctx, RequestListRequest(all=True))
    assert [v.state for v in found.asks] == [AskState.REFUSED, AskState.LAPSED]
    assert found.waiting == 0


def test_what_follows_from_a_yes_comes_first(ctx: Context, followed: list[str]) -> None:
    asked(ctx, DATA)
    followed.append("down")
    with pytest.raises(Unavailable):
        accept(ctx, YES)
    assert codes(ctx) == ["ask.made"]
    followed.clear()
    assert accept(ctx, YES).outcome == "A draft was written."
    assert (followed, events(ctx)[-1].details["outcome"]) == (["r1"], "A draft was written.")


def test_nothing_follows_once_it_is_answered(ctx: Context, followed: list[str]) -> None:
    asked(ctx, DATA)
    refuse(ctx, RequestRefuseRequest(id="r1", reason="No"))
    with pytest.raises(Conflict):
        accept(ctx, YES)
    assert followed == []
