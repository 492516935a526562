"""A sandbox that wants somebody's yes: it waits, is made at the last one, or never is."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.core.asks import AskState, CreateAsk
from sandbox.core.errors import Conflict, Denied, InvalidInput, NotFound, SandboxError, Unavailable
from sandbox.core.people import FILE
from sandbox.core.ports import Context
from sandbox.usecases.approvals import ApproveRequest, RejectRequest, approve, reject
from sandbox.usecases.asks import RequestListRequest, list_asks, make_ask
from sandbox.usecases.deciding import RequestAcceptRequest, RequestRefuseRequest, accept, refuse
from sandbox.usecases.line import StopLineRequest, stop_line
from sandbox.usecases.planning import PlanRequest, PlanResult, plan
from sandbox.usecases.resetting import ResetRequest, reset
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
from sandbox.usecases.templates import CheckTemplateRequest, check
from tests.core.test_asks import EXPORT
from tests.fakes import NOON, Clock, DeadEngine, FakeEngine, FakeGateway, Trap, unavailable
from tests.usecases.approving_up import (
    NAME,
    PEOPLE,
    RULES,
    As,
    asked,
    no,
    people,
    want_approval,
    yes,
)
from tests.usecases.asking_up import PURPOSE, cap, chain_holds, codes, events, make, state, wish
from tests.usecases.dying import killed_after, steps
from tests.usecases.pools import pooled, reaped

pytestmark = pytest.mark.usefixtures("snapshot", "approving")
WEEK = timedelta(days=7)


@pytest.fixture
def approving(home: Path) -> None:
    want_approval(home)


@pytest.fixture
def by(ctx: Context, home: Path) -> As:
    return people(ctx, home)


def planned(ctx: Context, **changes: Any) -> PlanResult:
    return plan(ctx, PlanRequest(wish=wish(**changes)))


def refusal(act: Callable[[], object]) -> SandboxError:
    with pytest.raises(SandboxError) as caught:
        act()
    return caught.value


def test_it_waits_and_nothing_is_made(ctx: Context, engine: FakeEngine) -> None:
    before = engine.listing()
    result = make(ctx)
    assert (result.created, result.sandbox.state) == (True, "awaiting-approval")
    assert result.waits is not None
    assert (result.waits.request, result.waits.words) == ("r1", "it")
    assert result.waits.until == NOON + WEEK
    assert result.sandbox.waits_for == ("it",)
    assert engine.listing() == before
    assert codes(ctx, NAME) == ["ask.made", "sandbox.awaiting-approval"]
    content = asked(ctx)[0].content
    assert isinstance(content, CreateAsk)
    assert (content.rules, content.spec.purpose) == (("long-by-it",), PURPOSE)
    assert content.why == ("long-by-it: the time to live (hours) is 3, the limit is 2",)
    assert chain_holds(ctx)


def test_a_short_one_needs_nobody(ctx: Context) -> None:
    assert (make(ctx, ttl="2h").waits, state(ctx)) == (None, "ready")
    assert asked(ctx) == []


def test_the_yes_makes_it_for_its_owner(
    by: As, engine: FakeEngine, gateway: FakeGateway, clock: Clock
) -> None:
    make(by("mia"))
    clock.advance(hours=5)
    result = yes(by("ken"))
    view = result.sandbox
    assert (view.state, view.owner, result.waits) == ("ready", "mia", None)
    assert (view.steps.analyse, view.request) == ("mia", "r1")
    assert view.deadline == clock() + timedelta(hours=3)
    assert NAME in gateway.routes
    assert asked(by("mia"))[0].state is AskState.USED
    assert codes(by("mia"), NAME)[2:] == [
        "ask.accepted", "sandbox.approved", "ask.used", "sandbox.ready",
    ]  # fmt: skip
    told = next(e for e in events(by("mia"), NAME) if e.code == "sandbox.approved")
    assert (told.actor, told.reason, told.details["owner"]) == ("ken", "Worth a try", "mia")
    assert [a["by"]["name"] for a in told.details["approved_by"]] == ["ken"]
    assert told.details["spec"]["ttl_minutes"] == 180
    assert told.details["decision"]["verdict"] == "needs-approval"
    assert open_link(by("mia"), OpenRequest(name=NAME)).link
    assert chain_holds(by("mia"))


def test_rules_with_other_roles_want_a_yes_each(by: As, engine: FakeEngine) -> None:
    result = make(by("mia"), ttl="30h")
    assert result.waits is not None
    assert result.waits.words == "it and legal"
    assert result.waits.approvers == ("anna", "bert", "ken", "lea")
    before = engine.listing()
    half = yes(by("ken"), "Room is there")
    assert half.waits is not None
    assert (half.sandbox.state, half.waits.words) == ("awaiting-approval", "legal")
    assert half.waits.approvers == ("bert", "lea")
    assert [(y.by.name, y.rules, y.reason) for y in half.waits.given] == [
        ("ken", ("long-by-it",), "Room is there")
    ]
    assert engine.listing() == before
    assert half.sandbox.waits_for == ("legal",)
    error = refusal(lambda: yes(by("ken")))
    assert (type(error), error.message) == (
        Denied,
        "It waits for a yes of legal (role); ken is it.",
    )
    assert yes(by("lea")).sandbox.state == "ready"
    assert codes(by("mia"), NAME)[2:5] == ["ask.agreed", "answer.denied", "ask.accepted"]


def test_one_person_with_both_roles_gives_both_at_once(by: As) -> None:
    make(by("mia"), ttl="30h")
    assert yes(by("bert")).sandbox.state == "ready"
    assert asked(by("mia"))[0].yeses[0].rules == ("long-by-it", "longer-by-legal")


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ("anna", "anna asked for it"),
        ("lea", "It waits for a yes of it"),
        ("mia", "mia is marketer"),
    ],
)
def test_who_may_not_answer(by: As, who: str, why: str) -> None:
    make(by("anna"))
    for answer in (yes, no):
        error = refusal(lambda answer=answer: answer(by(who)))  # type: ignore[misc]
        assert isinstance(error, Denied)
        assert why in error.message
        assert error.hint == "Who can: bert, ken"
    assert state(by("anna")) == "awaiting-approval"
    assert codes(by("anna"), NAME)[-1] == "answer.denied"


def test_in_a_personal_home_whoever_asks_can_answer_and_that_is_said(ctx: Context) -> None:
    result = make(ctx, ttl="30h")
    assert result.waits is not None
    assert "duties are not separated" in result.waits.notes[-1]
    assert result.waits.approvers == ()
    done = yes(ctx)
    assert done.sandbox.state == "ready"
    assert done.notes[-1] == "anna asked and answered."
    told = next(e for e in events(ctx, NAME) if e.code == "sandbox.approved")
    assert told.details["same_person"] is True


def test_nobody_who_could_say_yes_is_told_at_once(by: As, home: Path) -> None:
    file = home / "people.yaml"
    file.write_text(file.read_text("utf-8").replace("legal", "sales"), "utf-8")
    result = make(by("mia"), ttl="30h")
    assert result.waits is not None
    assert "Nobody can say yes: people.yaml names no one else who is legal." in result.waits.notes


def test_asked_again_the_same_way_it_waits_on(ctx: Context) -> None:
    first = make(ctx)
    again = make(ctx)
    assert (again.created, again.sandbox.id) == (False, first.sandbox.id)
    assert again.waits == first.waits
    assert len(asked(ctx)) == 1
    error = refusal(lambda: make(ctx, ttl="4h"))
    assert isinstance(error, Conflict)
    assert error.message == "A sandbox of that name waits for a yes already, with another ttl."


def test_a_no_and_what_follows(by: As, engine: FakeEngine, clock: Clock) -> None:
    make(by("mia"))
    before = engine.listing()
    result = no(by("ken"))
    assert (result.sandbox.state, result.sandbox.reason) == ("denied", "ken said no: Too long")
    assert engine.listing() == before
    assert codes(by("mia"), NAME)[-2:] == ["ask.refused", "sandbox.rejected"]
    error = refusal(lambda: make(by("mia")))
    assert isinstance(error, Denied)
    assert (error.message, error.details["request"]) == ("ken refused this: Too long", "r1")
    ahead = planned(by("mia"))
    assert (ahead.answer, ahead.why) == ("denied", error.message)
    # Something else may be asked for, by somebody else too, and the same once its day is over.
    assert make(by("anna"), "summer-sale").waits
    assert make(by("mia"), purpose="Who of them buys again without one?").waits
    down(by("mia"), DownRequest(name=NAME))
    clock.advance(days=7)
    assert make(by("mia")).waits


@pytest.mark.parametrize("answer", [yes, no])
def test_no_answer_without_a_reason(ctx: Context, answer: Callable[..., object]) -> None:
    make(ctx)
    assert isinstance(refusal(lambda: answer(ctx, " ")), InvalidInput)
    assert state(ctx) == "awaiting-approval"


def test_what_does_not_wait_is_not_answered(ctx: Context) -> None:
    make(ctx, ttl="1h")
    for answer in (yes, no):
        error = refusal(lambda answer=answer: answer(ctx))  # type: ignore[misc]
        assert isinstance(error, Conflict)
        assert error.message == "It waits for nobody's yes: it is ready."
    with pytest.raises(NotFound, match="Did you mean spring-coupon"):
        approve(ctx, ApproveRequest(name="sprin-coupon", reason="Fine"))


def test_the_second_at_which_it_lapses(ctx: Context, clock: Clock) -> None:
    make(ctx)
    clock.moment = NOON + WEEK - timedelta(microseconds=1)
    assert list_asks(ctx, RequestListRequest()).waiting == 1
    assert not make(ctx).created
    clock.moment = NOON + WEEK
    assert isinstance(refusal(lambda: yes(ctx)), Conflict)
    assert isinstance(refusal(lambda: no(ctx)), Conflict)
    assert planned(ctx).answer == "waits"
    again = make(ctx)
    assert again.created
    assert codes(ctx, NAME)[2:] == ["sandbox.lapsed", "ask.made", "sandbox.awaiting-approval"]
    assert events(ctx, NAME)[2].actor == "system"


@pytest.mark.usefixtures("marked")
def test_the_reaper_settles_what_has_lapsed(ctx: Context, clock: Clock) -> None:
    waited = make(ctx).sandbox
    clock.advance(days=6)
    assert reaped(ctx) == []
    clock.advance(days=1)
    assert reaped(ctx) == [("lapse", NAME)]
    found = show(ctx, ShowRequest(name=NAME)).sandbox
    assert (found.id, found.state) == (waited.id, "denied")
    assert found.reason == "nobody said yes until 2026-11-30 12:00 UTC"
    assert reaped(ctx) == []
    assert codes(ctx, NAME)[-1] == "sandbox.lapsed"


def test_its_owner_takes_it_back(ctx: Context) -> None:
    make(ctx)
    down(ctx, DownRequest(name=NAME, reason="Not needed"))
    assert (state(ctx), asked(ctx)[0].state) == ("destroyed", AskState.REVOKED)
    assert isinstance(refusal(lambda: yes(ctx)), Conflict)
    assert make(ctx).waits


def test_show_list_and_plan_tell_whose_yes_is_wanted(ctx: Context) -> None:
    ahead = planned(ctx)
    assert ahead.waits is not None
    assert (ahead.answer, ahead.waits.words, ahead.waits.request) == ("waits", "it", "")
    make(ctx)
    then = planned(ctx)
    assert then.waits is not None
    assert (then.answer, then.waits.request) == ("waits", "r1")
    (listed,) = list_sandboxes(ctx, ListRequest()).sandboxes
    assert (listed.waits_for, listed.waits_until) == (("it",), NOON + WEEK)
    shown = show(replace(ctx, engine=DeadEngine()), ShowRequest(name=NAME))
    assert (shown.waits, shown.unseen, shown.parts) == (then.waits, "", ())
    error = refusal(lambda: open_link(ctx, OpenRequest(name=NAME)))
    assert (type(error), error.hint) == (
        Conflict, f"It waits for somebody's yes: sandbox show {NAME}",
    )  # fmt: skip


def test_what_policy_denies_by_now_is_denied_and_waits_on(ctx: Context, home: Path) -> None:
    make(ctx)
    rule = RULES.replace("approval: [it]", "exceptions: never")
    want_approval(home, rule)
    error = refusal(lambda: yes(ctx))
    assert isinstance(error, Denied)
    assert error.details["decision"]["findings"][0]["rule"] == "long-by-it"
    assert (state(ctx), codes(ctx, NAME)[-1]) == ("awaiting-approval", "sandbox.approval-denied")
    want_approval(home)
    assert yes(ctx).sandbox.state == "ready"


def test_a_rule_that_came_since_wants_its_own_yes(by: As, home: Path) -> None:
    make(by("mia"))
    want_approval(home, RULES.replace("max: 24", "max: 1"))
    half = yes(by("ken"))
    assert half.waits is not None
    assert (half.sandbox.state, half.waits.words) == ("awaiting-approval", "legal")
    assert codes(by("mia"), NAME)[2:] == ["ask.renewed", "ask.agreed"]
    assert yes(by("lea")).sandbox.state == "ready"


def test_a_rule_that_went_since_is_not_waited_for(by: As, home: Path) -> None:
    make(by("mia"), ttl="30h")
    want_approval(home, RULES.replace("max: 24", "max: 100"))
    assert yes(by("ken")).sandbox.state == "ready"


def test_where_no_rule_asks_any_more_one_yes_is_enough(by: As, home: Path) -> None:
    make(by("mia"), ttl="30h")
    (home / "policies" / "approvals.yaml").unlink()
    result = yes(by("ken"))
    assert (result.sandbox.state, result.decision.verdict) == ("ready", "allow")
    told = next(e for e in events(by("mia"), NAME) if e.code == "sandbox.approved")
    assert [a["by"]["name"] for a in told.details["approved_by"]] == ["ken"]


def test_hosts_outside_can_want_a_yes(ctx: Context, home: Path) -> None:
    baseline = home / "policies/baseline.yaml"
    approved = "one_of: [api.example.com, www.example.com]"
    baseline.write_text(baseline.read_text("utf-8").replace("one_of: []", approved), "utf-8")
    rule = RULES.replace("[create]", "[egress]", 1).replace(
        "assert: {field: ttl_hours, max: 2}",
        "for_each: hosts\n    assert: {field: host, one_of: [www.example.com]}",
    )
    want_approval(home, rule)
    assert make(ctx, "known", egress=("www.example.com",)).waits is None
    result = make(ctx, egress=("api.example.com", "www.example.com"))
    assert result.waits is not None
    assert (result.waits.words, list(result.waits.lacking)) == ("it", ["long-by-it"])
    assert yes(ctx).sandbox.egress == ("api.example.com", "www.example.com")


def test_it_is_found_by_its_request_too(ctx: Context) -> None:
    make(ctx)
    down(ctx, DownRequest(name=NAME))
    make(ctx)
    error = refusal(lambda: approve(ctx, ApproveRequest(name="r1", reason="Fine")))
    assert (type(error), error.message) == (
        Conflict, f"The request r1 is over: a later {NAME} has the name.",
    )  # fmt: skip
    assert approve(ctx, ApproveRequest(name="R2", reason="Fine")).sandbox.state == "ready"
    with ctx.registry.writing() as tx:
        make_ask(ctx, tx, EXPORT, subject=NAME, purpose="A chart", roles=("it",))
    error = refusal(lambda: approve(ctx, ApproveRequest(name="r3", reason="Fine")))
    assert isinstance(error, NotFound)
    assert "sandbox request accept r3" in error.hint


@pytest.mark.parametrize("now", ["", "  - {name: mia, user: mia, roles: [viewer]}\n"])
def test_nothing_is_made_for_whoever_left_or_lost_the_role(by: As, home: Path, now: str) -> None:
    make(by("mia"))
    before = "  - {name: mia, user: mia, roles: [marketer]}\n"
    (home / "people.yaml").write_text(PEOPLE.replace(before, now), "utf-8")
    error = refusal(lambda: yes(by("ken")))
    assert (type(error), error.message) == (
        Conflict, "mia, whose it would be, may have no sandbox any more.",
    )  # fmt: skip
    assert no(by("ken")).sandbox.state == "denied"


def test_a_sandbox_that_is_called_as_a_request_takes_nobodys_yes(by: As) -> None:
    """Whoever approves by a request's id must not be led to another sandbox by its name."""
    make(by("mia"))
    make(by("mia"), "r1")
    answers = (
        lambda: approve(by("ken"), ApproveRequest(name="r1", reason="Fine")),
        lambda: reject(by("ken"), RejectRequest(name="r1", reason="No")),
    )
    for answer in answers:
        error = refusal(answer)
        assert error.message == "This is a request's id and a sandbox's name."
        assert "sandbox request accept r1" in error.hint
        assert "sandbox request accept r2" in error.hint
    accept(by("ken"), RequestAcceptRequest(id="r2", reason="Fine"))
    assert (state(by("mia"), "r1"), state(by("mia"))) == ("ready", "awaiting-approval")


