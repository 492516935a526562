"""people.yaml, as a home reads it: strictly, or not at all."""

from pathlib import Path

import pytest

from sandbox.core.errors import InvalidInput, NotFound
from sandbox.core.people import FILE, People
from sandbox.drivers.catalogue.home import HomeCatalogue
from sandbox.drivers.home import HomeFolder
from tests.reading import load_as

HEAD = "apiVersion: sandbox.people/v1\nkind: People\npeople:\n"


def refused(text: str) -> str:
    with pytest.raises(InvalidInput) as raised:
        load_as(People, FILE, (HEAD + text).encode())
    return raised.value.message


def test_a_home_without_the_file_is_personal(home: Path) -> None:
    assert HomeCatalogue(home).people() is None


@pytest.mark.parametrize("name", ["people.yml", "People.yaml", "PEOPLE.YML"])
def test_a_file_with_another_spelling_makes_nobody_the_owner_of_all(home: Path, name: str) -> None:
    (home / name).write_text(HEAD + "  - {name: ken, roles: [it]}\n", "utf-8")
    with pytest.raises(InvalidInput, match=r"must be people\.yaml") as raised:
        HomeCatalogue(home).people()
    assert raised.value.subject == name


def test_names_roles_and_users(home: Path) -> None:
    text = (
        HEAD + "  - {name: 佐藤 花子, user: hsato, roles: [marketer]}\n  - {name: ken, roles: [it]}"
    )
    (home / FILE).write_text(text, "utf-8")
    people = HomeCatalogue(home).people()
    assert people is not None
    assert [(p.name, p.user, p.roles) for p in people.people] == [
        ("佐藤 花子", "hsato", ("marketer",)),
        ("ken", None, ("it",)),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("  - {name: a, roles: [itt]}", "people.yaml:4:23: `people[0].roles[0]` must be"),
        ("  - {name: a, roles: [itt]}", "Did you mean it?"),
        ("  - {name: a, role: [it]}", "unknown key `role`. Did you mean roles?"),
        ("  - {name: a, roles: it}", "`people[0].roles` must be a list."),
        ("  - {name: a, roles: []}", "`people[0].roles` is empty."),
        ("  - {name: a, roles: [it], user: 1000}", "`people[0].user` must be a text"),
        ("  []", "`people` is empty."),
        (
            "  - {name: a, roles: [it]}\n  - {name: A, roles: [it]}",
            "people.yaml:5:6: `people[1].name`: the name A is used already.",
        ),
        (
            "  - {name: a, roles: [auditor, it]}",
            "an auditor changes nothing, so auditor goes with viewer alone.",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, said: str) -> None:
    assert said in refused(text)


def test_a_file_that_cannot_be_read_is_no_personal_home(home: Path) -> None:
    (home / FILE).symlink_to(home / "gone.yaml")
    with pytest.raises((InvalidInput, NotFound)):
        HomeCatalogue(home).people()


def test_whoever_can_change_the_file_could_be_anybody(home: Path) -> None:
    file = home / FILE
    file.write_text(HEAD + "  - {name: a, roles: [it]}", "utf-8")
    file.chmod(0o666)
    assert [exposed.path for exposed in HomeFolder(home).exposed()] == [str(file)]
