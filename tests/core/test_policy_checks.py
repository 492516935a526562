"""What is wrong with rules that can be read."""

from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from sandbox.core.policy_checks import Problem, problems
from sandbox.core.policy_files import PolicyFile
from sandbox.core.rules import PolicySet
from tests.core.policies import NOW, decide, policy_set, rule


def file_of(policies: PolicySet, name: str = "policies/a.yaml") -> PolicyFile:
    lines = tuple(range(10, 10 + len(policies.rules)))
    return PolicyFile(file=name, policies=policies, lines=lines)


def wrong(*rules: dict[str, Any]) -> list[Problem]:
    """Return what is wrong with rules, without what is missing at other points."""
    found = problems([file_of(policy_set(*rules))], NOW)
    return [problem for problem in found if problem.kind != "silence"]


def only(*rules: dict[str, Any]) -> Problem:
    (problem,) = wrong(*rules)
    assert not problem.said.ja.isascii()
    return problem


TTL = {"field": "ttl_hours", "max": 168}


def test_a_sound_rule() -> None:
    assert wrong(rule(**{"assert": TTL})) == []
    each = {"for_each": "replicas", "assert": {"field": "masked", "equals": True}}
    assert wrong(rule(**each)) == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"assert": {"field": "ttl_hour", "max": 1}}, "no field ttl_hour at create. Did you mean"),
        ({"when": {"field": "purposes.words", "max": 1}, "assert": TTL}, "purposes.words at"),
        (
            {"assert": {"any": [TTL, {"field": "tll_hours", "max": 1}]}},
            "no field tll_hours at create. Did you mean ttl_hours?",
        ),
        ({"assert": {"field": "replicas.masked", "equals": True}}, "no field replicas.masked"),
        (
            {"for_each": "replica", "assert": {"field": "masked", "equals": True}},
            "no list replica at create. Did you mean replicas?",
        ),
        ({"for_each": "steps", "assert": {"field": "extract", "present": True}}, "no list steps"),
        (
            {"for_each": "replicas", "assert": {"field": "ttl_hours", "max": 1}},
            "ttl_hours is a field of the request; with for_each, fields are those of replicas",
        ),
        (
            {"at": ["create", "start", "idle"], "assert": TTL},
            "no field ttl_hours at start",
        ),
        (
            {"at": ["start", "extend"], "assert": {"field": "replicas", "present": True}},
            "no field replicas at start, extend",
        ),
    ],
)
def test_fields_that_no_request_has(fields: dict[str, Any], said: str) -> None:
    problem = only(rule(**fields))
    assert (problem.kind, problem.level, problem.rule) == ("field", "error", "some-rule")
    assert problem.place == "policies/a.yaml:10"
    assert said in problem.said.en


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"assert": {"field": "owner", "max": 5}},
            "owner is a text at create; max judges a number",
        ),
        ({"assert": {"field": "owner", "contains_any": ["a"]}}, "contains_any judges a list"),
        ({"assert": {"field": "ttl_hours", "equals": "168"}}, "equals judges a text here"),
        (
            {
                "at": ["export"],
                "for_each": "found",
                "when": {"field": "data_class", "one_of": ["contact", "personl"]},
                "assert": {"field": "count", "max": 0},
            },
            "data_class is never personl at export. Did you mean personal?",
        ),
        (
            {"at": ["start"], "assert": {"not": {"field": "kind", "equals": "restored"}}},
            "kind is never restored at start. Did you mean restore?",
        ),
        (
            {
                "for_each": "replicas",
                "assert": {"not": {"field": "readable", "contains_any": ["my-numbr", "contact"]}},
            },
            "readable never contains my-numbr at create. Did you mean my-number?",
        ),
    ],
)
def test_values_that_a_field_never_has(fields: dict[str, Any], said: str) -> None:
    problem = only(rule(**fields))
    assert problem.kind == "value"
    assert said in problem.said.en


