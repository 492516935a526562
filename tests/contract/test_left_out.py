"""A whole build of an SQLite file: no orphan arrives, nobody stands alone, and all that is told."""

import sqlite3
from pathlib import Path
from typing import Any

import duckdb
import pytest

from sandbox.core.source import Source
from sandbox.drivers.sources.connection import SNAPSHOT, connected
from sandbox.drivers.sources.kinds import dialect_of
from sandbox.drivers.sources.reader import CoreReader
from sandbox.drivers.sources.stream import Meter, copy_tables
from tests.fakes import Said

KEY = bytes(range(32))
KEEP = {"class": "internal"}
TOKEN = {"class": "personal", "mask": "hmac"}
THERE = """
CREATE TABLE shops (id INTEGER PRIMARY KEY, part_of INTEGER REFERENCES shops (id), region TEXT);
CREATE TABLE people (id TEXT PRIMARY KEY, shop INTEGER REFERENCES shops (id), born INTEGER);
CREATE TABLE visits (person TEXT, day INTEGER);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) INSERT INTO shops
  SELECT i, CASE WHEN i > 10 THEN i / 10 END, CASE WHEN i % 4 = 0 THEN 'w' ELSE 'e' END FROM n;
INSERT INTO people SELECT 'K' || id, id, 1950 + id % 5 FROM shops;
INSERT INTO people VALUES ('alone', 1, 1901);
INSERT INTO visits SELECT id, 7 FROM people UNION ALL SELECT NULL, 8;
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    con = sqlite3.connect(tmp_path / "shop.db")
    con.executescript(THERE)
    con.close()
    return tmp_path


def source(**visits: Any) -> Source:
    return Source.model_validate(
        {
            "apiVersion": "sandbox.source/v1",
            "kind": "Source",
            "metadata": {"name": "shop"},
            "connection": {"type": "sqlite", "file": "shop.db"},
            "owners": {"extract": "it", "transform": "it"},
            "tables": {
                "visits": {
                    "columns": {"person": TOKEN, "day": KEEP},
                    "references": {"person": "people.id"},
                    **visits,
                },
                "people": {
                    "columns": {"id": TOKEN, "shop": KEEP, "born": KEEP},
                    "quasi": ["born"],
                    "k": 5,
                },
                "shops": {
                    "columns": {"id": KEEP, "part_of": KEEP, "region": KEEP},
                    "where": {"region": "e"},
                },
            },
        }
    )


def test_a_build_leaves_out_what_leads_elsewhere_and_counts_it(home: Path) -> None:
    file = home / "shop.duckdb"
    built = CoreReader(home).copy(source(), "", KEY, file, Said())
    there = {i for i in range(1, 101) if i % 4}
    while gone := {i for i in there if i > 10 and i // 10 not in there}:
        there -= gone
    tables = {t.name: t for t in built.tables}
    assert {n: t.rows for n, t in tables.items()} == {
        "shops": len(there), "people": len(there), "visits": len(there) + 1,
    }  # fmt: skip
    assert tables["people"].suppressed == 1
    assert {left.because: left.rows for t in built.tables for left in t.left_out} == {
        "shops(part_of) in shops(id)": 75 - len(there),
        "people(shop) in shops(id)": 100 - len(there),
        "visits(person) in people(id)": 101 - len(there),
    }
    (counted,) = built.gate.anonymity
    with duckdb.connect(str(file), read_only=True) as con:
        found = con.execute("SELECT count(*) FROM people GROUP BY born").fetchall()
    assert (counted.k, counted.groups) == (min(found)[0], len(found))


def test_what_is_read_in_parts_arrives_whole(home: Path) -> None:
    """As if there were more keys than memory: each part is a pass of its own."""
    con, made = connected(), source()
    dialect = dialect_of(made, home)
    dialect.attach(con, "")
    con.execute(f"ATTACH '{home / 'parts.duckdb'}' AS {SNAPSHOT}")
    as_of, meter = dialect.begin(con), Meter(lambda *_: None)
    copies, known = copy_tables(con, dialect, made, KEY, as_of, meter, at_once=9)
    whole = CoreReader(home).copy(made, "", KEY, home / "whole.duckdb", Said())
    assert [t.rows for t in copies] == [t.rows for t in whole.tables]
    assert [t.left_out for t in copies] == [t.left_out for t in whole.tables]
    con.execute(f"ATTACH '{home / 'whole.duckdb'}' AS whole; ATTACH '{home / 'parts.duckdb'}' AS p")
    for name in made.tables:
        differ = f"SELECT * FROM whole.{name} EXCEPT ALL SELECT * FROM p.{name}"
        assert con.execute(differ).fetchall() == []
    assert known.relations == whole.gate.relations
    con.close()


def test_what_the_file_lets_go_is_copied_and_told(home: Path) -> None:
    built = CoreReader(home).copy(source(orphans=["person"]), "", KEY, home / "s.duckdb", Said())
    (visits,) = [t for t in built.tables if t.name == "visits"]
    assert (visits.rows, visits.left_out) == (102, ())
    assert built.gate.relations.given_up == (
        "visits(person) in people(id) holds no longer: only some rows of people are copied",
    )