def test_a_reset_wants_the_yes_that_a_new_one_would(ctx: Context, home: Path) -> None:
    (home / "policies" / "approvals.yaml").unlink()
    make(ctx, "summer-sale")
    want_approval(home)
    error = refusal(lambda: reset(ctx, ResetRequest(name="summer-sale")))
    assert isinstance(error, Denied)
    assert error.message == "By now it wants a yes of it, which it was not made by."
    assert codes(ctx, "summer-sale")[-1] == "sandbox.reset-denied"
    make(ctx)
    yes(ctx)
    assert reset(ctx, ResetRequest(name=NAME)).sandbox.state == "ready"


def test_a_template_check_waits_for_nobody(ctx: Context, engine: FakeEngine, home: Path) -> None:
    want_approval(home, RULES.replace("max: 2}", "max: 0.5}"))
    error = refusal(lambda: check(ctx, CheckTemplateRequest(name="segment-rfm")))
    assert isinstance(error, Denied)
    assert "would wait for a yes of it" in error.message
    assert list_asks(ctx, RequestListRequest()).asks == ()
    assert not engine.networks


def test_another_template_is_not_what_was_asked_for(ctx: Context, home: Path) -> None:
    make(ctx)
    file = home / "templates/segment-rfm/template.yaml"
    file.write_text(file.read_text("utf-8") + "# a new line\n", "utf-8")
    error = refusal(lambda: yes(ctx))
    assert isinstance(error, Conflict)
    assert "is another than when this was asked for" in error.message
    assert no(ctx).sandbox.state == "denied"


