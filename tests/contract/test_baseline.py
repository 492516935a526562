"""Every shipped rule, each with a request that keeps it and one that does not."""

from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sandbox.core.judged import CreateInput, EgressInput, ExtendInput, StartInput
from sandbox.core.policy import Decision, evaluate
from sandbox.core.publishing import SnapshotInput, TableInput
from sandbox.core.rules import PolicySet
from sandbox.core.text import count_words
from tests.reading import load_as

FILE = Path(__file__).parents[2] / "policies" / "baseline.yaml"
POLICIES = load_as(PolicySet, "policies/baseline.yaml", FILE.read_bytes())
REQUEST = CreateInput.model_validate(
    {
        "ttl_hours": 168,
        "purpose": {"text": "Which lapsed customers react?", "words": 4},
        "template": {"name": "segment-rfm", "version": "1.0.0", "digest": "t"},
        "owner": "hana",
        "owner_totals": {"sandboxes": 5, "memory_mb": 8192, "cpus": 12, "disk_mb": 20480},
        "home_totals": {"sandboxes": 100, "memory_mb": 98304, "cpus": 150, "disk_mb": 307200},
        "request": {"sandboxes": 1, "memory_mb": 928, "cpus": 1.5, "disk_mb": 3072, "services": 2},
        "replicas": [
            {
                "snapshot": "core@2026-11-23.1",
                "source": "core",
                "masked": True,
                "access": "read-only",
                "rules_digest": "r",
                "tables": ["customers"],
                "classes": ["contact"],
            }
        ],
        "steps": {"extract": "it-data", "transform": "it-data", "analyse": "hana"},
    }
).as_document()

EXTENSION = ExtendInput.model_validate(
    {
        **{k: REQUEST[k] for k in ("owner", "purpose", "template", "steps")},
        "kind": "extend",
        "ttl_hours": 336,
        "extension_hours": 72,
        "extensions": 3,
        "reason": {"text": "The campaign runs on.", "words": 4},
    }
).as_document()


def decide(document: dict[str, Any], point: str = "create") -> Decision:
    now = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
    return evaluate(POLICIES, point, document, now=now, tool_version="0.1.0")


def at(point: str) -> list[str]:
    return [rule.id for rule in POLICIES.rules if point in rule.at]


def changed(path: str, value: Any) -> dict[str, Any]:
    document = deepcopy(REQUEST)
    *parents, last = path.split(".")
    inner: Any = document
    for parent in parents:
        inner = inner[int(parent) if parent.isdigit() else parent]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return document


def test_a_request_at_every_limit_is_allowed() -> None:
    decision = decide(REQUEST)
    assert decision.verdict == "allow"
    assert decision.held == decision.evaluated == len(at("create"))


def test_the_quotas_are_judged_again_when_one_starts_again() -> None:
    quotas = [rule.id for rule in POLICIES.rules if "_totals." in (rule.asserts[0].field or "")]
    assert len(quotas) == 8
    assert at("start") == quotas
    fields = {name: REQUEST[name] for name in StartInput.model_fields if name != "kind"}
    start = StartInput.model_validate({**fields, "kind": "resume"}).as_document()
    assert decide(start, "start").verdict == "allow"
    start["home_totals"]["cpus"] = 151
    assert decide(start, "start").findings[0].rule == "cpus-in-home"


EGRESS = EgressInput.model_validate(
    {
        **{k: REQUEST[k] for k in ("owner", "purpose", "template")},
        "hosts": [{"host": "api.example.com"}, {"host": "files.example.com"}],
        "classes": ["contact"],
    }
).as_document()


def test_no_host_outside_is_approved_by_default() -> None:
    decision = decide(EGRESS, "egress")
    assert decision.verdict == "deny"
    assert [f.rule for f in decision.findings] == ["egress-approved"] * 2
    assert "api.example.com, none is allowed" in decision.findings[0].sentence.en
    assert "まだありません" in decision.findings[0].sentence.ja
    assert decide(EGRESS | {"hosts": None}, "egress").verdict == "deny"


def test_an_approved_host_is_that_name_alone() -> None:
    text = FILE.read_text("utf-8").replace("one_of: []", "one_of: [api.example.com]")
    approving = load_as(PolicySet, "policies/baseline.yaml", text.encode())
    now = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
    decision = evaluate(approving, "egress", EGRESS, now=now, tool_version="0.1.0")
    (finding,) = decision.findings
    assert (finding.item, finding.actual) == ("hosts files.example.com", "files.example.com")
    assert "allowed: api.example.com" in finding.sentence.en


def test_more_time_is_judged_by_the_whole_time() -> None:
    assert decide(EXTENSION, "extend").verdict == "allow"
    (finding,) = decide(EXTENSION | {"ttl_hours": 336.5}, "extend").findings
    assert (finding.rule, finding.expected) == ("whole-time-max", 336)
    assert "336.5, the limit is 336" in finding.sentence.en


