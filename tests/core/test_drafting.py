"""Drafts: what detectors, names and keys make of a surveyed column, and the file that says so."""

import random
from typing import Any

import pytest

from sandbox.core.drafted import as_source, as_text, scalar, sorted_out
from sandbox.core.drafting import drafted
from sandbox.core.faults import source_faults
from sandbox.core.source import Owners, Source
from sandbox.core.survey import ColumnSurvey, Survey
from sandbox.drivers.catalogue.strict_yaml import load
from tests.core.surveys import column, survey
from tests.core.test_source import demo_source
from tests.reading import load_as

OWNERS = Owners(extract="it-data", transform="it-data")


def one(found: ColumnSurvey, **keys: Any) -> tuple[str, Any, str]:
    """Return class, mask and reason of a lone column."""
    made = drafted(survey(("t", (found,)), **keys))["t"].columns[found.name]
    mask = made.rule.mask.model_dump(exclude_defaults=True)
    return made.rule.data_class, mask if len(mask) > 1 else mask["method"], made.why


@pytest.mark.parametrize(
    ("found", "data_class", "mask"),
    [
        (column("a"), "personal", "null"),
        (column("a", "BOOLEAN"), "personal", "null"),
        (column("a", "DECIMAL(10,2)"), "personal", "null"),
        (column("to", mail=1000), "contact", "fake-mail"),
        (column("to", mail=800), "contact", "fake-mail"),
        (column("to", mail=799), "contact", "redact"),
        (column("mail", mail=300), "contact", "fake-mail"),
        (column("mail", mail=299), "contact", "redact"),
        (column("note", phone_jp=40, name_kanji=30), "contact", "redact"),
        (column("note", name_kanji=30), "personal", "redact"),
        (column("note", mail=20, card=1), "credential", "drop"),
        (column("who", name_kanji=850, name_latin=150), "personal", "fake-name"),
        (column("zip", postcode=1000), "quasi-identifier", {"method": "generalise", "first": 3}),
        (column("born", "DATE", birth_date=1000), "quasi-identifier",
         {"method": "generalise", "to": "year"}),
        (column("born", birth_date=1000), "quasi-identifier", "null"),
        (column("tel", "BIGINT", phone_jp=1000), "contact", "fake-phone"),
        (column("tel", "DOUBLE", phone_jp=1000), "contact", "null"),
        (column("more", "JSON", mail=1000), "contact", "null"),
        (column("more", "VARCHAR[]", mail=1000), "contact", "null"),
        (column("a", my_number=1000), "my-number", "drop"),
        (column("a", url_token=1), "credential", "drop"),
        # By name alone: as called while empty, the strict mask where other values stand.
        (column("mail", values=0), "contact", "fake-mail"),
        (column("mail"), "contact", "null"),
        (column("mail", "BOOLEAN"), "personal", "null"),
        (column("password_hash"), "credential", "drop"),
        (column("product_name"), "personal", "null"),
    ],
)  # fmt: skip
def test_a_column_is_proposed_by_what_was_found_and_else_strictly(
    found: ColumnSurvey, data_class: str, mask: Any
) -> None:
    assert one(found)[:2] == (data_class, mask)


def test_reasons_are_detectors_and_shares() -> None:
    assert one(column("note", phone_jp=400, mail=3))[2] == (
        "phone-jp 40 %, mail under 1 % of 1,000 values"
    )
    assert one(column("a"))[2] == "nothing found in 1,000 values, 7 different"
    assert one(column("a", values=0))[2] == "no value in the rows looked at"
    assert one(column("mail"))[2].startswith("mail by its name; nothing found in 1,000")


@pytest.mark.parametrize(
    ("type_", "mask"),
    [
        ("VARCHAR", {"method": "hmac", "prefix": "n_"}),
        ("UUID", {"method": "hmac", "prefix": "n_"}),
        ("SMALLINT", "integer-hmac"),
        ("BIGINT", "integer-hmac"),
        ("HUGEINT", {"method": "hmac", "prefix": "n_"}),
        ("DOUBLE", "null"),
    ],
)
def test_a_key_stays_one(type_: str, mask: Any) -> None:
    assert one(column("n", type_), unique=("t.n",))[:2] == ("personal", mask)


