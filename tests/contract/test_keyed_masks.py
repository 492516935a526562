"""Keyed masks keep their promises: tokens, integers and what is invented, under two keys."""

import hashlib
import hmac
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from sandbox.core.detecting import counted, suspicions
from sandbox.core.detectors import DETECTORS
from sandbox.core.names import FAMILIES, GIVEN
from sandbox.drivers.sources.masks import expression
from tests.contract.masking import (
    KEY,
    KEYED,
    OTHER_KEY,
    TEXTS,
    WHOLE,
    Row,
    columns_of,
    keyed,
    one,
    run,
    token,
)


@pytest.mark.parametrize("mask", KEYED, ids=str)
def test_keyed_texts_follow_from_value_and_key_alone(mask: Any) -> None:
    first = one([*TEXTS, None], "VARCHAR", mask)
    assert one([None, *reversed(TEXTS)], "VARCHAR", mask) == first[::-1]
    assert first[-1] is None
    assert None not in first[:-1]
    other = one(TEXTS, "VARCHAR", mask, OTHER_KEY)
    # Invented ones come from a small store, so a few agree by chance.
    assert sum(a == b for a, b in zip(first, other, strict=False)) <= len(TEXTS) // 20
    assert not set(first) & set(TEXTS)


@pytest.mark.parametrize("mask", KEYED, ids=str)
def test_keyed_texts_are_spread_and_tell_values_apart(mask: Any) -> None:
    made = one(TEXTS, "VARCHAR", mask)
    # Of 208 drawn out of 8,000 or more, at least nine in ten differ.
    assert len(set(made)) > 0.9 * len(TEXTS)


def test_tokens_and_mails_are_the_hmac_that_older_snapshots_had() -> None:
    assert one(TEXTS, "VARCHAR", {"method": "hmac", "prefix": "c_"}) == [
        "c_" + token(t) for t in TEXTS
    ]
    assert one(TEXTS, "VARCHAR", "fake-mail") == [token(t) + "@masked.invalid" for t in TEXTS]
    assert one(TEXTS, "VARCHAR", "mail") == one(TEXTS, "VARCHAR", "fake-mail")


@pytest.mark.parametrize(
    ("mask", "pattern"),
    [
        ("fake-name", "[一-鿿々]+ [一-鿿ぁ-ん]+"),
        ({"method": "fake-name", "form": "latin"}, "[A-Z][a-z]+ [A-Z][a-z]+"),
        ("fake-kana", "[ァ-ヶー]+ [ァ-ヶー]+"),
        ({"method": "fake-kana", "form": "hiragana"}, "[ぁ-んー]+ [ぁ-んー]+"),
        ("fake-address", r"(北海道|..府|...?県|東京都).+市.+[1-6]-\d{1,2}-\d{1,2}"),
        ({"method": "fake-address", "form": "latin"}, r"\d{1,3} [A-Z][a-z]+ Street, [A-Z][a-z]+"),
        # Of the mobile numbers only these two groups are neither given out nor toll-free.
        ("fake-phone", r"0[79]0-0\d{3}-\d{4}"),
        ({"method": "fake-phone", "form": "international"}, r"\+81-[79]0-0\d{3}-\d{4}"),
        ("fake-mail", r"[0-9a-f]{20}@masked\.invalid"),
    ],
    ids=str,
)
def test_invented_values_have_their_form_and_reach_nobody(mask: Any, pattern: str) -> None:
    for made in one(TEXTS, "VARCHAR", mask):
        assert re.fullmatch(pattern, made), made


def test_a_name_and_its_reading_of_one_subject_belong_together() -> None:
    kana_of = {n.kanji: n.kana for n in (*FAMILIES, *GIVEN)}
    by = {"method": "fake-name", "by": "id"}, {"method": "fake-kana", "by": "id"}
    rules = {
        "id": {"class": "personal", "mask": "drop"},
        "name": {"class": "personal", "mask": by[0]},
        "kana": {"class": "personal", "mask": by[1]},
    }
    rows: list[Row] = [(n, f"名{n}", f"ナ{n}") for n in range(60)]
    made = run([*rows, (5, None, "x"), (None, "x", "y")], {"id": "INTEGER"} | dict.fromkeys(
        ("name", "kana"), "VARCHAR"), rules)  # fmt: skip
    for name, kana in made[:60]:
        assert " ".join(kana_of[part] for part in name.split()) == kana
    assert made[60][0] is None
    assert made[60][1] == made[5][1]
    assert made[61] == (None, None)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("SMALLINT", [*range(-32768, 32768, 97), 32767]),
        ("INTEGER", WHOLE),
        ("BIGINT", [*WHOLE, 2**31, 2**40, 2**62, 2**63 - 1, -(2**40), -(2**63)]),
        ("USMALLINT", [*range(0, 65536, 97), 65535]),
        ("UINTEGER", [*(n for n in WHOLE if n >= 0), 2**31, 2**32 - 1, 2**31 + 7]),
        ("UBIGINT", [*(n for n in WHOLE if n >= 0), 2**31, 2**63, 2**64 - 1]),
    ],
)
def test_integers_stay_of_their_type_and_apart(kind: str, values: list[int]) -> None:
    mask = "integer-hmac"
    different = sorted(set(values))
    made = one([*different, None], kind, mask)
    assert made[-1] is None
    assert len(set(made[:-1])) == len(different)
    assert [m < 0 for m in made[:-1]] == [v < 0 for v in different]
    assert sum(a == b for a, b in zip(made, different, strict=False)) <= 2
    assert one([*different, None], kind, mask) == made
    other = one(different, kind, mask, OTHER_KEY)
    assert sum(a == b for a, b in zip(made, other, strict=False)) <= 2


