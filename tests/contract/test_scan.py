"""Detectors in DuckDB count what they count in Python, on every type a snapshot may hold."""

import random
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from sandbox.core.detecting import FOLD_FROM, counted, folded, suspicions
from sandbox.core.detectors import DETECTORS
from sandbox.drivers.sources import scan
from sandbox.drivers.sources.scan import plainer, scanned
from tests.core.detector_samples import SEEN, SILENT


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:", config={"threads": 2}) as made:
        yield made


def found(
    con: duckdb.DuckDBPyConnection, values: list[Any], kind: str = "VARCHAR", column: str = "x"
) -> dict[str, str]:
    con.execute(f'CREATE OR REPLACE TABLE t ("{column}" {kind})')
    con.execute("INSERT INTO t SELECT unnest(?)", [values])
    there = scanned(con, "t", {column: kind})
    if column not in there:
        return {}
    return {s.detector: s.because for s in suspicions(DETECTORS, column, *there[column])}


@pytest.mark.parametrize("detector", list(SEEN))
def test_sql_counts_what_python_counts(con: duckdb.DuckDBPyConnection, detector: str) -> None:
    values = [*SEEN[detector], *SILENT, None, *SEEN[detector][:2]]
    con.execute("CREATE OR REPLACE TABLE t (x VARCHAR)")
    con.execute("INSERT INTO t SELECT unnest(?)", [values])
    there, here = scanned(con, "t", {"x": "VARCHAR"})["x"], counted(DETECTORS, values)
    assert there[0] == here[0]
    # Forms that only a name would make count are not searched for in a column called x.
    assert there[1] == {
        name: f.model_copy(update={"named": 0})
        for name, f in here[1].items()
        if f.strong or f.common
    }


def test_one_leak_among_sixty_thousand_rows_is_found(
    con: duckdb.DuckDBPyConnection,
) -> None:
    planted = {
        "phone-jp": "order 7: 090-1234-5678", "name-kanji": "order 8 佐藤花子様",
        "mail": "order 9 <a@example.jp>", "card": "4111 1111 1111 1111", "ip": "from 203.0.113.7",
        "url-token": "https://e.example/?token=abcdef123", "my-number": "no 123456789018",
    }  # fmt: skip
    texts = list(planted.values())
    con.execute(
        "CREATE OR REPLACE TABLE t AS SELECT 'order ' || i || ' shipped' AS clean, i AS n, "
        "CASE WHEN i < 40000 THEN clean "
        "ELSE coalesce(list_extract(?, i - 39999), clean) END AS note, "
        "'c_' || left(sha256(i::VARCHAR), 20) AS token FROM range(60000) r(i)",
        [texts],
    )
    columns = {"clean": "VARCHAR", "n": "BIGINT", "token": "VARCHAR"}
    assert all(not hits for _, hits in scanned(con, "t", columns).values())
    values, hits = scanned(con, "t", {"note": "VARCHAR"})["note"]
    assert values == 60_000
    assert {name: f.passed for name, f in hits.items() if f.passed} == dict.fromkeys(planted, 1)


@pytest.mark.parametrize(
    ("kind", "column", "values", "expected"),
    [
        ("BIGINT", "x", [123456789018] * 5, {"my-number": "values"}),
        ("BIGINT", "tel", [9012345678] * 5, {"phone-jp": "name"}),
        ("DECIMAL(18,0)", "x", [4111111111111111] * 5, {"card": "values"}),
        ("DOUBLE", "mail", [1.5] * 5, {}),
        ("BOOLEAN", "mail", [True] * 5, {}),
        ("DATE", "birth_date", ["1980-04-01"] * 5, {"birth-date": "name"}),
        ("DATE", "ordered_on", ["1980-04-01"] * 5, {}),
        ("JSON", "x", ['{"a": {"b": ["090-1234-5678"]}}'], {"phone-jp": "values"}),
        ("JSON", "x", ['{"who": "佐藤 花子"}'], {"name-kanji": "values"}),
        ("VARCHAR[]", "x", [["a", "hanako@example.jp"]], {"mail": "values"}),
        ("STRUCT(a VARCHAR, b INTEGER)", "x", [{"a": "佐藤 花子", "b": 1}], {
            "name-kanji": "values"}),
        ("MAP(VARCHAR, VARCHAR)", "x", [{"佐藤 花子": "x"}], {"name-kanji": "values"}),
        ("VARCHAR", '氏名 "50%"', ["御手洗 寿々"] * 5, {"name-kanji": "name"}),
        ("VARCHAR", "x", [None] * 5, {}),
        ("VARCHAR", "x", [], {}),
    ],
)  # fmt: skip
def test_types_and_names(
    con: duckdb.DuckDBPyConnection, kind: str, column: str, values: list[Any], expected: Any
) -> None:
    plain = column.replace('"', "")
    assert found(con, values, kind, plain) == expected


