"""Files as sources: the same rows through the whole path, whatever they are stored in."""

import hashlib
import hmac
import os
import sqlite3
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from sandbox.core.errors import InvalidInput, SandboxError, Unavailable
from sandbox.core.source import Source
from sandbox.drivers.sources.decoding import Decoded
from sandbox.drivers.sources.reader import CoreReader
from tests.contract.source_files import (
    LONG,
    NAMES,
    ODD,
    ROWS,
    kept,
    opened,
    read,
    rows_as_sql,
    source,
    types,
    write_by_duckdb,
    write_csv,
    write_rows_to_sqlite,
)

KEY = bytes(range(32))
WRITTEN = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)


class Quiet:
    def say(self, *told: Any) -> None:
        pass

    def output(self, stream: str, chunk: bytes) -> None:
        raise AssertionError("a build runs no command")


def masked(**type_: str) -> dict[str, Any]:
    """Return the rules of the odd table; `type_` is for those that a file does not type itself."""
    rules: dict[str, Any] = {
        "id": {"class": "personal", "mask": "integer-hmac"},
        "氏名": {"class": "personal", "mask": {"method": "hmac", "prefix": "p-"}},
        'a "b" 100%': {"class": "internal"},
        "amount": {"class": "internal"},
        "day": {"class": "internal", "mask": {"method": "generalise", "to": "month"}},
        "note": {"class": "internal"},
    }
    return {"columns": {name: {**r, "type": type_.get(name, "")} for name, r in rules.items()}}


TYPED = masked(id="bigint", amount="decimal(10, 2)", day="date")
EMPTY = {"columns": {"id": {"class": "internal"}}}


def sqlite_source(home: Path) -> Source:
    write_rows_to_sqlite(home / "core.db")
    return source({"type": "sqlite", "file": "core.db"}, {ODD: masked(), "empty": EMPTY})


def csv_source(home: Path) -> Source:
    write_csv(home / "割引.csv", ROWS, header=NAMES)
    write_csv(home / "empty.csv", [], header=["id"])
    files = {ODD: "割引.csv", "empty": "empty.csv"}
    return source({"type": "csv", "files": files}, {ODD: TYPED, "empty": EMPTY})


def parquet_source(home: Path) -> Source:
    write_by_duckdb(home / "a.parquet", rows_as_sql(), "FORMAT parquet")
    write_by_duckdb(home / "b.parquet", "SELECT 1 AS id WHERE false", "FORMAT parquet")
    files = {ODD: "a.parquet", "empty": "b.parquet"}
    return source({"type": "parquet", "files": files}, {ODD: masked(), "empty": EMPTY})


def excel_source(home: Path) -> Source:
    # DuckDB reads cells of up to 32,767 bytes.
    rows = rows_as_sql().replace(LONG, LONG[:10_000])
    write_by_duckdb(home / "a.xlsx", rows, "FORMAT xlsx, HEADER true, SHEET '顧客 & 表'", "excel")
    sheets = {ODD: "顧客 & 表"}
    return source({"type": "excel", "file": "a.xlsx", "sheets": sheets}, {ODD: TYPED})


KINDS = {
    "sqlite": (sqlite_source, "BIGINT", "DOUBLE, rounded from numeric"),
    "csv": (csv_source, "BIGINT", "DECIMAL(10,2)"),
    "parquet": (parquet_source, "INTEGER", "DECIMAL(10,2)"),
    "excel": (excel_source, "BIGINT", "DECIMAL(10,2)"),
}


def token(value: str) -> str:
    return hmac.new(KEY, value.encode(), "sha256").hexdigest()[:20]


