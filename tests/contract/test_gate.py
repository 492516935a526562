"""The leak gate on files: each way of judging finds its leak, and nothing in what is clean."""

from typing import Any

import duckdb
import pytest

from sandbox.core.leaks import GateReport
from sandbox.core.places import places
from sandbox.core.source import Table
from sandbox.drivers.sources.connection import quoted
from sandbox.drivers.sources.proof import Proof, proved_select
from sandbox.drivers.sources.real import real_values
from tests.contract.gate_bench import Bench

REASON = "Agreed with the data owner on 2026-11-20"


def told(report: GateReport) -> list[tuple[str, str, int]]:
    return [(leak.column, leak.detector, leak.count) for leak in report.leaks]


SHOP = (
    "i AS id, 'p' || i || '@real.example' AS mail, '佐藤 花子' AS name, 'order ' || i AS note, "
    "'090-1234-' || lpad(i::text, 4, '0') AS phone, DATE '1980-05-05' + i::int AS born, "
    '\'{"plan":"gold","mail":"j\' || i || \'@real.example","items":[{"price":1,'
    '"who":"x\' || i || \'@y.example"},{"price":2}]}\' AS profile'
)
PATHS = {
    "$.plan": {"class": "internal"},
    "$.mail": {"class": "contact", "mask": "fake-mail"},
    "$.items[*].price": {"class": "internal"},
    "$.items[*].who": {"class": "contact", "mask": "fake-mail"},
}
COLUMNS: dict[str, Any] = {
    "id": {"class": "personal", "mask": "integer-hmac"},
    "mail": {"class": "contact", "mask": "fake-mail"},
    "name": {"class": "personal", "mask": {"method": "fake-name", "by": "id"}},
    "note": {"class": "internal", "mask": "keep"},
    "phone": {"class": "contact", "mask": "fake-phone"},
    "born": {"class": "personal", "mask": {"method": "shift-dates", "by": "id"}},
    "profile": {"class": "contact", "mask": {"method": "json", "paths": PATHS}},
}


def test_what_is_masked_well_passes(bench: Bench) -> None:
    bench.live(SHOP)
    report = bench.judged(COLUMNS, canaries=("canary-77@nowhere.example",))
    assert report.leaks == ()
    assert report.passed
    assert (report.places, report.canaries) == (10, 1)
    assert report.real_values > 100
    assert "mail" in report.detectors


@pytest.mark.parametrize("column", ["mail", "phone", "name", "born", "id"])
def test_a_mask_that_does_nothing_is_seen_row_by_row(bench: Bench, column: str) -> None:
    bench.live(SHOP)
    columns = {name: COLUMNS[name] for name in dict.fromkeys(("id", column))}
    assert (column, "equal", 200) in told(bench.judged(columns, idle=(column,)))


def test_masks_inside_json_are_proven_too(bench: Bench) -> None:
    bench.live(SHOP)
    found = told(bench.judged({"profile": COLUMNS["profile"]}, idle=("profile",)))
    assert ("profile $.mail", "equal", 200) in found
    assert ("profile $.items[*].who", "equal", 200) in found
    assert ("profile $.mail", "form", 200) in found


def test_a_json_document_holds_the_listed_paths_only(bench: Bench) -> None:
    bench.live('\'{"plan":"gold","extra":"left"}\' AS profile')
    paths = {"$.plan": {"class": "internal"}}
    columns = {"profile": {"class": "internal", "mask": {"method": "json", "paths": paths}}}
    assert told(bench.judged(columns, idle=("profile",))) == [("profile", "form", 200)]


@pytest.mark.parametrize(
    ("value", "detector"),
    [
        ("CASE WHEN i = 7 THEN 'ask a@real.example' ELSE 'order' END", "mail"),
        ("CASE WHEN i = 7 THEN '佐藤花子様' ELSE 'order' END", "name-kanji"),
        ("CASE WHEN i = 7 THEN encode('tel 090-1234-5678') END", "phone-jp"),
        ("[CASE WHEN i = 7 THEN 'tel 090-1234-5678' END]", "phone-jp"),
        ("[CASE WHEN i = 7 THEN encode('佐藤花子様') END, from_hex('ff')]", "name-kanji"),
        ("CASE WHEN i = 7 THEN 123456789018::HUGEINT END", "my-number"),
        ("{'a': CASE WHEN i = 7 THEN '4111 1111 1111 1111' END}", "card"),
        ("CASE WHEN i = 7 THEN 123456789018::DOUBLE END", "my-number"),
        ("CASE WHEN i = 7 THEN 123456789018::DECIMAL(18,2) END", "my-number"),
    ],
)
def test_detectors_read_every_type_that_is_kept(bench: Bench, value: str, detector: str) -> None:
    bench.live(f"{value} AS content")
    columns = {"content": {"class": "internal", "mask": "keep"}}
    assert told(bench.judged(columns)) == [("content", detector, 1)]