def test_random_ids_of_twelve_digits_are_judged_by_their_share(
    con: duckdb.DuckDBPyConnection,
) -> None:
    draw = random.Random(7)
    ids = [f"{draw.randrange(10**12):012d}" for _ in range(3000)]
    assert found(con, ids) == {}
    con.execute("CREATE OR REPLACE TABLE t AS SELECT (i * 7919 + 100000000000)::VARCHAR AS x "
                f"FROM range({scan.MOST_CHECKED + 40_000}) r(i)")  # fmt: skip
    values, hits = scanned(con, "t", {"x": "VARCHAR"})["x"]
    assert values == scan.MOST_CHECKED + 40_000
    assert scan.MOST_CHECKED <= hits["my-number"].strong < values
    assert suspicions(DETECTORS, "x", values, hits) == ()


def test_what_is_found_holds_no_value(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE OR REPLACE TABLE t AS SELECT 'hanako@example.jp' AS x")
    there = scanned(con, "t", {"x": "VARCHAR"})
    told = suspicions(DETECTORS, "x", *there["x"])
    assert "hanako" not in repr(there) + repr(told)
    assert told[0].model_dump() == {
        "detector": "mail", "version": 1, "count": 1, "because": "values",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("written", "detector"),
    [
        ('{"who": "\\u5c71\\u7530 \\u592a\\u90ce", "a": "C:\\\\dir"}', "name-kanji"),
        (r"{'who': '\\u5c71\\u7530 \\u592a\\u90ce'}", "name-kanji"),
        ("https://shop.example/?to=taro%40example.co.jp", "mail"),
        ("/s?q=%E5%B1%B1%E7%94%B0%20%E5%A4%AA%E9%83%8E", "name-kanji"),
        ("ta\u200bro@exa\u00admple.co.jp", "mail"),
        ("山\U000e0101田\u00a0太郎", "name-kanji"),
    ],
)
def test_what_is_written_otherwise_is_read(
    con: duckdb.DuckDBPyConnection, written: str, detector: str
) -> None:
    assert found(con, [written, "x", "y"]) == {detector: "values"}
    _, here = counted(DETECTORS, [written])
    assert here[detector].passed == 1


def test_texts_are_made_plain_as_python_does() -> None:
    draw = random.Random(20261123)
    signs = FOLD_FROM + "abc佐藤 -19ー@"
    parts = [
        *signs,
        "%40",
        "%E5%B1%B1",
        "%e5",
        "%",
        "\\",
        "\\u5C71",
        "\\\\u7530",
        "\\u0041",
        "\n",
        '"',
    ]
    parts += [
        "\\ud83d\\ude00",
        "\\ud83d",
        "\\users",
        "\u200b",
        "\u00ad",
        "\ufe0f",
        "\U000e0101",
        "\u00a0",
    ]
    texts = [*FOLD_FROM, *("".join(draw.choices(parts, k=draw.randrange(6))) for _ in range(3000))]
    texts += ["".join(draw.choices(parts[len(signs) :], k=draw.randrange(5))) for _ in range(3000)]
    with duckdb.connect(":memory:") as con:
        made = con.execute(f"SELECT {plainer()} FROM (SELECT unnest(?) AS v)", [texts]).fetchall()
    assert [row[0] for row in made] == [folded(text) for text in texts]


def test_bytes_deep_inside_are_read(con: duckdb.DuckDBPyConnection) -> None:
    nested = "STRUCT(a BLOB, b VARCHAR)[]"
    con.execute(f"CREATE OR REPLACE TABLE t (x {nested})")
    con.execute("INSERT INTO t VALUES ([{'a': encode(' 佐藤花子様'), 'b': '青'}]), (NULL)")
    shown, type_ = scan.readable('"x"', nested)
    con.execute(f"CREATE OR REPLACE TABLE t2 AS SELECT {shown} AS x FROM t")
    values, hits = scanned(con, "t2", {"x": type_})["x"]
    assert values == 1
    assert hits["name-kanji"].passed == 1
