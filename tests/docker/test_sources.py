"""The way from a real PostgreSQL into a snapshot: what arrives there. See conftest.py."""

import hashlib
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sandbox.core import demo
from sandbox.core.detectors import DETECTORS
from sandbox.core.errors import InvalidInput
from sandbox.core.ports import Built
from sandbox.core.source import Source
from sandbox.drivers.sources.reader import CoreReader
from tests.docker.source_samples import (
    KEY,
    NAP,
    ODD,
    OTHER_KEY,
    Told,
    build,
    changed,
    opened,
    rows,
    source_of,
    token,
    written_meanwhile,
)

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def snapshot(demo_core: Any, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(demo_core, tmp_path_factory.mktemp("built") / "core.duckdb")


def test_rows_and_types_are_those_of_the_source(demo_core: Any, snapshot: Built) -> None:
    assert {t.name: t.rows for t in snapshot.tables} == {
        "customers": 23_570, "purchases": 69_659, "consents": 23_570,
    }  # fmt: skip
    here = rows(snapshot.path, "SELECT sum(amount)::text, sum(quantity)::text FROM purchases")
    there = demo_core.psql("SELECT sum(amount), sum(quantity) FROM purchases").strip()
    assert "|".join(here[0]) == there == "2500315.63|167881"
    types = {f"{t.name}.{c.name}": c.type for t in snapshot.tables for c in t.columns}
    assert types["purchases.amount"] == "DECIMAL(10,2)"
    assert types["purchases.purchased_on"] == types["customers.birth_date"] == "DATE"
    assert types["consents.changed_at"] == "TIMESTAMP WITH TIME ZONE"
    assert types["consents.sms"] == "BOOLEAN"
    assert types["customers.address"] == "VARCHAR"


def test_every_value_is_masked_as_the_file_says(snapshot: Built) -> None:
    found = {
        row[0]: row[1:]
        for row in rows(
            snapshot.path,
            "SELECT customer_id, name, mail, phone, postcode, prefecture, address, birth_date,"
            " note, created_on FROM customers",
        )
    }
    assert len(found) == demo.CUSTOMERS
    for number in range(1, demo.CUSTOMERS + 1):
        person = demo.customer(number)
        assert found["c_" + token(person.customer_id)] == (
            "[redacted]",
            token(person.mail) + "@masked.invalid",
            "t_" + token(person.phone),
            person.postcode[:3],
            person.prefecture,
            None,
            person.birth_date.replace(month=1, day=1),
            "[redacted]" if person.note else None,
            person.created_on.replace(day=1),
        )


def test_tables_join_and_dropped_columns_are_absent(snapshot: Built) -> None:
    orphans = "SELECT count(*) FROM {} ANTI JOIN customers USING (customer_id)"
    assert rows(snapshot.path, orphans.format("purchases")) == [(0,)]
    assert rows(snapshot.path, orphans.format("consents")) == [(0,)]
    names = {f"{t.name}.{c.name}" for t in snapshot.tables for c in t.columns}
    assert not names & {"customers.kana", "purchases.purchase_id"}
    stored = rows(
        snapshot.path,
        "SELECT table_name || '.' || column_name FROM duckdb_columns() WHERE NOT internal",
    )
    assert {name for (name,) in stored} == names


def test_manifest_facts_are_true(snapshot: Built) -> None:
    content = snapshot.path.read_bytes()
    assert snapshot.file_digest == hashlib.sha256(content).hexdigest()
    assert snapshot.bytes == len(content)
    assert abs((datetime.now(UTC) - snapshot.data_as_of).total_seconds()) < 300
    assert snapshot.path.stat().st_mode & 0o077 == 0
    assert [p.name for p in snapshot.path.parent.iterdir()] == [snapshot.path.name]


def test_no_plain_value_and_no_key_is_in_the_file(demo_core: Any, snapshot: Built) -> None:
    people = [demo.customer(n) for n in range(1, demo.CUSTOMERS + 1)]
    plain = {v for p in people for v in (p.name, p.kana, p.mail, p.phone, p.address, p.note) if v}
    with opened(snapshot.path) as con:
        for table in snapshot.tables:
            texts = [c.name for c in table.columns if c.type == "VARCHAR"]
            decoded = con.execute(f"SELECT {', '.join(texts)} FROM {table.name}").fetchall()
            assert not plain & {value for row in decoded for value in row}
        # Neither the key nor the macro that holds it is in the file's catalogue.
        for kind in ("functions", "views", "types"):
            own = con.execute(f"SELECT * FROM duckdb_{kind}() WHERE NOT internal").fetchall()
            assert own == [], kind
    raw = snapshot.path.read_bytes()
    assert not re.search(rb"@example\.(jp|com|net|org)|0[789]0-0\d{3}-\d{4}", raw)
    sample = people[::120]
    plain = {v for p in sample for v in (p.name, p.kana, p.address, p.note) if v}
    assert [value for value in plain if value.encode() in raw] == []
    for secret in (KEY, KEY.hex().encode(), bytes(b ^ 0x36 for b in KEY)):
        assert secret not in raw
    assert demo_core.password.encode() not in raw


def test_nothing_of_what_was_masked_remains_in_the_gaps_of_the_file(
    demo_core: Any, tmp_path: Path
) -> None:
    """DuckDB writes memory it never filled: one build in four had plain text there, hence eight."""
    columns = {
        "id": {"class": "internal", "mask": "keep"},
        "kind": {"class": "internal", "mask": "keep"},
        "note": {"class": "personal", "mask": "hmac"},
    }
    made = (
        "CREATE VIEW {name} AS SELECT g AS id, g %% 7 AS kind, "
        "'SECRETPERSON' || g || repeat('SECRETNOTE', 20) AS note "
        "FROM generate_series(1, {rows}) g; "
        "GRANT SELECT ON {name} TO core_reader; "
    ).replace("%%", "%")
    names = {f"notes{n}": 5_000 + 7_919 * n for n in range(6)}
    there = "".join(made.format(name=name, rows=count) for name, count in names.items())
    with changed(demo_core, there, "".join(f"DROP VIEW {name}; " for name in names)):
        for number in range(8):
            source = source_of(demo_core, dict.fromkeys(names, columns))
            raw = build(demo_core, tmp_path / f"{number}.duckdb", source).path.read_bytes()
            assert raw.count(b"SECRET") == 0, number


def test_same_key_same_data_other_key_other_tokens(
    demo_core: Any, snapshot: Built, tmp_path: Path
) -> None:
    def contents(path: Path) -> list[Any]:
        return [
            rows(path, f"SELECT {columns}::text FROM {table} ORDER BY ALL")
            for table, columns in (
                ("customers", "COLUMNS(*)"), ("purchases", "COLUMNS(*)"),
                ("consents", "COLUMNS(*)"),
            )
        ]  # fmt: skip

    again = build(demo_core, tmp_path / "again.duckdb")
    other = build(demo_core, tmp_path / "other.duckdb", key=OTHER_KEY)
    assert contents(again.path) == contents(snapshot.path)
    with opened(snapshot.path) as con:
        con.execute(f"ATTACH '{other.path}' AS other (READ_ONLY)")
        for column in ("customer_id", "mail", "phone"):
            shared = f"SELECT count(*) FROM customers SEMI JOIN other.customers USING ({column})"
            assert con.execute(shared).fetchall() == [(0,)]


def test_new_column_stops_the_build_and_is_named(demo_core: Any, tmp_path: Path) -> None:
    with (
        changed(
            demo_core,
            "ALTER TABLE customers ADD line_id text",
            "ALTER TABLE customers DROP line_id",
        ),
        pytest.raises(InvalidInput) as caught,
    ):
        build(demo_core, tmp_path / "x.duckdb")
    assert "customers.line_id" in caught.value.message
    assert "sources/core.yaml" in caught.value.hint
    told = {"new": ["customers.line_id"], "missing": [], "retyped": []}
    assert caught.value.details == told
    assert list(tmp_path.iterdir()) == []


def test_column_that_is_gone_and_table_that_never_was_stop_the_build(
    demo_core: Any, tmp_path: Path
) -> None:
    kept = {"class": "public", "mask": "keep"}
    source = source_of(demo_core, {"nothing": {"x": kept}})
    with pytest.raises(InvalidInput, match=r"nothing\.x"):
        build(demo_core, tmp_path / "x.duckdb", source)
    assert list(tmp_path.iterdir()) == []


def test_table_that_is_not_listed_is_not_copied(demo_core: Any, tmp_path: Path) -> None:
    with changed(
        demo_core,
        "CREATE TABLE staff (name text); INSERT INTO staff VALUES ('佐藤'); "
        "GRANT SELECT ON staff TO core_reader",
        "DROP TABLE staff",
    ):
        live = CoreReader(Path()).columns(source_of(demo_core), demo_core.password)
        assert list(live["staff"]) == ["name"]
        built = build(demo_core, tmp_path / "x.duckdb")
    assert {t.name for t in built.tables} == {"customers", "purchases", "consents"}


def test_odd_names_types_and_nulls_survive(demo_core: Any, tmp_path: Path) -> None:
    keep = {"class": "public", "mask": "keep"}
    hidden = {"class": "personal", "mask": {"method": "hmac", "prefix": "p-"}}
    source = source_of(
        demo_core,
        {
            ODD: {
                'a "b" 100%': keep, "氏名": hidden, "Select": keep, "at": keep, "state": keep,
                "seen": {"class": "internal", "mask": {"method": "generalise", "to": "month"}},
                "secret": {"class": "special-care", "mask": "null"},
            }
        },
    )  # fmt: skip
    quoted = '"' + ODD.replace('"', '""') + '"'
    with changed(
        demo_core,
        "CREATE TYPE ill AS ENUM ('flu'); CREATE TYPE mood AS ENUM ('よい'); "
        f"CREATE TABLE {quoted} "
        '("a ""b"" 100%" numeric(20,5), "氏名" text, "Select" text, at timestamptz, state mood, '
        "seen timestamptz, secret ill);"
        f"INSERT INTO {quoted} VALUES (12345678901234.56789, '佐藤', 'a\nb', "
        "'2026-01-31 23:30:00.123456-05', 'よい', '2026-01-31 23:30-05', 'flu'), "
        f"(NULL, NULL, NULL, NULL, NULL, NULL, NULL); GRANT SELECT ON {quoted} TO core_reader",
        f"DROP TABLE {quoted}; DROP TYPE mood; DROP TYPE ill",
    ):
        built = build(demo_core, tmp_path / "x.duckdb", source)
    with opened(built.path) as con:
        con.execute("SET TimeZone = 'UTC'")
        found = con.execute(f"SELECT COLUMNS(*)::text FROM {quoted} ORDER BY ALL").fetchall()
    assert found[0] == (
        "12345678901234.56789", "p-" + token("佐藤"), "a\nb", "2026-02-01 04:30:00.123456+00",
        "よい", "2026-02-01 00:00:00+00", None,
    )  # fmt: skip
    assert found[1] == (None,) * 7
    assert b"flu" not in built.path.read_bytes()


def test_numeric_that_cannot_arrive_exactly_is_marked_in_the_manifest(
    demo_core: Any, tmp_path: Path
) -> None:
    keep = {"class": "internal", "mask": "keep"}
    columns = dict.fromkeys(("free", "wide", "own", "list", "exact", "inexact"), keep)
    columns["emptied"] = {"class": "internal", "mask": "null"}
    with changed(
        demo_core,
        "CREATE DOMAIN price AS numeric; CREATE TABLE odd (free numeric, wide numeric(40,2), "
        "own price, list numeric[], exact numeric(38,2), inexact float8, emptied numeric); "
        "INSERT INTO odd VALUES (12345678901234567.89, 1, 1, '{1}', 1, 1, 1); "
        "GRANT SELECT ON odd TO core_reader",
        "DROP TABLE odd; DROP DOMAIN price",
    ):
        built = build(demo_core, tmp_path / "x.duckdb", source_of(demo_core, {"odd": columns}))
    assert {c.name: c.type for c in built.tables[0].columns} == {
        "free": "DOUBLE, rounded from numeric",
        "wide": "DOUBLE, rounded from numeric",
        "own": "VARCHAR",
        "list": "DOUBLE[], rounded from numeric",
        "exact": "DECIMAL(38,2)",
        "inexact": "DOUBLE",
        "emptied": "DOUBLE",
    }
    # It is so: this is what the mark warns of.
    assert rows(built.path, "SELECT free::text FROM odd") == [("1.2345678901234568e+16",)]


def test_chosen_rows_are_those_of_the_same_customers(demo_core: Any, tmp_path: Path) -> None:
    document = source_of(demo_core).model_dump(mode="json", by_alias=True)
    tables = document["tables"]
    for name in ("customers", "purchases"):
        tables[name]["sample"] = {"by": "customer_id", "percent": 10}
    tables["purchases"]["since"] = {"column": "purchased_on", "day": "1998-01-01"}
    tables["consents"]["where"] = {"sms": True}
    built = build(demo_core, tmp_path / "x.duckdb", Source.model_validate(document))
    counts = {t.name: t.rows for t in built.tables}
    assert 2_100 < counts["customers"] < 2_600
    assert 0 < counts["purchases"] < 3_000
    # Those who were not drawn are not there, so their consents stay behind too.
    assert 0 < counts["consents"] < int(demo_core.psql("SELECT count(*) FROM consents WHERE sms"))
    assert built.tables[1].chosen == "purchased_on from 1998-01-01; 10 % of customer_id"
    for table in ("purchases", "consents"):
        orphans = f"SELECT count(*) FROM {table} ANTI JOIN customers USING (customer_id)"
        assert rows(built.path, orphans) == [(0,)]
    assert rows(built.path, "SELECT min(purchased_on) >= '1998-01-01' FROM purchases") == [(True,)]


def test_new_masks_hold_on_types_as_postgresql_sends_them(demo_core: Any, tmp_path: Path) -> None:
    """JSON, integers of all widths, timestamps: what DuckDB's reader makes of them."""
    columns: dict[str, Any] = {
        "small": {"class": "personal", "mask": "integer-hmac"},
        "id": {"class": "personal", "mask": "integer-hmac"},
        "big": {"class": "personal", "mask": "integer-hmac"},
        "name": {"class": "personal", "mask": {"method": "fake-name", "by": "id"}},
        "seen": {"class": "personal", "mask": {"method": "shift-dates", "by": "id", "days": 9}},
        "born": {"class": "quasi-identifier", "mask": {
            "method": "generalise", "to": "year", "floor": 1930}},
        "spent": {"class": "internal", "mask": {"method": "generalise", "band": 1000}},
        "more": {"class": "contact", "mask": {"method": "json", "paths": {
            "$.plan": {"class": "internal"}, "$.mail": {"class": "contact", "mask": "fake-mail"}}}},
        "old": {"class": "contact", "mask": {"method": "json", "paths": {
            "$[*].n": {"class": "internal"}}}},
        "hidden": {"class": "personal"},
    }  # fmt: skip
    with changed(
        demo_core,
        "CREATE TABLE odd (small smallint, id int, big bigint, name text, seen timestamptz, "
        "born date, spent numeric(10,2), more jsonb, old json, hidden text); "
        "INSERT INTO odd SELECT g, g, g, 'n' || g, '2026-01-31 23:30-05', "
        "DATE '1900-05-05' + g * 300, g * 100.5, "
        "jsonb_build_object('plan', 'gold', 'mail', g || '@example.jp', 'x', 'PLAIN'), "
        "json_build_array(json_build_object('n', g, 'x', 'PLAIN')), 'PLAIN' "
        "FROM generate_series(1, 200) g; "
        "INSERT INTO odd DEFAULT VALUES; GRANT SELECT ON odd TO core_reader",
        "DROP TABLE odd",
    ):
        built = build(demo_core, tmp_path / "x.duckdb", source_of(demo_core, {"odd": columns}))
    types = {c.name: c.type for c in built.tables[0].columns}
    assert [types[n] for n in ("small", "id", "big", "seen", "born", "spent")] == [
        "SMALLINT", "INTEGER", "BIGINT", "TIMESTAMP WITH TIME ZONE", "DATE", "DECIMAL(10,2)",
    ]  # fmt: skip
    facts = (
        "count(DISTINCT small), count(DISTINCT id), count_if(id = big), count(name), "
        "min(year(born)), count_if(spent % 1000 = 0), count_if(more ->> '$.plan' = 'gold'), "
        "count(DISTINCT more ->> '$.mail'), sum((old ->> '$[0].n')::INT), count(hidden), "
        "count(DISTINCT seen) > 10, count(*)"
    )
    found = rows(built.path, f"SELECT {facts} FROM odd")[0]
    assert found == (200, 200, 200, 200, 1930, 200, 200, 200, 20_100, 0, True, 201)
    assert b"PLAIN" not in built.path.read_bytes()


@pytest.mark.slow
def test_wide_rows_stay_within_the_memory_that_is_promised(demo_core: Any, tmp_path: Path) -> None:
    # Half a gigabyte of noise holds something of every form that a detector knows.
    accepted = {each.id: "random bytes of this test, nobody's" for each in DETECTORS}
    columns = {"content": {"class": "internal", "mask": "keep", "accept": accepted}}
    kib = " || ".join(f"sha512((n || '-{part}')::bytea)" for part in range(16))
    with changed(
        demo_core,
        f"CREATE TABLE wide AS SELECT {kib} AS content FROM generate_series(1, 500000) n; "
        "GRANT SELECT ON wide TO core_reader",
        "DROP TABLE wide",
    ):
        file, source = tmp_path / "x.duckdb", source_of(demo_core, {"wide": columns})
        peak = peak_mb(lambda: build(demo_core, file, source))
    assert file.stat().st_size > 500_000_000
    # The command that waits for the reading process takes less than 100 MB itself.
    assert peak < 768 - 100


def peak_mb(work: Callable[[], object]) -> float:
    """Return the most memory that `work` took in a process of its own, or one that it started."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    _, status, usage = os.wait4(child, 0)
    assert status == 0
    return usage.ru_maxrss / 1024


def test_all_tables_are_of_one_moment(demo_core: Any, tmp_path: Path) -> None:
    """Customers and their purchases arrive in pairs all the while; none may be split."""

    def shop(number: int) -> None:
        demo_core.psql(
            f"BEGIN; INSERT INTO pair_a VALUES ({number}); "
            f"INSERT INTO pair_b VALUES ({number}); COMMIT"
        )

    keep = {"class": "public", "mask": "keep"}
    pair, slow = {"id": keep}, {"id": keep, "pad": keep}
    # The slow one between the two gives the writer time.
    source = source_of(demo_core, {"pair_a": pair, "slow": slow, "pair_b": pair})
    with (
        changed(
            demo_core,
            "CREATE TABLE pair_a (id int); CREATE TABLE pair_b (id int); "
            "GRANT SELECT ON pair_a, pair_b TO core_reader; "
            + NAP.format("STABLE").replace("3000", "100"),
            "DROP TABLE pair_a, pair_b; DROP VIEW slow; DROP FUNCTION nap",
        ),
        written_meanwhile(shop) as written,
    ):
        built = build(demo_core, tmp_path / "x.duckdb", source)
    counts = {t.name: t.rows for t in built.tables}
    assert counts["pair_a"] == counts["pair_b"] < written[-1]


def test_progress_tells_rows_and_never_goes_back(demo_core: Any, tmp_path: Path) -> None:
    told = Told()
    CoreReader(Path()).copy(
        source_of(demo_core), demo_core.password, KEY, tmp_path / "x.duckdb", told
    )
    done = [row[1] for row in told.rows]
    assert done == sorted(done, key=lambda n: n or 0)
    assert told.rows[-1] == ("116,799 of 116,799 rows", 116_799, 116_799)