def test_what_was_not_looked_at_stays_where_it_is() -> None:
    why = "the login may not read it"
    unseen = column("who", values=0).model_copy(update={"unseen": why})
    assert one(unseen) == ("personal", "drop", why)
    joined = survey(
        ("buys", (unseen,)), ("people", (column("id"),)), references=(("buys.who", "people.id"),)
    )
    assert masks(joined)["buys.who"] == {"method": "drop"}


def test_a_key_that_was_recognised_keeps_its_own_mask() -> None:
    assert one(column("mail", mail=1000), unique=("t.mail",))[:2] == ("contact", "fake-mail")
    assert one(column("n"), unique=("t.n+m",))[1] == "null"


def masks(found: Survey) -> dict[str, Any]:
    return {
        f"{t}.{c}": d.rule.mask.model_dump(exclude_defaults=True)
        for t, table in drafted(found).items()
        for c, d in table.columns.items()
    }


@pytest.mark.parametrize(
    ("own", "there", "mask"),
    [
        (column("who"), column("id"), {"method": "hmac", "prefix": "p_"}),
        (column("who", "INTEGER"), column("id", "BIGINT"), {"method": "integer-hmac"}),
        (column("who", "SMALLINT"), column("id", "BIGINT"), {"method": "hmac", "prefix": "p_"}),
        (column("who", mail=900), column("id", mail=999), {"method": "fake-mail"}),
        (column("who", mail=90), column("id"), {"method": "hmac", "prefix": "p_"}),
        (column("who", phone_jp=900), column("id"), {"method": "hmac", "prefix": "p_"}),
        (column("who", my_number=900), column("id"), {"method": "drop"}),
    ],
)
def test_what_a_reference_joins_is_masked_alike(
    own: ColumnSurvey, there: ColumnSurvey, mask: Any
) -> None:
    found = survey(
        ("buys", (own,)), ("people", (there,)),
        unique=("people.id",), references=(("buys.who", "people.id"),),
    )  # fmt: skip
    assert masks(found) == {"buys.who": mask, "people.id": mask}
    classes = {d.rule.data_class for t in drafted(found).values() for d in t.columns.values()}
    assert len(classes) == 1
    assert drafted(found)["buys"].references == {"who": "people.id"}
    assert drafted(found)["buys"].columns["who"].why.startswith("joins people.id")


def test_groups_grow_through_every_reference() -> None:
    found = survey(
        ("a", (column("x"),)), ("b", (column("x"), column("y"))), ("c", (column("y"),)),
        references=(("a.x", "b.x"), ("c.y", "b.y"), ("b.x", "c.y")),
    )  # fmt: skip
    assert len({str(mask) for mask in masks(found).values()}) == 1
    many = survey(
        ("k", (column("x"),)), *((n, (column("x"),)) for n in "abcde"),
        unique=("k.x",), references=tuple((f"{n}.x", "k.x") for n in "abcde"),
    )  # fmt: skip
    assert drafted(many)["e"].columns["x"].why == "joins k.x, a.x, b.x and 2 more"


@pytest.mark.parametrize(
    ("name", "key", "joins"),
    [
        ("customer_id", "customer_id", True),
        ("Customer_ID", "customer_id", True),
        ("customer_id", "id", True),
        ("id", "id", False),
        ("code", "code", False),
        ("shop_id", "id", False),
    ],
)
def test_what_is_called_like_a_key_joins_it(name: str, key: str, joins: bool) -> None:
    found = survey(
        ("orders", (column(name),)), ("customers", (column(key),)), unique=(f"customers.{key}",)
    )
    assert (masks(found)[f"orders.{name}"]["method"] == "hmac") is joins
    assert drafted(found)["orders"].references == {}


@pytest.mark.parametrize(
    ("type_", "different", "unique", "joins"),
    [
        ("VARCHAR", 1000, (), True),
        ("VARCHAR", 999, (), False),
        ("BOOLEAN", 1000, (), False),
        ("VARCHAR", 1000, ("customers.mail",), False),
    ],
)
def test_without_a_declared_key_a_column_whose_values_differ_is_one(
    type_: str, different: int, unique: tuple[str, ...], joins: bool
) -> None:
    found = survey(
        ("orders", (column("customer_no", type_),)),
        ("customers", (column("customer_no", different=different), column("mail"))),
        unique=unique,
    )
    assert (masks(found)["orders.customer_no"]["method"] == "hmac") is joins
    assert (masks(found)["customers.customer_no"]["method"] == "hmac") is joins


