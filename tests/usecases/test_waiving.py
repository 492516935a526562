"""Waivers: asked for, given by others, taken back, over to the second."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from sandbox.core.asks import AskState, WaiverAsk
from sandbox.core.errors import Conflict, Denied, InvalidInput, NotFound, SandboxError
from sandbox.core.ports import Context
from sandbox.usecases.asks import AskView, make_ask
from sandbox.usecases.deciding import (
    WaiverRejectRequest,
    reject_waiver,
)
from sandbox.usecases.sandboxes import DownRequest, down
from sandbox.usecases.waiving import (
    WaiverListRequest,
    WaiverRevokeRequest,
    WaiverShowRequest,
    list_waivers,
    revoke,
    show_waiver,
)
from tests.core.test_asks import EXPORT
from tests.fakes import NOON, Clock
from tests.usecases.asking_up import codes, events, make
from tests.usecases.exempting import (
    LONG,
    WEEK,
    as_,
    asked,
    exempted,
    given,
    refused_by,
    rewrite,
    yes,
)
from tests.usecases.leasing import NAME

PEOPLE = """
apiVersion: sandbox.people/v1
kind: People
people:
  - {name: anna, user: anna, roles: [marketer, it]}
  - {name: bert, user: bert, roles: [it]}
  - {name: carla, user: carla, roles: [data-owner]}
  - {name: dora, user: dora, roles: [it, data-owner]}
