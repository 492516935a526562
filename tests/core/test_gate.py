"""What the gate tolerates by class, what a source file may accept, and what keys survive masks."""

from typing import Any

import pytest

from sandbox.core.faults import accept_problems
from sandbox.core.forms import chance, form, most_equal
from sandbox.core.gate import sorted_out, tolerated
from sandbox.core.leaks import Leak
from sandbox.core.masking import FORMS
from sandbox.core.places import label, places
from sandbox.core.relations import Key, Reference, keys_first, reference_problems, relations
from sandbox.core.source import Mask, PartMask, Source, Table
from tests.core.test_source import demo_source

REASON = "Agreed with the data owner on 2026-11-20"
PRESERVE = {"method": "preserve", "reason": REASON}


def source(tables: dict[str, Any]) -> Source:
    return demo_source(tables={name: {"columns": c} for name, c in tables.items()})


@pytest.mark.parametrize(
    ("column", "detector", "held"),
    [
        ({"class": "public"}, "name-kanji", True),
        ({"class": "public"}, "phone-jp", True),
        ({"class": "public"}, "mail", False),
        ({"class": "public"}, "my-number", False),
        ({"class": "internal"}, "name-kanji", False),
        ({"class": "personal", "mask": PRESERVE}, "name-kanji", True),
        ({"class": "personal", "mask": PRESERVE}, "mail", False),
        ({"class": "personal", "mask": {"method": "generalise", "to": "year"}}, "birth-date", True),
        ({"class": "personal", "mask": {"method": "generalise", "first": 3}}, "birth-date", False),
    ],
)
def test_a_class_says_what_may_stay(column: dict[str, Any], detector: str, held: bool) -> None:
    (place,) = places("t", Table.model_validate({"columns": {"x": column}}))
    assert tolerated(place, detector) is held


def test_a_source_file_accepts_with_a_reason_what_there_is() -> None:
    accept = {"mail": "short", "nothing": REASON, "canary": REASON}
    wrong = list(accept_problems(source({"t": {"x": {"class": "public", "accept": accept}}})))
    assert [w.split(";")[0] for w in wrong] == [
        "t.x: accepting mail needs a written reason of 20 characters or more",
        "t.x: accept knows no nothing",
        "t.x: accept knows no canary",
    ]


def test_only_the_finding_that_is_named_is_accepted() -> None:
    leaks = [
        Leak(table="t", column="doc $.mail", detector=d, count=1, because="values")
        for d in ("mail", "card")
    ]
    stand, accepted = sorted_out(leaks, {("t", "doc"): {"mail": REASON}})
    assert [k.detector for k in stand] == ["card"]
    assert [a.leak.detector for a in accepted] == ["mail"]
    assert sorted_out(leaks, {("u", "doc"): {"mail": REASON}}) == (tuple(leaks), ())


def test_what_is_accepted_changes_the_rules_digest() -> None:
    plain = source({"t": {"x": {"class": "public"}}})
    accepting = source({"t": {"x": {"class": "public", "accept": {"mail": REASON}}}})
    assert plain.rules_digest() != accepting.rules_digest()


def test_a_label_never_says_anonymous() -> None:
    assert label(demo_source()) == "pseudonymised"
    assert label(source({"t": {"x": {"class": "personal", "mask": PRESERVE}}})) == "raw-like"


@pytest.mark.parametrize("method", ["fake-name", "fake-kana", "fake-address", "fake-phone"])
def test_every_fake_has_a_form_and_odds(method: Any) -> None:
    for kind in (None, *FORMS[method]):
        mask = PartMask(method=method, form=kind)
        assert form(mask)
        assert 0 < chance(mask, "VARCHAR") < 1 / 10_000


