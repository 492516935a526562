import math
from typing import Any

import pytest

from sandbox.core.rules import Condition
from tests.core.policies import asserting, decide, policy_set, rule

MOMENT = "a date, or a time with its zone"
HOLDS: list[tuple[dict[str, Any], Any]] = [
    ({"equals": True}, True),
    ({"equals": "a"}, "a"),
    ({"equals": 1}, 1.0),
    ({"not_equals": "a"}, "b"),
    ({"min": 4}, 4),
    ({"max": 168}, 168),
    ({"max": 168}, 167.99),
    ({"one_of": ["a", "b"]}, "b"),
    ({"one_of": [1, "a"]}, 1),
    ({"contains_any": ["a", "b"]}, ["x", "b"]),
    ({"none_of": ["a", "b"]}, "c"),
    ({"contains_all": ["a", "b"]}, ["b", "x", "a"]),
    ({"contains_all": [1, "a"]}, ["a", "x", 1]),
    ({"before": "2026-04-01"}, "2026-03-31"),
    ({"before": "2026-04-01T00:00:00+09:00"}, "2026-03-31T14:59:59Z"),
    ({"after": "2026-04-01"}, "2026-04-02"),
    ({"after": "2026-04-01T00:00:00+09:00"}, "2026-03-31T15:00:01+00:00"),
    ({"within": ["2026-12-25", "2027-01-05"]}, "2026-12-25"),
    ({"within": ["2026-12-25", "2027-01-05"]}, "2027-01-05"),
    ({"present": True}, "a"),
    ({"present": True}, 0),
    ({"present": True}, False),
    ({"present": False}, ""),
    ({"present": False}, []),
    ({"longer_than": 0}, "a"),
    ({"longer_than": 1}, ["a", "b"]),
    ({"matches": "corp/*@sha256:*"}, "corp/tool@sha256:1"),
]
FAILS: list[tuple[dict[str, Any], Any, str]] = [
    ({"equals": True}, False, "x is false, it must be true"),
    ({"equals": "a"}, "A", "x is A, it must be a"),
    ({"not_equals": "a"}, "a", "x is a, which is not allowed"),
    ({"min": 4}, 3, "x is 3, at least 4 is needed"),
    ({"max": 168}, 2160.0, "x is 2160, the limit is 168"),
    ({"max": 168}, 168.5, "x is 168.5, the limit is 168"),
    ({"max": 168}, math.inf, "x is inf, the limit is 168"),
    ({"one_of": ["a", "b"]}, "c", "x is c, allowed: a, b"),
    ({"contains_any": ["a"]}, ["x"], "x is x, it must contain at least one of: a"),
    ({"contains_any": ["a"]}, [], "x is [], it must contain at least one of: a"),
    ({"none_of": ["a", "b"]}, "b", "x is b, not allowed: a, b"),
    ({"contains_all": ["a", "b"]}, ["b"], "x is b, it must contain all of: a, b"),
    ({"before": "2026-04-01"}, "2026-04-01", "x is 2026-04-01, it must be before 2026-04-01"),
    ({"after": "2026-04-01"}, "2026-04-01", "x is 2026-04-01, it must be after 2026-04-01"),
    (
        {"within": ["2026-12-25", "2027-01-05"]},
        "2027-01-06",
        "x is 2027-01-06, it must be from 2026-12-25 to 2027-01-05",
    ),
    ({"present": True}, " ", "x is empty"),
    ({"present": True}, [], "x is empty"),
    ({"present": False}, "a", "x is a, it must be left out"),
    ({"longer_than": 0}, "  ", "x is empty"),
    ({"longer_than": 2}, "ab", "x is ab, it must be longer than 2"),
    ({"matches": "corp/*"}, "evil/corp/a", "x is evil/corp/a, it must look like corp/*"),
]
WRONG_KIND: list[tuple[dict[str, Any], Any, str]] = [
    ({"equals": True}, "true", "x is a text, the rule needs true or false"),
    ({"equals": 1}, True, "x is true or false, the rule needs a number"),
    ({"not_equals": 5}, "6", "x is a text, the rule needs a number"),
    ({"min": 0}, True, "x is true or false, the rule needs a number"),
    ({"max": 168}, "2", "x is a text, the rule needs a number"),
    ({"max": 168}, math.nan, "x is of an unknown type, the rule needs a number"),
    ({"max": 168}, [1], "x is a list, the rule needs a number"),
    ({"one_of": ["1"]}, 1, "x is a number, the rule needs a text"),
    ({"one_of": [1]}, True, "x is true or false, the rule needs a number"),
    ({"contains_any": ["a"]}, "a", "x is a text, the rule needs a list"),
    ({"none_of": ["a"]}, 1, "x is a number, the rule needs a text"),
    ({"contains_all": ["a"]}, "a", "x is a text, the rule needs a list"),
    ({"before": "2026-04-01"}, 5, "x is a number, the rule needs a text"),
    *(
        ({"before": "2026-04-01"}, text, f"x is a text, the rule needs {MOMENT}")
        for text in ("tomorrow", "", "2026-03-31T10:00:00Z", "2026-02-30")
    ),
    *(
        ({"after": "2026-04-01T00:00:00Z"}, text, f"x is a text, the rule needs {MOMENT}")
        for text in ("2026-05-01", "2026-05-01T00:00:00")
    ),
    ({"within": ["2026-04-01", "2026-04-02"]}, 5, "x is a number, the rule needs a text"),
    (
        {"within": ["2026-04-01", "2026-04-02T00:00:00Z"]},
        "2026-04-01",
        f"x is a text, the rule needs {MOMENT}",
    ),
    ({"longer_than": 0}, 5, "x is a number, the rule needs a text or a list"),
    ({"matches": "*"}, 5, "x is a number, the rule needs a text"),
    ({"matches": "*"}, {"a": 1}, "x is a group of fields, the rule needs a text"),
]
OPERATORS = sorted({name for condition, _ in HOLDS for name in condition})


