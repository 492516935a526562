"""Who somebody is, by people.yaml; and who may answer whom."""

from datetime import date, timedelta
from itertools import product
from typing import Any

import pytest
from pydantic import ValidationError

from sandbox.core.errors import Denied, NotFound
from sandbox.core.people import ROLES, Actor, People, recognised, why_not

DAY = date(2026, 11, 24)


def people(*persons: dict[str, Any]) -> People:
    return People.model_validate(
        {"apiVersion": "sandbox.people/v1", "kind": "People", "people": list(persons)}
    )


def person(name: str, *roles: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "roles": list(roles)} | fields


HANA = person("hana", "marketer", user="hsato")
KEN = person("Ken Ito", "it", "data-owner")
OURS = people(HANA, KEN, person("佐藤 花子", "auditor", "viewer", user="hanako"))


def test_a_personal_home_has_one_user_with_every_role() -> None:
    actor = recognised(None, "anna", "", allowed=False, day=DAY)
    assert actor == Actor("anna", "operating-system user", frozenset(ROLES))


def test_people_are_known_by_their_user() -> None:
    assert recognised(OURS, "hsato", "", allowed=False, day=DAY) == Actor(
        "hana", "operating-system user hsato", frozenset({"marketer"})
    )
    assert recognised(OURS, "hsato", "", allowed=True, day=DAY).name == "hana"


@pytest.mark.parametrize("allowed", [True, False])
def test_a_user_of_nobody_has_no_role(allowed: bool) -> None:
    stranger = recognised(OURS, "root", "", allowed=allowed, day=DAY)
    assert (stranger.name, stranger.roles) == ("root", frozenset())
    assert "people.yaml does not name" in stranger.identity


def test_a_stranger_is_not_on_record_under_the_name_of_somebody_else() -> None:
    for user in ("hana", "HANA"):
        stranger = recognised(OURS, user, "", allowed=False, day=DAY)
        assert (stranger.name, stranger.roles) == (f"user {user}", frozenset())


def test_where_it_is_allowed_people_are_who_they_say() -> None:
    actor = recognised(OURS, "hsato", "KEN ITO", allowed=True, day=DAY)
    assert actor == Actor(
        "Ken Ito", "asserted by operating-system user hsato", frozenset({"it", "data-owner"})
    )


@pytest.mark.parametrize(
    ("known", "said", "allowed", "error"),
    [
        (OURS, "Ken Ito", False, Denied),
        (None, "Ken Ito", False, Denied),
        (None, "anna", True, NotFound),
        (OURS, "Ken Itoh", True, NotFound),
        (OURS, "hsato", True, NotFound),  # a user is no name
    ],
)
def test_saying_who_one_is_can_be_refused(
    known: People | None, said: str, allowed: bool, error: type[Exception]
) -> None:
    with pytest.raises(error):
        recognised(known, "hsato", said, allowed=allowed, day=DAY)


def test_the_nearest_name_is_told() -> None:
    with pytest.raises(NotFound, match="Did you mean Ken Ito"):
        OURS.named("Ken Itoh")