def test_chance_strikes_all_equal_values_or_none() -> None:
    assert most_equal(0.0, 10**6, 10**12) == 0
    # A million rows of as many people, and of 20,000 people with fifty rows each.
    assert most_equal(1 / 22_000, 10**6, 10**6) < 100
    assert 200 < most_equal(1 / 22_000, 10**6, 20_000 * 2500) < 400
    assert most_equal(1 / 22_000, 200, 200) < 2
    assert chance(Mask(method="integer-hmac"), "UINTEGER") == 2**-31


KEEP = {"class": "internal", "mask": "keep"}
TOKEN = {"class": "personal", "mask": "hmac"}
FAR = Key(table="far", columns=("id",))
NEAR = Reference(table="near", columns=("far_id",), key=FAR)


def test_keys_hold_where_masks_are_one_to_one() -> None:
    made = source({"far": {"id": TOKEN, "born": {"class": "personal"}}, "near": {"far_id": TOKEN}})
    born = Key(table="far", columns=("id", "born"))
    gone = Key(table="far", columns=("salary",))
    found = relations(made, (FAR, born, gone), (NEAR, NEAR))
    assert found.unique == (FAR,)
    assert found.references == (NEAR,)
    assert found.given_up == ("far(id, born) is unique no longer: mask null of born",)


def test_a_reference_into_a_part_of_the_rows_is_followed() -> None:
    sample = {"by": "id", "percent": 10}
    ways = ({"sample": sample}, {"k": 5, "quasi": ["id"]}, {"where": {"id": "7"}})
    for chosen in ways:
        far = {"columns": {"id": TOKEN}, **chosen}
        near = {"columns": {"far_id": TOKEN, "id": TOKEN}}
        last = {"columns": {"near_id": TOKEN}, "references": {"near_id": "near.id"}}
        made = demo_source(tables={"far": far, "near": near, "last": last})
        found = relations(made, (), (NEAR,))
        # What is left out of one table leaves rows out of the next.
        assert found.followed == found.references
        assert [r.table for r in found.followed] == ["near", "last"]
        assert found.given_up == ()
        alone = made.tables["near"].model_copy(update={"orphans": ("far_id",)})
        loose = relations(demo_source(tables={**made.tables, "near": alone}), (), (NEAR,))
        assert [str(r) for r in loose.references] == ["last(near_id) in near(id)"]
        assert loose.followed == ()
        assert loose.given_up == (
            "near(far_id) in far(id) holds no longer: only some rows of far are copied",
        )


def test_a_mask_that_gives_a_reference_up_is_not_followed() -> None:
    far = {"columns": {"id": TOKEN}, "sample": {"by": "id", "percent": 10}}
    near = {"columns": {"far_id": {"class": "personal", "mask": "null"}}}
    found = relations(demo_source(tables={"far": far, "near": near}), (), (NEAR,))
    assert (found.references, found.followed) == ((), ())
    assert found.given_up == ("near(far_id) in far(id) holds no longer: mask null of far_id",)


def test_keys_come_before_what_leads_to_them() -> None:
    def leads(one: str, other: str) -> Reference:
        return Reference(table=one, columns=("x",), key=Key(table=other, columns=("id",)))

    assert keys_first([leads("c", "b"), leads("b", "a"), leads("d", "c"), leads("a", "a")]) == (
        "a", "b", "c",
    )  # fmt: skip
    assert keys_first([leads("a", "b"), leads("b", "a"), leads("z", "b")]) == ("a", "b")
    assert keys_first([]) == ()


def test_a_source_file_may_declare_references() -> None:
    near = {"columns": {"far_id": TOKEN}, "references": {"far_id": "far.id"}}
    made = demo_source(tables={"far": {"columns": {"id": TOKEN}}, "near": near})
    assert list(reference_problems(made)) == []
    assert relations(made, (), ()).references == (NEAR,)
    wrong = demo_source(tables={"near": {**near, "references": {"x": "far.id"}}})
    assert list(reference_problems(wrong)) == [
        "near: references names x, which is no listed column of the table",
        "near.x: references names far.id, which is no listed table.column",
    ]
