"""The command line as people and programs meet it, in this process, without an engine."""

import json
import os
import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, error


def test_init_again_changes_nothing(cli: Cli, made: Path) -> None:
    before = {
        p: p.read_bytes() for p in made.rglob("*") if p.is_file() and "registry" not in p.name
    }
    code, out, _ = cli("init", str(made))
    assert code == 0
    assert "nothing was changed" in out
    assert all(p.read_bytes() == content for p, content in before.items())
    _, out, _ = cli("audit", "list", "-o", "json")
    assert [e["code"] for e in json.loads(out)["events"]] == ["home.created"]


def test_init_of_a_folder_with_something_else(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    code, out, err = cli("init", str(tmp_path))
    assert (code, out) == (6, "")
    assert "not empty" in err
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_the_state_is_ours_alone(made: Path) -> None:
    assert (made / ".sandbox").stat().st_mode & 0o077 == 0
    assert (made / ".sandbox/keys/master").stat().st_mode & 0o077 == 0


def test_without_a_home(cli: Cli) -> None:
    code, _, err = cli("list")
    assert code == 5
    assert "sandbox init" in err


@pytest.mark.parametrize(
    "command",
    [["list"], ["audit", "list"], ["audit", "verify"], ["snapshot", "list"], ["template", "list"]],
)
def test_reading_needs_no_engine(cli: Cli, made: Path, command: list[str]) -> None:
    code, out, err = cli(*command)
    assert (code, err) == (0, "")
    assert out
    code, out, _ = cli(*command, "-o", "json")
    assert code == 0
    assert isinstance(json.loads(out), dict)


UP = ["up", "spring-coupon", "-t", "segment-rfm", "-p", "Which lapsed customers come back?"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["template", "show", "segment-rmf"], 5, "Did you mean segment-rfm"),
        (["show", "nobody"], 5, "sandbox list"),
        (["down", "nobody"], 5, "sandbox list"),
        (["show", "Spring Coupon"], 3, "spring-coupon"),
        (["show", "a" * 41], 3, "at most 40"),
        (["snapshot", "show", "core"], 3, "core@2026-11-23.1"),
        (["snapshot", "show", "core@2026-11-23.1"], 5, "snapshot list"),
        ([*UP, "--set", "bins"], 3, "NAME=VALUE"),
        ([*UP, "--set", "bins=4", "--set", "bins=5"], 3, "said twice"),
        (["import", "x", "nothing.csv"], 3, "cannot be read"),
        (["sql", "nobody", "SELECT 1"], 5, "sandbox list"),
    ],
)
def test_errors_say_what_on_what_and_what_next(
    cli: Cli, made: Path, arguments: list[str], code: int, words: str
) -> None:
    got, out, err = cli(*arguments)
    assert (got, out) == (code, "")
    assert err.startswith("Error ")
    assert words in err
    got, out, err = cli(*arguments, "-o", "json")
    assert (got, err) == (code, "")
    body = error(out)
    assert words in body["message"] + body["hint"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["lst"],
        ["list", "--al"],
        ["up"],
        ["audit", "list", "-n", "x"],
        ["list", "x"],
        ["init", "--gateway-port", "80"],
        ["list", "-o", "xml"],
    ],
)
def test_mistakes_in_the_command_line_exit_2(cli: Cli, arguments: list[str]) -> None:
    code, out, err = cli(*arguments)
    assert (code, out) == (2, "")
    assert "--help" in err


def test_usage_errors_in_json(cli: Cli) -> None:
    code, out, _ = cli("list", "--al", "-o", "json")
    assert code == 2
    assert error(out)["code"] == "usage"


def test_doctor_and_up_with_a_dead_engine(cli: Cli, made: Path) -> None:
    code, out, _ = cli("doctor", "-o", "json")
    assert code == 7
    found = {c["name"]: c for c in json.loads(out)["checks"]}
    assert found["engine"]["status"] == "fail"
    assert "systemctl start docker" in found["engine"]["fix"]
    assert found["registry"]["status"] == "ok"
    assert cli("doctor")[0] == 7
    assert cli("uninstall")[0] == 7


