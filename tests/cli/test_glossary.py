"""Words of the other department, on the command line."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, error


@pytest.mark.parametrize("typed", [["replica"], ["レプリカ"], ["ﾚﾌﾟﾘｶ"], ["Replicas"]])
def test_a_word_is_explained_in_both_languages(cli: Cli, made: Path, typed: list[str]) -> None:
    code, out, err = cli("explain", *typed)
    assert (code, err) == (0, "")
    assert "word      Replica / 複製データ" in out
    assert "of        this tool / このツール" in out
    assert "means     What your sandbox sees of the core's data" in out
    assert "サンドボックスから見える基幹データの写しです" in out
    assert "see       snapshot, mask, lab" in out
    assert "here      sandbox data list" in out
    assert "Nearest" not in out


def test_two_words_need_no_quotes(cli: Cli, made: Path) -> None:
    assert cli("explain", "load", "time")[1] == cli("explain", "load time")[1]


def test_a_mistyped_word_says_what_it_was_taken_for(cli: Cli, made: Path) -> None:
    code, out, _ = cli("explain", "gardrail")
    assert (code, out.splitlines()[0]) == (0, 'Nearest to "gardrail":')
    assert "Guardrail / ガードレール指標" in out
    found = json.loads(cli("explain", "gardrail", "-o", "json")[1])
    assert (found["asked"], found["exact"]) == ("gardrail", False)
    assert [term["id"] for term in found["terms"]] == ["guardrail"]


def test_a_part_of_words_lists_them(cli: Cli, made: Path) -> None:
    code, out, _ = cli("explain", "time")
    assert code == 0
    assert {"Time to live", "Load time", "Cycle time"} <= {
        row[:24].strip() for row in out.split("\n")
    }
    assert "One of them: sandbox explain WORD" in out


def test_who_asks_in_japanese_gets_a_list_in_japanese(cli: Cli, made: Path) -> None:
    out = cli("explain", "データ")[1]
    assert "法務" in out
    assert "生存する個人に関する" in out
    assert "Whatever tells of" not in out


def test_all_words(cli: Cli, made: Path) -> None:
    code, out, _ = cli("explain")
    assert code == 0
    assert len(out.splitlines()) > 60
    assert json.loads(cli("explain", "-o", "json")[1])["asked"] == ""


def test_what_nobody_knows_ends_with_5(cli: Cli, made: Path) -> None:
    code, out, _ = cli("explain", "carburettor", "-o", "json")
    assert code == 5
    assert error(out)["hint"] == "All words: sandbox explain"
    assert "Did you mean" in error(cli("explain", "rollercoaster", "-o", "json")[1])["message"]


def test_a_rule_is_explained_elsewhere(cli: Cli, made: Path) -> None:
    code, _, err = cli("explain", "TTL-max")
    assert code == 5
    assert "It is a rule: sandbox policy explain ttl-max" in err


def test_nobody_needs_a_role_to_ask_what_a_word_means(cli: Cli, made: Path) -> None:
    people = "apiVersion: sandbox.people/v1\nkind: People\npeople:\n  - {name: x, roles: [it]}\n"
    (made / "people.yaml").write_text(people, "utf-8")
    assert cli("explain", "cookie")[0] == 0
    assert cli("list")[0] == 4


def test_rules_that_cannot_be_read_explain_no_word_away(cli: Cli, made: Path) -> None:
    (made / "policies/baseline.yaml").write_text("kind: Nothing\n", "utf-8")
    assert cli("explain", "cookie")[0] == 0