def test_every_integer_of_a_small_type_has_one_token_and_back() -> None:
    columns = columns_of(c={"class": "internal", "mask": "integer-hmac"})
    masked = expression("t", "c", {"c": "SMALLINT"}, columns)
    live = "(SELECT range::SMALLINT AS c FROM range(32768)) ORDER BY c"
    made = [row[0] for row in keyed(KEY).execute(f"SELECT {masked} FROM {live}").fetchall()]
    assert sorted(made) == list(range(2**15))
    # No order is left: neighbours are as far apart as any two.
    near = sum(abs(a - b) < 16 for a, b in pairwise(made))
    assert near < 2 * 31


def permuted(value: int, high: int, low: int, key: bytes = KEY) -> int:
    """The permutation once more, from its description: six rounds of a Feistel network."""
    secret = hmac.new(key, b"mask integer-hmac", hashlib.sha256).digest()
    left, right = divmod(value, low)
    for number in range(6):
        half = right if number % 2 == 0 else left
        made = hashlib.sha256(secret + f"{number}:{half}".encode()).hexdigest()
        drawn = int(made[:8], 16)
        if number % 2 == 0:
            left = (left + drawn) % high
        else:
            right = (right + drawn) % low
    return left * low + right


def test_integers_are_what_python_makes_of_them() -> None:
    """So that no later DuckDB gives other numbers, which would break a key series unseen."""
    values = [0, 1, 2, 77, 32_767]
    assert one(values, "SMALLINT", "integer-hmac") == [permuted(v, 128, 256) for v in values]
    values += [2**31 - 1]
    expected = [permuted(v, 2**15, 2**16) for v in values]
    assert one(values, "INTEGER", "integer-hmac") == expected
    wide = [2**31, 2**40 + 7, 2**63 - 1]
    assert one([*values, *wide], "BIGINT", "integer-hmac") == [
        *expected, *(permuted(v, 2**31, 2**32) for v in wide),
    ]  # fmt: skip
    assert one([-1, -78], "INTEGER", "integer-hmac") == [-1 - expected[0], -1 - expected[3]]


def digest(label: str, text: str) -> str:
    return hmac.new(KEY, f"{label}\x1f{text}".encode(), hashlib.sha256).hexdigest()


def test_invented_values_are_what_python_makes_of_them() -> None:
    made = one(TEXTS, "VARCHAR", "fake-phone")
    for text, phone in zip(TEXTS, made, strict=True):
        draws = [int(digest("phone", text)[8 * n : 8 * n + 8], 16) for n in range(3)]
        prefix = ("70", "90")[draws[0] % 2]
        assert phone == f"0{prefix}-{draws[1] % 1000:04d}-{draws[2] % 10_000:04d}"


def test_keys_of_two_widths_still_join() -> None:
    values = [v for v in WHOLE if v >= -(2**31)]
    assert one(values, "INTEGER", "integer-hmac") == one(values, "BIGINT", "integer-hmac")
    positive = [v for v in values if v >= 0]
    assert one(positive, "INTEGER", "integer-hmac") == one(positive, "UBIGINT", "integer-hmac")


@pytest.mark.parametrize("mask", [k for k in KEYED if k != "hmac"], ids=str)
def test_invented_values_equal_their_source_by_chance_only(mask: Any) -> None:
    # Masked again, values of the very store that they are drawn from: the worst case.
    drawn = one(TEXTS, "VARCHAR", mask)
    again = one(drawn, "VARCHAR", mask)
    assert sum(a == b for a, b in zip(drawn, again, strict=True)) <= 3


def suspected(values: list[str]) -> set[str]:
    n, found = counted(DETECTORS, values)
    return {s.detector for s in suspicions(DETECTORS, "x", n, found)}


def test_what_masks_make_is_silent_or_is_what_it_poses_as() -> None:
    texts = [f"p{n}" for n in range(100)]
    made: Callable[[Any], set[str]] = lambda mask: suspected(one(texts, "VARCHAR", mask))  # noqa: E731
    assert made("hmac") == made("redact") == made("fake-mail") == set()
    assert made("fake-phone") == {"phone-jp"}
    assert made("fake-name") == {"name-kanji"}
    whole = one(list(range(500)), "BIGINT", "integer-hmac")
    assert suspected([str(value) for value in whole]) == set()