BREAKS = [
    ("ttl-max", "ttl_hours", 2160, "the time to live (hours) is 2160, the limit is 168"),
    ("sandboxes-per-owner", "owner_totals.sandboxes", 6, "the number of your sandboxes is 6"),
    (
        "memory-per-owner",
        "owner_totals.memory_mb",
        8193,
        "the memory of your sandboxes (MB) is 8193",
    ),
    (
        "cpus-per-owner",
        "owner_totals.cpus",
        12.5,
        "the number of your sandboxes' CPUs is 12.5, the limit is 12 (11 held, 1.5 asked)",
    ),
    (
        "disk-per-owner",
        "owner_totals.disk_mb",
        20481,
        "the disk of your sandboxes (MB) is 20481, the limit is 20480 (17409 held, 3072 asked)",
    ),
    (
        "sandboxes-in-home",
        "home_totals.sandboxes",
        101,
        "the number of all sandboxes here is 101, the limit is 100 (100 held, 1 asked)",
    ),
    (
        "memory-in-home",
        "home_totals.memory_mb",
        98305,
        "the memory of all sandboxes here (MB) is 98305",
    ),
    ("cpus-in-home", "home_totals.cpus", 151, "the number of all sandboxes' CPUs here is 151"),
    (
        "disk-in-home",
        "home_totals.disk_mb",
        307201,
        "the disk of all sandboxes here (MB) is 307201",
    ),
    ("replica-masked", "replicas.0.masked", False, "replicas core@2026-11-23.1: it is not masked"),
    ("replica-masked", "replicas.0.access", "read-write", "the access is read-write, it must be"),
    ("replica-masked", "replicas.0.rules_digest", "", "the digest of its masking rules is empty"),
    (
        "purpose-said",
        "purpose.words",
        3,
        "the number of different words in the purpose is 3, at least 4 is",
    ),
    ("steps-owned", "steps.extract", "", "the person for the step extract is empty"),
    ("steps-owned", "steps.transform", " ", "the person for the step transform is empty"),
    ("steps-owned", "steps.analyse", "", "the person for the step analyse is empty"),
    ("template-reviewed", "template.name", "other", "the template is other, allowed: segment-rfm"),
]


@pytest.mark.parametrize(("rule", "path", "value", "sentence"), BREAKS)
def test_each_rule_denies(rule: str, path: str, value: Any, sentence: str) -> None:
    decision = decide(changed(path, value))
    assert decision.verdict == "deny"
    (finding,) = decision.findings
    assert finding.rule == rule
    assert sentence in finding.sentence.en


@pytest.mark.parametrize("path", sorted({path for _, path, _, _ in BREAKS}))
def test_each_field_that_is_missing_denies(path: str) -> None:
    decision = decide(changed(path, None))
    assert decision.verdict == "deny"
    assert "is missing from the request" in decision.findings[0].sentence.en


def test_an_empty_request_breaks_every_rule() -> None:
    decision = decide({})
    assert decision.held == 0
    assert {f.rule for f in decision.findings} == set(at("create"))


@pytest.mark.parametrize("step", ["extract", "transform", "analyse"])
def test_the_fix_names_the_step_that_nobody_answers_for(step: str) -> None:
    (finding,) = decide(changed(f"steps.{step}", "")).findings
    assert f"--owner {step}=" in finding.fix.en
    assert f"--owner {step}=" in finding.fix.ja


def test_every_field_of_the_baseline_has_words_in_both_languages() -> None:
    fields = {c.field for r in POLICIES.rules if not r.for_each for c in r.asserts if c.field}
    for field in fields:
        finding = decide(changed(field, None)).findings[0]
        assert finding.field == field
        for said in (finding.sentence.en, finding.sentence.ja):
            assert field not in said, said


def test_every_rule_is_tested() -> None:
    assert {rule for rule, *_ in BREAKS} == set(at("create"))
    assert at("extend") == ["whole-time-max"]


@pytest.mark.parametrize(
    ("groups", "k", "verdict"), [(40, 5, "allow"), (40, 4, "warn"), (0, 0, "allow")]
)
def test_small_groups_of_a_snapshot_are_warned_of(groups: int, k: int, verdict: str) -> None:
    table = TableInput(
        name="customers", rows=9, quasi=("birth_date",), groups=groups, k=k, few=0, suppressed=0,
        left_out=0,
    )  # fmt: skip
    document = SnapshotInput(
        source="core",
        by="it",
        label="pseudonymised",
        classes=(),
        holds=(),
        invented=True,
        tables=(table,),
        columns=(),
    ).as_document()
    decision = decide(document, "snapshot")
    assert decision.verdict == verdict
    assert [f.rule for f in decision.findings] == (["k-min"] if verdict == "warn" else [])
    assert all("k: 5" in f.fix.ja for f in decision.findings)


@pytest.mark.parametrize("rule", POLICIES.rules, ids=lambda rule: rule.id)
def test_both_languages_are_there(rule: Any) -> None:
    for words in (rule.title, rule.fix):
        assert words.en.isascii()
        assert not words.ja.isascii()


def test_the_fix_for_a_long_life_names_the_option() -> None:
    assert all("--ttl 168h" in text for text in POLICIES.rules[0].fix.model_dump().values())


@pytest.mark.parametrize(
    ("purpose", "enough"),
    [
        ("Which lapsed customers react to a coupon?", True),
        ("どの休眠顧客がクーポンに反応するか", True),
        ("test", False),
        ("test test test test test", False),
        ("分析する", False),
    ],
)
def test_what_counts_as_a_sentence(purpose: str, enough: bool) -> None:
    decision = decide(changed("purpose", {"text": purpose, "words": count_words(purpose)}))
    assert (decision.verdict == "allow") is enough
