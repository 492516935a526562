"""A look at a live source: what leaves the reading process are types, keys and counts."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sandbox.core.connection import Sqlite
from sandbox.core.drafted import as_source, sorted_out
from sandbox.core.drafting import drafted
from sandbox.core.errors import InvalidInput
from sandbox.core.faults import source_faults
from sandbox.core.names import FAMILIES, GIVEN
from sandbox.core.source import Owners, Source
from sandbox.core.survey import Survey
from sandbox.drivers.sources.reader import CoreReader
from sandbox.drivers.sources.survey import MOST_ROWS
from tests.fakes import Said

OWNERS = Owners(extract="it-data", transform="it-data")
ROWS = 400


def source() -> Source:
    return as_source("shop", Sqlite(type="sqlite", file="shop.db"), OWNERS, {})


TABLES = (
    "CREATE TABLE people (id INTEGER PRIMARY KEY, 氏名 TEXT, mail TEXT UNIQUE, note TEXT, "
    "kind TEXT, empty TEXT, born DATE)",
    'CREATE TABLE "the ""buys""" (who INTEGER REFERENCES people(id), amount DOUBLE)',
    "CREATE TABLE unused (phone TEXT)",
    "CREATE TABLE many AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
    f"WHERE i < {MOST_ROWS + 5}) SELECT i, 'x' || i AS t FROM n",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("survey")
    with closing(sqlite3.connect(folder / "shop.db")) as con, con:
        for table in TABLES:
            con.execute(table)
        people = map(person, range(ROWS))
        con.executemany("INSERT INTO people VALUES (?, ?, ?, ?, ?, NULL, ?)", people)
        buys = ((n % 7,) for n in range(30))
        con.executemany('INSERT INTO "the ""buys""" VALUES (?, 1.5)', buys)
    return folder


def person(n: int) -> tuple[object, ...]:
    name = f"{FAMILIES[n % 50].kanji} {GIVEN[n % 60].kanji}"
    note = f"連絡は 090-0123-{n:04d} まで" if n % 4 == 0 else "特になし"
    return n, name, f"secret-{n}@example.jp", note, "abc"[n % 3], f"19{n % 60 + 40}-03-04"


@pytest.fixture(scope="module")
def survey(home: Path) -> Survey:
    return CoreReader(home).survey(source(), "", (), Said())


def test_types_keys_and_counts_are_those_of_the_source(survey: Survey) -> None:
    tables = {table.name: table for table in survey.tables}
    assert set(tables) == {"people", 'the "buys"', "unused", "many"}
    assert tables["people"].rows == ROWS
    assert tables["many"].rows == MOST_ROWS
    assert tables["unused"].rows == 0
    columns = {c.name: c for c in tables["people"].columns}
    assert list(columns) == ["id", "氏名", "mail", "note", "kind", "empty", "born"]
    assert (columns["kind"].values, columns["kind"].different) == (ROWS, 3)
    assert columns["empty"].values == 0
    assert {str(key) for key in survey.unique} >= {"people(mail)"}
    assert [str(r) for r in survey.references] == ['the "buys"(who) in people(id)']


def test_detectors_speak_in_counts(survey: Survey) -> None:
    people = next(table for table in survey.tables if table.name == "people")
    found = {c.name: {s.detector: s.count for s in c.suspicions} for c in people.columns}
    assert found["mail"] == {"mail": ROWS}
    assert found["氏名"] == {"name-kanji": ROWS}
    assert found["note"] == {"phone-jp": ROWS / 4}
    assert found["kind"] == {}
    told = survey.model_dump_json()
    assert "secret-" not in told
    assert FAMILIES[1].kanji not in told


def test_a_draft_of_it_is_a_source(survey: Survey) -> None:
    connection = source().connection
    kept, left = sorted_out("shop", connection, OWNERS, drafted(survey))
    made = as_source("shop", connection, OWNERS, kept)
    assert source_faults(made) == []
    assert left == {}
    methods = {
        f"{t}.{c}": r.mask.method for t, x in made.tables.items() for c, r in x.columns.items()
    }
    assert methods["people.mail"] == "fake-mail"
    assert methods["people.氏名"] == "fake-name"
    assert methods["people.note"] == "redact"
    assert methods["people.kind"] == "null"
    assert methods["people.id"] == methods['the "buys".who'] == "integer-hmac"


def test_only_wanted_tables_are_looked_at(home: Path) -> None:
    found = CoreReader(home).survey(source(), "", ("unused",), Said())
    assert [table.name for table in found.tables] == ["unused"]
    with pytest.raises(InvalidInput, match="Did you mean people"):
        CoreReader(home).survey(source(), "", ("peoples",), Said())