@pytest.mark.parametrize("kind", KINDS)
def test_rows_types_and_masks_are_the_same_from_every_kind(kind: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    make, whole, exact = KINDS[kind]
    wanted = make(home)
    for file in home.iterdir():
        os.utime(file, (WRITTEN.timestamp(), WRITTEN.timestamp()))
    before = {file.name: file.read_bytes() for file in home.iterdir()}
    target = tmp_path / "x.duckdb"
    built = CoreReader(home).copy(wanted, "", KEY, target, Quiet())
    assert built.data_as_of == WRITTEN
    assert {t.name: t.rows for t in built.tables} == dict.fromkeys(wanted.tables, 0) | {ODD: 3}
    columns = {c.name: c.type for t in built.tables if t.name == ODD for c in t.columns}
    assert columns == dict(
        zip(NAMES, (whole, "VARCHAR", "VARCHAR", exact, "DATE", "VARCHAR"), strict=True)
    )
    with duckdb.connect(str(target), read_only=True) as con:
        query = "SELECT CAST(COLUMNS(* EXCLUDE id) AS VARCHAR) FROM {} ORDER BY amount DESC"
        found = con.execute(query.format('"割引 ""表"" 50%"')).fetchall()
    amount = "12.5" if exact.startswith("DOUBLE") else "12.50"
    long = LONG[:10_000] if kind == "excel" else LONG
    assert found == [
        ("p-" + token("佐藤 花子"), "😀 ｆｕｌｌ", amount, "2026-01-01", long),
        ("p-" + token("髙橋 太郎"), "a, 'b'\n\"c\"", "-0.05", "1999-12-01", "50% [/x]"),
        (None,) * 5,
    ]
    raw = target.read_bytes()
    assert built.file_digest == hashlib.sha256(raw).hexdigest()
    assert "佐藤".encode() not in raw
    # Nothing of the source was touched, and nothing put beside it.
    assert {file.name: file.read_bytes() for file in home.iterdir()} == before


def test_a_file_that_is_changed_meanwhile_fails_the_build(tmp_path: Path) -> None:
    for make in (sqlite_source, csv_source, parquet_source, excel_source):
        dialect, _ = opened(make(tmp_path), tmp_path)
        dialect.check_unchanged()
        file = tmp_path / dialect.place().split(" and ")[0]
        os.utime(file, ns=(1, file.stat().st_mtime_ns + 1))
        with pytest.raises(Unavailable, match="changed while it was read"):
            dialect.check_unchanged()


def test_what_sqlite_writes_beside_its_file_counts_too(tmp_path: Path) -> None:
    """Rows that were committed, but stand in the log beside the file, are read and watched."""
    writer = sqlite3.connect(tmp_path / "core.db")
    writer.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (a); INSERT INTO t VALUES (1);")
    wanted = source({"type": "sqlite", "file": "core.db"}, {"t": kept("a")})
    dialect, con = opened(wanted, tmp_path)
    assert dialect.rows(con, "t", "true") == 1
    dialect.check_unchanged()
    writer.execute("INSERT INTO t VALUES (2)")
    writer.commit()
    with pytest.raises(Unavailable, match="changed while it was read"):
        dialect.check_unchanged()
    con.close()
    writer.close()
    dialect, con = opened(wanted, tmp_path)
    assert dialect.rows(con, "t", "true") == 2
    dialect.check_unchanged()


def test_files_outside_of_the_home_are_refused(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    write_csv(tmp_path / "secret.csv", [[1]], header=["a"])
    (home / "link.csv").symlink_to(tmp_path / "secret.csv")
    (home / "folder").mkdir()
    (home / ".sandbox" / "secrets").mkdir(parents=True)
    (home / ".sandbox" / "secrets" / "core-password").write_text("a\n1\n")
    (home / "state.csv").symlink_to(home / ".sandbox" / "secrets" / "core-password")
    for file, says in (("link.csv", "inside the home"), ("nothing.csv", "No such file"),
                       ("folder", "cannot be read"), ("state.csv", "keys and passwords"),
                       (".sandbox/secrets/core-password", "keys and passwords")):  # fmt: skip
        with pytest.raises(SandboxError, match=says):
            opened(source({"type": "csv", "files": {"t": file}}, {"t": kept("a")}), home)


def test_a_home_whose_path_is_a_pattern_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "a[b]"
    home.mkdir()
    with pytest.raises(InvalidInput, match="has one of"):
        opened(parquet_source(home), home)


# CSV


def csv_of(home: Path, content: bytes, table: dict[str, Any], **connection: Any) -> Source:
    (home / "t.csv").write_bytes(content)
    return source({"type": "csv", "files": {"t": "t.csv"}, **connection}, {"t": table})


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("cp932", "髙橋①～"), ("shift_jis", "佐藤ｶﾅ"), ("euc_jp", "佐藤"), ("iso2022_jp", "佐藤"),
     ("utf-16", "😀"), ("utf-8", "😀"), ("utf-8-sig", "😀"), ("latin-1", "é")],
)  # fmt: skip
def test_csv_of_any_encoding(tmp_path: Path, encoding: str, text: str) -> None:
    content = f"番号,{text}\r\n007,{text}\r\n".replace("番号", "n").encode(encoding)
    wanted = csv_of(tmp_path, content, kept("n", text), encoding=encoding)
    assert read(wanted, tmp_path, "t") == [("007", text)]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    wanted = csv_of(tmp_path, b"\xef\xbb\xbfa,b\n1,2\n", kept("a", "b"))
    assert list(types(wanted, tmp_path, "t")) == ["a", "b"]