def test_what_is_called_alike_but_of_another_type_joins_nothing() -> None:
    found = survey(
        ("consents", (column("mail", "BOOLEAN"), column("id", "BIGINT"))),
        ("people", (column("mail", mail=1000),)),
        unique=("people.mail",),
    )
    assert masks(found)["consents.mail"]["method"] == "null"
    assert masks(found)["people.mail"]["method"] == "fake-mail"


def test_a_reading_fits_its_name() -> None:
    names = (column("id"), column("full", name_kanji=900), column("kana", name_kana=900))
    by = {"method": "fake-name", "by": "id"}
    assert masks(survey(("p", names), unique=("p.id",)))["p.full"] == by
    assert masks(survey(("p", names), unique=("p.id",)))["p.kana"]["by"] == "id"
    assert "by" not in masks(survey(("p", names)))["p.full"]
    assert "by" not in masks(survey(("p", names[:2]), unique=("p.id",)))["p.full"]


def test_the_text_says_what_the_draft_says() -> None:
    found = survey(
        ("people", (column("id"), column("mail", mail=1000), column("氏名", name_kanji=900))),
        ('割引 "50%"', (column("null"), column("no"), column("a: b #"), column("people_id"))),
        unique=("people.id",),
        references=(('割引 "50%".people_id', "people.id"),),
    )
    connection = demo_source().connection
    tables = drafted(found)
    source = as_source("core", connection, OWNERS, tables)
    text = as_text(source, tables, ["Drafted \x1b[31mtoday\nby anna."])
    assert load_as(Source, "sources/core.yaml", text.encode()) == source
    assert source_faults(source) == []
    assert "\x1b" not in text
    assert "# mail 100 % of 1,000 values" in text
    assert "      氏名: {class: personal, mask: fake-name}  # name-kanji 90 %" in text


def test_whatever_a_name_holds_is_read_back() -> None:
    draw = random.Random(1)
    signs = "ab1.-_/:#,[]{}\"'\\ 氏ー😀é\u3000\u2028&*!|>%@`~?="
    words = ["e1", "inf", ".inf", "0x1", "a.b", "a/b", "-a", "_", "a-", "None", "NaN", "", "y"]
    for number in range(600):
        text = "".join(draw.choices(signs, k=number % 7)) if number >= len(words) else words[number]
        line = f"a: {{{scalar(text)}: {scalar(text)}}}\nb: {scalar(text)}  # c\n"
        assert load("f", line.encode()).content == {"a": {text: text}, "b": text}, text


@pytest.mark.parametrize("text", ["null", "No", "y", "a b", "1", "a:b", "", "~", '"', "a\x07b"])
def test_what_yaml_would_read_otherwise_is_quoted(text: str) -> None:
    assert scalar(text).startswith('"')


def test_tables_that_no_file_can_list_are_left_out_with_the_reason() -> None:
    found = survey(
        ("cards", (column("pan", card=900),)),
        ("a", (column("x"), column("X"))),
        ("people", (column("id"),)), ("People", (column("id"),)),
        ("buys", (column("who"), column("card"))),
        ("bell\x07", (column("a"),)), ("odd", (column("a\u2028b"),)),
        unique=("people.id",),
        references=(("buys.who", "People.id"), ("buys.card", "cards.pan")),
    )  # fmt: skip
    kept, left = sorted_out("core", demo_source().connection, OWNERS, drafted(found))
    assert list(kept) == ["people", "buys"]
    assert list(left) == ["cards", "a", "People", "bell\x07", "odd"]
    assert "control character" in left["odd"]
    assert "every column is dropped" in left["cards"]
    assert left["a"] == "column X and x differ in case only; give one of them a view"
    assert kept["buys"].references == {}
    assert source_faults(as_source("core", demo_source().connection, OWNERS, kept)) == []
