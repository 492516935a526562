"""What a source file may say of a column: masks by class, arguments, defaults, JSON paths."""

from typing import Any, get_args

import pytest
from pydantic import ValidationError

from sandbox.core.masking import ALLOWED, FORMS, described, problems, secrets_of, steps
from sandbox.core.snapshot import ColumnCopy
from sandbox.core.source import CLASSES, STRICT, Column, DataClass, Mask, Method, Source
from tests.core.test_masking import found, source

REASON = "Read by legal on 2026-11-02: names of products only"
INTERNAL: dict[str, Any] = {"class": "internal"}


def test_every_class_has_its_masks_and_a_strict_one_among_them() -> None:
    assert set(CLASSES) == set(ALLOWED) == set(STRICT) == set(get_args(DataClass))
    for data_class, method in STRICT.items():
        assert method in ALLOWED[data_class]
        assert found(data_class, method) == []
    harmless = {c for c, method in STRICT.items() if method == "keep"}
    assert harmless == {"public", "internal"}
    assert {c for c, allowed in ALLOWED.items() if "keep" in allowed} == harmless
    assert {c for c, allowed in ALLOWED.items() if "preserve" in allowed} == {
        *harmless, "personal",
    }  # fmt: skip


@pytest.mark.parametrize("data_class", CLASSES)
def test_a_column_without_a_mask_gets_the_strict_one(data_class: DataClass) -> None:
    column = Column.model_validate({"class": data_class})
    assert column.mask == Mask(method=STRICT[data_class])


@pytest.mark.parametrize("column", [{"mask": "keep"}, {"class": "secret"}, {"class": "public",
    "mask": None}, {"class": "public", "mask": ["keep"]}])  # fmt: skip
def test_a_column_without_a_class_or_with_nonsense_is_refused(column: Any) -> None:
    with pytest.raises(ValidationError):
        Column.model_validate(column)


def test_the_former_word_for_mails_is_still_read() -> None:
    for old, new in (("mail", "fake-mail"), ({"method": "mail"}, {"method": "fake-mail"})):
        assert Column.model_validate({"class": "contact", "mask": old}) == Column.model_validate(
            {"class": "contact", "mask": new}
        )


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        ("integer-hmac", None),
        ("fake-name", None),
        ({"method": "fake-name", "form": "latin"}, None),
        ({"method": "fake-name", "form": "hiragana"}, "the form of fake-name is"),
        ({"method": "fake-kana", "form": "latin"}, "the form of fake-kana is"),
        ({"method": "fake-mail", "form": "latin"}, "takes no form"),
        ({"method": "fake-phone", "form": "international"}, None),
        ({"method": "fake-mail", "by": "kept"}, None),
        ({"method": "fake-mail", "by": "other"}, "by names other"),
        ({"method": "hmac", "by": "kept"}, "takes no by"),
        ({"method": "integer-hmac", "prefix": "c_"}, "takes no prefix"),
        ("shift-dates", "needs by"),
        ({"method": "shift-dates", "by": "kept"}, None),
        ({"method": "shift-dates", "by": "kept", "days": 30}, None),
        ({"method": "hmac", "days": 30}, "takes no days"),
        ("preserve", "needs a written reason"),
        ({"method": "preserve", "reason": "because           "}, "needs a written reason"),
        ({"method": "preserve", "reason": REASON}, None),
        ({"method": "redact", "reason": REASON}, "takes no reason"),
        ({"method": "generalise", "band": 10}, None),
        ({"method": "generalise", "band": 10, "floor": 0, "ceiling": 90}, None),
        ({"method": "generalise", "ceiling": 90}, "needs to or band"),
        ({"method": "generalise", "to": "year", "floor": 1930}, None),
        ({"method": "generalise", "to": "year", "floor": 0}, "are years"),
        ({"method": "generalise", "to": "prefecture"}, None),
        ({"method": "generalise", "to": "prefecture", "floor": 3}, "not for texts"),
        ({"method": "generalise", "first": 3, "ceiling": 3}, "not for texts"),
        ({"method": "generalise", "band": 10, "first": 3}, "takes either"),
        ({"method": "generalise", "band": 10, "floor": 9, "ceiling": 9}, "less than the ceiling"),
        ({"method": "hmac", "band": 10}, "takes no band"),
        ({"method": "hmac", "ceiling": 10}, "takes no ceiling"),
        ("json", "needs paths"),
        ({"method": "hmac", "paths": {"$.a": INTERNAL}}, "takes no paths"),
    ],
    ids=str,
)
def test_arguments_of_a_personal_column_fit_its_mask(mask: object, says: str | None) -> None:
    wrong = found("personal", mask)
    assert (wrong == []) if says is None else any(says in w for w in wrong), wrong


def test_the_ends_alone_may_be_hidden_where_k_is_counted() -> None:
    mask = {"method": "generalise", "floor": 18, "ceiling": 90}
    assert found("quasi-identifier", mask) == found("internal", mask) == []
    assert found("contact", mask) != []


