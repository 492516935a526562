"""The promises of crossing.FileReader, on the real one: what is seen in files, and one masked."""

import hashlib
import hmac
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from sandbox.core.crossing import Seen
from sandbox.core.errors import InvalidInput
from sandbox.core.source import Column
from sandbox.drivers.sources.border import looked, masked
from sandbox.drivers.sources.crossing import BorderReader
from sandbox.drivers.sources.parsing import LINES, Parsed, parsed

if TYPE_CHECKING:
    from sandbox.core.crossing import FileReader

KEY = bytes(range(32))
TOKEN = "c_[0-9a-f]{20}"
A_TOKEN = "c_affd8cbb04f0ba83b227"


def see(text: str, name: str = "a.csv", encoding: str = "utf-8") -> Seen:
    return looked(name, text.encode(encoding), [TOKEN])


def found(seen: Seen) -> list[tuple[str, str, int]]:
    return [(s.column, s.detector, s.count) for s in seen.found]


def test_its_process_says_the_same() -> None:
    port: FileReader = BorderReader()  # mypy is the judge of the signatures
    content = "Mail,人数\ntaro@example.co.jp,7\n".encode()
    seen = port.look("a.csv", content, [TOKEN])
    assert seen == looked("a.csv", content, [TOKEN])
    assert found(seen) == [("Mail", "mail", 1)]
    rule = Column.model_validate({"class": "contact", "mask": {"method": "fake-mail"}})
    with pytest.raises(InvalidInput, match="Did you mean Mail"):
        port.mask(content, "mail", rule, "VARCHAR", KEY)


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("segment,customers\nloyal,600\nlapsed,4\nempty,0\n", 4),
        ("segment,revenue\nloyal,600.5\nlapsed,4\n", 1),
        ("segment,revenue\nloyal,1\nloyal,2\nlapsed,3\nlapsed,4\nlapsed,5\n", 2),
        ("customer_id,n\n1,40\n2,50\n", 1),
        (f"who,n\n{A_TOKEN},40\n", 1),
        ("revenue\n100\n200\n", 1),
        ("segment,customers\n", 0),
        ("day,customers\n2026-11-01,12\n2026-11-02,9\n", 9),
        ("店舗,人数,うち会員\nA,12,3\n", 12),
        ("segment,customers,buyers\na,12,3\n", 3),
    ],
)
def test_the_smallest_group(text: str, group: int) -> None:
    seen = see(text)
    assert (seen.format, seen.tabular, seen.smallest_group) == ("csv", True, group)


@pytest.mark.parametrize(
    ("text", "name", "column", "detector"),
    [
        ("x,y\ntaro@example.co.jp,1\n", "a.csv", "x", "mail"),
        ("x;y\n０９０－１２３４－５６７８;1\n", "a.csv", "x", "phone-jp"),
        ("氏名,予算\n山田 太郎,1\n佐藤 花子,2\n鈴木 一郎,3\n", "a.csv", "氏名", "name-kanji"),
        ("taro@example.co.jp,y\n1,1\n", "a.csv", "(names of columns)", "mail"),
        ('[{"a": 1, "b": "taro@example.co.jp"}]', "a.json", "b", "mail"),
        ('{"a": {"b": [["taro@example.co.jp"]]}}', "a.json", "b", "mail"),
        ('{"taro@example.co.jp": 1}', "a.json", "(keys)", "mail"),
        ('{"a": 1}\n{"a": "taro@example.co.jp"}\n', "a.jsonl", "a", "mail"),
        ("Call 090-1234-5678.\nBye.", "a.txt", "line", "phone-jp"),
        ("<b>taro@example.co.jp</b>", "a.html", "line", "mail"),
    ],
)
def test_what_is_found_wherever_it_stands(text: str, name: str, column: str, detector: str) -> None:
    assert (column, detector) in [(c, d) for c, d, _ in found(see(text, name))]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp932", "euc_jp", "utf-16"])
def test_texts_of_all_usual_encodings_are_read(encoding: str) -> None:
    read = parsed("a.csv", "氏名,メール\n山田 太郎,taro@example.co.jp\n".encode(encoding))
    assert read.grid is not None
    assert read.grid.columns == ("氏名", "メール")
    assert [*read.grid.rows] == [["山田 太郎", "taro@example.co.jp"]]


def test_tokens_of_the_replica_are_no_identities() -> None:
    content = b"who,other\nc:4111111111111111,4111111111111111\n"
    assert [s.column for s in looked("a.csv", content, []).found] == ["who", "other"]
    assert [s.column for s in looked("a.csv", content, ["c:[0-9]{16}"]).found] == ["other"]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0", "a.png"),
        (b"PK\x03\x04\x14\0\x06\0", "a.xlsx"),
        (b"PAR1 and no more", "a.parquet"),
        (b"a,b\n1,\x01\n", "a.csv"),
        (b"\xff\xfe\x00", "a.csv"),
        (b'{"a": "taro@example.co.jp", "a": 1}', "a.json"),
        (b'{"a": 1}\n{"a": [{"b": 1, "b": 2}]}', "a.txt"),
        (b"x" * (9 << 20), "a.txt"),
    ],
)
def test_what_nobody_can_read_is_unknown(content: bytes, name: str) -> None:
    seen = looked(name, content, [])
    assert (seen.format, seen.tabular, seen.found) == ("unknown", False, ())


@pytest.mark.parametrize("text", ["a,b\n1\n", 'a,b\n"1,2\n', "", "\n\n"])
def test_an_uneven_table_is_a_text(text: str) -> None:
    assert parsed("a.csv", text.encode()) == Parsed("text", texts={LINES: text.splitlines()})


