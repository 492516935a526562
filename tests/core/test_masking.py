import hashlib
import hmac
from typing import Any

import pytest

from sandbox.core.errors import InvalidInput
from sandbox.core.masking import TOKEN_DIGITS, described, pads, problems
from sandbox.core.source import Mask, Source


def source(tables: Any) -> Source:
    return Source.model_validate(
        {
            "apiVersion": "sandbox.source/v1",
            "kind": "Source",
            "metadata": {"name": "core"},
            "connection": {
                "type": "postgres", "host": "h", "database": "d", "user": "u",
                "password": {"env": "P"},
            },
            "owners": {"extract": "it-data", "transform": "it-data"},
            "tables": {name: {"columns": columns} for name, columns in tables.items()},
        }
    )  # fmt: skip


def found(data_class: str, mask: object) -> list[str]:
    columns = {
        "kept": {"class": "public", "mask": "keep"},
        "c": {"class": data_class, "mask": mask},
    }
    return problems(source({"t": columns}))


@pytest.mark.parametrize(
    ("data_class", "allowed"),
    [
        ("public", {"keep", "drop", "null", "hmac", "mail", "redact"}),
        ("internal", {"keep", "drop", "null", "hmac", "mail", "redact"}),
        ("personal", {"drop", "null", "hmac", "mail", "redact"}),
        ("contact", {"drop", "null", "hmac", "mail", "redact"}),
        ("special-care", {"drop", "null"}),
        ("my-number", {"drop", "null"}),
    ],
)
@pytest.mark.parametrize("method", ["keep", "drop", "null", "hmac", "mail", "redact"])
def test_class_decides_which_mask_is_allowed(
    data_class: str, allowed: set[str], method: str
) -> None:
    wrong = found(data_class, method)
    assert bool(wrong) == (method not in allowed)
    assert all(w.startswith("t.c: ") and data_class in w and method in w for w in wrong)


@pytest.mark.parametrize(
    ("data_class", "mask", "says"),
    [
        ("personal", {"method": "generalise", "to": "year"}, None),
        ("contact", {"method": "generalise", "first": 3}, None),
        ("contact", {"method": "generalise", "first": 4}, "at most its first 3"),
        ("internal", {"method": "generalise", "first": 4}, None),
        ("special-care", {"method": "generalise", "to": "year"}, "may not use"),
        ("personal", {"method": "generalise"}, "takes either to (year, month or prefecture)"),
        ("personal", {"method": "generalise", "to": "year", "first": 2}, "either to"),
        ("personal", {"method": "hmac", "to": "year"}, "takes no to"),
        ("personal", {"method": "hmac", "first": 2}, "takes no first"),
        ("personal", {"method": "hmac", "prefix": "c_"}, None),
        ("personal", {"method": "hmac", "prefix": "c' "}, "letters, digits"),
        ("personal", {"method": "redact", "prefix": "c_"}, "takes no prefix"),
    ],
)
def test_arguments_must_fit_the_mask(data_class: str, mask: object, says: str | None) -> None:
    wrong = found(data_class, mask)
    assert [w for w in wrong if not w.startswith("t.c: ")] == []
    assert (says is None and not wrong) or (says is not None and says in wrong[0])


def test_names_that_differ_in_case_only_are_refused() -> None:
    kept: dict[str, object] = {"class": "public", "mask": "keep"}
    wrong = problems(source({"a": {"x": kept, "X": kept}, "A": {"y": kept}}))
    assert len(wrong) == 2
    assert "table A and a" in wrong[0]
    assert "column X and x" in wrong[1]


def test_table_without_any_column_left_is_refused() -> None:
    wrong = problems(source({"t": {"c": {"class": "my-number", "mask": "drop"}}}))
    assert len(wrong) == 1
    assert wrong[0].startswith("t: every column is dropped")


def test_pads_give_the_hmac_of_rfc_2104() -> None:
    key, text = bytes(range(32)), "佐藤 花子".encode()
    inner, outer = pads(key)
    ours = hashlib.sha256(outer + hashlib.sha256(inner + text).digest()).hexdigest()
    assert ours == hmac.new(key, text, "sha256").hexdigest()


@pytest.mark.parametrize("key", [b"", b"k" * 31, b"k" * 33])
def test_key_of_another_length_never_masks(key: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        pads(key)
    assert caught.value.hint
    assert repr(key) not in str(caught.value) or not key


def test_tokens_are_long_enough_for_twenty_million_values() -> None:
    def odds(digits: int) -> float:
        return 20_000_000**2 / (2 * 16.0**digits)

    assert odds(TOKEN_DIGITS) < 1e-9 < odds(TOKEN_DIGITS - 1)


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (Mask(method="hmac", prefix="c_"), "hmac"),
        (Mask(method="generalise", to="month"), "generalise to month"),
        (Mask(method="generalise", first=3), "generalise to first 3"),
    ],
)
def test_masks_are_described_for_the_manifest(mask: Mask, words: str) -> None:
    assert described(mask) == words
