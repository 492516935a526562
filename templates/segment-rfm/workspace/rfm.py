"""Recency, frequency and value of every customer, and the segment that follows from them.

Read this file to see how a segment comes about; run it to fill `lab.segments` without the page.
"""

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import product
from typing import Any

import duckdb


@dataclass(frozen=True)
class Segment:
    """A group of customers who behave alike, in the words of marketing."""

    id: str
    en: str
    ja: str
    meaning_en: str
    meaning_ja: str


ATTEMPTS = 6

# In the order in which a reader wants them: from the most active to the least.
SEGMENTS = (
    Segment("champions", "Champions", "優良顧客", "bought lately, often and much",
            "最近も、何度も、多く購入"),
    Segment("loyal", "Loyal", "常連", "buys often and much, not quite lately",
            "何度も多く購入、少し間が空いた"),
    Segment("promising", "Promising", "有望", "bought lately, little so far",
            "最近購入、まだ回数や金額は少ない"),
    Segment("fading", "Fading", "様子見", "little so far, and some time ago",
            "購入は少なめ、しばらく前"),
    Segment("at-risk", "At risk", "離反予備軍", "used to buy, has been silent for long",
            "以前は購入、長く音沙汰なし"),
    Segment("lapsed", "Lapsed", "休眠", "bought little, long ago",
            "購入は少なく、かなり前"),
)  # fmt: skip

# Rows: how recent (1 long ago, 3 lately). Columns: how much and how often (1 little, 3 much).
GRID = {
    3: ("promising", "promising", "champions"),
    2: ("fading", "fading", "loyal"),
    1: ("lapsed", "at-risk", "at-risk"),
}

# A score is 1 plus the number of bins that lie wholly below a customer, counted by rank: whoever
# behaved alike gets the same score, so the result depends neither on row order nor on the tokens
# that stand for customers.
SCORES = """
WITH bought AS (
    SELECT customer_id, CAST(purchased_on AS DATE) AS day, amount
    FROM core.purchases
    WHERE day BETWEEN $first AND $as_of AND customer_id IS NOT NULL
), measured AS (
    SELECT customer_id,
           date_diff('day', max(day), $as_of) AS recency_days,
           count(DISTINCT day) AS frequency,
           coalesce(sum(amount), 0) AS value
    FROM bought
    GROUP BY customer_id
), scored AS (
    SELECT *,
           1 + $bins * (rank() OVER (ORDER BY recency_days DESC) - 1) // count(*) OVER () AS r,
           1 + $bins * (rank() OVER (ORDER BY frequency) - 1) // count(*) OVER () AS f,
           1 + $bins * (rank() OVER (ORDER BY value) - 1) // count(*) OVER () AS m
    FROM measured
), named AS (
    SELECT unnest($named, recursive := true)
)
SELECT customer_id, recency_days, frequency, value, r, f, m, segment
FROM scored JOIN named USING (r, f, m)
ORDER BY customer_id
"""

TABLE = """
CREATE TABLE IF NOT EXISTS lab.segments (
    customer_id TEXT PRIMARY KEY,
    recency_days INTEGER,
    frequency INTEGER,
    value DECIMAL(18, 2),
    r INTEGER,
    f INTEGER,
    m INTEGER,
    segment TEXT
)
"""

SUMMARY = """
SELECT segment,
       count(*) AS customers,
       100.0 * count(*) / sum(count(*)) OVER () AS customers_percent,
       avg(recency_days) AS recency_days,
       avg(frequency) AS frequency,
       avg(value) AS value,
       sum(value) AS revenue,
       coalesce(100.0 * sum(value) / nullif(sum(sum(value)) OVER (), 0), 0) AS revenue_percent
FROM lab.segments
GROUP BY segment
"""


DAYS = "SELECT min(purchased_on)::DATE, max(purchased_on)::DATE FROM core.purchases"


@dataclass(frozen=True)
class Choice:
    """What is measured: purchases of the last `window_days` days up to and with `as_of`."""

    as_of: date
    window_days: int
    bins: int

    @property
    def first(self) -> date:
        """The first day of the window."""
        return self.as_of - timedelta(days=self.window_days - 1)


