"""The files of `policies/` as the catalogue reads them: profiles, tests, and what we ship."""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from sandbox.core.errors import InvalidInput, Unavailable
from sandbox.core.policy_checks import problems
from sandbox.core.policy_schema import KINDS, FileKind, schema
from sandbox.core.policy_trials import coverage, tried
from sandbox.core.rules import PolicySet
from sandbox.drivers.catalogue.home import HomeCatalogue
from sandbox.drivers.catalogue.strict_yaml import load
from tests.contract.catalogue_samples import SETTINGS, failure, write
from tests.reading import load_as

SHIPPED = Path(__file__).parents[2] / "policies"
NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
META = 'metadata: {name: x, version: "1", owner: it, change: CHG-1}\n'
RULE = """\
  - id: extra
    title: {en: Extra, ja: 追加}
    mode: warn
    at: [create]
    assert: {field: owner, present: true}
    fix: {en: Fix, ja: 直す}
"""
SET = (
    f"apiVersion: sandbox.policy/v1\nkind: PolicySet\n{META}"
    f'effective_from: "2026-06-01T00:00:00+09:00"\nrules:\n{RULE}'
)
WORDS = "{en: A word, ja: 言葉}"
DIFFERENCES = (
    "goal", "value", "approach", "governance", "sourcing", "skills", "culture", "cycle-time",
)  # fmt: skip
PROFILE = (
    SET.replace("kind: PolicySet", "kind: Profile")
    + f"title: {WORDS}\ndefaults: {{ttl: 48h}}\ndifferences:\n"
    + "".join(f"  {name}: {WORDS}\n" for name in DIFFERENCES)
)
TESTS = """\
apiVersion: sandbox.policy/v1
kind: PolicyTests
documents: {ordinary: {owner: hana}}
tests:
  - {rule: extra, document: ordinary, expect: held}
  - {rule: extra, document: ordinary, change: {owner: ""}, expect: missed}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write(tmp_path / "sandbox.yaml", SETTINGS)
    write(tmp_path / "policies/a.yaml", SET)
    return tmp_path


@pytest.fixture
def catalogue(home: Path) -> HomeCatalogue:
    return HomeCatalogue(home)


def test_rules_are_told_with_their_place(catalogue: HomeCatalogue) -> None:
    assert catalogue.policy_files() == ["policies/a.yaml"]
    each = catalogue.policy_file("policies/a.yaml")
    assert (each.kind, each.place("extra")) == ("PolicySet", "policies/a.yaml:6")


def test_rules_of_a_profile_are_part_of_the_set(home: Path, catalogue: HomeCatalogue) -> None:
    write(home / "policies/profiles/m.yaml", PROFILE.replace("id: extra", "id: more"))
    assert [rule.id for rule in catalogue.policies().rules] == ["extra", "more"]
    each = catalogue.policy_file("policies/profiles/m.yaml")
    assert each.kind == "Profile"
    assert each.profile is not None
    assert each.profile.defaults.ttl == "48h"
    assert each.profile.differences.cycle_time.ja == "言葉"
    twice = PROFILE.replace("rules:\n", f"rules:\n{RULE}")
    write(home / "policies/profiles/m.yaml", twice)
    assert "m.yaml:12:5: `rules[1].id`: the rule id extra is used more" in str(
        failure(catalogue.policies)
    )
    write(home / "policies/profiles/m.yaml", PROFILE)
    assert "policies/profiles/m.yaml:6:5: the rule extra stands in policies/a.yaml:6" in str(
        failure(catalogue.policies)
    )


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("culture: ", "cultur: ", "unknown key `cultur`. Did you mean culture?"),
        (f"  goal: {WORDS}\n", "", "the key `differences.goal` is missing"),
        ("ttl: 48h", "ttl: soon", "is not a duration"),
        ("kind: Profile", "kind: PolicySet", "must be 'Profile'"),
        ("ja: 言葉", "jp: 言葉", "unknown key `jp`"),
    ],
)
def test_a_wrong_profile_is_told_in_place(
    home: Path, catalogue: HomeCatalogue, before: str, after: str, said: str
) -> None:
    write(home / "policies/profiles/m.yaml", PROFILE.replace(before, after, 1))
    error = failure(catalogue.policies)
    assert error.message.startswith("policies/profiles/m.yaml:")
    if after != "kind: PolicySet":
        assert said in error.message


def test_words_of_a_profile_in_one_language(home: Path, catalogue: HomeCatalogue) -> None:
    text = PROFILE.replace("id: extra", "id: more")
    for name in ("goal", "cycle-time"):
        text = text.replace(f"  {name}: {WORDS}", f"  {name}: {{en: A word, ja: A word}}")
    write(home / "policies/profiles/m.yaml", text)
    found = problems([catalogue.policy_file("policies/profiles/m.yaml")], NOW)
    told = [(p.place, p.said.en.partition(":")[0]) for p in found if p.kind == "translation"]
    assert told == [("policies/profiles/m.yaml", name) for name in ("goal", "cycle-time")]


def test_rules_in_a_folder_that_nobody_reads_are_told(home: Path, catalogue: HomeCatalogue) -> None:
    write(home / "policies/emea/notes.md", "Not a rule")
    assert len(catalogue.policies().rules) == 1
    write(home / "policies/emea/b.yaml", SET)
    error = failure(catalogue.policies)
    assert (error.subject, "No file is read there" in error.message) == (
        "policies/emea/b.yaml",
        True,
    )


def test_a_folder_of_rules_that_leads_nowhere_is_not_empty(
    home: Path, catalogue: HomeCatalogue
) -> None:
    (home / "policies/profiles").symlink_to(home / "gone")
    error = failure(catalogue.policies, Unavailable)
    assert error.subject == "policies/profiles"


def test_tests_are_told_with_their_place(home: Path, catalogue: HomeCatalogue) -> None:
    assert catalogue.policy_tests() == []
    write(home / "policies/tests/a.yaml", TESTS)
    assert catalogue.policy_tests() == ["policies/tests/a.yaml"]
    placed = catalogue.policy_test("policies/tests/a.yaml")
    assert placed.lines == (5, 6)
    assert placed.content.tests[1].change == {"owner": ""}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("expect: held", "expects: held", ":5:39: unknown key `expects`. Did you mean expect?"),
        ("expect: held", "expect: hold", "Did you mean held?"),
        ("expect: held", "expect: held, at: creation", "Did you mean create?"),
        ("expect: held", 'expect: held, now: "2026-01-01T00:00:00"', "must name its time zone"),
        ("rule: extra, ", "", "the key `tests[0].rule` is missing"),
        ("ordinary: {", "ordinary: {owner: a, ", "a second time"),
        ("change: {", "change: {at: 22:00, ", "could read it as something else"),
    ],
)
def test_wrong_tests_are_told_in_place(
    home: Path, catalogue: HomeCatalogue, before: str, after: str, said: str
) -> None:
    write(home / "policies/tests/a.yaml", TESTS.replace(before, after, 1))
    error = failure(lambda: catalogue.policy_test("policies/tests/a.yaml"))
    assert error.message.startswith("policies/tests/a.yaml:")
    assert said in error.message


def test_a_new_file_is_taken_as_if_it_stood_there(home: Path, catalogue: HomeCatalogue) -> None:
    before = catalogue.policies().digest()
    more = SET.replace("id: extra", "id: more").encode()
    beside = catalogue.with_policy("b.yaml", more)
    assert [rule.id for rule in beside.policies().rules] == ["extra", "more"]
    instead = catalogue.with_policy("a.yaml", more)
    assert [rule.id for rule in instead.policies().rules] == ["more"]
    profile = PROFILE.replace("id: extra", "id: more").encode()
    assert catalogue.with_policy("m.yaml", profile).policy_files()[-1].endswith("profiles/m.yaml")
    assert catalogue.with_policy("t.yaml", TESTS.encode()).policy_tests() == [
        "policies/tests/t.yaml"
    ]
    assert catalogue.policies().digest() == before
    assert [path.name for path in (home / "policies").iterdir()] == ["a.yaml"]


@pytest.mark.parametrize("name", ["b.yml", "../b.yaml", ".b.yaml", "policies/b.yaml", ""])
def test_a_new_file_under_a_name_that_is_not_read(catalogue: HomeCatalogue, name: str) -> None:
    failure(lambda: catalogue.with_policy(name, SET.encode()))


def test_a_new_file_that_is_wrong_or_too_large(catalogue: HomeCatalogue) -> None:
    assert failure(lambda: catalogue.with_policy("b.yaml", b"a: &x 1")).message.startswith("b.yaml")
    large = b"#" * (1024 * 1024 + 1)
    assert "1 MiB" in failure(lambda: catalogue.with_policy("b.yaml", large)).message
    wrong = SET.replace("mode: warn", "mode: warm").encode()
    beside = catalogue.with_policy("b.yaml", wrong)
    assert "policies/b.yaml:8:5" in failure(beside.policies).message


# What we ship.


def shipped(home: Path) -> HomeCatalogue:
    (home / "policies").rename(home / "old")
    (home / "policies").symlink_to(SHIPPED)
    return HomeCatalogue(home)


def test_nothing_is_wrong_with_the_shipped_rules(home: Path) -> None:
    catalogue = shipped(home)
    files = [catalogue.policy_file(file) for file in catalogue.policy_files()]
    assert len(files) >= 3
    assert [problem.model_dump() for problem in problems(files, NOW)] == []


def test_every_shipped_rule_is_kept_and_missed_by_a_test(home: Path) -> None:
    catalogue = shipped(home)
    policies = catalogue.policies()
    trials = [
        trial
        for file in catalogue.policy_tests()
        for trial in tried(catalogue.policy_test(file), policies, NOW)
    ]
    assert [trial for trial in trials if trial.ending != "passed"] == []
    found = coverage(policies.rules, trials)
    assert found.untested == found.never_missed == found.never_held == ()


# The schema for editors: as strict as the reader, with its own eyes.


@cache
def editor(kind: FileKind) -> Any:
    return jsonschema.Draft202012Validator(schema(kind))


def accepted(kind: FileKind, text: str) -> bool:
    """Say whether an editor would accept a file."""
    return bool(editor(kind).is_valid(load("a.yaml", text.encode()).content))


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_is_one(kind: FileKind) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(kind))


def test_an_editor_accepts_all_that_we_ship() -> None:
    texts = {file: file.read_text("utf-8") for file in SHIPPED.rglob("*.yaml")}
    kinds: dict[str, FileKind] = {"profiles": "Profile", "tests": "PolicyTests"}
    assert len(texts) >= 6
    for file, text in texts.items():
        assert accepted(kinds.get(file.parent.name, "PolicySet"), text), file


CONDITIONS = [
    ("{field: owner, present: true}", True),
    ("[{field: owner, present: true}, {any: [{field: owner, equals: a}]}]", True),
    ("{not: {field: owner, one_of: []}}", True),
    ('{field: day, within: ["2026-12-25", "2027-01-05"]}', True),
    ("{field: owner}", False),
    ("{present: true}", False),
    ("{field: owner, min: 1, max: 5}", False),
    ("{field: owner, any: [{field: owner, present: true}]}", False),
    ("{any: [{field: owner, present: true}], min: 1}", False),
    ("{field: owner, min: 1, any: [{field: owner, present: true}]}", False),
    ("{any: []}", False),
    ("{field: owner, is: a}", False),
    ("{field: owner, none_of: []}", False),
    ("{field: owner, longer_than: -1}", False),
    ("{field: Owner, present: true}", False),
    ("{field: owner, min: low}", False),
    ("[]", False),
]


@pytest.mark.parametrize(("condition", "right"), CONDITIONS)
def test_an_editor_and_the_reader_agree(condition: str, right: bool) -> None:
    text = SET.replace("{field: owner, present: true}", condition)
    try:
        load_as(PolicySet, "a.yaml", text.encode())
        read = True
    except InvalidInput:
        read = False
    assert (accepted("PolicySet", text), read) == (right, right)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("mode: warn", "mode: warm"),
        ("at: [create]", "at: [creation]"),
        ("at: [create]", "at: create"),
        ("mode: warn", "modes: warn"),
        ("id: extra", "id: Extra"),
        (", ja: 追加", ""),
        ("kind: PolicySet", "kind: Policy"),
    ],
)
def test_an_editor_refuses_what_the_reader_refuses(before: str, after: str) -> None:
    text = SET.replace(before, after, 1)
    assert not accepted("PolicySet", text)
    with pytest.raises(InvalidInput):
        load_as(PolicySet, "a.yaml", text.encode())


@pytest.mark.parametrize("when", ["2026-06-01", "soon", "2026-06-01T00:00:00"])
def test_what_is_no_time_with_its_zone_is_told_in_plain_words(home: Path, when: str) -> None:
    write(home / "policies/a.yaml", SET.replace("2026-06-01T00:00:00+09:00", when))
    with pytest.raises(InvalidInput, match=r"`effective_from`.* must .* zone, as"):
        HomeCatalogue(home).policies()


@pytest.mark.parametrize(
    ("keys", "right"),
    [
        ("mode: enforce\n    approval: [it]", True),
        ("mode: warn\n    approval: [it]", False),
        ('mode: warn\n    enforce_after: "2027-01-01T00:00:00+09:00"', True),
        ('mode: enforce\n    enforce_after: "2027-01-01T00:00:00+09:00"', False),
        ("mode: enforce\n    approval: [viewer]", False),
    ],
)
def test_an_editor_knows_which_keys_go_together(keys: str, right: bool) -> None:
    text = SET.replace("mode: warn", keys)
    try:
        load_as(PolicySet, "a.yaml", text.encode())
        read = True
    except InvalidInput:
        read = False
    assert (accepted("PolicySet", text), read) == (right, right)
    elsewhere = text.replace("at: [create]", "at: [scan]")
    assert accepted("PolicySet", elsewhere) is (right and "approval" not in keys)
