"""From a live PostgreSQL to a source file that builds, without a person's word in between."""

from pathlib import Path
from typing import Any

import pytest

from sandbox.core.errors import Denied
from sandbox.core.source import Source
from sandbox.core.survey import Survey
from sandbox.drivers.sources.survey import MOST_ROWS
from tests.docker import drafted_core
from tests.docker.conftest import Home
from tests.docker.source_samples import build, changed, rows, source_of

pytestmark = pytest.mark.docker


def survey(core: Any, *tables: str) -> Survey:
    return drafted_core.survey(source_of(core).connection, core.password, *tables)


def draft(core: Any, *tables: str) -> Source:
    return drafted_core.draft(source_of(core).connection, core.password, *tables)


def test_a_draft_of_the_demo_core_builds_and_hides_every_person(
    demo_core: Any, tmp_path: Path
) -> None:
    source = draft(demo_core)
    assert drafted_core.masks(source) == drafted_core.MASKS
    assert source.tables["purchases"].references == {"customer_id": "customers.customer_id"}
    assert source.tables["customers"].columns["kana"].mask.by == "customer_id"
    built = build(demo_core, tmp_path / "x.duckdb", source)
    assert built.gate.passed
    assert built.gate.accepted == ()
    assert len(built.gate.relations.references) == 2
    joined = "SELECT count(*) FROM purchases JOIN customers USING (customer_id)"
    assert rows(built.path, joined) == [(69_659,)]
    shown = {c.name: c.examples for c in built.tables[0].columns}
    assert all(mail.endswith("@masked.invalid") for mail in shown["mail"])


def test_of_a_large_table_rows_from_all_over_are_looked_at(demo_core: Any) -> None:
    """The first 100,000 rows have no mail: who looks at the first ones only sees none."""
    with changed(
        demo_core,
        "CREATE TABLE long AS SELECT g AS id, CASE WHEN g > 100000 THEN g || '@example.jp' END "
        "AS contact FROM generate_series(1, 200000) g; ANALYZE long; "
        "GRANT SELECT ON long TO core_reader",
        "DROP TABLE long",
    ):
        (table,) = survey(demo_core, "long").tables
    contact = next(column for column in table.columns if column.name == "contact")
    assert 0 < table.rows <= MOST_ROWS
    assert {s.detector for s in contact.suspicions} == {"mail"}
    assert 0.2 * table.rows < contact.values < 0.8 * table.rows


def test_what_the_login_may_not_read_is_left_out_and_odd_types_are_looked_at(
    demo_core: Any, tmp_path: Path
) -> None:
    with changed(
        demo_core,
        "CREATE TYPE mood AS ENUM ('glad', 'sad'); "
        'CREATE TABLE odd (id bigint PRIMARY KEY, "氏名 ""x""" text, open text, hidden text, '
        "state mood, more jsonb, tags text[], raw bytea, n numeric, at timestamptz, b bool, "
        "at_home inet); "
        "INSERT INTO odd SELECT g, '佐藤 花子', 'a', 'b', 'glad', "
        "jsonb_build_object('mail', g || '@example.jp'), ARRAY['x', g || '@example.jp'], "
        "convert_to('090-1234-' || (1000 + g), 'UTF8'), 'NaN', now(), true, '192.168.7.9' "
        "FROM generate_series(1, 300) g; ANALYZE odd; "
        "CREATE TABLE secret (a text); "
        "CREATE TABLE parts (id int, mail text) PARTITION BY RANGE (id); "
        "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (1) TO (500); "
        "INSERT INTO parts SELECT g, g || '@example.jp' FROM generate_series(1, 400) g; "
        "ANALYZE parts; GRANT SELECT ON parts, parts_1 TO core_reader; "
        'GRANT SELECT (id, "氏名 ""x""", open, state, more, tags, raw, n, at, b, at_home) ON odd '
        "TO core_reader",
        "DROP TABLE odd, secret, parts; DROP TYPE mood",
    ):
        found = survey(demo_core)
        source = draft(demo_core, "odd")
        built = build(demo_core, tmp_path / "x.duckdb", source)
    assert {t.name: t.rows for t in found.tables if t.name not in source_of(demo_core).tables} == {
        "odd": 300, "parts": 400,
    }  # fmt: skip
    columns = source.tables["odd"].columns
    assert {name: rule.mask.method for name, rule in columns.items()} == {
        "id": "integer-hmac", '氏名 "x"': "fake-name", "open": "null", "hidden": "drop",
        "state": "null", "more": "fake-mail", "tags": "null", "raw": "null", "n": "null",
        "at": "null", "b": "null", "at_home": "hmac",
    }  # fmt: skip
    assert columns["tags"].data_class == columns["raw"].data_class == "contact"
    assert built.tables[0].rows == 300
    assert "glad" not in found.model_dump_json()


def test_a_login_that_could_write_gets_no_draft(demo_core: Any) -> None:
    with (
        changed(
            demo_core,
            "GRANT INSERT ON consents TO core_reader",
            "REVOKE INSERT ON consents FROM core_reader",
        ),
        pytest.raises(Denied, match="INSERT on table"),
    ):
        survey(demo_core)


def test_draft_check_build_and_show_in_a_home(home: Home, demo_core: Any) -> None:
    """The way of IT: a draft, a build by it, a source that changes, and what marketers see."""
    server = ("--type", "postgres", "--host", demo_core.host, "--port", str(demo_core.port))
    login = ("--database", demo_core.database, "--user", demo_core.user)
    password = ("--password-file", ".sandbox/secrets/core-password")
    made = home.json("source", "draft", "shop", *server, *login, *password)
    file = home.folder / made["file"]
    try:
        built = home.json("snapshot", "build", "shop")["snapshot"]
        assert home.json("source", "check", "shop")["clean"] is True
        retyped = "ALTER TABLE purchases ALTER quantity TYPE bigint"
        with changed(demo_core, retyped, retyped.replace("bigint", "int")):
            found = home.json("source", "check", "shop", code=4)
            assert found["drift"]["retyped"] == ["purchases.quantity was INTEGER, is BIGINT"]
            home.run("snapshot", "build", "shop", code=3)
        shown = home.json("data", "show", "shop.customers")
        mail = next(c for c in shown["columns"] if c["name"] == "mail")
        assert len(mail["examples"]) == 3
        assert all(value.endswith("@masked.invalid") for value in mail["examples"])
        wish = ("--purpose", "Which channel?", "--due", "2099-12-31", "--column", "sms")
        ask = home.json("data", "request", "--table", "shop.consents", *wish)["view"]["ask"]
        home.run("request", "accept", ask["id"], "--reason", "Consents are ours")
        draft_file = home.folder / f"sources/shop.{ask['id']}.draft.yaml"
        # What it was is told beside what was seen: nobody sees it as it stands.
        assert f"# {ask['id']}: was personal, null; nothing found in" in draft_file.read_text()
        draft_file.unlink()
        home.run("snapshot", "rm", built["id"])
    finally:
        file.unlink()