YAML = [
    ("sandbox.yaml", "gatway: {port: 8700}\n", 1, "Did you mean gateway?"),
    ("sandbox.yaml", "kind: Home\n", 1, "`kind` is here a second time"),
    ("sandbox.yaml", "note: {ttl: 22:00}\n", 13, '"22:00"'),
    ("policies/baseline.yaml", "ruls: []\n", 1, "Did you mean rules?"),
    ("policies/baseline.yaml", "rules: []\n", 1, "`rules` is here a second time"),
    ("templates/segment-rfm/template.yaml", "anwers: tool\n", 1, "Did you mean answers?"),
    ("sources/core.yaml", "  note: [}\n", 10, "a value is missing here"),
]
ASKING = {
    "sandbox.yaml": ["list"],
    "policies": ["plan", *UP[1:]],
    "templates": ["template", "list"],
    "sources": ["snapshot", "build", "core"],
}


@pytest.mark.parametrize(("file", "line", "column", "words"), YAML)
def test_faults_in_files_are_told_with_line_and_column(
    cli: Cli, stocked: Path, file: str, line: str, column: int, words: str
) -> None:
    path = stocked / file
    before = path.read_text()
    path.write_text(before + line)
    number = before.count("\n") + 1
    code, out, err = cli(*ASKING[file.split("/")[0]])
    assert (code, out) == (3, "")
    assert f"{file}:{number}:{column}: " in err
    assert words in err


def test_a_tampered_record_is_found_with_its_number(cli: Cli, made: Path) -> None:
    assert cli("audit", "verify")[0] == 0
    with sqlite3.connect(made / ".sandbox/registry.db") as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type='trigger'"):
            database.execute(f"DROP TRIGGER {name}")
        database.execute("UPDATE event SET body = replace(body, 'home', 'hose') WHERE seq = 1")
    database.close()
    code, out, _ = cli("audit", "verify")
    assert code == 4
    assert "event 1" in out
    code, out, _ = cli("audit", "verify", "-o", "json")
    assert code == 4
    assert json.loads(out)["broken"]["seq"] == 1


def test_foreign_names_are_cleaned(cli: Cli, made: Path) -> None:
    code, _, err = cli("show", "a\x1b[31m\u202eb[/x]")
    assert code == 3
    assert "\u202e" not in err
    assert "a\ufffd[31m\ufffdb[/x]" in err


def test_an_error_that_nobody_expected_is_one_line(cli: Cli, lived_in: Path) -> None:
    with sqlite3.connect(lived_in / ".sandbox/registry.db") as database:
        database.execute("UPDATE sandbox SET body = ?", ('{"[/x] \\u001b[31m": 1}',))
    database.close()
    code, out, err = cli("list")
    assert (code, out) == (1, "")
    assert err.startswith("Error Unexpected: ValidationError")
    assert "\ufffd" not in err
    assert len(err.splitlines()) == 2
    assert error(cli("list", "-o", "json")[1])["code"] == "internal"


def test_version_and_help(cli: Cli) -> None:
    assert cli("--version")[1].startswith("sandbox ")
    assert cli("--help")[0] == 0


@pytest.mark.parametrize("words", [(), ("snapshot",)])
def test_no_command_shows_the_help_and_nothing_else(cli: Cli, words: tuple[str, ...]) -> None:
    code, out, err = cli(*words)
    assert code == 2
    assert "Usage: sandbox" in out
    assert err == ""


def test_nothing_leads_postgresql_past_the_source_file(
    cli: Cli, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the environment says of servers is not what IT reviewed."""
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.9")
    monkeypatch.setenv("PGSERVICE", "elsewhere")
    monkeypatch.setenv("PGSSLMODE", "require")
    assert cli("list")[0] == 0
    assert {n for n in os.environ if n.startswith("PG")} >= {"PGSSLMODE"}
    assert not {"PGHOSTADDR", "PGSERVICE"} & {*os.environ}