def test_csv_texts_stay_texts_unless_a_type_is_written(tmp_path: Path) -> None:
    content = (
        b"phone,zip,n,day,at,yes,who,empty\n"
        b'0312345678,0640000,-5,2026/1/31,2026-01-31 23:30,TRUE,x y,\n" 1 ",0, 7 ,,,0,"",""\n'
    )
    table = kept("phone", "zip", n="int", day="date", at="timestamp", yes="bool", who="", empty="")
    wanted = csv_of(tmp_path, content, table)
    assert list(types(wanted, tmp_path, "t").values()) == [
        "VARCHAR", "VARCHAR", "INTEGER", "DATE", "TIMESTAMP", "BOOLEAN", "VARCHAR", "VARCHAR",
    ]  # fmt: skip
    assert read(wanted, tmp_path, "t") == [
        ("0312345678", "0640000", "-5", "2026-01-31", "2026-01-31 23:30:00", "true", "x y", None),
        (" 1 ", "0", "7", None, None, "false", None, None),
    ]


def test_csv_without_a_header_has_the_listed_columns(tmp_path: Path) -> None:
    wanted = csv_of(tmp_path, b"1;x\n2;y\n", kept("id", "名"), header=False, delimiter=";")
    assert read(wanted, tmp_path, "t") == [("1", "x"), ("2", "y")]


def test_options_of_one_file_go_before_those_of_all(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("氏名\t年\n佐藤\t1\n".encode("cp932"))
    one = {"file": "t.csv", "encoding": "cp932", "delimiter": "\t"}
    wanted = source({"type": "csv", "files": {"t": one}}, {"t": kept("氏名", "年")})
    assert read(wanted, tmp_path, "t") == [("佐藤", "1")]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a,b\n1,2\n3\n", "Line 3 of a CSV"),
        (b'a,b\n1,"x\n', "a quote that nothing closes"),
        (b'a,b\n1,"x"y\n', "Line 2"),
        (b"a,b\n1," + b"x" * 3_000_000 + b"\n", "longer than 2 MB"),
        (b"a,b\n1,2\r\n3,4\r5,6\n", "CSV"),
        ("a,b\n1,2\n1,佐".encode("cp932"), "Line 3 of t.csv is not utf-8"),
        (b"\xff\xfea,b\n", "Line 1 of t.csv is not utf-8"),
        (b"", "empty"),
        (b"a,a\n1,2\n", "name every column"),
        (b"a,\n1,2\n", "name every column"),
    ],
)
def test_csv_that_is_broken_is_told_with_its_line(
    tmp_path: Path, content: bytes, says: str
) -> None:
    with pytest.raises(InvalidInput, match=says) as caught:
        read(csv_of(tmp_path, content, kept("a", "b")), tmp_path, "t")
    assert "佐" not in str(caught.value.details) + caught.value.message


def test_a_value_of_another_type_names_its_column_and_is_never_told(tmp_path: Path) -> None:
    content = b'"a ""b""",n\nx,1\ny,geheim\n'
    table = kept('a "b"', n="integer")
    with pytest.raises(InvalidInput, match="column n does not fit") as caught:
        read(csv_of(tmp_path, content, table), tmp_path, "t")
    assert "geheim" not in caught.value.message + caught.value.hint + str(caught.value.details)


def test_nothing_is_rounded_to_a_whole_number(tmp_path: Path) -> None:
    table = kept(n="integer")
    assert read(csv_of(tmp_path, b"n\n1.0\n-7\n1e3\n", table), tmp_path, "t") == [
        ("1",), ("-7",), ("1000",),
    ]  # fmt: skip
    for value in (b"1.5", b"99999999999", b"nan"):
        with pytest.raises(InvalidInput, match="column n does not fit"):
            read(csv_of(tmp_path, b"n\n" + value + b"\n", table), tmp_path, "t")


def test_a_type_that_there_is_not_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    wanted = csv_of(tmp_path, b"n\n1\n", kept(n="INTEGER) FROM x --"))
    with pytest.raises(InvalidInput, match="There is no type"):
        opened(wanted, tmp_path)
    with pytest.raises(InvalidInput, match="there is no type"):
        CoreReader(tmp_path).copy(wanted, "", KEY, tmp_path / "x.duckdb", Quiet())


