"""Tests of rules: what passes, what fails, and what proves nothing."""

from typing import Any

import pytest

from sandbox.core.policy_tests import PlacedTests, PolicyTests
from sandbox.core.policy_trials import Trial, coverage, tried
from sandbox.core.rules import PolicySet
from tests.core.policies import NOW, policy_set, rule

DOCUMENTS: dict[str, Any] = {
    "ordinary": {
        "ttl_hours": 72,
        "purpose": {"text": "Why", "words": 1},
        "replicas": [{"source": "core", "masked": True, "access": "read-only"}],
    },
    "broken": {"ttl_hours": 72, "ttl_hour": 1},
    "odd": {"ttl_hours": "72"},
    "poor": {"owner": "hana"},
}
TTL = rule(id="ttl", **{"assert": {"field": "ttl_hours", "max": 168}})
WARNS = rule(
    id="warns",
    at=["create", "scan"],
    mode="warn",
    enforce_after="2027-01-01T00:00:00+09:00",
    when={"field": "purpose.words", "max": 3},
    **{"assert": {"field": "ttl_hours", "max": 24}},
)
EACH = rule(id="each", for_each="replicas", **{"assert": {"field": "masked", "equals": True}})
LATER = rule(id="later", effective_from="2027-01-01T00:00:00+09:00") | {"assert": TTL["assert"]}
ASKS = rule(id="asks", approval=["it"], **{"assert": {"field": "ttl_hours", "max": 24}})
POLICIES = policy_set(TTL, WARNS, EACH, LATER, ASKS)


def run(policies: PolicySet = POLICIES, **case: Any) -> Trial:
    whole = {"document": "ordinary", "expect": "held"} | case
    content = PolicyTests.model_validate(
        {
            "apiVersion": "sandbox.policy/v1",
            "kind": "PolicyTests",
            "documents": DOCUMENTS,
            "tests": [whole],
        }
    )
    placed = PlacedTests(file="policies/tests/a.yaml", content=content, lines=(7,))
    (trial,) = tried(placed, policies, NOW)
    assert (trial.file, trial.line, trial.rule) == ("policies/tests/a.yaml", 7, case["rule"])
    assert bool(trial.why.en) == bool(trial.why.ja) == (trial.ending != "passed")
    return trial


@pytest.mark.parametrize(
    "case",
    [
        {"rule": "ttl"},
        {"rule": "ttl", "at": "create"},
        {"rule": "ttl", "change": {"ttl_hours": 169}, "expect": "missed", "verdict": "deny"},
        {"rule": "ttl", "change": {"ttl_hours": None}, "expect": "missed"},
        {"rule": "ttl", "change": {"ttl_hours": "long"}, "expect": "missed"},
        {"rule": "ttl", "document": "odd", "change": {"ttl_hours": 5}},
        {"rule": "ttl", "document": "poor", "change": {"ttl_hours": 5}},
        {"rule": "warns", "at": "scan", "expect": "missed", "verdict": "warn"},
        {
            "rule": "warns",
            "at": "create",
            "change": {"purpose.words": 4},
            "expect": "not-applicable",
        },
        {"rule": "warns", "at": "create", "change": {"purpose": None}, "expect": "missed"},
        {"rule": "each"},
        {"rule": "each", "change": {"replicas.0.masked": False}, "expect": "missed"},
        {"rule": "each", "change": {"replicas.0.masked": None}, "expect": "missed"},
        {"rule": "each", "change": {"replicas.0": None}, "expect": "not-applicable"},
        {"rule": "each", "change": {"replicas": []}, "expect": "not-applicable"},
        {"rule": "each", "change": {"replicas": None}, "expect": "missed", "verdict": "deny"},
        {"rule": "each", "change": {"replicas.0": 5}, "expect": "missed"},
        {"rule": "asks", "expect": "missed", "verdict": "needs-approval"},
        # A case that names no moment is about the day on which the rule is in force.
        {"rule": "later"},
        {"rule": "later", "now": NOW, "change": {"ttl_hours": 200}, "expect": "not-applicable"},
        {"rule": "later", "now": NOW, "expect": "not-applicable", "verdict": "allow"},
        {
            "rule": "warns",
            "at": "create",
            "now": "2027-01-01T00:00:00+09:00",
            "expect": "missed",
            "verdict": "deny",
        },
    ],
    ids=str,
)
def test_what_passes(case: dict[str, Any]) -> None:
    trial = run(**case)
    assert (trial.ending, trial.why.en) == ("passed", "")
    assert trial.got == case.get("expect", "held")


