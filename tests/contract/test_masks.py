"""Masks as SQL keep their promises: on values of many types, under two keys, without an engine."""

import json
from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from sandbox.core.errors import InvalidInput
from sandbox.drivers.sources.connection import quoted
from sandbox.drivers.sources.masks import expression, set_key
from tests.contract.masking import (
    DAYS,
    KEY,
    OTHER_KEY,
    TEXTS,
    Row,
    columns_of,
    keyed,
    one,
    run,
    token,
)


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
            ("100-0001", "100"), ("１００－０００１", "100"), ("ＡＢ‐", "AB-"), ("東京１", "東京1"),
            ("", ""), (None, None),
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