def choose(parameters: Mapping[str, Any], last: date) -> Choice:
    """Return the choice in `parameters`; `as_of` left empty means `last`, the newest purchase.

    Raises ValueError when `as_of` is no day of the calendar.
    """
    text = str(parameters.get("as_of", ""))
    try:
        as_of = date.fromisoformat(text) if text else last
    except ValueError:
        raise ValueError(
            f"as_of: {text} is no day. / as_of: {text} という日はありません。"
        ) from None
    return Choice(as_of, int(parameters["window_days"]), int(parameters["bins"]))


def recency_level(r: int, bins: int) -> int:
    """Return 3 for the best score, 1 for the lower half of the scores, else 2."""
    return 3 if r == bins else 1 if 2 * r <= bins else 2


def worth_level(f: int, m: int, bins: int) -> int:
    """Return 3 when the mean of both scores lies over three quarters of the scale, 1 when it
    lies in the lower half, else 2."""
    return 3 if 2 * (f + m) > 3 * bins else 1 if f + m <= bins else 2


def segment_of(r: int, f: int, m: int, bins: int) -> str:
    """Return the id of the segment for three scores between 1 and `bins`."""
    return GRID[recency_level(r, bins)][worth_level(f, m, bins) - 1]


def days(con: duckdb.DuckDBPyConnection) -> tuple[date, date]:
    """Return the first and the last day with a purchase. Raises ValueError when there is none."""
    row = con.execute(DAYS).fetchone()
    if row is None or row[1] is None:
        raise ValueError("core.purchases is empty. / core.purchases に購入がありません。")
    return row[0], row[1]


def fill(con: duckdb.DuckDBPyConnection, choice: Choice) -> int:
    """Replace `lab.segments` as a whole and return its number of customers.

    Who reads meanwhile sees the old table. Raises ValueError when no purchase lies in the window,
    and duckdb.Error when the lab refuses; the table is then as it was.
    """
    for attempt in range(1, ATTEMPTS):
        try:
            return replace(con, choice)
        except duckdb.Error:
            # The page and the program may fill at the same time: PostgreSQL lets one win.
            time.sleep(0.1 * attempt)
    return replace(con, choice)


def replace(con: duckdb.DuckDBPyConnection, choice: Choice) -> int:
    """Do what `fill` does, once."""
    con.begin()
    try:
        con.execute(TABLE)
        # Not DROP and CREATE: whoever reads meanwhile would find the new table empty.
        con.execute("DELETE FROM lab.segments")
        fill_in = f"INSERT INTO lab.segments BY NAME {SCORES}"
        row = con.execute(fill_in, values(choice)).fetchone()
        count = int(row[0]) if row else 0
        if count == 0:
            raise ValueError(
                f"No purchase lies between {choice.first} and {choice.as_of}. "
                f"/ {choice.first} から {choice.as_of} の間に購入がありません。"
            )
        con.commit()
    except BaseException:
        con.rollback()
        raise
    return count


def values(choice: Choice) -> dict[str, Any]:
    """Return what SCORES needs: the window, the bins, and the segment of every three scores."""
    scores = range(1, choice.bins + 1)
    named = [
        {"r": r, "f": f, "m": m, "segment": segment_of(r, f, m, choice.bins)}
        for r, f, m in product(scores, repeat=3)
    ]
    return {"first": choice.first, "as_of": choice.as_of, "bins": choice.bins, "named": named}


def summary(con: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Return one row per segment of `lab.segments` that has customers, most active first."""
    result = con.execute(SUMMARY)
    names = [column[0] for column in result.description or []]
    rows = {row[0]: dict(zip(names, row, strict=True)) for row in result.fetchall()}
    return [rows[segment.id] for segment in SEGMENTS if segment.id in rows]


def main() -> int:
    """Fill `lab.segments` from the sandbox's parameters and print what came out, as JSON."""
    import sandbox_kit  # exists only inside a sandbox

    con = sandbox_kit.connect()
    try:
        choice = choose(sandbox_kit.parameters(), days(con)[1])
        customers = fill(con, choice)
    except (ValueError, duckdb.Error) as reason:
        # The end of a database's message says why; its start may repeat a long statement.
        print(" ".join(str(reason).split())[-500:], file=sys.stderr)
        return 1
    result = {
        "as_of": choice.as_of,
        "first_day": choice.first,
        "bins": choice.bins,
        "customers": customers,
        "segments": {row["segment"]: row["customers"] for row in summary(con)},
    }
    print(json.dumps(result, default=str))
    return 0


if __name__ == "__main__":
    sys.exit(main())