@pytest.mark.parametrize(
    ("case", "why"),
    [
        (
            {"rule": "ttl", "change": {"ttl_hours": 200}},
            "expected held, got missed: the time to live (hours) is 200, the limit is 168",
        ),
        ({"rule": "ttl", "expect": "missed"}, "expected missed, got held"),
        ({"rule": "ttl", "expect": "not-applicable"}, "expected not-applicable, got held"),
        (
            {"rule": "asks", "expect": "missed", "verdict": "deny"},
            "expected deny, got needs-approval: the time to live",
        ),
        (
            {"rule": "ttl", "expect": "missed", "verdict": "warn"},
            "expected missed, got held; expected warn, got allow",
        ),
    ],
)
def test_what_fails(case: dict[str, Any], why: str) -> None:
    trial = run(**case)
    assert trial.ending == "failed"
    assert trial.why.en.startswith(why)
    assert "のはずが" in trial.why.ja


@pytest.mark.parametrize(
    ("case", "why"),
    [
        ({"rule": "tll"}, "there is no rule tll. Did you mean ttl?"),
        ({"rule": "ttl", "at": "scan"}, "the rule is not judged at scan, but at create"),
        ({"rule": "warns"}, "more than one point; say which: at: create (of create, scan)"),
        ({"rule": "ttl", "document": "ordinery"}, "no document ordinery. Did you mean ordinary?"),
        (
            {"rule": "ttl", "document": "broken"},
            "ttl_hour is no field at create. Did you mean ttl_hours?",
        ),
        ({"rule": "ttl", "change": {"ttl_hour": 5}}, "ttl_hour is no field at create."),
        ({"rule": "ttl", "change": {"tl": None}}, "the document has no tl"),
        ({"rule": "ttl", "change": {"steps.extract": "a"}}, "the document has no steps.extract"),
        ({"rule": "each", "change": {"replicas.1.masked": True}}, "no replicas.1.masked"),
        ({"rule": "each", "change": {"replicas.1": {}}}, "the document has no replicas.1"),
        ({"rule": "ttl", "document": "odd"}, "ttl_hours: Input should be a valid number"),
        # A fixture that forgets what the rule reads would be missed by accident.
        (
            {"rule": "ttl", "document": "poor", "expect": "missed"},
            "the rule reads ttl_hours, which the document lacks; if it is to be missing: "
            "change: {ttl_hours: null}",
        ),
        (
            {"rule": "each", "change": {"replicas": [{"source": "x"}]}, "expect": "missed"},
            "the rule reads replicas.0.masked",
        ),
        (
            {"rule": "each", "change": {"replicas": [{"maskd": True}]}, "expect": "missed"},
            "replicas.0.maskd is no field at create.",
        ),
    ],
)
def test_what_proves_nothing_is_wrong(case: dict[str, Any], why: str) -> None:
    trial = run(**case)
    assert (trial.ending, trial.got) == ("wrong", None)
    assert why in trial.why.en


def test_a_case_changes_no_other() -> None:
    run(rule="each", change={"replicas.0.masked": False}, expect="missed")
    assert run(rule="each").ending == "passed"


def test_coverage() -> None:
    trials = [
        run(rule="ttl"),
        run(rule="ttl", change={"ttl_hours": 200}, expect="missed"),
        run(rule="each"),
        run(rule="asks", expect="missed"),
        run(rule="warns"),  # wrong: it proves nothing
    ]
    found = coverage(POLICIES.rules, trials)
    assert found.untested == ("warns", "later")
    assert found.never_held == ("asks",)
    assert found.never_missed == ("each",)


def test_what_nothing_can_hold_yet_needs_no_test_that_it_is_held() -> None:
    closed = policy_set(rule(id="closed", **{"assert": {"field": "owner", "one_of": []}}))
    case = {"rule": "closed", "document": "poor", "expect": "missed"}
    assert coverage(closed.rules, [run(closed, **case)]).never_held == ()
    assert coverage(closed.rules, []).untested == ("closed",)
