"""The noun `policy` on the command line: tables, JSON, JUnit, exit codes."""

import json
from pathlib import Path
from xml.etree import ElementTree

import typer

from sandbox.cli import policy
from sandbox.cli.app import app
from tests.cli.conftest import Cli, error

BROKEN = """\
apiVersion: sandbox.policy/v1
kind: PolicySet
metadata: {name: more, version: "1", owner: it, change: CHG-9}
effective_from: "2026-01-01T00:00:00+09:00"
rules:
  - id: more-time
    title: {en: Less than a year, ja: 一年未満}
    mode: enforce
    at: [create]
    assert: {field: ttl_hour, max: 8760}
    fix: {en: Ask for less, ja: 短くしてください}
"""
# Who is exempt from it still meets ttl-max, so both decide something.
SOUND = BROKEN.replace("ttl_hour,", "ttl_hours,").replace("max: 8760", "max: 100")
SOUND += "    exceptions: {max_days: 3, approver_role: it}\n"
CASES = """\
apiVersion: sandbox.policy/v1
kind: PolicyTests
documents: {ordinary: {ttl_hours: 100}}
tests:
  - {rule: more-time, document: ordinary, expect: held}
  - {rule: more-time, name: a <month> & more, document: ordinary, expect: missed}
"""


def test_the_rules_are_listed(cli: Cli, made: Path) -> None:
    code, out, err = cli("policy", "list")
    assert (code, err) == (0, "")
    assert " rules of " in out
    assert "ttl-max " in out
    assert "A sandbox ends within 7 days / サンドボックスは7日以内に終了する" in out
    assert "waiver by it" in out
    assert "approval by data-owner" in out
    code, out, _ = cli("policy", "list", "--at", "idle", "-o", "json")
    found = json.loads(out)
    assert [rule["at"] for rule in found["rules"]] == [["idle"]] * len(found["rules"]) != []
    for rule in found["rules"]:
        file, _, line = rule["place"].partition(":")
        assert (made / file).read_text("utf-8").splitlines()[int(line) - 1].endswith(rule["id"])
    code, out, _ = cli("policy", "list", "--at", "crate", "-o", "json")
    assert (code, "Did you mean create?" in error(out)["message"]) == (3, True)


def test_rules_are_completed(made: Path) -> None:
    context = typer.Context(typer.main.get_command(app), info_name="sandbox")
    assert policy.rule_names(context, "ttl") == ["ttl-max"]
    (made / "policies/bad.yaml").write_text("rules: [", "utf-8")
    assert policy.rule_names(context, "ttl") == []


def test_a_rule_that_is_to_come_says_so(cli: Cli, made: Path) -> None:
    later = SOUND.replace("2026-01-01", "2099-01-01")
    (made / "policies/more.yaml").write_text(later, "utf-8")
    assert "enforce, from 2099-01-01" in cli("policy", "list", "--at", "create")[1]
    assert "not in force before 2099-01-01" in cli("policy", "show", "more-time")[1]
    warned = SOUND.replace("enforce\n", 'warn\n    enforce_after: "2099-01-01T00:00:00+09:00"\n')
    (made / "policies/more.yaml").write_text(warned, "utf-8")
    assert "warn, enforce after 2099-01-01" in cli("policy", "show", "more-time")[1]


IN_WORDS = {
    "ttl-max": [
        "the time to live (hours) is at most 168",
        "有効期間（時間）が 168 以下",
        "by it (role), for at most 14 days",
        "(policies/baseline.yaml:",
    ],
    "k-min": ["of tables", "the number of groups is at least 1", "グループの数が 1 以上", "never"],
    "steps-owned": ["step extract is given", "step transform is given"],
    "egress-approved": ["the host is on the list of allowed ones, which is empty"],
    "export-rows": ["a yes of data-owner (role) stands in"],
}


def test_one_rule_in_words(cli: Cli, made: Path) -> None:
    for rule, said in IN_WORDS.items():
        code, out, err = cli("policy", "show", rule)
        assert (code, err) == (0, "")
        assert [words for words in said if words not in out] == []


def test_a_rule_that_there_is_none_of(cli: Cli, made: Path) -> None:
    code, out, _ = cli("policy", "show", "ttl-mx", "-o", "json")
    assert (code, "Did you mean ttl-max?" in error(out)["message"]) == (5, True)
    assert cli("policy", "test", "ttl-mx")[0] == 5


def test_what_is_shipped_is_sound_and_tested(cli: Cli, made: Path) -> None:
    code, out, err = cli("policy", "check")
    assert (code, err) == (0, "")
    assert out.startswith("sound     ")
    code, out, err = cli("policy", "test")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1].startswith("tests     ")
    assert " passed, " in out
    code, out, _ = cli("policy", "test", "ttl-max", "-o", "json")
    found = json.loads(out)
    assert (code, found["passed"]) == (0, True)
    assert {trial["rule"] for trial in found["trials"]} == {"ttl-max"}


def test_a_new_file_is_checked_before_it_counts(cli: Cli, made: Path, tmp_path: Path) -> None:
    new = tmp_path / "more.yaml"
    new.write_text(BROKEN, "utf-8")
    code, out, err = cli("policy", "check", str(new))
    assert (code, err) == (4, "")
    assert "wrong     policies/more.yaml:6 more-time" in out
    assert "there is no field ttl_hour at create. Did you mean ttl_hours?" in out
    assert "項目 ttl_hour がありません。もしかして: ttl_hours" in out
    assert cli("policy", "check")[0] == 0
    new.write_text(SOUND, "utf-8")
    assert cli("policy", "check", str(new))[0] == 0
    code, out, _ = cli("policy", "test", "--with", str(new))
    assert (code, "untested  no test at all: more-time" in out) == (4, True)
    assert cli("policy", "test", "--with", str(tmp_path / "none.yaml"))[0] == 3
    assert cli("policy", "check", str(tmp_path))[0] == 3