def test_parquet_leaves_without_its_writers_notes(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    duckdb.sql(
        "COPY (SELECT 'taro@example.co.jp' AS mail, 9 AS customers, [1] AS l) "
        f"TO '{file}' (FORMAT parquet, KV_METADATA {{note: 'hanako@example.co.jp'}})"
    )
    assert b"hanako" in file.read_bytes()
    seen = looked("a.parquet", file.read_bytes(), [], leaving=True)
    assert (seen.format, seen.rows, found(seen)) == ("parquet", 1, [("mail", "mail", 1)])
    assert b"hanako" not in seen.leaves
    file.write_bytes(seen.leaves)
    assert duckdb.sql(f"FROM '{file}'").fetchall() == [("taro@example.co.jp", 9, [1])]


def test_no_cell_that_leaves_starts_a_formula() -> None:
    content = b'a;=b\n=1+1;-5\n\n"x\n@y";+1\n'
    seen = looked("a.csv", content, [], leaving=True)
    assert seen.leaves == b"a,'=b\n'=1+1,-5\n\"x\n@y\",+1\n"


def test_a_token_is_that_of_the_source() -> None:
    rule = Column.model_validate({"class": "personal", "mask": {"method": "hmac", "prefix": "c_"}})
    made = masked(b"Id,budget\n A1 ,3\n,4\nA1,5\n", "Id", rule, "VARCHAR", KEY)
    token = "c_" + hmac.new(KEY, b"A1", hashlib.sha256).hexdigest()[:20]
    head, *rows = made.content.decode().splitlines()
    assert (head, sorted(rows)) == ("Id,budget", [",4", f"{token},3", f"{token},5"])
    assert (made.rows, made.identities) == (3, 1)


def test_the_order_of_a_matched_file_does_not_tell_whose_token_is_whose() -> None:
    rule = Column.model_validate({"class": "contact", "mask": "fake-mail"})
    mails = "".join(f"m{number}@example.co.jp\n" for number in range(60))
    made = masked(f"Mail\n{mails}".encode(), "Mail", rule, "VARCHAR", KEY).content.split()[1:]
    assert made == sorted(made)
    assert len(made) == 60


def test_identities_are_compared_as_their_type_is_written() -> None:
    rule = Column.model_validate({"class": "personal", "mask": {"method": "integer-hmac"}})
    made = masked(b"Id\n0012\n12\n-7\n", "Id", rule, "INTEGER", KEY)
    assert made.identities == 2
    assert b"12" not in made.content.split()
    with pytest.raises(InvalidInput, match="1 values are not INTEGER") as raised:
        masked(b"Id\nsecret\n12\n", "Id", rule, "INTEGER", KEY)
    assert "secret" not in str(vars(raised.value))


@pytest.mark.parametrize("type_", ["INTEGER[]", "STRUCT(a INTEGER)", "INTEGER); DROP TABLE x; --"])
def test_other_types_are_not_matched(type_: str) -> None:
    rule = Column.model_validate({"class": "personal", "mask": {"method": "hmac"}})
    with pytest.raises(InvalidInput, match="cannot be matched"):
        masked(b"Id\n12\n", "Id", rule, type_, KEY)


@pytest.mark.parametrize("content", [b"\0", b"a,b\n1\n", b""])
def test_what_is_no_csv_is_not_masked(content: bytes) -> None:
    rule = Column.model_validate({"class": "personal", "mask": {"method": "hmac"}})
    with pytest.raises(InvalidInput, match="no CSV file"):
        masked(content, "Id", rule, "VARCHAR", KEY)


def test_odd_names_stay_apart() -> None:
    seen = see('a,A,"q""uote",,a_1\n1,2,3,4,5\n')
    assert seen.columns == ("a", "A_1", 'q"uote', "column3", "a_1_1")


@pytest.mark.parametrize("value", ["encode('山田 太郎')", "{'a': encode('山田 太郎'), 'b': 1}"])
def test_bytes_of_a_parquet_file_are_read(tmp_path: Path, value: str) -> None:
    file = tmp_path / "a.parquet"
    duckdb.sql(f"COPY (SELECT {value} AS x, 9 AS n) TO '{file}' (FORMAT parquet)")
    seen = looked("a.parquet", file.read_bytes(), [])
    assert ("x", "name-kanji", 1) in found(seen) or "b" in value
    duckdb.sql(f"COPY (SELECT '\\xFF\\xFE'::BLOB AS x, 9 AS n) TO '{file}' (FORMAT parquet)")
    assert looked("a.parquet", file.read_bytes(), []).format == "unknown"


def test_lines_may_end_as_they_did_on_old_computers() -> None:
    seen = see("customer_name,n\rEbony Smithers,1\rZed Quux,2\r\nAnn Vance,3\n")
    assert (seen.format, seen.rows) == ("csv", 3)
    assert found(seen) == [("customer_name", "name-latin", 3)]


def test_a_document_in_one_cell_is_no_table() -> None:
    assert see(f"n,said\n99,{'a' * 2000}\n").tabular
    assert not see(f"n,said\n99,{'a' * 2001}\n").tabular
    assert not looked("a.json", f'[{{"n": 9, "said": "{"a" * 2001}"}}]'.encode(), []).tabular


def test_more_columns_than_any_table_has_are_not_looked_at() -> None:
    assert see("," * 1600 + "\n" + "," * 1600 + "\n").format == "unknown"
