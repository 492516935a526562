"""Rows that stay behind, on a real PostgreSQL: no orphan arrives, nor anybody who stands alone."""

from pathlib import Path
from typing import Any

import pytest

from tests.docker.source_samples import build, changed, rows, source_of

pytestmark = pytest.mark.docker

KEEP = {"class": "internal"}
TOKEN = {"class": "personal", "mask": {"method": "hmac", "prefix": "p_"}}
NUMBER = {"class": "personal", "mask": "integer-hmac"}
YEAR = {"class": "quasi-identifier", "mask": {"method": "generalise", "to": "year"}}
THERE = """
CREATE TABLE shops (id int PRIMARY KEY, part_of int REFERENCES shops, region text);
CREATE TABLE people (id text PRIMARY KEY, shop int REFERENCES shops, born date, sex text);
CREATE TABLE visits (n int, person text REFERENCES people, shop int REFERENCES shops,
  PRIMARY KEY (n, shop));
CREATE TABLE notes (n int, shop int, said text, FOREIGN KEY (n, shop) REFERENCES visits (n, shop));
CREATE TABLE marks (person text, mark int);
INSERT INTO shops SELECT n, CASE WHEN n > 10 THEN n / 10 END,
  CASE WHEN n % 4 = 0 THEN 'west' ELSE 'east' END FROM generate_series(1, 300) n;
INSERT INTO people SELECT 'K' || n, 1 + n % 300, date '1950-01-01' + n, CASE n % 2 WHEN 0 THEN 'm'
  ELSE 'f' END FROM generate_series(1, 5000) n;
INSERT INTO people VALUES ('alone', 1, '1901-07-07', 'f');
INSERT INTO visits SELECT n, CASE WHEN n % 50 > 0 THEN 'K' || (1 + n % 5000) END, 1 + n % 300
  FROM generate_series(1, 40000) n;
INSERT INTO visits VALUES (40001, 'alone', 1);
INSERT INTO notes SELECT n, shop, 'said ' || n FROM visits WHERE n % 3 = 0;
INSERT INTO notes VALUES (NULL, 7, 'leads nowhere');
INSERT INTO marks SELECT id, 1 FROM people UNION ALL SELECT 'alone', 2;
GRANT SELECT ON shops, people, visits, notes, marks TO core_reader
"""
GONE = "DROP TABLE marks; DROP TABLE notes; DROP TABLE visits; DROP TABLE people; DROP TABLE shops"
# What must arrive, said in the source's own SQL.
KEPT = """
WITH RECURSIVE shop AS (
  SELECT id FROM shops WHERE region = 'east' AND part_of IS NULL
  UNION SELECT shops.id FROM shops JOIN shop ON part_of = shop.id WHERE region = 'east'
), near AS (SELECT * FROM people WHERE shop IN (SELECT id FROM shop)),
person AS (SELECT * FROM (SELECT *, count(*) OVER (PARTITION BY date_part('year', born), sex) AS k
  FROM near) AS each WHERE k >= 20),
visit AS (SELECT * FROM visits WHERE shop IN (SELECT id FROM shop)
  AND (person IS NULL OR person IN (SELECT id FROM person)))
SELECT concat_ws(' ', (SELECT count(*) FROM shop), (SELECT count(*) FROM person),
  (SELECT count(*) FROM visit), (SELECT count(*) FROM notes WHERE n IS NULL OR (n, shop) IN
  (SELECT n, shop FROM visit)), (SELECT count(*) FROM marks WHERE person IN
  (SELECT id FROM person)), (SELECT count(*) FROM near) - (SELECT count(*) FROM person))
"""
TABLES: dict[str, Any] = {
    "notes": {"columns": {"n": KEEP, "shop": NUMBER, "said": {"class": "personal"}}},
    "visits": {"columns": {"n": KEEP, "person": TOKEN, "shop": NUMBER}},
    "marks": {"columns": {"person": TOKEN, "mark": KEEP}, "references": {"person": "people.id"}},
    "people": {
        "columns": {"id": TOKEN, "shop": NUMBER, "born": YEAR, "sex": KEEP},
        "quasi": ["born", "sex"],
        "k": 20,
    },
    "shops": {"columns": {"id": NUMBER, "part_of": NUMBER, "region": KEEP},
              "where": {"region": "east"}},
}  # fmt: skip
ORPHANS = (
    "SELECT count(*) FROM visits WHERE person IS NOT NULL AND person NOT IN (SELECT id FROM people)"
    " OR shop NOT IN (SELECT id FROM shops)",
    "SELECT count(*) FROM people WHERE shop NOT IN (SELECT id FROM shops)",
    "SELECT count(*) FROM shops AS one WHERE part_of IS NOT NULL AND part_of NOT IN "
    "(SELECT id FROM shops)",
    "SELECT count(*) FROM marks WHERE person NOT IN (SELECT id FROM people)",
    "SELECT count(*) FROM notes WHERE n IS NOT NULL AND (n, shop) NOT IN "
    "(SELECT (n, shop) FROM visits)",
)


def test_what_leads_elsewhere_and_who_stands_alone_stay_behind(
    demo_core: Any, tmp_path: Path
) -> None:
    target = tmp_path / "x.duckdb"
    with changed(demo_core, THERE, GONE):
        source = source_of(demo_core)
        source = type(source).model_validate(source.model_dump(by_alias=True) | {"tables": TABLES})
        wanted = [int(n) for n in demo_core.psql(KEPT).split()]
        built = build(demo_core, target, source)
    tables = {table.name: table for table in built.tables}
    names = ("shops", "people", "visits", "notes", "marks")
    assert [tables[name].rows for name in names] == wanted[:5]
    assert all(tables[name].rows > 0 for name in names)
    assert tables["people"].suppressed == wanted[5] > 0
    assert [rows(target, query)[0][0] for query in ORPHANS] == [0] * len(ORPHANS)
    (hidden,) = built.gate.anonymity
    assert (hidden.table, hidden.few) == ("people", 0)
    assert hidden.k >= 20
    smallest = "SELECT min(n) FROM (SELECT count(*) AS n FROM people GROUP BY born, sex)"
    assert rows(target, smallest) == [(hidden.k,)]
    # Each reference says how many rows it left out; the gate holds them all.
    told = {left.because: left.rows for table in built.tables for left in table.left_out}
    assert told.keys() == {str(r) for r in built.gate.relations.references}
    assert told["marks(person) in people(id)"] > told["people(shop) in shops(id)"] > 0
    assert built.gate.relations.given_up == ()
    assert rows(target, "SELECT count(*) FROM people WHERE year(born) < 1950") == [(0,)]