@pytest.mark.parametrize(("operator", "value"), HOLDS)
def test_operator_holds(operator: dict[str, Any], value: Any) -> None:
    decision = asserting({"field": "x"} | operator, {"x": value})
    assert (decision.verdict, decision.evaluated, decision.held) == ("allow", 1, 1)
    assert decision.findings == ()


@pytest.mark.parametrize(("operator", "value", "sentence"), FAILS)
def test_operator_fails_with_a_sentence(
    operator: dict[str, Any], value: Any, sentence: str
) -> None:
    decision = asserting({"field": "x"} | operator, {"x": value})
    assert (decision.verdict, decision.held) == ("deny", 0)
    (finding,) = decision.findings
    assert finding.sentence.en == sentence
    assert finding.sentence.ja.startswith("x ")
    assert finding.sentence.ja != finding.sentence.en
    assert {finding.operator: finding.expected} == operator
    assert finding.actual == value


@pytest.mark.parametrize(("operator", "value", "sentence"), WRONG_KIND)
def test_wrong_type_denies(operator: dict[str, Any], value: Any, sentence: str) -> None:
    decision = asserting({"field": "x"} | operator, {"x": value})
    assert decision.verdict == "deny"
    assert decision.findings[0].sentence.en == sentence


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("document", [{}, {"x": None}, {"y": 1}])
def test_missing_field_denies(name: str, document: dict[str, Any]) -> None:
    operator = next(condition for condition, _ in HOLDS if name in condition)
    decision = asserting({"field": "x"} | operator, document)
    assert decision.verdict == "deny"
    assert decision.findings[0].sentence.en == "field x is missing from the request"
    assert decision.findings[0].sentence.ja == "申請に項目 x がありません"


def test_every_operator_is_in_the_tables() -> None:
    assert set(OPERATORS) == set(Condition.model_fields) - {"field", "any_of", "all_of", "negated"}
    assert {name for condition, _, _ in FAILS for name in condition} == set(OPERATORS)
    # Whatever stands there is there: `present` judges every type.
    wrong = {name for condition, _, _ in WRONG_KIND for name in condition}
    assert wrong == set(OPERATORS) - {"present"}


def test_absent_field_may_be_left_out() -> None:
    assert asserting({"field": "x", "present": False}, {}).verdict == "allow"


@pytest.mark.parametrize("document", [{"a": 1}, {"a": [{"b": 1}]}, {"a": "b"}, {"a": {"c": 1}}])
def test_a_path_that_leads_nowhere_denies(document: dict[str, Any]) -> None:
    decision = asserting({"field": "a.b", "max": 5}, document)
    assert decision.findings[0].sentence.en == "field a.b is missing from the request"


def test_list_with_an_item_that_cannot_be_compared_denies() -> None:
    guard = {"field": "classes", "contains_any": ["special-care"]}
    policies = policy_set(rule(when=guard, **{"assert": {"field": "method", "equals": "drop"}}))
    decision = decide(policies, {"classes": [["special-care"]], "method": "keep"})
    assert decision.verdict == "deny"
    assert "cannot be judged: the list holds a list" in decision.findings[0].sentence.en
