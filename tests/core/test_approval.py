"""Approvals: whose yes is wanted, what is lacking, and when one is the last."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.core.approval import (
    Wanted,
    agreed,
    counting,
    lacking,
    reasons,
    roles_of,
    roles_open,
    satisfied,
    spoken,
    wanted,
)
from sandbox.core.asks import Ask, AskDecision, AskState, SnapshotAsk, Who
from sandbox.core.errors import Conflict
from tests.core.policies import decide, policy_set, rule
from tests.core.test_asks import NOON, an_ask

IT, LEGAL, BOTH = ("it",), ("legal",), ("it", "legal")
SNAPSHOTS = SnapshotAsk(
    source="core", digest="d" * 64, label="pseudonymised", classes=("contact",), days=90,
    rules=("contact",),
)  # fmt: skip


def wanting(wants: dict[str, tuple[str, ...]]) -> Ask:
    return an_ask().model_copy(update={"wants": wants, "roles": roles_of(wants)})


def yes(name: str = "ken", at: datetime = NOON) -> AskDecision:
    return AskDecision(by=Who(name=name, identity="x"), at=at, reason="Fine")


def test_a_decision_says_which_rule_wants_whose_yes() -> None:
    policies = policy_set(
        rule(id="a", approval=["it"], **{"assert": {"field": "x", "max": 1}}),
        rule(id="b", approval=["legal", "it"], **{"assert": {"field": "x", "max": 2}}),
        rule(id="c", **{"assert": {"field": "x", "max": 9}}),
    )
    decision = decide(policies, {"x": 3})
    assert wanted(decision) == {"a": ("it",), "b": ("legal", "it")}
    kept = reasons(decision)
    assert kept["rules"] == ("a", "b")
    assert kept["why"][0] == f"a: {decision.findings[0].sentence.en}"


@pytest.mark.parametrize(
    ("wants", "by", "left"),
    [
        ({"a": IT}, [("ken", IT)], {}),
        ({"a": IT, "b": IT}, [("ken", IT)], {}),
        ({"a": IT, "b": LEGAL}, [("ken", IT)], {"b": LEGAL}),
        ({"a": IT, "b": LEGAL}, [("ken", IT), ("lea", LEGAL)], {}),
        ({"a": IT, "b": LEGAL}, [("ken", BOTH)], {}),
        ({"a": BOTH}, [("lea", LEGAL)], {}),
        ({"a": BOTH, "b": IT}, [("lea", LEGAL)], {"b": IT}),
    ],
)
def test_each_rule_wants_a_yes_of_one_of_its_roles(
    wants: dict[str, tuple[str, ...]],
    by: list[tuple[str, tuple[str, ...]]],
    left: dict[str, tuple[str, ...]],
) -> None:
    ask = wanting(wants)
    for name, roles in by:
        assert ask.state is AskState.WAITING
        ask = agreed(ask, yes(name), roles, NOON)
    assert lacking(ask.wants, ask.yeses) == left
    assert ask.state is (AskState.WAITING if left else AskState.ACCEPTED)
    assert (ask.decision is None) is bool(left)
    assert [answer.by.name for answer in ask.yeses] == [name for name, _ in by]
    assert roles_open(ask) == (roles_of(left) or ask.roles)


def test_a_second_yes_of_the_same_role_is_no_answer() -> None:
    ask = agreed(wanting({"a": IT, "b": LEGAL}), yes(), IT, NOON)
    with pytest.raises(Conflict, match="still waits for a yes of legal") as caught:
        agreed(ask, yes("kim"), IT, NOON)
    assert caught.value.details["lacking"] == {"b": LEGAL}
    with pytest.raises(Conflict, match="already"):
        agreed(agreed(ask, yes("lea"), LEGAL, NOON), yes("kim"), IT, NOON)


def test_the_second_at_which_it_lapses() -> None:
    ask = wanting({"a": IT})
    last = ask.due - timedelta(microseconds=1)
    assert agreed(ask, yes(), IT, last).state is AskState.ACCEPTED
    with pytest.raises(Conflict, match="is lapsed already"):
        agreed(ask, yes(), IT, ask.due)


def test_a_request_of_before_is_answered_by_one_yes() -> None:
    ask = agreed(an_ask(), yes(), (), NOON)
    assert (ask.state, ask.yeses, ask.decision) == (AskState.ACCEPTED, (), yes())
    assert roles_open(an_ask()) == an_ask().roles


def test_a_yes_is_for_rules_that_ask_nobody_else_by_now() -> None:
    ask = agreed(wanting({"a": IT, "b": BOTH, "c": LEGAL}), yes(), IT, NOON)
    today = {"a": BOTH, "b": LEGAL, "d": IT}
    assert satisfied(ask, today) == {"a"}
    assert [each.rules for each in counting(ask, today)] == [("a",)]
    assert satisfied(an_ask(), dict.fromkeys(an_ask().rules, an_ask().roles)) == {*an_ask().rules}


def test_where_the_last_rule_went_those_who_were_asked_can_answer() -> None:
    half = agreed(wanting({"a": IT, "b": LEGAL}), yes(), IT, NOON)
    left = half.model_copy(update={"wants": {"a": IT}, "roles": IT})
    assert roles_open(left) == IT
    assert agreed(left, yes("kim"), IT, NOON).state is AskState.ACCEPTED
    assert Wanted(lacking={}, asked=BOTH).words == "it or legal"


def test_any_yes_of_whoever_asked_is_told() -> None:
    ask = wanting({"a": IT, "b": LEGAL})
    own = yes(ask.asked_by.name).model_copy(update={"by": ask.asked_by})
    ask = agreed(agreed(ask, own, IT, NOON), yes("lea"), LEGAL, NOON)
    assert ask.same_person


def test_words() -> None:
    assert spoken({"a": IT, "b": ("data-owner", "legal"), "c": IT}) == "it and data-owner or legal"


def test_a_yes_to_snapshots_holds_for_its_days_from_the_yes_on() -> None:
    ask = wanting({"contact": LEGAL}).model_copy(update={"content": SNAPSHOTS})
    given = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
    ask = agreed(ask, yes(at=given), LEGAL, given)
    end = given + timedelta(days=90)
    assert ask.ends == end
    assert ask.state_at(end - timedelta(microseconds=1)) is AskState.ACCEPTED
    assert ask.state_at(end) is AskState.LAPSED
    assert Ask.model_validate_json(ask.model_dump_json()) == ask


def test_it_is_accepted_exactly_when_every_rule_has_its_yes() -> None:
    """Against the definition: each rule is satisfied by one person having one of its roles."""
    chance = random.Random(5)  # the same every time
    roles = ["it", "legal", "data-owner", "sales"]
    for _ in range(300):
        wants = {
            f"r{n}": tuple(chance.sample(roles, chance.randint(1, 3)))
            for n in range(chance.randint(1, 4))
        }
        people = [(f"p{n}", tuple(chance.sample(roles, chance.randint(0, 2)))) for n in range(4)]
        ask, said = wanting(wants), list[tuple[str, ...]]()
        for name, held in people:
            if ask.state is not AskState.WAITING:
                break
            try:
                ask = agreed(ask, yes(name), held, NOON)
                said.append(held)
            except Conflict:
                assert not any({*held} & {*r} for r in lacking(ask.wants, ask.yeses).values())
        complete = all(any({*held} & {*r} for held in said) for r in wants.values())
        assert (ask.state is AskState.ACCEPTED) is complete
