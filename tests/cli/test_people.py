"""Who asks, on the command line."""

import json
from pathlib import Path

import pytest

from sandbox.drivers.machine import own_user
from tests.cli.conftest import Cli, error

PEOPLE = """apiVersion: sandbox.people/v1
kind: People
people:
  - {{name: hana, user: {user}, roles: [marketer]}}
  - {{name: Ken Ito, roles: [it]}}
"""


@pytest.fixture
def shared(made: Path) -> Path:
    (made / "people.yaml").write_text(PEOPLE.format(user=own_user()), "utf-8")
    return made


@pytest.fixture
def asserting(shared: Path) -> Path:
    settings = shared / "sandbox.yaml"
    settings.write_text(settings.read_text("utf-8") + "\nidentity: asserted\n", "utf-8")
    return shared


def test_a_verb_that_is_anothers_ends_with_4(cli: Cli, shared: Path) -> None:
    code, out, _ = cli("stop-the-line", "--reason", "A fire", "-o", "json")
    assert code == 4
    told = error(out)
    assert told["message"] == "`stop-the-line` is for it; hana is marketer."
    assert told["hint"] == "Ask one of them: Ken Ito"
    assert (told["verb"], told["roles"], told["able"]) == ("stop-the-line", ["it"], ["Ken Ito"])


def test_saying_who_one_is_needs_a_home_that_believes_it(cli: Cli, shared: Path) -> None:
    code, _, err = cli("--as", "Ken Ito", "list")
    assert code == 4
    assert "nobody is who they say" in err
    assert "identity: asserted" in err


def test_what_the_environment_says_makes_nobody_another(
    cli: Cli, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = shared / "people.yaml"
    people.write_text(people.read_text("utf-8").replace("Ito,", "Ito, user: kito,"), "utf-8")
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "kito")
    assert cli("stop-the-line", "--reason", "A fire")[0] == 4


def test_as_a_person_of_the_home(cli: Cli, asserting: Path) -> None:
    assert cli("--as", "ken ito", "stop-the-line", "--reason", "A fire")[0] == 0
    code, out, _ = cli("--as", "Ken Ito", "audit", "list", "-o", "json")
    assert code == 0
    last = json.loads(out)["events"][-1]
    assert last["actor"] == "Ken Ito"
    assert last["identity"] == f"asserted by operating-system user {own_user()}"
    assert cli("audit", "list")[0] == 4  # oneself still


def test_a_person_that_is_not_there(cli: Cli, asserting: Path) -> None:
    code, _, err = cli("--as", "Ken Itoh", "list")
    assert code == 5
    assert "Did you mean Ken Ito?" in err


def test_as_stands_before_the_command(cli: Cli, made: Path) -> None:
    code, _, err = cli("list", "--as", "ken")
    assert code == 2
    assert "It comes before the command: sandbox --as PERSON list." in err


def test_a_wrong_file_stops_everything_with_its_place(cli: Cli, shared: Path) -> None:
    (shared / "people.yaml").write_text("people: []\n", "utf-8")
    code, _, err = cli("list")
    assert code == 3
    assert "people.yaml:1:1" in err


def test_who_works_here_and_who_one_is(cli: Cli, asserting: Path) -> None:
    user = own_user()
    code, out, _ = cli("--as", "ken ito", "people")
    assert code == 0
    assert f"you       Ken Ito (asserted by operating-system user {user}): it" in out
    assert out.splitlines()[1].split() == ["hana", user, "marketer"]
    assert "Identities are asserted here" in out
    told = json.loads(cli("people", "-o", "json")[1])
    assert (told["you"], told["roles"]) == ("hana", ["marketer"])
    assert [person["name"] for person in told["people"]] == ["hana", "Ken Ito"]


def test_in_a_personal_home_one_person_has_every_role(cli: Cli, made: Path) -> None:
    out = cli("people")[1]
    assert f"you       {own_user()} (operating-system user): marketer, it, data-owner" in out
    assert "duties are not separated" in out
