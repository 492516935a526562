"""Masks as SQL keep their promises: on values of many types, under two keys, without an engine."""

import hashlib
import hmac
import json
import random
import re
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import pairwise
from typing import Any

import duckdb
import pytest

from sandbox.core.detecting import counted, suspicions
from sandbox.core.detectors import DETECTORS
from sandbox.core.errors import InvalidInput
from sandbox.core.masking import problems
from sandbox.core.source import Column
from sandbox.drivers.sources.connection import quoted
from sandbox.drivers.sources.masks import expression, set_key
from tests.core.test_masking import source

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
Row = tuple[Any, ...]

DRAW = random.Random(20261123)
TEXTS = [
    "佐藤 花子",
    "hanako@example.jp",
    "090-1234-5678",
    "",
    " ",
    "😀" * 300,
    "ｆｕｌｌ",
    "O'B\"x\n",
]
TEXTS += [DRAW.randbytes(6).hex() for _ in range(200)]
DAYS = [date(1930, 1, 1) + timedelta(days=DRAW.randrange(30_000)) for _ in range(400)]
WHOLE = [*range(300), *(DRAW.randrange(2**31) for _ in range(300)), 2**31 - 1, -1, -2, -(2**31)]


def columns_of(**rules: Any) -> dict[str, Column]:
    return {name: Column.model_validate(rule) for name, rule in rules.items()}


@cache
def keyed(key: bytes) -> duckdb.DuckDBPyConnection:
    """Return a connection with the masks of `key`, made once: it takes a tenth of a second."""
    con = duckdb.connect(":memory:", config={"threads": 1})
    con.execute("SET TimeZone = 'UTC'")
    set_key(con, key)
    return con


def run(
    rows: list[Row], kinds: dict[str, str], rules: dict[str, Any], key: bytes = KEY
) -> list[Row]:
    """Return the masked rows of a table whose columns have `kinds`, in the order they came."""
    con = keyed(key)
    listed = ", ".join(f'"{name}" {kind}' for name, kind in kinds.items())
    con.execute(f"CREATE OR REPLACE TABLE live ({listed})")
    lists = ", ".join("unnest(?)" for _ in kinds)
    con.execute(
        f"INSERT INTO live SELECT {lists}", [list(cells) for cells in zip(*rows, strict=True)]
    )
    types = {row[0]: row[1] for row in con.execute("DESCRIBE live").fetchall()}
    columns = columns_of(**rules)
    assert problems(source({"t": rules})) == []
    chosen = [
        # Python's side of DuckDB has no time zones of its own.
        f"CAST({made} AS TIMESTAMP)" if "ZONE" in types[name] else made
        for name, made in _expressions(types, columns).items()
    ]
    return con.execute(f"SELECT {', '.join(chosen)} FROM live").fetchall()


def _expressions(types: dict[str, str], columns: dict[str, Column]) -> dict[str, str]:
    kept = [name for name, rule in columns.items() if rule.mask.method != "drop"]
    return {name: expression("t", name, types, columns) for name in kept}


def one(
    values: list[Any],
    kind: str,
    mask: Any,
    key: bytes = KEY,
    data_class: str = "quasi-identifier",
) -> list[Any]:
    rules = {"c": {"class": data_class, "mask": mask}}
    return [row[0] for row in run([(v,) for v in values], {"c": kind}, rules, key)]


def token(text: str, key: bytes = KEY) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:20]


KEYED = [
    "hmac", "fake-name", "fake-kana", "fake-address", "fake-phone", "fake-mail",
    {"method": "fake-name", "form": "latin"}, {"method": "fake-kana", "form": "hiragana"},
    {"method": "fake-address", "form": "latin"}, {"method": "fake-phone", "form": "international"},
]  # fmt: skip


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
    from sandbox.core.names import FAMILIES, GIVEN

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