@pytest.mark.parametrize(
    ("fields", "kind", "said"),
    [
        (
            {"when": [{"field": "ttl_hours", "min": 9}, {"field": "ttl_hours", "max": 8}]},
            "unreachable",
            "`when` can never hold: no value is left to ttl_hours",
        ),
        (
            {"when": {"field": "ttl_hours", "max": 100}},
            "unreachable",
            "can never be missed",
        ),
        (
            {"assert": [TTL, {"field": "ttl_hours", "min": 169}]},
            "contradiction",
            "`assert` can never hold: no value is left to ttl_hours",
        ),
        (
            {"mode": "warn", "enforce_after": "2026-01-01T00:00:00+09:00"},
            "unreachable",
            "mode warn never counts",
        ),
    ],
)
def test_what_a_rule_says_against_itself(fields: dict[str, Any], kind: str, said: str) -> None:
    problem = only(rule(**({"assert": TTL} | fields)))
    assert problem.kind == kind
    assert said in problem.said.en


def test_a_list_of_nothing_is_meant() -> None:
    assert wrong(rule(**{"assert": {"field": "owner", "one_of": []}})) == []


LOOSE = rule(id="loose", **{"assert": {"field": "ttl_hours", "max": 200}})
TIGHT = rule(id="tight", **{"assert": TTL})


@pytest.mark.parametrize("rules", [(TIGHT, LOOSE), (LOOSE, TIGHT)], ids=["after", "before"])
def test_a_rule_that_decides_nothing(rules: tuple[dict[str, Any], ...]) -> None:
    problem = only(*rules)
    assert (problem.kind, problem.rule) == ("unreachable", "loose")
    assert "whatever it refuses, tight (policies/a.yaml:" in problem.said.en


@pytest.mark.parametrize(
    "tight",
    [
        {"exceptions": {"max_days": 3, "approver_role": "it"}},  # whoever is exempt meets the other
        {"mode": "warn"},
        {"approval": ["it"]},
        {"at": ["extend"]},
        {"when": {"field": "owner", "equals": "hana"}},
        {"effective_from": "2027-01-01T00:00:00+09:00"},
        {"assert": {"any": [TTL, {"field": "owner", "equals": "hana"}]}},
    ],
)
def test_what_decides_something_after_all(tight: dict[str, Any]) -> None:
    assert wrong(TIGHT | tight, LOOSE) == []


def test_two_rules_that_nobody_can_keep() -> None:
    long = rule(id="long", **{"assert": {"field": "ttl_hours", "min": 200}})
    problem = only(TIGHT, long)
    assert (problem.kind, problem.rule) == ("contradiction", "long")
    assert "both this and tight (policies/a.yaml:10) at create" in problem.said.en
    assert "ttl_hours" in problem.said.ja
    templates = [{"when": {"field": "template.name", "equals": name}} for name in ("a", "b")]
    assert wrong(TIGHT | templates[0], long | templates[1]) == []
    assert only(TIGHT | templates[0], long | templates[0]).kind == "contradiction"
    assert wrong(TIGHT, long | {"mode": "warn"}) == []
    assert wrong(TIGHT, long | {"approval": ["it"]}) == []
    later = {"mode": "audit", "enforce_after": "2027-01-01T00:00:00+09:00"}
    assert only(TIGHT, long | later).kind == "contradiction"


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ({"present": True}, {"present": False}, False),  # the one or the other, never both
        ({"present": True}, {"present": True}, True),
        ({"matches": "a*"}, {"equals": "b"}, False),  # whichever of them is written first
        ({"matches": "a*"}, {"equals": "ab"}, True),
    ],
)
def test_rules_that_are_never_about_one_request_contradict_nothing(
    one: dict[str, Any], other: dict[str, Any], meet: bool
) -> None:
    long = rule(id="long", **{"assert": {"field": "ttl_hours", "min": 200}})
    whens = [{"when": {"field": "cost.campaign", **test}} for test in (one, other)]
    assert [p.kind for p in wrong(TIGHT | whens[0], long | whens[1])] == ["contradiction"] * meet
    without = {"when": {"not": whens[0]["when"]}}
    assert wrong(TIGHT | whens[0], long | without) == []