def test_a_large_file_is_decoded_in_parts(tmp_path: Path) -> None:
    rows = [(n, f"佐藤 {n}", "改\n行") for n in range(60_000)]
    write_csv(tmp_path / "t.csv", rows, "cp932", ["id", "名", "x"])
    wanted = source(
        {"type": "csv", "files": {"t": "t.csv"}, "encoding": "cp932"},
        {"t": kept("名", "x", id="int")},
    )
    dialect, con = opened(wanted, tmp_path)
    assert dialect.rows(con, "t", "true") == 60_000
    found = con.execute(
        'SELECT sum(id), count(DISTINCT "名"), count(DISTINCT x) FROM source.main.t'
    ).fetchall()
    assert found == [(60_000 * 59_999 // 2, 60_000, 1)]


def test_decoded_text_can_be_read_again_from_any_place(tmp_path: Path) -> None:
    text = "".join(f"佐藤 {n}\n" for n in range(200_000))
    (tmp_path / "t.csv").write_text(text, "cp932")
    whole = text.encode()
    with Decoded(tmp_path / "t.csv", "cp932") as decoded:
        for place in (0, 1_500_000, 7, len(whole) - 3, len(whole)):
            assert decoded.seek(place) == decoded.tell() == place
            assert decoded.read(100) == whole[place : place + 100]
        decoded.seek(0)
        assert decoded.read() == whole


# Excel


def test_cells_of_excel_become_what_their_rule_says(tmp_path: Path) -> None:
    cells = (
        "SELECT '0312345678' AS phone, 46053::DOUBLE AS raw, DATE '2026-01-31' AS day, "
        "TIMESTAMP '2026-01-31 23:30:00.5' AS at, TIME '12:30:00' AS hour, true AS yes, "
        "1.25 AS n, 12345678901234::BIGINT AS big UNION ALL "
        "SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL UNION ALL "
        "SELECT 'late', NULL, NULL, NULL, NULL, NULL, NULL, NULL"
    )
    write_by_duckdb(tmp_path / "a.xlsx", cells, "FORMAT xlsx, HEADER true, SHEET 's'", "excel")
    table = kept("phone", raw="date", day="date", at="timestamp", hour="time", yes="boolean",
                 n="decimal(5,2)", big="bigint")  # fmt: skip
    wanted = source({"type": "excel", "file": "a.xlsx"}, {"s": table})
    # The empty row between is not one: it was only formatted.
    assert read(wanted, tmp_path, "s") == [
        ("0312345678", "2026-01-31", "2026-01-31", "2026-01-31 23:30:00.5", "12:30:00", "true",
         "1.25", "12345678901234"),
        ("late", *(None,) * 7),
    ]  # fmt: skip


def test_days_since_1904_are_days_too(tmp_path: Path) -> None:
    cells = "SELECT 44591 AS day, '2026-01-31' AS text"
    write_by_duckdb(tmp_path / "a.xlsx", cells, "FORMAT xlsx, HEADER true, SHEET 's'", "excel")
    with (
        zipfile.ZipFile(tmp_path / "a.xlsx") as old,
        zipfile.ZipFile(tmp_path / "b.xlsx", "w") as new,
    ):
        for name in old.namelist():
            new.writestr(
                name, old.read(name).replace(b"<workbookPr/>", b'<workbookPr date1904="1"/>')
            )
    table = kept(day="date", text="date")
    wanted = source({"type": "excel", "file": "b.xlsx"}, {"s": table})
    assert read(wanted, tmp_path, "s") == [("2026-01-31", "2026-01-31")]


def test_a_range_of_a_sheet_is_a_table(tmp_path: Path) -> None:
    cells = "SELECT 'Sales' AS x, NULL AS y UNION ALL SELECT 'id', 'n' UNION ALL SELECT '1', 'a'"
    write_by_duckdb(tmp_path / "a.xlsx", cells, "FORMAT xlsx, HEADER false, SHEET 's'", "excel")
    sheet = {"sheet": "s", "range": "A2:B3"}
    wanted = source({"type": "excel", "file": "a.xlsx", "sheets": {"t": sheet}}, {"t": kept("id")})
    assert read(wanted, tmp_path, "t") == [("1", "a")]


def test_a_sheet_that_is_not_there_and_a_file_that_is_no_workbook(tmp_path: Path) -> None:
    write_by_duckdb(tmp_path / "a.xlsx", "SELECT 1 AS a", "FORMAT xlsx, SHEET 'Sales'", "excel")
    wrong = {"type": "excel", "file": "a.xlsx", "sheets": {"t": "Sale"}}
    with pytest.raises(InvalidInput, match="Did you mean Sales"):
        opened(source(wrong, {"t": kept("a")}), tmp_path)
    (tmp_path / "b.xlsx").write_text("a,b\n")
    with pytest.raises(Unavailable, match="damaged, or not of the kind"):
        opened(source({"type": "excel", "file": "b.xlsx"}, {"t": kept("a")}), tmp_path)