def test_labels_of_an_enum_that_no_row_has_are_read(bench: Bench) -> None:
    bench.live("CAST('new' AS ENUM ('new', 'ask a@real.example')) AS state")
    found = bench.judged({"state": {"class": "internal", "mask": "keep"}})
    assert told(found) == [("state", "mail", 1)]
    assert found.leaks[0].because == "its type"


@pytest.mark.parametrize(
    ("planted", "because"),
    [
        ("COMMENT ON TABLE snapshot.t IS 'of a@real.example'", "its comment"),
        ("COMMENT ON COLUMN snapshot.t.n IS 'of a@real.example'", "its comment"),
        ("ALTER TABLE snapshot.t ALTER n SET DEFAULT 'a@real.example'", "its default"),
        ("CREATE VIEW snapshot.main.v AS SELECT 'a@real.example' AS m", "its view"),
        ("CREATE TYPE snapshot.main.e AS ENUM ('a@real.example')", "its type"),
        ("CREATE MACRO snapshot.main.f() AS 'a@real.example'", "its macro"),
        ('ALTER TABLE snapshot.t RENAME n TO "a@real.example"', "its name"),
    ],
)
def test_the_catalogue_is_read(bench: Bench, planted: str, because: str) -> None:
    bench.live("'x' AS n, i AS m")
    columns = {
        "m": {"class": "internal", "mask": "keep"},
        "n": {"class": "internal", "mask": "drop"},
    }
    more = "CREATE OR REPLACE TABLE snapshot.main.t AS SELECT i AS m, 'x' AS n FROM range(3) r(i)"
    report = bench.judged(columns, after=(more, planted))
    assert ("mail", because) in {(leak.detector, leak.because) for leak in report.leaks}


@pytest.mark.parametrize(("depth", "found"), [(800, 60), (5000, 0)])
def test_a_document_nested_beyond_measure_ends_no_build(depth: int, found: int) -> None:
    """It is looked into as far as Python can; one deeper than that is one long text."""
    paths = {"$.plan": {"class": "internal"}}
    columns = {"profile": {"class": "personal", "mask": {"method": "json", "paths": paths}}}
    table = Table.model_validate({"columns": columns})
    profile = "repeat('[', $1) || '\"K-770000' || i || '\"' || repeat(']', $1)"
    with duckdb.connect() as con:
        con.execute(
            f"CREATE TABLE live AS SELECT {profile} AS profile FROM range(200) AS t(i)", [depth]
        )
        values = real_values(con, "live", "true", table, {"profile": "VARCHAR"})
    assert len(values) == found


def test_real_values_are_looked_for_in_what_is_kept(bench: Bench) -> None:
    """Numbers and nicknames that no detector knows, hidden in one column, stand in another."""
    letters = "'zu' || translate(lpad(i::text, 5, '0'), '0123456789', 'abcdefghij')"
    number, hidden = "'K-77' || lpad(i::text, 6, '0')", "'H-88' || lpad(i::text, 6, '0')"
    drop = {"class": "personal", "mask": "drop"}
    bytes_ = "'B-99' || lpad(i::text, 6, '0')"
    bench.live(
        f"{number} AS member, 'sent to ' || {number} AS note, {letters} AS nick, "
        f"{letters} AS shop, {letters} || ' street' AS road, "
        f"json_object('plan', 'gold', 'more', json_array({hidden})) AS profile, {hidden} AS other, "
        f"encode({bytes_}) AS raw, {bytes_} AS label, (700100200 + i)::DOUBLE AS account, "
        "'account ' || (700100200 + i) AS letter"
    )
    keep = {"class": "internal", "mask": "keep"}
    paths = {"$.plan": {"class": "internal"}}
    columns = {
        "member": {"class": "personal", "mask": "hmac"},
        "nick": {"class": "personal", "mask": "drop"},
        "profile": {"class": "personal", "mask": {"method": "json", "paths": paths}},
        **dict.fromkeys(("raw", "account"), drop),
        **dict.fromkeys(("note", "shop", "road", "other", "label", "letter"), keep),
    }
    report = bench.judged(columns)
    # What has no digits may be a word: inside a longer text it tells nothing.
    assert {(k.column, k.detector) for k in report.leaks if k.column} == {
        ("note", "real-value"),
        ("shop", "real-value"),
        ("other", "real-value"),
        ("label", "real-value"),
        ("letter", "real-value"),
    }
    # A sample is looked for, so that many rows are found, not all.
    assert all(0 < leak.count <= 60 for leak in report.leaks)


def test_what_is_left_out_of_no_ones_columns_may_stand_elsewhere(bench: Bench) -> None:
    bench.live("'order 2026-' || i AS note, 'order 2026-' || i AS title")
    columns = {
        "note": {"class": "internal", "mask": "drop"},
        "title": {"class": "internal", "mask": "keep"},
    }
    assert bench.judged(columns).leaks == ()


