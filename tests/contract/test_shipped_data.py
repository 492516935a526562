"""The shipped rules on data, cost and lanes, and the two profiles: what their tests do not show."""

from pathlib import Path

import pytest

from sandbox.core.judged import EgressInput
from sandbox.core.leaks import GateReport
from sandbox.core.operators import in_words
from sandbox.core.points import fields
from sandbox.core.policy_files import PolicyFile
from sandbox.core.publishing import SnapshotInput
from sandbox.core.rules import Rule
from sandbox.core.source import NEVER_KEPT, Source
from sandbox.drivers.catalogue.home import HomeCatalogue
from tests.core.test_lifecycle import a_sandbox
from tests.core.test_policy import copied
from tests.reading import load_as

ROOT = Path(__file__).parents[2]
CATALOGUE = HomeCatalogue(ROOT)
MINE = [f"policies/{name}.yaml" for name in ("data", "cost", "lanes")]
FILES = [*MINE, "policies/profiles/mode-1.yaml", "policies/profiles/mode-2.yaml"]


RULES = [rule for file in FILES for rule in CATALOGUE.policy_file(file).policies.rules]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_what_a_rule_names_is_there_and_has_words(rule: Rule) -> None:
    for point in rule.at:
        known = fields(point, rule.for_each or "")
        assert {c.field for c in rule.conditions()} <= known.keys()
    # An item is named by its label; what is asserted of it is told.
    for condition in rule.asserts:
        for leaf in condition.leaves():
            field = leaf.field or ""
            words = {in_words(field, "en"), in_words(field, "ja")}
            assert len(words) == 2, field


@pytest.mark.parametrize("file", FILES)
def test_both_languages_are_there(file: str) -> None:
    found: PolicyFile = CATALOGUE.policy_file(file)
    words = [text for rule in found.policies.rules for text in (rule.title, rule.fix)]
    if found.profile:
        differences = found.profile.differences
        words += [found.profile.title]
        words += [getattr(differences, name) for name in type(differences).model_fields]
        assert len(type(differences).model_fields) == 8
    for text in words:
        assert text.en.isascii()
        assert not text.ja.isascii()


def test_mode_2_rules_sandboxes_and_mode_1_what_is_promoted() -> None:
    points = {
        file: {point for rule in CATALOGUE.policy_file(file).policies.rules for point in rule.at}
        for file in FILES
    }
    assert points["policies/profiles/mode-1.yaml"] == {"promote", "release"}
    assert not points["policies/profiles/mode-2.yaml"] & {"promote", "release"}


REPORT = GateReport(places=3, detectors={}, real_values=0, canaries=0)
SOURCE = """
apiVersion: sandbox.source/v1
kind: Source
metadata: {name: core}
connection: {type: postgres, host: h, port: 5432, database: d, user: u, password: {file: f}}
owners: {extract: it, transform: it}
tables:
  customers:
    columns:
      id: {class: personal, mask: hmac}
      illness: {class: special-care, mask: drop}
      number: {class: my-number, mask: hmac}
      extra:
        class: internal
        mask:
          method: json
          paths:
            $.mail: {class: contact, mask: fake-mail}
            $.plan: {class: internal, mask: keep}
"""


def test_the_columns_of_a_snapshot_are_those_that_it_holds() -> None:
    source = load_as(Source, "sources/core.yaml", SOURCE.encode())
    document = SnapshotInput.of(source, "it", "pseudonymised", (), REPORT, invented=True)
    found = [(c.name, c.data_class, c.method) for c in document.columns]
    assert found == [
        ("customers.id", "personal", "hmac"),
        ("customers.number", "my-number", "hmac"),
        ("customers.extra $.mail", "contact", "fake-mail"),
        ("customers.extra $.plan", "internal", "keep"),
    ]
    assert document.invented
    assert document.holds == ("contact", "internal", "my-number", "personal")
    blank = SOURCE.replace("mask: fake-mail", "mask: redact")
    empty = load_as(Source, "sources/core.yaml", blank.encode())
    document = SnapshotInput.of(empty, "it", "pseudonymised", (), REPORT)
    assert document.holds == ("internal", "my-number", "personal")
    assert not document.invented


def test_every_class_that_is_never_kept_has_its_rule() -> None:
    (rule,) = [rule for rule in RULES if rule.id == "special-care-masked"]
    (condition,) = rule.when
    assert condition.one_of is not None
    assert {*condition.one_of} == NEVER_KEPT


@pytest.mark.parametrize(
    ("label", "judged"),
    [("pseudonymised", "pseudonymised"), ("raw-like", "raw-like"), ("", "raw-like")],
)
def test_what_nobody_labelled_could_be_anything(label: str, judged: str) -> None:
    snapshot = copied("contact", "hmac")
    assert snapshot.manifest is not None
    manifest = snapshot.manifest.model_copy(update={"label": label})
    spec = a_sandbox(id="a").spec.model_copy(update={"egress": ("api.example.com",)})
    for known, expected in ((manifest, judged), (None, "raw-like")):
        seen = snapshot.model_copy(update={"manifest": known})
        assert EgressInput.of(spec, seen, owner="anna").label == expected