"""


@pytest.fixture
def shared(home: Path) -> None:
    (home / "people.yaml").write_text(PEOPLE, "utf-8")


@pytest.mark.usefixtures("snapshot")
def test_from_a_denial_to_a_sandbox(ctx: Context) -> None:
    with pytest.raises(Denied) as caught:
        make(ctx, ttl=LONG)
    assert caught.value.hint == (
        "An exemption: sandbox waiver request ttl-max spring-coupon --until 14d --reason WHY"
    )
    result = asked(ctx)
    content = result.view.ask.content
    assert isinstance(content, WaiverAsk)
    assert (content.owner, content.ticket, content.what) == ("anna", "CHG-7", "sandbox")
    assert content.until == NOON + timedelta(days=3)
    assert content.said
    assert content.said.en == "the time to live (hours) is 200, the limit is 168"
    assert (result.view.ask.roles, result.view.ask.purpose) == (("it",), "Runs two weeks")
    assert refused_by(lambda: make(ctx, ttl=LONG)) == ["ttl-max"]
    assert "It holds until its end" in yes(ctx).outcome
    decision = make(ctx, ttl=LONG).decision
    assert (decision.verdict, decision.waivers) == ("allow", ("r1",))
    assert decision.results["ttl-max"] == "waived"
    assert [code for code in codes(ctx) if code.startswith("ask")] == ["ask.made", "ask.accepted"]


def test_it_is_for_one_rule_and_one_name_of_one_person(ctx: Context) -> None:
    given(ctx)
    assert exempted(ctx) == {"ttl-max": "r1"}
    assert exempted(ctx, "another") == exempted(ctx, owner="bert") == {}


def test_what_waits_or_was_refused_exempts_nobody(ctx: Context) -> None:
    asked(ctx)
    assert exempted(ctx) == {}
    reject_waiver(ctx, WaiverRejectRequest(id="r1", reason="No"))
    assert exempted(ctx) == {}


def test_revoked_it_counts_no_more(ctx: Context) -> None:
    given(ctx)
    result = revoke(ctx, WaiverRevokeRequest(id="1", reason="Over sooner"))
    assert result.view.state is AskState.REVOKED
    last = events(ctx)[-1]
    assert (last.code, last.reason, last.details["id"]) == ("ask.revoked", "Over sooner", "r1")
    assert exempted(ctx) == {}
    with pytest.raises(Conflict, match="revoked already by anna"):
        revoke(ctx, WaiverRevokeRequest(id="1", reason="Over sooner"))


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ("exceptions: never", "Nobody can exempt"),
        ("exceptions: {max_days: 2, approver_role: it}", "at most 2 days"),
        ("exceptions: {max_days: 14, approver_role: legal}", "legal exempts from it now"),
    ],
)
def test_the_rule_of_the_day_of_the_yes_has_the_say(
    ctx: Context, home: Path, after: str, words: str
) -> None:
    asked(ctx)
    rewrite(home, "ttl-max", "exceptions: {max_days: 14, approver_role: it}", after)
    with pytest.raises(Denied, match=words):
        yes(ctx)
    assert show_waiver(ctx, WaiverShowRequest(id="r1")).view.state is AskState.WAITING


def test_nobody_exempts_from_a_rule_that_wants_something_else_by_now(
    ctx: Context, home: Path
) -> None:
    asked(ctx)
    rewrite(home, "ttl-max", "A sandbox ends within 7 days", "A sandbox is seen by its owner alone")
    with pytest.raises(Conflict, match="wants something else") as caught:
        yes(ctx)
    assert "A sandbox is seen by its owner alone" in caught.value.hint
    assert exempted(ctx) == {}


def test_a_rule_that_is_gone(ctx: Context, home: Path) -> None:
    asked(ctx)
    file = home / "policies/baseline.yaml"
    file.write_text(file.read_text("utf-8").replace("id: ttl-max", "id: ttl-most"), "utf-8")
    with pytest.raises(NotFound, match="Did you mean ttl-most"):
        yes(ctx)


@pytest.mark.parametrize(
    ("until", "end"),
    [
        ("72h", NOON + timedelta(hours=72)),
        ("７２ｈ", NOON + timedelta(hours=72)),
        ("2026-11-30T18:00:00+09:00", datetime.fromisoformat("2026-11-30T09:00:00+00:00")),
    ],
)
def test_an_end_in_every_form(ctx: Context, until: str, end: datetime) -> None:
    content = asked(ctx, until=until).view.ask.content
    assert isinstance(content, WaiverAsk)
    assert content.until == end


def test_a_day_counts_through_its_end_where_this_machine_stands(ctx: Context) -> None:
    content = asked(ctx, until="2026-11-30").view.ask.content
    assert isinstance(content, WaiverAsk)
    local = content.until.astimezone(NOON.astimezone().tzinfo)
    assert local.isoformat()[:19] == "2026-12-01T00:00:00"


@pytest.mark.parametrize(
    ("now", "day", "end"),
    [
        ("2026-03-20T12:00+00:00", "2026-03-31", "2026-03-31T22:00+00:00"),
        ("2026-10-20T12:00+00:00", "2026-10-31", "2026-10-31T23:00+00:00"),
    ],
)
def test_a_day_ends_by_the_clock_of_that_day(
    ctx: Context, home: Path, monkeypatch: pytest.MonkeyPatch, now: str, day: str, end: str
) -> None:
    rewrite(home, "ttl-max", "max_days: 14", "max_days: 30")
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    try:
        content = asked(replace(ctx, now=lambda: datetime.fromisoformat(now)), until=day)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert isinstance(content.view.ask.content, WaiverAsk)
    assert content.view.ask.content.until == datetime.fromisoformat(end)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"until": "soon"}, InvalidInput, "neither a span"),
        ({"until": "9999-12-31"}, InvalidInput, "neither a span"),
        ({"until": "9999-12-31T23:59:59-12:00"}, InvalidInput, "neither a span"),
        ({"until": "0001-01-01T00:00:00+09:00"}, InvalidInput, "neither a span"),
        ({"until": "2026-11-20"}, InvalidInput, "is over"),
        ({"until": "15d"}, Denied, "at most 14 days"),
        ({"reason": " "}, InvalidInput, "no reason"),
        ({"rule": "ttl-mx"}, NotFound, "Did you mean ttl-max"),
        ({"rule": "ｔｔｌ－ｍｘ"}, NotFound, "Did you mean ttl-max"),
        ({"rule": "replica-masked"}, Denied, "Nobody can exempt"),
        ({"subject": "Spring Coupon"}, InvalidInput, "lower-case"),
    ],
)
def test_what_is_refused_leaves_no_trace(
    ctx: Context, changes: dict[str, str], error: type[SandboxError], words: str
) -> None:
    before = codes(ctx)
    with pytest.raises(error, match=words):
        asked(ctx, **changes)
    assert codes(ctx) == before


def test_the_same_waits_once(ctx: Context) -> None:
    asked(ctx)
    with pytest.raises(Conflict, match="waits already") as caught:
        asked(ctx, until="1d")
    assert caught.value.subject == "r1"
    revoke(ctx, WaiverRevokeRequest(id="r1", reason="Shorter will do"))
    assert asked(ctx, until="1d").view.ask.id == "r2"


def test_a_request_lapses_with_its_own_end(ctx: Context, clock: Clock) -> None:
    asked(ctx, until="1d")
    clock.advance(days=1)
    with pytest.raises(Conflict, match="is lapsed already"):
        yes(ctx)


@pytest.mark.usefixtures("snapshot")
def test_a_running_ones_owner_is_whom_it_is_for(ctx: Context) -> None:
    make(ctx)
    content = asked(as_(ctx, "bert", "it")).view.ask.content
    assert isinstance(content, WaiverAsk)
    assert content.owner == "anna"
    down(ctx, DownRequest(name=NAME))
    content = asked(as_(ctx, "bert", "it")).view.ask.content
    assert isinstance(content, WaiverAsk)
    assert content.owner == "bert"


@pytest.mark.usefixtures("snapshot")
def test_others_of_the_same_name_before_are_not_held_against_one(ctx: Context) -> None:
    refused_by(lambda: make(ctx, ttl=LONG))
    content = asked(as_(ctx, "bert")).view.ask.content
    assert isinstance(content, WaiverAsk)
    assert content.said is None


def test_another_kind_of_request_is_no_waiver(ctx: Context) -> None:
    with ctx.registry.writing() as tx:
        make_ask(ctx, tx, EXPORT, subject=NAME, purpose="A chart", roles=("it",))
    no = WaiverRejectRequest(id="r1", reason="No")
    dos: list[Callable[[], object]] = [
        lambda: show_waiver(ctx, WaiverShowRequest(id="r1")),
        lambda: revoke(ctx, WaiverRevokeRequest(id="r1", reason="No")),
        lambda: yes(ctx),
        lambda: reject_waiver(ctx, no),
    ]
    for do in dos:
        with pytest.raises(NotFound, match=r"another kind \(export\), no waiver"):
            do()


def test_list_shows_what_waits_or_holds_and_all_on_demand(ctx: Context) -> None:
    given(ctx)
    asked(ctx, rule="template-reviewed")
    reject_waiver(ctx, WaiverRejectRequest(id="r2", reason="No"))
    asked(ctx, subject="another")

    def ids(views: tuple[AskView, ...]) -> list[str]:
        return [view.ask.id for view in views]

    found = list_waivers(ctx, WaiverListRequest())
    assert (ids(found.waivers), found.waiting) == (["r1", "r3"], 1)
    assert ids(list_waivers(ctx, WaiverListRequest(all=True)).waivers) == ["r1", "r2", "r3"]


def test_alone_in_a_home_one_may_and_it_is_said(ctx: Context) -> None:
    asked(ctx)
    result = yes(ctx)
    assert any("duties are not separated" in warning for warning in result.warnings)
    assert "anna asked and answered." in result.warnings


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize(
    ("who", "roles", "why"),
    [
        ("anna", ("marketer", "it"), "requester"),
        ("carla", ("data-owner",), "role"),
        ("erik", (), "role"),
    ],
)
def test_nobody_exempts_without_the_role_or_themselves(
    ctx: Context, who: str, roles: tuple[str, ...], why: str
) -> None:
    result = asked(ctx)
    assert result.approvers == ("bert", "dora")
    with pytest.raises(Denied) as caught:
        yes(as_(ctx, who, *roles))
    assert caught.value.details["why"] == why
    assert events(ctx)[-1].code == "answer.denied"
    assert exempted(ctx) == {}
    yes(as_(ctx, "bert", "it"))
    assert exempted(ctx) == {"ttl-max": "r1"}


@pytest.mark.usefixtures("snapshot")
@pytest.mark.usefixtures("shared")
def test_nor_does_the_owner_for_whom_another_asked(ctx: Context) -> None:
    make(ctx)
    asked(as_(ctx, "bert", "it"))
    with pytest.raises(Denied) as caught:
        yes(as_(ctx, "anna", "marketer", "it"))
    assert caught.value.details["why"] == "owner"
    assert yes(as_(ctx, "dora", "it")).view.state is AskState.ACCEPTED


@pytest.mark.usefixtures("shared")
def test_who_takes_it_back(ctx: Context) -> None:
    asked(ctx)
    back = WaiverRevokeRequest(id="r1", reason="Not needed")
    with pytest.raises(Denied, match="neither asked for it") as caught:
        revoke(as_(ctx, "carla", "data-owner"), back)
    assert caught.value.hint == "Who can: anna, bert, dora"
    assert (events(ctx)[-1].code, events(ctx)[-1].actor) == ("answer.denied", "carla")
    assert revoke(as_(ctx, "anna", "marketer"), back).view.state is AskState.REVOKED
    asked(ctx)
    again = back.model_copy(update={"id": "r2"})
    assert revoke(as_(ctx, "bert", "it"), again).view.state is AskState.REVOKED


def test_a_source_and_who_answers_for_it(ctx: Context, home: Path) -> None:
    rewrite(home, "k-min", "exceptions: never", WEEK)
    content = asked(ctx, rule="k-min", subject="core").view.ask.content
    assert isinstance(content, WaiverAsk)
    assert (content.what, content.owner) == ("source", "it-data")
    with pytest.raises(NotFound):
        asked(ctx, rule="k-min", subject="cores")
    yes(ctx)
    assert exempted(ctx, "core", "it-data") == {"k-min": "r1"}
