"""The way from a real MariaDB into a snapshot: the story of PostgreSQL. See mariadb.py."""

import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sandbox.core import demo
from sandbox.core.errors import Denied, InvalidInput, SandboxError, Unavailable
from sandbox.core.ports import Built
from sandbox.core.source import Source
from sandbox.drivers.demo_core import _cdnow
from sandbox.drivers.sources.connection import connected
from sandbox.drivers.sources.kinds import dialect_of
from sandbox.drivers.sources.reader import CoreReader
from sandbox.drivers.sources.subset import plain_condition
from tests.docker import drafted_core
from tests.docker.mariadb import Maria, running
from tests.docker.source_samples import (
    KEY,
    ODD,
    Told,
    build,
    opened,
    rows,
    token,
    written_meanwhile,
)

pytestmark = pytest.mark.docker

KEEP = {"class": "internal", "mask": "keep"}
ID = {"one": {"id": KEEP}}
TABLES = """
CREATE TABLE customers (
  customer_id varchar(40) PRIMARY KEY, name text NOT NULL, kana text, mail varchar(200) NOT NULL
  UNIQUE, phone text NOT NULL, postcode text NOT NULL, prefecture text NOT NULL,
  address text NOT NULL, birth_date date NOT NULL, note text, created_on date NOT NULL);
CREATE TABLE purchases (
  purchase_id bigint PRIMARY KEY, customer_id varchar(40) NOT NULL, purchased_on date NOT NULL,
  quantity int NOT NULL, amount numeric(10,2) NOT NULL,
  FOREIGN KEY (customer_id) REFERENCES customers (customer_id));
CREATE TABLE consents (
  customer_id varchar(40) PRIMARY KEY, mail boolean NOT NULL, sms boolean NOT NULL,
  changed_at timestamp NOT NULL, FOREIGN KEY (customer_id) REFERENCES customers (customer_id));
CREATE TABLE one (id int); INSERT INTO one VALUES (1);
"""


@pytest.fixture(scope="module")
def maria(home: Any, base_image: str) -> Iterator[Maria]:
    with running(home.client, base_image, home.installation) as made:
        made.sql(TABLES + _demo_rows())
        yield made


def _demo_rows() -> str:
    purchases = ((n, *row) for n, row in enumerate(demo.purchases(_cdnow().decode("ascii")), 1))
    numbers = range(1, demo.CUSTOMERS + 1)
    return "BEGIN;" + "".join(
        f"INSERT INTO {table} VALUES {', '.join(map(_values, part))};\n"
        for table, content in (
            ("customers", [demo.customer(n) for n in numbers]),
            ("purchases", list(purchases)),
            ("consents", [demo.consent(n) for n in numbers]),
        )
        for part in (content[n : n + 2000] for n in range(0, len(content), 2000))
    ) + "COMMIT;"  # fmt: skip


def _values(row: Any) -> str:
    return f"({', '.join(map(_cell, row))})"