def test_a_file_that_cannot_be_read_is_told_beside_the_others(cli: Cli, made: Path) -> None:
    (made / "policies/exits.yaml").rename(made / "policies/bad.yaml")
    (made / "policies/bad.yaml").write_text("rules: [", "utf-8")
    (made / "policies/more.yaml").write_text(BROKEN, "utf-8")
    (made / "policies/tests/bad.yaml").write_text("kind: PolicyTest\n", "utf-8")
    code, out, _ = cli("policy", "check")
    assert code == 4
    for place in ("policies/bad.yaml:2:1", "policies/tests/bad.yaml:1:1", "policies/more.yaml:6"):
        assert f"wrong     {place}" in out
    assert ": 3 problems" in out
    assert "note " not in out
    (made / "policies/bad.yaml").write_text(SOUND, "utf-8")
    (made / "policies/tests/bad.yaml").unlink()
    code, out, _ = cli("policy", "check", "-o", "json")
    kinds = [problem["kind"] for problem in json.loads(out)["problems"]]
    assert (code, kinds) == (4, ["file", "field"])


def test_tests_that_fail(cli: Cli, made: Path) -> None:
    (made / "policies/more.yaml").write_text(SOUND, "utf-8")
    (made / "policies/tests/more.yaml").write_text(CASES, "utf-8")
    code, out, err = cli("policy", "test", "more-time")
    assert (code, err) == (4, "")
    assert "failed    policies/tests/more.yaml:6 more-time: a <month> & more" in out
    assert "expected missed, got held" in out
    assert "missed のはずが held でした" in out
    code, out, _ = cli("policy", "test", "more-time", "-o", "junit")
    root = ElementTree.fromstring(out)
    assert (code, root.attrib) == (
        4,
        {"name": "policy", "tests": "2", "failures": "1", "errors": "0"},
    )
    (failed,) = root.iterfind("./testsuite/testcase[failure]")
    assert failed.attrib == {
        "classname": "more-time",
        "name": "a <month> & more",
        "file": "policies/tests/more.yaml",
        "line": "6",
    }
    assert failed[0].attrib["message"].startswith("expected missed, got held / ")


def test_no_tests_are_a_failure(cli: Cli, made: Path) -> None:
    for file in (made / "policies/tests").iterdir():
        file.unlink()
    code, out, _ = cli("policy", "test")
    assert (code, "there are no tests, 0 files" in out) == (4, True)
    empty = CASES[: CASES.index("tests:")] + "tests: []\n"
    (made / "policies/tests/none.yaml").write_text(empty, "utf-8")
    code, out, _ = cli("policy", "test")
    assert (code, "there are no tests, 1 file" in out) == (4, True)
    assert "no test at all: ttl-max, " in out
    code, out, _ = cli("policy", "test", "-o", "junit")
    root = ElementTree.fromstring(out)
    assert (code, int(root.attrib["failures"]) > 10) == (4, True)


def test_a_case_that_is_wrong_is_an_error(cli: Cli, made: Path) -> None:
    (made / "policies/more.yaml").write_text(SOUND, "utf-8")
    wrong = CASES.replace("expect: missed", "expect: missed, change: {ttl: 5}")
    (made / "policies/tests/more.yaml").write_text(wrong, "utf-8")
    code, out, _ = cli("policy", "test", "more-time")
    assert (code, "wrong     policies/tests/more.yaml:6" in out) == (4, True)
    root = ElementTree.fromstring(cli("policy", "test", "more-time", "-o", "junit")[1])
    assert root.attrib["errors"] == "1"


def test_the_schema_is_printed_as_it_is(cli: Cli, made: Path) -> None:
    for kind in ("PolicySet", "policytests", "Profile"):
        code, out, err = cli("policy", "schema", kind)
        assert (code, err) == (0, "")
        found = json.loads(out)
        assert found["$schema"].startswith("https://json-schema.org/")
        assert found["properties"]["kind"]["const"].lower() == kind.lower()
        assert json.loads(cli("policy", "schema", kind, "-o", "json")[1]) == found
    assert json.loads(cli("policy", "schema")[1])["title"] == "sandbox.policy/v1 PolicySet"


def test_the_file_of_the_documents_is_sound(cli: Cli, made: Path, tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "policies.md").read_text("utf-8")
    start = text.index("apiVersion: sandbox.policy/v1\nkind: PolicySet")
    file = tmp_path / "shorter.yaml"
    file.write_text(text[start : text.index("```", start)], "utf-8")
    code, out, _ = cli("policy", "check", str(file))
    assert (code, out[:9]) == (0, "sound    "), out


def test_titles_come_first_in_the_language_of_the_home(cli: Cli, made: Path) -> None:
    first = "A sandbox ends within 7 days", "サンドボックスは7日以内に終了する"
    assert " / ".join(first) in cli("policy", "list")[1]
    file = made / "sandbox.yaml"
    file.write_text(file.read_text("utf-8").replace("language: en", "language: ja"), "utf-8")
    assert " / ".join(reversed(first)) in cli("policy", "list")[1]
