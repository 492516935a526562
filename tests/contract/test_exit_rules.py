"""Every shipped rule on what leaves a sandbox and what comes in, kept and broken."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sandbox.core.judged_crossing import ExportInput, ImportInput
from sandbox.core.policy import Decision, evaluate
from sandbox.core.rules import PolicySet
from tests.reading import load_as

FILE = Path(__file__).parents[2] / "policies" / "exits.yaml"
POLICIES = load_as(PolicySet, "policies/exits.yaml", FILE.read_bytes())
PURPOSE = {"text": "Budget per segment for October", "words": 5}
TEMPLATE = {"name": "segment-rfm", "version": "1.0.0", "digest": "t"}


def seen(data_class: str) -> dict[str, Any]:
    return {
        "found": [
            {
                "name": "x (d)",
                "column": "x",
                "detector": "d",
                "data_class": data_class,
                "count": 3,
            }
        ]
    }


EXPORT = ExportInput.model_validate(
    {
        "kind": "table",
        "what": "lab.segments",
        "format": "csv",
        "tabular": True,
        "rows": 1000,
        "columns": ["segment", "customers"],
        "bytes": 120,
        "smallest_group": 5,
        "found": [],
        "label": "pseudonymised",
        "data_class": "contact",
        "owner": "hana",
        "person": "hana",
        "purpose": PURPOSE,
        "template": TEMPLATE,
    }
).as_document()
IMPORT = ImportInput.model_validate(
    {
        "file": "budgets.csv",
        "format": "csv",
        "rows": 4,
        "columns": ["segment", "budget"],
        "bytes": 80,
        "found": [],
        "matched": False,
        "matched_with": "",
        "identities": 0,
        "owner": "hana",
        "person": "hana",
        "template": TEMPLATE,
    }
).as_document()
MATCHED = {"matched": True, "matched_with": "core.customers.mail", "identities": 50}


def decide(point: str, document: dict[str, Any]) -> Decision:
    now = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
    return evaluate(POLICIES, point, document, now=now, tool_version="0.1.0")


@pytest.mark.parametrize(("point", "document"), [("export", EXPORT), ("import", IMPORT)])
def test_what_keeps_every_rule_goes_through(point: str, document: dict[str, Any]) -> None:
    decision = decide(point, document)
    assert (decision.verdict, decision.findings) == ("allow", ())
    assert decision.evaluated == sum(point in rule.at for rule in POLICIES.rules) > 3


BREAKS = [
    ("export", {"purpose": {"text": "", "words": 3}}, "export-purpose", "deny"),
    ("export", {"format": "unknown"}, "export-readable", "deny"),
    *(
        ("export", seen(data_class), "export-no-identities", "deny")
        for data_class in ("personal", "contact", "special-care", "my-number", "credential")
    ),
    ("export", seen("quasi-identifier"), "export-quasi-identifiers", "warn"),
    ("export", {"label": "raw-like"}, "export-pseudonymised", "deny"),
    ("export", {"rows": 1001}, "export-rows", "needs-approval"),
    ("export", {"smallest_group": 4}, "export-smallest-group", "needs-approval"),
    ("export", {"tabular": False}, "export-no-table", "needs-approval"),
    *(
        ("import", seen(data_class), "import-no-identities", "deny")
        for data_class in ("personal", "contact", "special-care", "my-number", "credential")
    ),
    ("import", seen("quasi-identifier"), "import-quasi-identifiers", "warn"),
    ("import", MATCHED, "import-match-approved", "needs-approval"),
]


@pytest.mark.parametrize(("point", "change", "rule", "verdict"), BREAKS)
def test_each_rule(point: str, change: dict[str, Any], rule: str, verdict: str) -> None:
    decision = decide(point, (EXPORT if point == "export" else IMPORT) | change)
    assert decision.verdict == verdict
    (finding,) = decision.findings
    assert finding.rule == rule
    assert bool(finding.approval) == (verdict == "needs-approval")
    assert finding.sentence.en.isascii()


def test_few_people_are_not_matched_whoever_says_yes() -> None:
    decision = decide("import", IMPORT | MATCHED | {"identities": 49})
    assert decision.verdict == "deny"
    assert [f.rule for f in decision.findings] == ["import-match-size", "import-match-approved"]


def test_no_rule_is_forgotten_here() -> None:
    broken = {rule for _, _, rule, _ in BREAKS} | {"import-match-size"}
    assert {rule.id for rule in POLICIES.rules} == broken


@pytest.mark.parametrize("point", ["export", "import"])
def test_a_fact_that_is_missing_denies(point: str) -> None:
    document = dict(EXPORT if point == "export" else IMPORT)
    del document["found"]
    assert decide(point, document).verdict == "deny"
