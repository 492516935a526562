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
    Who,
    moved,
)
from sandbox.core.errors import Conflict

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
        *((state, action, None) for action in AskAction for state in (
            AskState.REFUSED, AskState.USED, AskState.LAPSED)),
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


def test_what_has_lapsed_is_not_used() -> None:
    ask = an_ask(AskState.ACCEPTED)
    with pytest.raises(Conflict, match="is lapsed already"):
        moved(ask, AskAction.USE, ask.due)


@pytest.mark.parametrize("content", [EXPORT, MATCH, DATA])
def test_a_record_comes_back_with_its_kind(content: object) -> None:
    ask = an_ask(content=content)
    assert Ask.model_validate_json(ask.model_dump_json()) == ask