def test_what_waits_counts_once(ctx: Context, home: Path) -> None:
    cap(home, "sandboxes-per-owner", 1)
    make(ctx)
    error = refusal(lambda: make(ctx, "summer-sale", ttl="1h"))
    assert [f["rule"] for f in error.details["decision"]["findings"]] == ["sandboxes-per-owner"]
    assert yes(ctx).sandbox.state == "ready"


def test_data_that_is_too_old_by_now_is_denied(ctx: Context, home: Path, clock: Clock) -> None:
    file = home / "sources/core.yaml"
    file.write_text(file.read_text("utf-8").replace("tables:", "max_age: 2d\ntables:", 1), "utf-8")
    make(ctx)
    clock.advance(days=3)
    error = refusal(lambda: yes(ctx))
    assert isinstance(error, Denied)
    assert "The snapshot is too old" in error.message
    assert f"End it: sandbox reject {NAME}" in error.hint
    assert (state(ctx), asked(ctx)[0].state) == ("awaiting-approval", AskState.WAITING)


def test_what_waits_takes_nothing_of_the_pool(warm: Context) -> None:
    assert make(warm).waits
    assert len(pooled(warm)) == 1
    done = yes(warm).sandbox
    assert (done.state, len(pooled(warm))) == ("ready", 1)