@pytest.mark.parametrize(
    "wrong",
    [
        person("hana"),
        person("", "it"),
        person(" hana", "it"),
        person("hana\x1b[31m", "it"),
        person("system", "it"),
        person("ＳＹＳＴＥＭ", "it"),
        person("-x", "it"),
        person("x" * 65, "it"),
        person("hana", "admin"),
        person("hana", "auditor", "it"),
        person("hana", "it", user=""),
        person("hana", "it", user="a b"),
        person("hana", "it", salary=5),
    ],
)
def test_wrong_people_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        people(wrong)


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (person("Hana", "it"), "the name Hana is used already"),
        (person("ｈａｎａ", "it"), "the name ｈａｎａ is used already"),
        (person("bo", "it", user="hsato"), "the user hsato is another's already"),
    ],
)
def test_nobody_is_taken_for_another(other: dict[str, Any], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        people(HANA, other)


def test_two_may_be_without_a_user() -> None:
    assert people(KEN, person("bo", "it")).having({"it"}, DAY) == ("Ken Ito", "bo")


def test_who_can_answer() -> None:
    assert OURS.having({"it", "marketer"}, DAY) == ("hana", "Ken Ito")
    assert OURS.having({"it", "marketer"}, DAY, ("hana",)) == ("Ken Ito",)
    assert OURS.having({"legal"}, DAY) == ()


@pytest.mark.parametrize(
    ("asked_by", "owner", "roles", "why"),
    [
        ("hana", "", {"it"}, ""),
        ("hana", "bo", {"legal", "it"}, ""),
        ("ken", "", {"it"}, "requester"),
        ("hana", "ken", {"it"}, "owner"),
        ("hana", "hana", {"legal"}, "role"),
        ("hana", "", set(), "role"),
    ],
)
def test_why_somebody_may_not_answer(asked_by: str, owner: str, roles: set[str], why: str) -> None:
    ken = Actor("ken", "x", frozenset({"it"}))
    found = why_not(ken, roles, asked_by=asked_by, owner=owner)
    assert (found[0] if found else "") == why


@pytest.mark.parametrize(
    ("asked_by", "identity", "owner", "why"),
    [
        ("KEN ito", "", "", "requester"),
        ("Ｋen Ito", "", "", "requester"),
        ("bo", "", "ken ITO", "owner"),
        # Whoever is called otherwise since is still the same user of this machine.
        ("Ken Itoh", "operating-system user kito", "", "requester"),
        ("kito", "operating-system user", "", "requester"),
        ("bo", "operating-system user bo", "", ""),
        ("bo", "operating-system user", "", ""),
        ("bo", "asserted by operating-system user kito", "", ""),
    ],
)
def test_who_is_the_same_person(asked_by: str, identity: str, owner: str, why: str) -> None:
    ken = Actor("Ken Ito", "operating-system user kito", frozenset({"it"}))
    found = why_not(ken, {"it"}, asked_by=asked_by, identity=identity, owner=owner)
    assert (found[0] if found else "") == why


def test_people_who_are_asserted_are_told_by_their_names_alone() -> None:
    ken = Actor("Ken Ito", "asserted by operating-system user root", frozenset({"it"}))
    assert why_not(ken, {"it"}, asked_by="bo", identity=ken.identity) is None
    assert OURS.having({"it", "marketer"}, DAY, ("HANA",)) == ("Ken Ito",)


def test_whoever_lost_the_role_is_told_what_they_are() -> None:
    viewer, nobody = Actor("v", "x", frozenset({"viewer"})), Actor("n", "x")
    said = "It waits for a yes of it (role); v is viewer."
    assert why_not(viewer, {"it"}, asked_by="a") == ("role", said)
    said = "It waits for a yes of it (role); n has no role."
    assert why_not(nobody, {"it"}, asked_by="a") == ("role", said)


def test_who_is_said_to_be_able_to_answer_is_able_and_nobody_else() -> None:
    ours = people(
        person("a", "it"),
        person("b", "it", "legal", deputy="c"),
        person("c", "marketer"),
        person("d", "legal", deputy="A"),
        person("e", "sales", "it", valid_until=DAY - timedelta(days=1), deputy="d"),
    )
    names = [one.name for one in ours.people]
    for roles in ({"it"}, {"legal", "it"}, {"sales"}, {"marketer"}):
        for asked_by, owner in product(names, ["", *names]):
            able = [
                name
                for name in names
                if why_not(known(name, ours), roles, asked_by=asked_by, owner=owner) is None
            ]
            assert set(able) == set(ours.answering(roles, DAY, (asked_by, owner)))


def known(name: str, ours: People, day: date = DAY) -> Actor:
    return recognised(ours, "u", name, allowed=True, day=day)


LEND = people(
    person("ken", "it", deputy="Mia"),
    person("mia", "marketer"),
    person("lea", "it", "legal", deputy="mia", valid_until=DAY),
    person("aki", "auditor"),
)


def test_a_deputy_answers_in_the_place_of_another_and_has_no_more() -> None:
    mia = known("mia", LEND)
    assert mia.roles == {"marketer"}
    assert why_not(mia, {"it"}, asked_by="bo") is None
    assert mia.answers_for({"it"}, ("bo",)) == ("ken", "lea")
    assert mia.answers_for({"marketer"}, ("bo",)) == ()
    assert LEND.answering({"it"}, DAY, ("bo",)) == ("ken", "lea", "mia")
    assert LEND.having({"it"}, DAY) == ("ken", "lea")


def test_nobody_is_answered_by_their_own_deputy() -> None:
    mia = known("mia", LEND)
    assert why_not(mia, {"legal"}, asked_by="bo") is None
    refused = why_not(mia, {"legal"}, asked_by="lea")
    assert refused is not None
    assert refused[0] == "role"
    assert why_not(mia, {"legal"}, asked_by="bo", owner="lea") is not None
    # Another who lends the same role still can.
    assert why_not(mia, {"it"}, asked_by="lea") is None


def test_who_asked_answers_nothing_as_a_deputy() -> None:
    assert why_not(known("mia", LEND), {"it"}, asked_by="mia") is not None


def test_after_the_last_day_nobody_has_a_role_nor_lends_one() -> None:
    after = DAY + timedelta(days=1)
    assert known("lea", LEND).roles == {"it", "legal"}
    lea = known("lea", LEND, after)
    assert (lea.name, lea.roles) == ("lea", frozenset())
    assert "valid until 2026-11-24" in lea.identity
    assert known("mia", LEND, after).answers_for({"legal"}, ()) == ()
    assert LEND.answering({"it"}, after) == ("ken", "mia")


@pytest.mark.parametrize(
    ("deputy", "words"),
    [("bo", "nobody here is bo"), ("KEN", "their own deputy"), ("aki", "only looks")],
)
def test_a_deputy_is_another_who_decides(deputy: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        people(person("ken", "it", deputy=deputy), person("aki", "auditor"))
