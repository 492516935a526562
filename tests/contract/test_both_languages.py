"""What shipped rules say, read from what they say to their own tests: each in both languages."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from sandbox.core.operators import OPERATORS, in_words
from sandbox.core.points import DOCUMENTS, fields, lists
from sandbox.core.policy import Finding, evaluate
from sandbox.core.policy_trials import _document, _point
from sandbox.core.policy_words import wanted
from sandbox.core.rules import Condition, Point, PolicySet
from sandbox.core.states import STATES, state_of
from sandbox.core.template import Words
from sandbox.drivers.catalogue.home import HomeCatalogue

ROOT = Path(__file__).parents[2]
CATALOGUE = HomeCatalogue(ROOT)
_JAPANESE = re.compile(r"[぀-ヿ一-鿿]")
# An English word between Japanese ones; names, options and commands of the product may be there.
_LEFT_OVER = re.compile(r"\b(is|are|the|must|not|of|and|or|with|from|whether)\b")
_NO_VALUE = re.compile(r"\b(true|false|None)\b|[{}]")


@cache
def policies() -> PolicySet:
    return CATALOGUE.policies()


@cache
def findings() -> tuple[Finding, ...]:
    """Return what the shipped rules find in the documents of their tests."""
    return tuple(_findings())


def _findings() -> Iterator[Finding]:
    rules = {rule.id: rule for rule in policies().rules}
    late = datetime(2100, 1, 1, tzinfo=UTC)
    for file in CATALOGUE.policy_tests():
        content = CATALOGUE.policy_test(file).content
        for case in content.tests:
            rule = rules[case.rule]
            point = _point(case, rule)
            document = _document(case, content.documents, rule, point)
            alone = policies().model_copy(update={"rules": (rule,)})
            now = case.now or late
            yield from evaluate(alone, point, document, now=now, tool_version="0").findings


def check(words: Words) -> None:
    assert words.en.strip()
    assert not _JAPANESE.search(words.en.replace("、", "")), words.en
    assert _JAPANESE.search(words.ja), words.ja
    assert not _LEFT_OVER.search(re.sub(r'"[^"]*"', "", words.ja)), words.ja
    assert words.ja != words.en


def test_titles_and_fixes_are_in_both_languages() -> None:
    for rule in policies().rules:
        check(rule.title)
        check(rule.fix)
        # A title is no sentence that is folded into others: one language ends it, one does not.
        assert not rule.title.en.endswith(".")
        assert not rule.title.ja.endswith(("。", ".")), rule.id


def test_every_rule_has_said_its_no() -> None:
    assert {found.rule for found in findings()} == {rule.id for rule in policies().rules}


def test_what_rules_say_is_in_both_languages_and_in_words() -> None:
    for found in findings():
        check(found.sentence)
        assert not _NO_VALUE.search(found.sentence.en + found.sentence.ja), found.sentence


def test_what_rules_want_is_in_both_languages_and_in_words() -> None:
    for rule in policies().rules:
        for condition in (*rule.when, *rule.asserts):
            said = wanted(condition)
            check(said)
            assert not _NO_VALUE.search(said.en + said.ja), said


def test_fields_that_shipped_rules_judge_have_words() -> None:
    judged = {one.field or "" for rule in policies().rules for one in rule.conditions()}
    bare = {name for name in judged if name not in STATES and in_words(name, "en") == name}
    assert not bare


@pytest.mark.parametrize("point", DOCUMENTS)
def test_what_is_true_or_false_is_told_by_what_is_so(point: Point) -> None:
    found = [fields(point, each) for each in ("", *lists(point))]
    plain = {name for kinds in found for name, kind in kinds.items() if kind == {"boolean"}}
    assert plain <= set(STATES)


@pytest.mark.parametrize("field", STATES)
def test_a_state_is_told_alike_wherever_it_stands(field: str) -> None:
    for value in (True, False):
        state = state_of(field, value)
        assert state is not None
        for condition in ({"equals": value}, {"not_equals": not value}):
            said = wanted(Condition.model_validate({"field": field} | condition))
            assert (said.en, said.ja) == (state.en, state.ja_inside)
        says = OPERATORS["equals"].says
        assert says("en", field, value, not value) == state.en
        assert says("ja", field, value, not value) == state.ja
        check(Words(en=state.en, ja=state.ja))
        check(Words(en=state.en, ja=state.ja_inside))
        assert state_of(field, None) is None
        assert state_of(field, "true") is None
    assert state_of("x", True) is None


def test_what_must_not_be_is_told_as_one_sentence() -> None:
    said = {found.sentence.ja for found in findings() if found.rule == "mode-1-freeze"}
    assert "日付が 2026-12-25 であるため、認められません" in said