def test_nothing_is_approved_while_the_line_is_stopped(ctx: Context) -> None:
    make(ctx)
    stop_line(ctx, StopLineRequest(reason="An incident"))
    assert isinstance(refusal(lambda: yes(ctx)), Conflict)
    assert (state(ctx), asked(ctx)[0].state) == ("awaiting-approval", AskState.WAITING)


def test_two_do_not_answer_at_once(ctx: Context) -> None:
    waiting = make(ctx).sandbox
    with ctx.files.alone_with(waiting.id):
        for answer in (yes, no):
            error = refusal(lambda answer=answer: answer(ctx))  # type: ignore[misc]
            assert error.message == "Another command is at work on this sandbox."
    assert yes(ctx).sandbox.state == "ready"
    assert isinstance(refusal(lambda: yes(ctx)), Conflict)


def test_a_yes_outlives_a_making_that_fails(by: As, engine: FakeEngine, home: Path) -> None:
    make(by("mia"))
    its = asked(by("mia"))[0].content
    assert isinstance(its, CreateAsk)
    engine.trap = Trap(unavailable(), method="create_network")
    error = refusal(lambda: yes(by("ken")))
    engine.trap = None
    assert isinstance(error, Unavailable)
    assert "The yes stands until 2026-11-30 12:00 UTC" in error.hint
    assert (state(by("mia")), asked(by("mia"))[0].state) == ("failed", AskState.ACCEPTED)
    assert not [name for _, name in engine.listing() if its.sandbox in name]
    assert planned(by("mia")).answer == "made"
    # It is mia's: for the very same, and for no rule that nobody saw.
    assert planned(by("anna"), owners={"analyse": "mia"}).answer == "waits"
    want_approval(home, RULES.replace("max: 24", "max: 1"))
    assert planned(by("mia")).answer == "waits"
    want_approval(home)
    again = make(by("mia"))
    assert (again.sandbox.state, again.sandbox.request) == ("ready", "r1")
    assert asked(by("mia"))[0].state is AskState.USED
    down(by("mia"), DownRequest(name=NAME))
    assert make(by("mia")).waits