@pytest.mark.parametrize("kind", ["DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"])
def test_shifted_dates_keep_the_intervals_of_their_subject(kind: str) -> None:
    rules = {
        "who": {"class": "personal", "mask": "hmac"},
        "day": {"class": "personal", "mask": {"method": "shift-dates", "by": "who", "days": 30}},
    }
    stamps: list[Any] = DAYS if kind == "DATE" else [
        datetime.fromisoformat(f"{d} 13:05:09.000123")
        for d in DAYS
    ]  # fmt: skip
    rows: list[Row] = [(f"p{i % 40}", day) for i, day in enumerate(stamps)]
    made = run([*rows, ("p1", None), (None, stamps[0])], {"who": "VARCHAR", "day": kind}, rules)
    shifts: dict[str, set[timedelta]] = {}
    for (who, day), (_, moved) in zip(rows, made, strict=False):
        shifts.setdefault(who, set()).add(moved - day)
    assert all(len(found) == 1 for found in shifts.values())
    days = [next(iter(found)) / timedelta(days=1) for found in shifts.values()]
    assert all(1 <= abs(d) <= 30 and d == int(d) for d in days)
    assert len(set(days)) > 15
    assert [m[1] for m in made[-2:]] == [None, None]
    other = run(rows, {"who": "VARCHAR", "day": kind}, rules, OTHER_KEY)
    assert sum(a[1] == b[1] for a, b in zip(made, other, strict=False)) < len(rows) / 5


def test_dates_without_end_stay_where_they_are() -> None:
    con = keyed(KEY)
    columns = columns_of(
        w={"class": "internal", "mask": "keep"},
        d={"class": "internal", "mask": {"method": "shift-dates", "by": "w"}},
    )
    shifted = expression("t", "d", {"w": "INTEGER", "d": "DATE"}, columns)
    live = "(SELECT 1 AS w, unnest(['infinity', '-infinity'])::DATE AS d)"
    assert con.execute(f"SELECT ({shifted})::VARCHAR FROM {live}").fetchall() == [
        ("infinity",), ("-infinity",),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "mask", "pairs"),
    [
        ("DATE", {"to": "year"}, [(date(1980, 4, 2), date(1980, 1, 1)), (None, None)]),
        ("DATE", {"to": "month"}, [(date(1980, 4, 2), date(1980, 4, 1))]),
        ("DATE", {"to": "year", "floor": 1930, "ceiling": 2010}, [
            (date(1899, 1, 1), date(1930, 1, 1)), (date(1930, 5, 5), date(1930, 1, 1)),
            (date(2009, 12, 31), date(2009, 1, 1)), (date(2019, 3, 3), date(2010, 1, 1)),
            (None, None),
        ]),
        ("TIMESTAMP", {"to": "month", "ceiling": 2020}, [
            (datetime(2021, 2, 3, 4, 5), datetime(2020, 1, 1)),
            (datetime(2019, 2, 3, 4, 5), datetime(2019, 2, 1)),
        ]),
        ("VARCHAR", {"first": 3}, [
            ("100-0001", "100"), ("１００", "１００"), ("", ""), (None, None),
        ]),
        ("VARCHAR", {"to": "prefecture"}, [
            ("東京都千代田区丸の内1-1", "東京都"), ("北海道札幌市", "北海道"),
            ("神奈川県", "神奈川県"),
            ("丸の内1-1 東京都", None), ("", None), (None, None),
        ]),
        ("INTEGER", {"band": 10}, [
            (0, 0), (9, 0), (10, 10), (-1, -10), (-10, -10), (2**31 - 1, 2147483640), (None, None),
        ]),
        ("INTEGER", {"band": 10, "floor": 20, "ceiling": 80}, [
            (116, 80), (3, 20), (45, 40), (80, 80), (None, None),
        ]),
        ("INTEGER", {"ceiling": 90}, [(116, 90), (3, 3), (None, None)]),
        ("BIGINT", {"floor": 0}, [(-5, 0), (2**63 - 1, 2**63 - 1), (None, None)]),
        ("UTINYINT", {"band": 100}, [(255, 200), (7, 0)]),
        ("DECIMAL(10,2)", {"band": 1000}, [
            (Decimal("1999.99"), Decimal("1000.00")), (Decimal("-0.01"), Decimal("-1000.00")),
        ]),
        ("DOUBLE", {"band": 5}, [(7.25, 5.0), (-7.25, -10.0), (None, None)]),
    ],
    ids=str,
)  # fmt: skip
def test_generalised_values(kind: str, mask: Any, pairs: list[tuple[Any, Any]]) -> None:
    full = {"method": "generalise", **mask}
    assert one([p[0] for p in pairs], kind, full) == [p[1] for p in pairs]


