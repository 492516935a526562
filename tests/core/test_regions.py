"""What conditions leave to a field: never less than the truth."""

from itertools import product
from random import Random
from typing import Any

import pytest

from sandbox.core.regions import regions
from sandbox.core.rules import Condition

NUMBERS: list[Any] = [0, 1, 2, 2.5, 3, 4]
TEXTS: list[Any] = ["ab", "ac", "b", "c"]
DAYS: list[Any] = ["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"]


def on_x(**test: Any) -> Condition:
    return Condition.model_validate({"field": "x", **test})


@pytest.mark.parametrize(
    ("tests", "empty"),
    [
        ([{"min": 5}, {"max": 5}], False),
        ([{"min": 5}, {"max": 4}], True),
        ([{"min": 5}, {"max": 5}, {"not_equals": 5}], True),
        ([{"equals": 1}, {"equals": True}], True),
        ([{"equals": 1}, {"max": 1.0}], False),
        ([{"equals": "a"}, {"min": 1}], True),
        ([{"one_of": ["a", "b"]}, {"none_of": ["a"]}], False),
        ([{"one_of": ["a", "b"]}, {"none_of": ["a", "b"]}], True),
        ([{"one_of": ["ab", "b"]}, {"matches": "a*"}, {"not_equals": "ab"}], True),
        ([{"matches": "a*"}, {"one_of": ["b", "c"]}], True),
        ([{"matches": "a*"}, {"matches": "b*"}], False),  # forms alone are not compared
        ([{"before": "2026-01-02"}, {"after": "2026-01-02"}], True),
        ([{"within": ["2026-01-02", "2026-01-03"]}, {"after": "2026-01-02"}], False),
        ([{"within": ["2026-01-02", "2026-01-03"]}, {"after": "2026-01-03"}], True),
        ([{"within": ["2026-01-02", "2026-01-02"]}], False),
        # Nine in Tokyo is midnight in London.
        (
            [{"before": "2026-01-02T00:00:00+00:00"}, {"after": "2026-01-02T09:00:00+09:00"}],
            True,
        ),
        ([{"before": "2026-01-02"}, {"one_of": ["2026-01-01"]}], False),
        ([{"one_of": []}], True),
    ],
)
def test_what_is_left_of_a_field(tests: list[dict[str, Any]], empty: bool) -> None:
    found = regions([on_x(**test) for test in tests]).empty()
    assert found == (("x",) if empty else ())


@pytest.mark.parametrize(
    ("one", "other", "within"),
    [
        ({"max": 5}, {"max": 6}, True),
        ({"max": 6}, {"max": 5}, False),
        ({"equals": 4}, {"max": 5}, True),
        ({"one_of": [4, 6]}, {"max": 5}, False),
        ({"one_of": ["a"]}, {"one_of": ["a", "b"]}, True),
        ({"one_of": ["a", "c"]}, {"none_of": ["b"]}, True),
        ({"max": 5}, {"none_of": [6]}, True),
        ({"max": 5}, {"none_of": [4]}, False),
        ({"max": 5}, {"not_equals": "five"}, True),
        ({"before": "2026-01-02"}, {"not_equals": "2026-01-03"}, False),
        ({"before": "2026-01-02"}, {"before": "2026-01-03"}, True),
        ({"before": "2026-01-02"}, {"within": ["2025-01-01", "2026-01-02"]}, False),
        ({"within": ["2026-01-02", "2026-01-03"]}, {"after": "2026-01-02"}, False),
        ({"within": ["2026-01-02", "2026-01-03"]}, {"after": "2026-01-01"}, True),
        ({"max": 5}, {"present": True}, False),  # what is not understood is not claimed
    ],
)
def test_what_says_nothing_new(one: dict[str, Any], other: dict[str, Any], within: bool) -> None:
    assert regions([on_x(**one)]).within(regions([on_x(**other)])) is within


def test_another_field_is_another_matter() -> None:
    on_y = Condition.model_validate({"field": "y", "max": 5})
    assert not regions([on_x(max=5)]).within(regions([on_y]))
    assert regions([on_x(max=5), on_y]).within(regions([on_y]))
    assert not regions([on_y]).within(regions([on_x(max=5), on_y]))


def _random_condition(chance: Random, values: list[Any]) -> Condition:
    some = chance.sample(values, chance.randint(1, 3))
    tests: list[dict[str, Any]] = [
        {"equals": some[0]},
        {"not_equals": some[0]},
        {"one_of": some},
        {"none_of": some},
        {"present": True},
    ]
    if values is NUMBERS:
        tests += [{"min": some[0]}, {"max": some[0]}] * 3
    if values is TEXTS:
        tests += [{"matches": form} for form in ("a*", "*", "?", "b")]
    if values is DAYS:
        begin, end = sorted([some[0], chance.choice(values)])
        tests += [{"before": end}, {"after": begin}, {"within": [begin, end]}] * 2
    return on_x(**chance.choice(tests))


@pytest.mark.parametrize("values", [NUMBERS, TEXTS, DAYS], ids=["numbers", "texts", "days"])
def test_no_region_claims_more_than_the_evaluator_would_say(values: list[Any]) -> None:
    chance = Random(5)
    claimed = 0
    for _ in range(1500):
        one, other = (
            [_random_condition(chance, values) for _ in range(chance.randint(1, 3))]
            for _ in range(2)
        )
        keeps = [
            [value for value in values if not any(c.misses({"x": value}) for c in conditions)]
            for conditions in (one, other)
        ]
        for conditions, kept in zip((one, other), keeps, strict=True):
            assert not (regions(conditions).empty() and kept), conditions
        if regions(one).within(regions(other)):
            claimed += 1
            assert set(keeps[0]) <= set(keeps[1]), (one, other)
    assert claimed > 50, "the claim is never made: the test proves nothing"


def test_all_is_the_same_as_its_parts() -> None:
    parts = [{"field": "x", "min": 5}, {"field": "x", "max": 4}]
    assert regions([Condition.model_validate({"all": parts})]).empty() == ("x",)
    for joint in ("any", "not"):
        inner: Any = parts if joint == "any" else {"all": parts}
        found = regions([Condition.model_validate({joint: inner})])
        assert (found.empty(), found.exact) == ((), False)


def test_regions_of_every_operator_are_made() -> None:
    from sandbox.core.operators import OPERATORS

    expected: dict[str, Any] = {"present": True, "longer_than": 1, "matches": "a", "min": 1}
    expected |= {"max": 1, "equals": 1, "not_equals": 1, "within": ["2026-01-01", "2026-01-02"]}
    expected |= {"before": "2026-01-01", "after": "2026-01-01"}
    for one, two in product(OPERATORS, OPERATORS):
        first, second = expected.get(one, ["a"]), expected.get(two, ["a"])
        regions([on_x(**{one: first}), on_x(**{two: second})]).empty()
