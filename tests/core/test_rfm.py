"""The logic of the template segment-rfm, on small tables and on the whole of CDNOW."""

import importlib.util
import sys
from collections.abc import Iterable, Sequence
from datetime import date
from functools import cache
from importlib.metadata import distribution
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import pytest
import yaml

from sandbox.core.errors import InvalidInput
from sandbox.core.template import Template, resolve_parameters

FOLDER = Path(__file__).parents[2] / "templates" / "segment-rfm"
AS_OF = date(2026, 3, 31)
FEW = 3  # bins; their scores are bound one by one, which is most of a filling's time

Row = tuple[str | None, str, float | None]


def load_rfm() -> ModuleType:
    """Load the file that is shipped: it is no package, it lives inside the image."""
    spec = importlib.util.spec_from_file_location("rfm", FOLDER / "workspace" / "rfm.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["rfm"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


rfm: Any = load_rfm()


def connect(rows: Iterable[Row]) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(config={"threads": 1})
    con.execute("ATTACH ':memory:' AS core; ATTACH ':memory:' AS lab")
    con.execute(
        "CREATE TABLE core.purchases "
        "(customer_id TEXT, purchased_on DATE, quantity INTEGER, amount DECIMAL(10, 2))"
    )
    # As text: DuckDB takes half a millisecond for each value that is bound.
    values = ", ".join(f"({literal(c)}, {literal(d)}, 1, {literal(a)})" for c, d, a in rows)
    if values:
        con.execute(f"INSERT INTO core.purchases VALUES {values}")
    return con


def literal(value: str | float | None) -> str:
    return "NULL" if value is None else f"'{value}'"


def segments(con: duckdb.DuckDBPyConnection) -> dict[str, tuple[Any, ...]]:
    rows = con.execute("FROM lab.segments ORDER BY customer_id").fetchall()
    return {row[0]: row[1:] for row in rows}


FIVE: list[Row] = [
    ("a", "2026-03-31", 100), ("a", "2026-03-01", 100), ("a", "2026-02-01", 100),
    ("b", "2026-03-20", 50), ("b", "2026-03-20", 50), ("b", "2026-01-01", 30),
    ("c", "2026-03-10", 5),
    ("d", "2025-12-01", 20),
    ("e", "2025-10-01", 10),
]  # fmt: skip


def test_measures_and_scores_of_five_customers() -> None:
    con = connect(FIVE)
    assert rfm.fill(con, rfm.Choice(AS_OF, 365, 5)) == 5
    # Days since the last purchase; days with a purchase (two on one day count once); value; r f m.
    assert segments(con) == {
        "a": (0, 3, 300, 5, 5, 5, "champions"),
        "b": (11, 2, 130, 4, 4, 4, "loyal"),
        "c": (21, 1, 5, 3, 1, 1, "fading"),
        "d": (120, 1, 20, 2, 1, 3, "lapsed"),
        "e": (181, 1, 10, 1, 1, 2, "lapsed"),
    }


def test_the_table_has_the_promised_columns() -> None:
    con = connect(FIVE)
    rfm.fill(con, rfm.Choice(AS_OF, 365, 3))
    columns = con.execute("DESCRIBE lab.segments").fetchall()
    assert [(c[0], c[1]) for c in columns] == [
        ("customer_id", "VARCHAR"), ("recency_days", "INTEGER"), ("frequency", "INTEGER"),
        ("value", "DECIMAL(18,2)"), ("r", "INTEGER"), ("f", "INTEGER"), ("m", "INTEGER"),
        ("segment", "VARCHAR"),
    ]  # fmt: skip
    # Two who fill an empty lab at the same moment must not both succeed.
    assert [c[0] for c in columns if c[3] == "PRI"] == ["customer_id"]


@pytest.mark.parametrize(
    ("window_days", "customers"),
    [(1, "a"), (11, "a"), (12, "ab"), (121, "abcd"), (120, "abc"), (182, "abcde")],
)
def test_the_window_ends_with_its_last_day_and_has_its_length(
    window_days: int, customers: str
) -> None:
    con = connect(FIVE)
    assert rfm.fill(con, rfm.Choice(AS_OF, window_days, FEW)) == len(customers)
    assert "".join(segments(con)) == customers


def test_purchases_after_as_of_do_not_count() -> None:
    con = connect(FIVE)
    rfm.fill(con, rfm.Choice(date(2026, 3, 15), 365, FEW))
    assert segments(con)["a"][:3] == (14, 2, 200)


def test_equal_behaviour_gives_equal_scores_whatever_the_token_and_the_order() -> None:
    rows: Sequence[Row] = [(c, "2026-03-01", 10) for c in "zyxwvut"] + [("s", "2026-03-30", 99)]
    choice = rfm.Choice(AS_OF, 365, FEW)
    one, other = connect(rows), connect((f"t{ord(str(c))}", d, a) for c, d, a in reversed(rows))
    rfm.fill(one, choice)
    rfm.fill(other, choice)
    assert len({row for customer, row in segments(one).items() if customer != "s"}) == 1
    renamed = {f"t{ord(customer)}": row for customer, row in segments(one).items()}
    assert renamed == segments(other)


def test_purchases_without_customer_or_amount_do_no_harm() -> None:
    con = connect([*FIVE, (None, "2026-03-01", 7), ("f", "2026-03-30", None)])
    assert rfm.fill(con, rfm.Choice(AS_OF, 365, FEW)) == 6
    assert segments(con)["f"][2] == 0
    assert segments(con)["f"][5] == 1


def test_filling_again_replaces_everything() -> None:
    con = connect(FIVE)
    rfm.fill(con, rfm.Choice(AS_OF, 365, FEW))
    rfm.fill(con, rfm.Choice(AS_OF, 12, FEW))
    assert "".join(segments(con)) == "ab"


def test_an_empty_window_says_so_and_keeps_the_table() -> None:
    con = connect(FIVE)
    rfm.fill(con, rfm.Choice(AS_OF, 365, FEW))
    before = segments(con)
    with pytest.raises(ValueError, match="between 2020-03-02 and 2020-03-31"):
        rfm.fill(con, rfm.Choice(date(2020, 3, 31), 30, FEW))
    assert segments(con) == before


def test_a_lab_that_refuses_is_an_error_and_keeps_the_table() -> None:
    con = connect(FIVE)
    con.execute("CREATE TABLE lab.segments AS SELECT 1 AS mine")
    with pytest.raises(duckdb.Error):
        rfm.replace(con, rfm.Choice(AS_OF, 365, FEW))  # what `fill` tries a few times
    assert con.execute("FROM lab.segments").fetchall() == [(1,)]


@pytest.mark.parametrize(
    ("r", "f", "m", "bins", "expected"),
    [
        (5, 5, 5, 5, "champions"), (5, 4, 4, 5, "champions"), (5, 4, 3, 5, "promising"),
        (5, 1, 1, 5, "promising"), (4, 4, 4, 5, "loyal"), (3, 5, 3, 5, "loyal"),
        (4, 4, 3, 5, "fading"), (3, 1, 1, 5, "fading"), (2, 5, 5, 5, "at-risk"),
        (1, 3, 3, 5, "at-risk"), (2, 3, 2, 5, "lapsed"), (1, 1, 1, 5, "lapsed"),
        (4, 4, 3, 4, "champions"), (3, 4, 4, 4, "loyal"), (2, 3, 2, 4, "at-risk"),
        (2, 2, 2, 4, "lapsed"), (4, 3, 3, 4, "promising"), (3, 3, 2, 3, "champions"),
        (2, 2, 2, 3, "fading"),
        (1, 2, 2, 3, "at-risk"), (1, 2, 1, 3, "lapsed"),
    ],
)  # fmt: skip
def test_segment_of(r: int, f: int, m: int, bins: int, expected: str) -> None:
    assert rfm.segment_of(r, f, m, bins) == expected


@pytest.mark.parametrize("bins", [3, 4, 5])
def test_every_score_has_a_segment_and_every_segment_a_score(bins: int) -> None:
    scores = range(1, bins + 1)
    found = {rfm.segment_of(r, f, m, bins) for r, f, m in product(scores, repeat=3)}
    assert found == {segment.id for segment in rfm.SEGMENTS}


def test_summary_in_reading_order_adds_up() -> None:
    con = connect(FIVE)
    rfm.fill(con, rfm.Choice(AS_OF, 365, 5))
    rows = rfm.summary(con)
    assert [row["segment"] for row in rows] == ["champions", "loyal", "fading", "lapsed"]
    assert rows[-1] | {"revenue_percent": 0} == {
        "segment": "lapsed", "customers": 2, "customers_percent": 40, "recency_days": 150.5,
        "frequency": 1, "value": 15, "revenue": 30, "revenue_percent": 0,
    }  # fmt: skip
    assert sum(row["revenue_percent"] for row in rows) == pytest.approx(100)


def test_summary_of_customers_who_spent_nothing_divides_by_nothing() -> None:
    con = connect([("a", "2026-03-01", 0)])
    rfm.fill(con, rfm.Choice(AS_OF, 365, FEW))
    assert [row["revenue_percent"] for row in rfm.summary(con)] == [0]


def test_choose_takes_the_newest_day_unless_told() -> None:
    parameters = {"bins": 4, "window_days": 90, "as_of": ""}
    assert rfm.choose(parameters, AS_OF) == rfm.Choice(AS_OF, 90, 4)
    told = rfm.choose(parameters | {"as_of": "2026-01-31"}, AS_OF)
    assert told == rfm.Choice(date(2026, 1, 31), 90, 4)
    with pytest.raises(ValueError, match="2026-02-30"):
        rfm.choose(parameters | {"as_of": "2026-02-30"}, AS_OF)


def test_no_purchases_at_all() -> None:
    with pytest.raises(ValueError, match="empty"):
        rfm.days(connect([]))


def test_known_answer_on_cdnow() -> None:
    """All 69,659 purchases of 23,570 customers, 1997-01-01 to 1998-06-30."""
    files = distribution("lifetimes").files or []
    path = next(Path(str(f.locate())) for f in files if f.name == "CDNOW_master.txt")
    con = connect([])
    con.execute(
        "INSERT INTO core.purchases SELECT p[1], strptime(p[2], '%Y%m%d'), p[3], p[4] FROM ("
        "SELECT string_split_regex(trim(line), ' +') AS p FROM "
        "read_csv(?, columns = {'line': 'TEXT'}, header = true, delim = '\t'))",
        [str(path)],
    )
    first, last = rfm.days(con)
    assert (first, last) == (date(1997, 1, 1), date(1998, 6, 30))
    parameters = resolve_parameters(template(), {})
    choice = rfm.choose(parameters, last)
    assert choice.first == first
    assert rfm.fill(con, choice) == 23570
    rows = {row["segment"]: row for row in rfm.summary(con)}
    assert {name: row["customers"] for name, row in rows.items()} == {
        "champions": 3906, "loyal": 2982, "promising": 795,
        "fading": 6440, "at-risk": 729, "lapsed": 8718,
    }  # fmt: skip
    assert float(sum(row["revenue"] for row in rows.values())) == 2500315.63


@cache
def template() -> Template:
    return Template.model_validate(yaml.safe_load((FOLDER / "template.yaml").read_text("utf-8")))


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"bins": "2"}, "from 3 to 5"),
        ({"bins": "6"}, "from 3 to 5"),
        ({"window_days": "29"}, "from 30 to 730"),
        ({"window_days": "731"}, "from 30 to 730"),
        ({"window_days": "30.5"}, "from 30 to 730"),
        ({"as_of": "yesterday"}, "as_of is a day"),
        ({"as_of": "1998-13-01"}, "as_of is a day"),
        ({"as_of": "1998-06-30; DROP"}, "as_of is a day"),
    ],
)
def test_parameters_out_of_bounds_get_the_authors_words(given: dict[str, str], error: str) -> None:
    with pytest.raises(InvalidInput, match=error):
        resolve_parameters(template(), given)


def test_parameters_at_their_bounds() -> None:
    given = {"bins": "3", "window_days": "730", "as_of": "1998-06-30"}
    assert resolve_parameters(template(), given) == {
        "bins": 3, "window_days": 730, "as_of": "1998-06-30",
    }  # fmt: skip