def test_items_of_two_lists_are_two_matters() -> None:
    rules = [
        rule(id=f"of-{over}", at=["snapshot"], for_each=over)
        | {"assert": {"field": "name", "equals": over}}
        for over in ("tables", "columns")
    ]
    assert wrong(*rules) == []
    assert only(rules[0], rules[1] | {"for_each": "tables"}).kind == "contradiction"


def test_rules_of_two_files_are_one_set() -> None:
    files = [file_of(policy_set(TIGHT)), file_of(policy_set(LOOSE), "policies/b.yaml")]
    found = [p for p in problems(files, NOW) if p.kind != "silence"]
    assert [(p.place, p.rule) for p in found] == [("policies/b.yaml:10", "loose")]


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ({"en": "A title", "ja": "A title"}, "title: the Japanese text is missing"),
        ({"en": "A title", "ja": ""}, "title: the Japanese text is missing"),
        ({"en": "題", "ja": "題"}, "title: the English text is missing or is Japanese"),
        ({"en": " ", "ja": "題"}, "title: the English text is missing"),
    ],
)
def test_texts_in_one_language(title: dict[str, str], said: str) -> None:
    problem = only(rule(title=title, **{"assert": TTL}))
    assert problem.kind == "translation"
    assert said in problem.said.en
    assert only(rule(fix=title, **{"assert": TTL})).said.en.startswith("fix: ")


def test_points_without_a_rule_are_noted() -> None:
    owned = {"assert": {"field": "owner", "present": True}}
    policies = file_of(policy_set(rule(at=["create", "export"], **owned)))
    found = problems([policies], NOW)
    assert {p.level for p in found} == {"note"}
    assert [p.said.en.split(":")[0].split()[-1] for p in found] == [
        "egress",
        "start",
        "extend",
        "import",
    ]
    before = problems([policies], NOW - timedelta(days=900))
    assert any("at create" in p.said.en for p in before)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"effective_from": "2206-01-01T00:00:00+09:00"}, ["effective_from is 2206-01-01"]),
        ({"mode": "warn", "enforce_after": "2206-01-01T00:00:00Z"}, ["enforce_after is 2206"]),
        ({"effective_from": "2027-06-01T00:00:00+09:00"}, []),
    ],
)
def test_a_year_that_is_far_away_is_noted(fields: dict[str, Any], said: list[str]) -> None:
    found = wrong(rule(**{"assert": TTL}) | fields)
    assert all(p.level == "note" and not p.said.ja.isascii() for p in found)
    assert [p.said.en.startswith(begin) for p, begin in zip(found, said, strict=True)] == [
        True for _ in said
    ]


def test_one_id_twice_is_told_once() -> None:
    files = [file_of(policy_set(TIGHT)), file_of(policy_set(TIGHT), "policies/b.yaml")]
    assert [p for p in problems(files, NOW) if p.kind != "silence"] == []


WHENS: list[Any] = [
    [],
    *({"field": "owner", **test} for test in (
        {"present": True}, {"present": False}, {"equals": "a"}, {"one_of": ["ab", "b"]},
        {"matches": "a*"}, {"none_of": ["a"]}, {"longer_than": 1},
    )),
    {"not": {"field": "owner", "equals": "a"}},
    {"any": [{"field": "owner", "equals": one} for one in ("a", "b")]},
]  # fmt: skip


def test_rules_are_called_contradictory_only_where_they_meet() -> None:
    long = rule(id="long", **{"assert": {"field": "ttl_hours", "min": 200}})
    claimed = 0
    for one, other in product(WHENS, WHENS):
        rules = [TIGHT | {"when": one}, long | {"when": other}]
        if any(problem.kind == "contradiction" for problem in wrong(*rules)):
            claimed += 1
            results = (
                decide(policy_set(*rules), {"owner": owner, "ttl_hours": 180}).results.values()
                for owner in ("", "a", "ab", "b")
            )
            assert any("not-applicable" not in result for result in results), (one, other)
    assert claimed >= 40