@pytest.mark.usefixtures("marked")
def test_killed_while_it_is_approved(ctx: Context, engine: FakeEngine) -> None:
    """One `reap --apply`, and there is a sandbox that waits, or none and a yes that stands.

    Kills in the middle of a making are those of `up`: see test_kills.
    """
    number = 0
    for _ in range(2):  # the first one starts the gateway, too
        make(ctx)
        number = steps(ctx, yes)
        down(ctx, DownRequest(name=NAME))
    reaped(ctx)
    before, seen = engine.listing(), set[tuple[str, AskState]]()
    for last in (1, 2, 3, 4, 5, 6, number - 2, number - 1):
        make(ctx)
        killed_after(ctx, yes, last)
        reaped(ctx)
        request = asked(ctx)[-1].state
        seen.add((state(ctx), request))
        if request is AskState.ACCEPTED:
            assert make(ctx).sandbox.state == "ready"
        down(ctx, DownRequest(name=NAME))
        assert engine.listing() == before
    assert seen == {
        ("awaiting-approval", AskState.WAITING),
        ("failed", AskState.ACCEPTED),
        ("ready", AskState.USED),
    }
    assert chain_holds(ctx)


def test_request_accept_and_refuse_do_the_same(by: As) -> None:
    make(by("mia"), ttl="30h")
    half = accept(by("ken"), RequestAcceptRequest(id="r1", reason="Fine"))
    assert (half.view.state, half.outcome) == (AskState.WAITING, "")
    done = accept(by("lea"), RequestAcceptRequest(id="1", reason="Fine"))
    assert (done.view.state, state(by("mia"))) == (AskState.USED, "ready")
    assert done.outcome == f"It is ready: http://{NAME}.localhost:8700"
    with pytest.raises(Conflict, match="used already by lea"):
        accept(by("lea"), RequestAcceptRequest(id="r1", reason="Fine"))
    make(by("mia"), "summer-sale")
    refuse(by("ken"), RequestRefuseRequest(id="r2", reason="No"))
    assert state(by("mia"), "summer-sale") == "denied"
    with pytest.raises(Conflict, match="refused already"):
        accept(by("ken"), RequestAcceptRequest(id="r2", reason="Fine"))


def test_a_deputy_says_yes_in_the_place_of_another_and_that_is_on_record(
    by: As, home: Path
) -> None:
    file = home / FILE
    text = file.read_text("utf-8")
    file.write_text(text.replace("user: ken, roles: [it]", "user: ken, roles: [it], deputy: mia"))
    make(by("anna"), ttl="3h")
    yes(by("mia"))
    decision = asked(by("ken"))[-1].decision
    assert decision is not None
    assert (decision.by.name, decision.deputy_for) == ("mia", ("ken",))


def test_the_deputy_of_who_asks_says_no_yes_in_their_place(by: As, home: Path) -> None:
    file = home / FILE
    text = file.read_text("utf-8")
    file.write_text(text.replace("[marketer, it]}", "[marketer, it], deputy: mia}"))
    make(by("anna"), ttl="3h")
    assert isinstance(refusal(lambda: yes(by("mia"))), Denied)
