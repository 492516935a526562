"""Which of two rules is tighter: cases, and random rules against everything that can be asked."""

import random
from collections.abc import Mapping
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from sandbox.core.comparing import RuleChange, compared, implies
from sandbox.core.policy import holds
from sandbox.core.rules import Condition
from tests.core.policies import NOW, policy_set, rule
from tests.core.test_changing import PLACES, condition

MAX = {"field": "ttl_hours", "max": 168}
LATE = "2027-01-01T00:00:00+09:00"


def wants(field: str, **test: Any) -> dict[str, Any]:
    return {"assert": {"field": field, **test}}


def within(days: int, role: str = "it") -> dict[str, Any]:
    return {"exceptions": {"max_days": days, "approver_role": role}}


def change(old: Mapping[str, Any], new: Mapping[str, Any]) -> RuleChange | None:
    was, will = (policy_set(rule(**({"assert": MAX} | dict(fields)))) for fields in (old, new))
    found = compared(was, will, NOW)
    return found[0] if found else None


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ({}, wants("ttl_hours", max=100), "tighter"),
        ({}, wants("ttl_hours", max=200), "looser"),
        ({}, wants("ttl_hours", min=100), "different"),
        ({}, {"assert": [MAX, {"field": "rows", "max": 3}]}, "tighter"),
        (wants("f", one_of=["a"]), wants("f", one_of=[]), "tighter"),
        (wants("f", one_of=[]), wants("f", one_of=["a"]), "looser"),
        (wants("f", none_of=["a"]), wants("f", none_of=["a", "b"]), "tighter"),
        (wants("f", present=True), wants("f", longer_than=3), "tighter"),
        (wants("f", present=True), wants("f", matches="*"), "different"),
        (wants("d", before="2026-01-01"), wants("d", before="2026-02-01"), "looser"),
        (wants("f", contains_all=["a"]), wants("f", contains_all=["a", "b"]), "tighter"),
        ({}, {"when": {"field": "k", "equals": 1}}, "looser"),
        ({"when": {"field": "k", "max": 1}}, {"when": {"field": "k", "max": 2}}, "tighter"),
        ({}, {"mode": "warn"}, "looser"),
        ({"mode": "audit"}, {"mode": "warn"}, "tighter"),
        ({"mode": "warn"}, {"mode": "warn", "enforce_after": LATE}, "tighter"),
        ({"mode": "warn", "enforce_after": LATE}, {"mode": "enforce"}, "tighter"),
        ({}, {"approval": ["it"]}, "looser"),
        ({"approval": ["it", "legal"]}, {"approval": ["it"]}, "tighter"),
        ({"approval": ["legal"]}, {"approval": ["it"]}, "different"),
        ({}, {"at": ["create", "scan"]}, "tighter"),
        ({"at": ["create", "scan"]}, {"at": ["scan", "start"]}, "different"),
        ({}, within(14), "looser"),
        (within(14), within(7), "tighter"),
        (within(14), within(14, "legal"), "different"),
        ({}, {"effective_from": LATE}, "looser"),
        ({}, {"for_each": "replicas"}, "different"),
        ({}, {"mode": "warn", "assert": {"field": "ttl_hours", "max": 100}}, "different"),
        ({}, {"title": {"en": "Another", "ja": "別"}}, "reworded"),
        ({}, {"assert": {"all": [MAX]}}, "reworded"),
    ],
)  # fmt: skip
def test_what_became_of_a_rule(old: dict[str, Any], new: dict[str, Any], what: str) -> None:
    found = change(old, new)
    assert found is not None
    assert found.what == what


def test_a_rule_that_is_the_same_is_not_told() -> None:
    assert change({}, {}) is None


def test_rules_that_come_and_go() -> None:
    one, other = policy_set(rule(id="a"), rule(id="b")), policy_set(rule(id="b"), rule(id="c"))
    assert [(c.rule, c.what) for c in compared(one, other, NOW)] == [
        ("a", "removed"),
        ("c", "added"),
    ]


def test_a_limit_is_told_before_and_after_in_both_languages() -> None:
    found = change({}, wants("ttl_hours", max=100))
    assert found is not None
    (aspect,) = found.aspects
    assert aspect.name == "assert"
    assert aspect.before.en.endswith("at most 168")
    assert aspect.after.en.endswith("at most 100")
    assert aspect.after.ja.endswith("100 以下")


def test_a_mode_that_has_become_enforced_by_its_day_is_the_same_now() -> None:
    day = (NOW - timedelta(days=1)).isoformat()
    found = change({"mode": "enforce"}, {"mode": "warn", "enforce_after": day})
    assert found is not None
    assert found.what == "reworded"


def test_what_implies_never_lets_more_through() -> None:
    told = 0
    for seed in range(25):
        dice = random.Random(seed)
        names = dice.sample(sorted(PLACES), 2)
        everything = asked(names)
        for _ in range(30):
            one, other = (Condition.model_validate(condition(dice, names)) for _ in range(2))
            if implies(one, other):
                told += 1
                assert all(not other.misses(d) for d in everything if not one.misses(d))
    assert told > 50  # else nothing was shown


def asked(names: list[str]) -> list[dict[str, Any]]:
    """Return everything that can be asked of these places."""
    values = product(*(PLACES[name][1] for name in names))
    return [dict(zip(names, each, strict=True)) for each in values]


@pytest.mark.parametrize("seed", range(20))
def test_a_rule_called_tighter_lets_no_more_through(seed: int) -> None:
    dice = random.Random(seed)
    names = dice.sample(sorted(PLACES), 2)
    everything = asked(names)
    for _ in range(10):
        rules = [
            rule(when=condition(dice, names), **{"assert": condition(dice, names)})
            for _ in range(2)
        ]
        was, will = (policy_set(one) for one in rules)
        found = compared(was, will, NOW)
        before, after = (
            {n for n, d in enumerate(everything) if holds(s.rules[0], d)} for s in (was, will)
        )
        match found[0].what if found else "same":
            case "tighter":
                assert after <= before
            case "looser":
                assert before <= after
            case "reworded" | "same":
                assert before == after