@pytest.mark.parametrize(
    ("kind", "mask"),
    [
        ("INTEGER", "integer-hmac"), ("BIGINT", "integer-hmac"), ("USMALLINT", "integer-hmac"),
        ("DATE", {"method": "generalise", "to": "year"}), ("DATE", "null"), ("BIGINT", "null"),
        ("TIMESTAMP WITH TIME ZONE", {"method": "generalise", "to": "month"}),
        ("DECIMAL(10,2)", {"method": "generalise", "band": 7}), ("VARCHAR", "fake-name"),
        ("DOUBLE", {"method": "generalise", "ceiling": 7}), ("VARCHAR", "redact"),
        ("TIMESTAMP", {"method": "shift-dates", "by": "c"}), ("DATE", {"method": "shift-dates",
        "by": "c"}), ("VARCHAR", "fake-mail"), ("DECIMAL(10,2)", "null"),
    ],
    ids=str,
)  # fmt: skip
def test_types_stay(kind: str, mask: Any) -> None:
    con = keyed(KEY)
    columns = columns_of(c={"class": "internal", "mask": mask})
    made = expression("t", "c", {"c": kind}, columns)
    nothing = f"(SELECT NULL::{kind} AS c)"
    con.execute(f"CREATE OR REPLACE TABLE made AS SELECT {made} AS c FROM {nothing}")
    assert con.execute("DESCRIBE made").fetchall()[0][1] == kind


def test_redacted_texts_and_emptied_columns_hold_nothing_of_the_source() -> None:
    assert Counter(one([*TEXTS, None], "VARCHAR", "redact")) == {
        "[redacted]": len(TEXTS), None: 1,
    }  # fmt: skip
    assert set(one(TEXTS, "VARCHAR", "null")) == {None}
    reason = {"method": "preserve", "reason": "Read by legal on 2026-11-02: product texts only"}
    assert one(TEXTS, "VARCHAR", reason, data_class="internal") == TEXTS


DOCUMENT = {
    "plan": "gold", "mail": "a@example.jp", "age": 37, "nested": {"phone": "090-1234-5678", "x": 1},
    "items": [{"sku": "A1", "note": "佐藤様"}, {"sku": "B2"}, "odd", None], "extra": "secret",
    "名前 \"a\"": 1, "tags": ["t1", {"deep": "secret"}], "nothing": None, "flag": True,
}  # fmt: skip
PATHS = {
    "$.plan": {"class": "internal", "mask": "keep"},
    "$.mail": {"class": "contact", "mask": "fake-mail"},
    "$.age": {"class": "internal", "mask": "keep"},
    "$.flag": {"class": "internal", "mask": "keep"},
    "$.nothing": {"class": "personal", "mask": "hmac"},
    "$.nested.phone": {"class": "contact", "mask": {"method": "hmac", "prefix": "t_"}},
    "$.items[*].sku": {"class": "internal", "mask": "keep"},
    "$.items[*].note": {"class": "personal", "mask": "redact"},
    "$.tags[*]": {"class": "internal", "mask": "keep"},
    "$.absent": {"class": "internal"},
}


@pytest.mark.parametrize("kind", ["JSON", "VARCHAR"])
def test_of_json_only_the_listed_paths_are_copied_each_masked(kind: str) -> None:
    mask = {"method": "json", "paths": PATHS}
    texts = [json.dumps(DOCUMENT, ensure_ascii=False), "{}", "[1]", "7", None]
    texts += ["not json"] if kind == "VARCHAR" else []
    made = one(texts, kind, mask, data_class="contact")
    assert json.loads(made[0]) == {
        "plan": "gold", "mail": token("a@example.jp") + "@masked.invalid", "age": 37, "flag": True,
        "nothing": None, "nested": {"phone": "t_" + token("090-1234-5678")},
        "items": [{"sku": "A1", "note": "[redacted]"}, {"sku": "B2", "note": None}, None, None],
        "tags": ["t1", None], "absent": None,
    }  # fmt: skip
    assert set(json.loads(made[1]).values()) == {None}
    assert made[2:] == [None] * (len(texts) - 2)
    assert not any(word in (made[0] or "") for word in ("secret", "佐藤", "090", "名前"))


