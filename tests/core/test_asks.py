"""Asks: who may do what with one, and when it has lapsed."""

from datetime import UTC, datetime, timedelta

import pytest

from sandbox.core.asks import (
    Ask,
    AskAction,
    AskDecision,
    AskState,
    DataAsk,
    ExportAsk,
    MatchAsk,
    WaiverAsk,
    Who,
    moved,
)
from sandbox.core.errors import Conflict
from sandbox.core.template import Words

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ANNA = Who(name="anna", identity="operating-system user")
EXPORT = ExportAsk(
    sandbox="a1", what="lab.segments", digest="d" * 64, rows=6, bytes=120,
    data_class="pseudonymised", rules=("export-rows",),
)  # fmt: skip
DATA = DataAsk(source="core", tables={"customers": ("gender",)})
MATCH = MatchAsk(
    sandbox="a1", file="loyal.csv", digest="d" * 64, rows=60, column="core.customers.mail",
    file_column="Mail", table="loyal", rules=("import-match",),
)  # fmt: skip
WAIVER = WaiverAsk(
    rule="ttl-max", title=Words(en="A sandbox ends", ja="終了する"), owner="anna",
    until=NOON + timedelta(days=10), ticket="CHG-7",
)  # fmt: skip
YES = AskDecision(by=Who(name="ken", identity="x"), at=NOON, reason="Sums only")


def an_ask(state: AskState = AskState.WAITING, content: object = EXPORT) -> Ask:
    return Ask.model_validate(
        {
            "id": "r1",
            "content": content,
            "subject": "spring-coupon",
            "asked_by": ANNA,
            "asked_at": NOON,
            "purpose": "A chart",
            "due": NOON + timedelta(days=7),
            "roles": ("it",),
            "state": state,
        }
    )


@pytest.mark.parametrize(
    ("state", "action", "to"),
    [
        (AskState.WAITING, AskAction.ACCEPT, AskState.ACCEPTED),
        (AskState.WAITING, AskAction.REFUSE, AskState.REFUSED),
        (AskState.WAITING, AskAction.USE, None),
        (AskState.ACCEPTED, AskAction.USE, AskState.USED),
        (AskState.ACCEPTED, AskAction.ACCEPT, None),
        (AskState.ACCEPTED, AskAction.REFUSE, None),
        (AskState.WAITING, AskAction.REVOKE, None),
        *((state, action, None) for action in AskAction for state in (
            AskState.REFUSED, AskState.USED, AskState.LAPSED, AskState.REVOKED)),
    ],
)  # fmt: skip
def test_what_can_happen(state: AskState, action: AskAction, to: AskState | None) -> None:
    if to is None:
        with pytest.raises(Conflict, match=f"is {state} already") as caught:
            moved(an_ask(state), action, NOON, YES)
        assert caught.value.hint == "See: sandbox request show r1"
        return
    assert moved(an_ask(state), action, NOON, YES).state is to


def test_an_answer_stays_with_it() -> None:
    accepted = moved(an_ask(), AskAction.ACCEPT, NOON, YES)
    assert moved(accepted, AskAction.USE, NOON).decision == YES
    assert not accepted.same_person
    own = YES.model_copy(update={"by": ANNA})
    assert moved(an_ask(), AskAction.ACCEPT, NOON, own).same_person


@pytest.mark.parametrize("content", [EXPORT, MATCH, DATA])
@pytest.mark.parametrize("state", [AskState.WAITING, AskState.ACCEPTED, AskState.USED])
def test_it_lapses_at_the_second_unless_nothing_is_left_to_do(
    state: AskState, content: object
) -> None:
    ask = an_ask(state, content)
    before = ask.due - timedelta(microseconds=1)
    assert ask.state_at(before) is state
    over = state is AskState.USED or (state is AskState.ACCEPTED and content is DATA)
    assert ask.state_at(ask.due) is (state if over else AskState.LAPSED)


@pytest.mark.parametrize(
    ("state", "days"), [(AskState.WAITING, 7), (AskState.ACCEPTED, 10), (AskState.REVOKED, None)]
)
def test_a_waiver_waits_until_its_due_and_holds_until_its_own_end(
    state: AskState, days: int | None
) -> None:
    ask = an_ask(state, WAIVER)
    end = days and NOON + timedelta(days=days)
    assert ask.ends == end
    if end:
        assert ask.state_at(end - timedelta(microseconds=1)) is state
        assert ask.state_at(end) is AskState.LAPSED


@pytest.mark.parametrize("state", [AskState.WAITING, AskState.ACCEPTED])
def test_a_waiver_is_taken_back_and_keeps_who_gave_it(state: AskState) -> None:
    ask = an_ask(state, WAIVER)
    given = YES if state is AskState.ACCEPTED else None
    back = moved(ask.model_copy(update={"decision": given}), AskAction.REVOKE, NOON, YES)
    assert (back.state, back.decision, back.revoked) == (AskState.REVOKED, given, YES)
    with pytest.raises(Conflict, match="revoked already by ken"):
        moved(back, AskAction.REVOKE, NOON, YES)


@pytest.mark.parametrize(
    ("content", "action"), [(WAIVER, AskAction.USE), (EXPORT, AskAction.REVOKE)]
)
def test_a_waiver_is_not_used_up_and_nothing_else_is_taken_back(
    content: object, action: AskAction
) -> None:
    with pytest.raises(Conflict, match=f"cannot be done \\({action}\\)"):
        moved(an_ask(AskState.ACCEPTED, content), action, NOON, YES)


def test_what_has_lapsed_is_not_used() -> None:
    ask = an_ask(AskState.ACCEPTED)
    with pytest.raises(Conflict, match="is lapsed already"):
        moved(ask, AskAction.USE, ask.due)


@pytest.mark.parametrize("content", [EXPORT, MATCH, DATA, WAIVER])
def test_a_record_comes_back_with_its_kind(content: object) -> None:
    ask = an_ask(content=content)
    assert Ask.model_validate_json(ask.model_dump_json()) == ask