def test_canaries_are_looked_for_in_values_catalogue_and_bytes(bench: Bench) -> None:
    wide = "'ｔｗｅｅｔ　ｔｗｅｅｔ'"
    bench.live(f"CASE i WHEN 3 THEN 'tweet tweet' WHEN 4 THEN {wide} ELSE 'x' END AS note")
    columns = {"note": {"class": "internal", "mask": "keep"}}
    comment = "COMMENT ON TABLE snapshot.t IS 'tweet tweet'"
    report = bench.judged(columns, after=(comment,), canaries=("tweet tweet",))
    places_found = [(leak.column, leak.because) for leak in report.leaks]
    assert ("note", "canary", 2) in told(report)
    assert ("", "its comment") in places_found
    assert ("", "in the file's bytes") in places_found


def test_canaries_and_real_values_of_one_column_are_told_apart(bench: Bench) -> None:
    number = "'K-77' || lpad(i::text, 6, '0')"
    bench.live(f"{number} AS member, CASE WHEN i = 3 THEN 'tweet tweet' ELSE {number} END AS note")
    columns = {
        "member": {"class": "personal", "mask": "hmac"},
        "note": {"class": "internal", "mask": "keep"},
    }
    found = {(c, d): n for c, d, n in told(bench.judged(columns, canaries=("tweet tweet",)))}
    assert found["note", "canary"] == 1
    assert found["note", "real-value"] > 20


def test_values_have_their_masks_form(bench: Bench) -> None:
    bench.live("'a' || i AS a, 'b' || i AS b, 'c' || i AS c")
    columns = {
        "a": {"class": "personal", "mask": {"method": "hmac", "prefix": "c_"}},
        "b": {"class": "personal", "mask": "redact"},
        "c": {"class": "personal", "mask": "null"},
    }
    after = (
        "UPDATE snapshot.t SET a = 'c_' || left(md5('x'), 19) || 'g' WHERE rowid = 3",
        "UPDATE snapshot.t SET b = 'left' WHERE rowid < 2",
        "UPDATE snapshot.t SET c = 'left' WHERE rowid < 5",
    )
    found = told(bench.judged(columns, after=after))
    assert found == [("a", "form", 1), ("b", "form", 2), ("c", "form", 5)]


@pytest.mark.parametrize("digits", ["0123456789", "０１２３４５６７８９"])
def test_a_coarse_mask_that_leaves_all_alone_is_found(bench: Bench, digits: str) -> None:
    number = f"translate(lpad((i % 900)::text, 3, '1'), '0123456789', '{digits}')"
    bench.live(f"{number} AS postcode, 'Tokyo' AS area")
    mask = {"method": "generalise", "first": 3}
    columns: dict[str, Any] = {
        "postcode": {"class": "contact", "mask": mask},
        "area": {"class": "internal", "mask": {"method": "generalise", "first": 8}},
    }
    assert told(bench.judged(columns)) == [("postcode", "unchanged", 200)]


def test_equal_by_chance_is_no_leak(bench: Bench) -> None:
    """Of 60,000 people, some two or three are given the very name that they have."""
    bench.live("i AS id, '佐藤 花子' AS name", 60_000)
    columns = {
        "id": {"class": "personal", "mask": "drop"},
        "name": {"class": "personal", "mask": {"method": "fake-name", "by": "id"}},
    }
    assert bench.judged(columns).leaks == ()


def test_what_the_file_accepts_is_told_and_passes(bench: Bench) -> None:
    bench.live("'sales@shop.example' AS desk")
    columns = {"desk": {"class": "public", "mask": "keep", "accept": {"mail": REASON}}}
    report = bench.judged(columns)
    assert report.passed
    assert [(a.leak.detector, a.leak.count, a.reason) for a in report.accepted] == [
        ("mail", 200, REASON)
    ]


def test_no_value_is_told(bench: Bench) -> None:
    bench.live("'p' || i || '@real.example' AS mail, 'to p' || i || '@real.example' AS note")
    columns = {
        "mail": {"class": "contact", "mask": "fake-mail"},
        "note": {"class": "internal", "mask": "keep"},
    }
    report = bench.judged(columns, idle=("mail",))
    assert not report.passed
    assert "real.example" not in report.model_dump_json()


def test_what_is_read_in_parts_is_proven_whole() -> None:
    """A mask that does nothing, on rows that come one part after the other."""
    mail = {"mail": {"class": "contact", "mask": "fake-mail"}}
    there = tuple(places("t", Table.model_validate({"columns": mail})))
    with duckdb.connect(":memory:") as con:
        rows = "SELECT i, 'p' || i || '@real.example' AS mail FROM range(9) r(i)"
        con.execute(f"CREATE TABLE live AS {rows}")
        proof = Proof(con)
        for part in ("i < 4", "i >= 4"):
            select = proved_select(proof, f"live WHERE {part}", {"mail": (quoted("mail"), there)})
            con.execute(select).fetchall()
        assert proof.equals() == {("t", "mail"): 9}
