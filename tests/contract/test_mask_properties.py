"""What every mask promises, on drawn values of every type it takes: one table of masks by types."""

import random
import string
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sandbox.core.relations import one_to_one
from sandbox.core.source import Column
from tests.contract.masking import KEY, KEYED, OTHER_KEY, one, run

Draw = Callable[[random.Random], Any]
_SIGNS = string.printable + "é佐藤ｱ①😀\u202e\u0000"[:-1] + "'\"%_\\"


def _text(draw: random.Random) -> str:
    return "".join(draw.choices(_SIGNS, k=draw.randrange(12)))


def _day(draw: random.Random) -> date:
    return date(1900, 1, 1) + timedelta(days=draw.randrange(60_000))


KINDS: dict[str, Draw] = {
    "VARCHAR": _text,
    "SMALLINT": lambda draw: draw.randrange(-(2**15), 2**15),
    "INTEGER": lambda draw: draw.randrange(-(2**31), 2**31),
    "BIGINT": lambda draw: draw.randrange(-(2**63), 2**63),
    "UBIGINT": lambda draw: draw.randrange(2**64),
    "DECIMAL(12,2)": lambda draw: Decimal(draw.randrange(10**10)) / 100,
    "BOOLEAN": lambda draw: draw.random() < 0.5,
    "DATE": _day,
    "TIMESTAMP": lambda draw: datetime.combine(_day(draw), datetime.min.time()),
    "UUID": lambda draw: "-".join(
        draw.randbytes(n).hex() for n in (4, 2, 2, 2, 6)
    ),
}  # fmt: skip
SHIFT = {"method": "shift-dates", "by": "c"}
WHOLE = ("SMALLINT", "INTEGER", "BIGINT", "UBIGINT")
DAYS = ("DATE", "TIMESTAMP")
CASES = [
    *(("VARCHAR", mask) for mask in (*KEYED, "redact", {"method": "generalise", "first": 3})),
    *((kind, "hmac") for kind in ("BIGINT", "DECIMAL(12,2)", "BOOLEAN", "DATE", "UUID")),
    *((kind, "null") for kind in ("VARCHAR", "BOOLEAN", "DATE")),
    *((kind, "integer-hmac") for kind in WHOLE),
    *((kind, {"method": "generalise", "band": 7}) for kind in ("BIGINT", "DECIMAL(12,2)")),
    *((kind, {"method": "generalise", "to": "month"}) for kind in DAYS),
    *((kind, SHIFT) for kind in DAYS),
]
# What follows from the value alone, whatever the key.
UNKEYED = ("null", "redact", "generalise")


def drawn(kind: str, seed: int, count: int = 300) -> list[Any]:
    draw = random.Random(seed)
    values = [KINDS[kind](draw) for _ in range(count)]
    return [*values, *draw.choices(values, k=40), None, None]


@pytest.mark.parametrize(("kind", "mask"), CASES, ids=str)
def test_what_every_mask_promises(kind: str, mask: Any) -> None:
    rule = Column.model_validate({"class": "quasi-identifier", "mask": mask})
    method, values = rule.mask.method, drawn(kind, 1)
    both = one([*values, *values[::-1]], kind, mask)
    made = both[: len(values)]
    # Deterministic: in another order, and beside other rows.
    assert both[len(values) :] == made[::-1]
    # Empty stays empty, and nothing else becomes so, but by the mask that empties.
    assert made[-2:] == [None, None]
    assert method == "null" or None not in made[:-2]
    # Equal values get equal masks; where it says so, others get others.
    by_value = dict(zip(values, made, strict=True))
    assert [by_value[v] for v in values] == made
    if one_to_one(rule):
        assert len(set(by_value.values())) == len(by_value)
    other = one(values, kind, mask, OTHER_KEY)
    same = sum(a == b for a, b in zip(made[:-2], other[:-2], strict=True))
    # Small numbers, and names of a small store, meet by chance now and then.
    assert same == len(made) - 2 if method in UNKEYED else same < len(made) / 10


@pytest.mark.parametrize(
    ("kind", "mask"), [("VARCHAR", "hmac"), ("UUID", "hmac"), ("BIGINT", "integer-hmac")], ids=str
)
def test_a_foreign_key_holds_under_the_mask_of_its_key(kind: str, mask: Any) -> None:
    keys = list(dict.fromkeys(drawn(kind, 7)[:300]))
    draw = random.Random(8)
    rows = [(draw.choice(keys), n) for n in range(500)]
    rule = {"class": "personal", "mask": mask}
    rules = {"customer": rule, "n": {"class": "internal"}}
    near = run(rows, {"customer": kind, "n": "INTEGER"}, rules, KEY)
    far = dict(zip(keys, one(keys, kind, mask), strict=True))
    assert [masked for masked, _ in near] == [far[key] for key, _ in rows]
