"""Masks as SQL, run on values of a type: what the tests of masks share."""

import hashlib
import hmac
import random
from datetime import date, timedelta
from functools import cache
from typing import Any

import duckdb

from sandbox.core.masking import problems
from sandbox.core.source import Column
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