def _cell(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "NULL" if value is None else str(int(value))
    text = str(value).replace("'", "''")
    return f"'{text.removesuffix('+00:00')}'"


def copy(maria: Maria, target: Path, source: Source) -> Built:
    return CoreReader(Path()).copy(source, maria.password, KEY, target, Told())


def test_the_same_rows_become_the_same_snapshot_as_from_postgresql(
    maria: Maria, demo_core: Any, tmp_path: Path
) -> None:
    here = copy(maria, tmp_path / "m.duckdb", maria.source())
    there = build(demo_core, tmp_path / "p.duckdb")
    assert {t.name: t.rows for t in here.tables} == {t.name: t.rows for t in there.tables} == {
        "customers": 23_570, "purchases": 69_659, "consents": 23_570,
    }  # fmt: skip
    assert abs((datetime.now(UTC) - here.data_as_of).total_seconds()) < 300
    with opened(here.path) as con:
        con.execute(f"ATTACH '{there.path}' AS postgres (READ_ONLY)")
        for table, columns in (
            ("customers", "*"), ("purchases", "*"), ("consents", "customer_id, mail, sms"),
        ):  # fmt: skip
            both = (f"SELECT {columns} FROM {place}{table}" for place in ("", "postgres."))
            assert con.execute(" EXCEPT ".join(both)).fetchall() == [], table
    assert {str(r) for r in here.gate.relations.references} == {
        "purchases(customer_id) in customers(customer_id)",
        "consents(customer_id) in customers(customer_id)",
    }
    raw = here.path.read_bytes()
    assert maria.password.encode() not in raw
    assert b"@example." not in raw


TYPES = """
CREATE TABLE `割引 "表" 50%` (
  id bigint unsigned PRIMARY KEY, `氏 "名"` text, d decimal(10,2), w decimal(50,3), f float,
  db double, t1 tinyint(1), t tinyint, ut tinyint unsigned, us smallint unsigned, m mediumint,
  ui int unsigned, b1 bit(1), b8 bit(8), dt datetime, ts timestamp(6) NULL, da date, ti time(1),
  y year, e enum('a','よい'), st set('x','y'), j json, bl blob, tx longtext, u uuid, ip inet6);
SET time_zone = '+09:00';
INSERT INTO `割引 "表" 50%` VALUES
 (18446744073709551615, '佐藤', 12345678.91, 12345678901234567890123456789012345.123, 1.5,
  1e308, 1, -128, 255, 65535, -1, 4294967295, b'1', b'10000001', '2026-01-31 23:30:00',
  '2026-01-31 23:30:00.123456', '2026-01-31', '-838:59:59', 2026, 'よい', 'x,y', '{"a": [1]}',
  x'00ff', repeat('長い😀', 50000), '123e4567-e89b-12d3-a456-426655440000', '::1');
SET sql_mode = '';
INSERT INTO `割引 "表" 50%` (id, da, dt, tx) VALUES (1, '0000-00-00', '2026-00-00', 'ｆｕｌｌ');
CREATE TABLE empty (id int, `na me` text);
"""
ARRIVES = {
    "id": "UBIGINT", '氏 "名"': "VARCHAR", "d": "DECIMAL(10,2)",
    "w": "DOUBLE, rounded from numeric", "f": "FLOAT", "db": "DOUBLE", "t1": "BOOLEAN",
    "t": "TINYINT", "ut": "UTINYINT", "us": "USMALLINT", "m": "INTEGER", "ui": "UINTEGER",
    "b1": "BOOLEAN", "b8": "BLOB", "dt": "TIMESTAMP", "ts": "TIMESTAMP", "da": "DATE",
    "ti": "VARCHAR", "y": "INTEGER", "e": "VARCHAR", "st": "VARCHAR", "j": "VARCHAR",
    "bl": "BLOB", "tx": "VARCHAR", "u": "VARCHAR", "ip": "VARCHAR",
}  # fmt: skip


def test_types_odd_names_empty_tables_and_zero_dates(maria: Maria, tmp_path: Path) -> None:
    columns = dict.fromkeys(ARRIVES, KEEP) | {'氏 "名"': {"class": "personal", "mask": "hmac"}}
    tables = {ODD: columns, "empty": {"id": KEEP, "na me": KEEP}}
    with maria.changed(TYPES, f"DROP TABLE `{ODD}`, empty"):
        built = copy(maria, tmp_path / "x.duckdb", maria.source(tables))
    assert {t.name: t.rows for t in built.tables} == {ODD: 2, "empty": 0}
    assert {c.name: c.type for c in built.tables[0].columns} == ARRIVES
    found = rows(
        built.path, 'SELECT CAST(COLUMNS(*) AS VARCHAR) FROM "割引 ""表"" 50%" ORDER BY id DESC'
    )
    assert found[0] == (
        "18446744073709551615", token("佐藤"), "12345678.91", "1.234567890123457e+34", "1.5",
        "1e+308", "true", "-128", "255", "65535", "-1", "4294967295", "true", "\\x81",
        "2026-01-31 23:30:00", "2026-01-31 14:30:00.123456", "2026-01-31", "-838:59:59", "2026",
        "よい", "x,y", '{"a": [1]}', "\\x00\\xFF", "長い😀" * 50_000,
        "123e4567-e89b-12d3-a456-426655440000", "::1",
    )  # fmt: skip
    kept = dict(zip(ARRIVES, found[1], strict=True))
    assert (kept["id"], kept["da"], kept["dt"], kept["tx"]) == ("1", None, None, "ｆｕｌｌ")


def test_texts_are_chosen_as_they_are_written_whatever_is_in_them(maria: Maria) -> None:
    made = (
        "CREATE TABLE codes (id int, code varchar(20)); "
        "INSERT INTO codes VALUES (1, 'a\\\\'), (2, 'B'), (3, 'c '), (4, 'it''s')"
    )
    document = maria.source({"codes": {"id": KEEP, "code": KEEP}}).model_dump(by_alias=True)
    with maria.changed(made, "DROP TABLE codes"):
        for wanted, count in (
            ("a\\", 1), ("x\\' OR 1=1 -- ", 0), ("b", 0), (["B", "it's"], 2), ("c", 0),
        ):  # fmt: skip
            document["tables"]["codes"]["where"] = {"code": wanted}
            source = Source.model_validate(document)
            con, dialect = connected(), dialect_of(source, Path())
            dialect.attach(con, maria.password)
            dialect.begin(con)
            condition = plain_condition(source.tables["codes"], datetime.now(UTC))
            assert dialect.rows(con, "codes", condition) == count, wanted
            con.execute("ROLLBACK")


def test_all_tables_are_of_one_moment(maria: Maria, tmp_path: Path) -> None:
    """Pairs are written all the while; none may be split, though a slow table lies between."""
    made = (
        "CREATE TABLE a_pair (id int); CREATE TABLE z_pair (id int); "
        "CREATE VIEW slow AS SELECT seq AS id, sleep(0.001) AS nap FROM seq_1_to_1500"
    )
    keep = {"id": KEEP}
    source = maria.source({"a_pair": keep, "slow": {"id": KEEP, "nap": KEEP}, "z_pair": keep})

    def shop(n: int) -> None:
        pair = f"INSERT INTO a_pair VALUES ({n}); INSERT INTO z_pair VALUES ({n});"
        maria.sql(f"BEGIN; {pair} COMMIT")

    with (
        maria.changed(made, "DROP TABLE a_pair, z_pair; DROP VIEW slow"),
        written_meanwhile(shop) as written,
    ):
        built = copy(maria, tmp_path / "x.duckdb", source)
    counts = {t.name: t.rows for t in built.tables}
    assert counts["a_pair"] == counts["z_pair"] < written[-1]


@pytest.mark.parametrize(
    ("there", "back", "could"),
    [
        ("GRANT INSERT, UPDATE (id) ON core.one TO {}", "REVOKE INSERT, UPDATE (id) ON core.one "
         "FROM {}", ["INSERT on `core`.`one`", "UPDATE (`id`) on `core`.`one`"]),
        ("GRANT FILE ON *.* TO {}", "REVOKE FILE ON *.* FROM {}", ["FILE on *.*"]),
        ("GRANT EXECUTE ON core.* TO {}", "REVOKE EXECUTE ON core.* FROM {}",
         ["EXECUTE on `core`.*"]),
        ("GRANT DELETE ON core.one TO PUBLIC", "REVOKE DELETE ON core.one FROM PUBLIC",
         ["DELETE on `core`.`one`"]),
        ("CREATE ROLE clerk; GRANT DROP ON core.* TO clerk; GRANT clerk TO {}; "
         "SET DEFAULT ROLE clerk FOR {}", "DROP ROLE clerk", ["DROP on `core`.*"]),
        ("CREATE ROLE hidden; GRANT hidden TO {}", "DROP ROLE hidden", ["act as `hidden`"]),
    ],
)  # fmt: skip
def test_a_login_that_could_write_is_denied(
    maria: Maria, tmp_path: Path, there: str, back: str, could: list[str]
) -> None:
    source = maria.source(ID)
    with maria.changed(there.replace("{}", maria.login), back.replace("{}", maria.login)):
        for attempt in (
            lambda: CoreReader(Path()).columns(source, maria.password),
            lambda: copy(maria, tmp_path / "x.duckdb", source),
        ):
            with pytest.raises(Denied) as caught:
                attempt()
            told = caught.value.details["could"]
            assert len(told) == len(could)
            assert all(any(each.startswith(what) for each in told) for what in could)
            assert all(undo.startswith("REVOKE ") for undo in caught.value.details["undo"])
    assert list(tmp_path.iterdir()) == []
    assert list(CoreReader(Path()).columns(source, maria.password)["one"]) == ["id"]


def test_a_role_that_only_reads_is_allowed(maria: Maria) -> None:
    made = (
        "CREATE ROLE viewer; GRANT SELECT ON core.* TO viewer; GRANT viewer TO {0}; "
        "SET DEFAULT ROLE viewer FOR {0}"
    )
    with maria.changed(made.format(maria.login), "DROP ROLE viewer"):
        assert "one" in CoreReader(Path()).columns(maria.source(ID), maria.password)


@pytest.mark.parametrize(
    ("change", "password", "says"),
    [
        ({}, "geheim", "user or password is wrong"),
        ({"user": "nobody"}, None, "user or password is wrong"),
        ({"database": "other"}, None, "may not use that database"),
        ({"host": "nowhere.invalid"}, None, "does not answer"),
        ({"port": 1}, None, "does not answer"),
    ],
)
def test_what_keeps_a_login_out_is_told_without_the_password(
    maria: Maria, change: dict[str, Any], password: str | None, says: str
) -> None:
    with pytest.raises(Unavailable, match=says) as caught:
        CoreReader(Path()).columns(maria.source(ID, **change), password or maria.password)
    told = caught.value.message + caught.value.hint + caught.value.subject
    assert (password or maria.password) not in told


def test_a_server_that_says_nothing_is_unavailable_soon(maria: Maria) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        source = maria.source(ID, port=silent.getsockname()[1])
        began = time.monotonic()
        with pytest.raises(Unavailable, match="does not answer"):
            CoreReader(Path()).columns(source, maria.password)
        assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("there", "back", "tables", "says"),
    [
        ("SET GLOBAL tx_isolation = 'READ-COMMITTED'", "SET GLOBAL tx_isolation = "
         "'REPEATABLE-READ'", ID, "READ-COMMITTED"),
        ("CREATE TABLE `b``t` (id int)", "DROP TABLE `b``t`", {"b`t": {"id": KEEP}},
         "by the names that it uses"),
        ("ALTER TABLE one ADD line_id int", "ALTER TABLE one DROP line_id", ID, "one.line_id"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_rightly_is_not_read(
    maria: Maria, tmp_path: Path, there: str, back: str, tables: Any, says: str
) -> None:
    with maria.changed(there, back), pytest.raises(SandboxError) as caught:
        copy(maria, tmp_path / "x.duckdb", maria.source(tables))
    assert isinstance(caught.value, InvalidInput | Unavailable)
    assert says in caught.value.message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow  # the same of PostgreSQL is in test_drafts.py
def test_a_draft_of_the_demo_core_builds(maria: Maria, tmp_path: Path) -> None:
    """What detectors, keys and references make of it is what they make of PostgreSQL's."""
    tables = ("consents", "customers", "purchases")
    source = drafted_core.draft(maria.source().connection, maria.password, *tables)
    assert drafted_core.masks(source) == drafted_core.MASKS
    built = copy(maria, tmp_path / "x.duckdb", source)
    assert built.gate.passed
    joined = "SELECT count(*) FROM purchases JOIN customers USING (customer_id)"
    assert rows(built.path, joined) == [(69_659,)]