@pytest.mark.parametrize("form", ["japanese", "latin", "katakana", "hiragana", "national",
    "international"])  # fmt: skip
def test_every_form_belongs_to_some_mask(form: Any) -> None:
    assert any(form in forms for forms in FORMS.values())


def json_wrong(paths: dict[str, Any], data_class: str = "contact") -> list[str]:
    return found(data_class, {"method": "json", "paths": paths})


@pytest.mark.parametrize(
    ("paths", "says"),
    [
        ({"$.a": INTERNAL, "$.b[*].c": {"class": "contact", "mask": "fake-mail"}}, None),
        ({'$."a b"': INTERNAL, "$.名前": {"class": "personal", "mask": "redact"}}, None),
        ({"$[*].x": INTERNAL}, None),
        ({"$.x": {"class": "personal"}}, None),
        ({"a.b": INTERNAL}, "a path is made of"),
        ({"$.a[0]": INTERNAL}, "a path is made of"),
        ({"$..a": INTERNAL}, "a path is made of"),
        ({"$.*": INTERNAL}, "a path is made of"),
        ({"$.a": INTERNAL, "$.a.b": INTERNAL}, "holds another listed path"),
        ({"$.a": {"class": "contact", "mask": "keep"}}, "may not use the mask keep"),
        ({"$.a": {"class": "internal", "mask": "drop"}}, "cannot be used inside JSON"),
        ({"$.a": {"class": "internal", "mask": "integer-hmac"}}, "cannot be used inside JSON"),
        ({"$.a": {"class": "special-care", "mask": "null"}}, "cannot be only contact"),
        ({"$.a": {"class": "internal", "mask": {"method": "hmac", "first": 2}}}, "takes no first"),
        ({"$.a": {"class": "contact", "mask": {"method": "fake-mail", "by": "x"}}}, "by names x"),
        ({"$.a": {"class": "internal", "mask": {"method": "generalise", "to": "year"}}},
         "generalise takes first or"),
        ({"$.a": {"class": "internal", "mask": {"method": "generalise", "band": 2}}},
         "generalise takes first or"),
    ],
)  # fmt: skip
def test_json_paths_are_each_checked(paths: dict[str, Any], says: str | None) -> None:
    wrong = json_wrong(paths)
    assert (wrong == []) if says is None else any(says in w for w in wrong), wrong


def test_steps_of_a_path() -> None:
    assert steps('$.a[*]."b.c"') == ("a", None, "b.c")
    with pytest.raises(ValueError, match=r"\$\.\."):
        steps("$..a")


def test_a_source_with_every_mask_survives_the_way_to_the_reader() -> None:
    masks: dict[Method, Any] = {
        "shift-dates": {"method": "shift-dates", "by": "kept", "days": 3},
        "preserve": {"method": "preserve", "reason": REASON},
        "generalise": {"method": "generalise", "band": 10},
        "json": {"method": "json", "paths": {"$.a": {"class": "internal", "mask": "keep"}}},
    }
    columns = {
        method.replace("-", "_"): {"class": "internal", "mask": masks.get(method, method)}
        for method in get_args(Method)
    }
    made = source({"t": {"kept": {"class": "internal"}, **columns}})
    assert problems(made) == []
    again = Source.model_validate(made.model_dump(mode="json", by_alias=True))
    assert again == made
    assert again.rules_digest() == made.rules_digest()
    assert hash(made.tables["t"].columns["json"].mask)


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        ({"method": "generalise", "band": 10, "floor": 0, "ceiling": 90},
         "generalise to bands of 10 from 0 up to 90"),
        ({"method": "fake-name", "form": "latin", "by": "id"}, "fake-name (latin) by id"),
        ({"method": "preserve", "reason": REASON}, f"preserve because: {REASON}"),
        ({"method": "json", "paths": {"$.a": {"class": "internal", "mask": "keep"},
          "$.b": {"class": "contact", "mask": "fake-mail"}}}, "json $.a keep; $.b fake-mail"),
    ],
)  # fmt: skip
def test_manifest_tells_arguments(mask: Any, words: str) -> None:
    assert described(Mask.model_validate(mask)) == words


@pytest.mark.parametrize(("mask", "plain"), [("keep", True), ("", True),
    (f"preserve because: {REASON}", True), ("hmac", False), ("json $.a keep", False)])  # fmt: skip
def test_what_was_copied_plainly_is_told(mask: str, plain: bool) -> None:
    assert ColumnCopy(name="c", type="T", data_class="internal", mask=mask).plain is plain


def test_secrets_differ_and_follow_from_the_key() -> None:
    first, other = secrets_of(bytes(32)), secrets_of(bytes(31) + b"\1")
    assert len(set(first.values())) == 3
    assert not set(first.values()) & set(other.values())
    assert first == secrets_of(bytes(32))
    assert bytes(32) not in first.values()