def test_a_list_at_the_root_and_keys_with_signs() -> None:
    paths = {'$[*]."a b.c"': {"class": "internal", "mask": {"method": "generalise", "first": 2}}}
    made = one(['[{"a b.c": "xyz"}, {}]'], "JSON", {"method": "json", "paths": paths})
    assert json.loads(made[0]) == [{"a b.c": "xy"}, {"a b.c": None}]


@pytest.mark.parametrize(
    ("kind", "mask", "says"),
    [
        ("VARCHAR", {"method": "generalise", "to": "year"}, "needs a date"),
        ("VARCHAR", {"method": "generalise", "band": 5}, "needs a number"),
        ("DATE", {"method": "generalise", "ceiling": 5}, "needs a number"),
        ("VARCHAR", {"method": "shift-dates", "by": "c"}, "needs a date"),
        ("DOUBLE", "integer-hmac", "whole numbers"),
        ("TINYINT", "integer-hmac", "whole numbers"),
        ("HUGEINT", "integer-hmac", "whole numbers"),
        ("DOUBLE", "hmac", "exact values"),
        ("FLOAT", "fake-name", "exact values"),
        ("DATE", {"method": "json", "paths": {"$.a": {"class": "internal"}}}, "JSON or text"),
    ],
    ids=str,
)
def test_mask_that_does_not_fit_the_type_is_refused(kind: str, mask: Any, says: str) -> None:
    columns = columns_of(c={"class": "internal", "mask": mask})
    with pytest.raises(InvalidInput, match=says) as caught:
        expression("t", "c", {"c": kind}, columns)
    assert caught.value.subject == "t.c"
    assert caught.value.hint


@pytest.mark.parametrize("key", [b"", b"k" * 31, b"k" * 64])
def test_without_a_whole_key_nothing_is_masked(key: bytes) -> None:
    con = duckdb.connect(":memory:")
    with pytest.raises(InvalidInput):
        set_key(con, key)
    columns = columns_of(c={"class": "internal", "mask": "hmac"})
    with pytest.raises(duckdb.Error):
        con.execute(f"SELECT {expression('t', 'c', {'c': 'VARCHAR'}, columns)} FROM (SELECT 'x' c)")


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


@pytest.mark.parametrize("name", ["n", "hex", "value", "text", "state", "half", "low", "label",
    "size", "token", "digest", "part_0", "key", "c\"'%"])  # fmt: skip
@pytest.mark.parametrize(
    "mask", ["hmac", "integer-hmac", "fake-name", "fake-address", "fake-phone", "shift", "json"]
)
def test_no_name_of_a_column_changes_a_mask(name: str, mask: str) -> None:
    kinds = {"integer-hmac": ("BIGINT", 77), "shift": ("DATE", DAYS[0]), "json": ("JSON", "[[7]]")}
    kind, value = kinds.get(mask, ("VARCHAR", "佐藤"))

    def made(column: str, by: str) -> list[Row]:
        rules: Any = {
            "shift": {"method": "shift-dates", "by": by},
            "json": {"method": "json", "paths": {"$[*][*]": {"class": "internal", "mask": "hmac"}}},
        }
        columns = columns_of(
            **{column: {"class": "internal", "mask": rules.get(mask, mask)}},
            **{by: {"class": "internal"}},
        )
        con = keyed(KEY)
        con.execute(f"CREATE OR REPLACE TABLE live ({quoted(column)} {kind}, {quoted(by)} VARCHAR)")
        con.execute("INSERT INTO live VALUES (?, 'p1')", [value])
        masked = expression("t", column, {column: kind, by: "VARCHAR"}, columns)
        return con.execute(f"SELECT {masked} FROM live").fetchall()

    assert made(name, "who") == made("plain", "who")
    assert made("plain", name) == made("plain", "who")
