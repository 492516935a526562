"""The nouns `source` and `data` on the command line: tables, JSON, exit codes."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, error

PEOPLE = (
    "CREATE TABLE people (id INTEGER PRIMARY KEY, mail TEXT, note TEXT)",
    "INSERT INTO people VALUES (1, 'a@example.jp', 'x'), (2, 'b@example.jp', 'y'), "
    "(3, 'c@example.jp', 'z')",
)


@pytest.fixture
def shop(made: Path) -> Path:
    """A home beside whose settings an SQLite database lies; no source yet."""
    with closing(sqlite3.connect(made / "shop.db")) as con, con:
        for statement in PEOPLE:
            con.execute(statement)
    return made


def test_from_a_live_source_to_a_file_that_holds_and_a_request(shop: Path, cli: Cli) -> None:
    draft = ("source", "draft", "shop", "--type", "sqlite", "--file", "shop.db")
    code, out, err = cli(*draft)
    assert (code, "Looked at 1 table\n" in err) == (0, True)
    assert "people  id      personal  integer-hmac  a key; nothing found in 3 values" in out
    assert "contact   fake-mail     mail 100 % of 3 values" in out
    assert "next      review sources/shop.yaml, then: sandbox snapshot build shop" in out
    assert "@example.jp" not in out + err + (shop / "sources/shop.yaml").read_text()
    code, out, _ = cli("source", "check", "shop")
    assert (code, "3 columns of 1 table, as the file says" in out) == (0, True)
    code, out, _ = cli("source", "list")
    assert "shop    sqlite  shop.db  1       personal, contact  none yet" in out
    code, out, _ = cli("source", "show", "shop")
    assert "mail    contact   fake-mail" in out
    code, out, _ = cli("data", "show", "people", "-o", "json")
    assert json.loads(out)["columns"][1]["mask"].startswith("an invented address")
    code, out, _ = cli(*draft, "-o", "json")
    assert (code, error(out)["code"]) == (6, "conflict")
    wish = ("--table", "people", "--purpose", "Which notes help?", "--due", "2099-12-31")
    code, out, _ = cli("data", "request", *wish, "--column", "note")
    assert (code, "r1, waiting" in out) == (0, True)
    code, out, _ = cli("request", "accept", "r1", "--reason", "Notes are harmless")
    assert (code, "it is not in force" in out) == (0, True)
    drafted = (shop / "sources/shop.r1.draft.yaml").read_text()
    assert "# r1: was personal, null; nothing found in 3 values" in drafted
    with closing(sqlite3.connect(shop / "shop.db")) as con, con:
        con.execute("ALTER TABLE people ADD line_id TEXT")
        con.execute("ALTER TABLE people DROP COLUMN note")
        con.execute("CREATE TABLE staff (name TEXT)")
    code, out, _ = cli("source", "check", "shop")
    assert code == 4
    assert "new      people.line_id  add it to sources/shop.yaml with class and mask" in out
    assert "missing  people.note" in out
    assert "tables that the file does not list: staff" in out


@pytest.mark.parametrize(
    ("content", "used", "said"),
    [
        ("会員番号,氏名,電話\n1,a,2\n", ";", "cut at semicolons, but its header has commas"),
        ("id;name\n1;a\n", "", "cut at commas, but its header has semicolons"),
        ("id\tname\n1\ta\n", "", "cut at commas, but its header has tabs"),
        ("id,name\n1,a\n", "", ""),
        ("id\n1\n", "", ""),
    ],
)
def test_a_draft_of_one_column_warns_of_the_wrong_delimiter(
    made: Path, cli: Cli, content: str, used: str, said: str
) -> None:
    (made / "list.csv").write_text(content)
    options = ("--delimiter", used) if used else ()
    file = ("--type", "csv", "--file", "members=list.csv")
    _, out, err = cli("source", "draft", "shop", *file, *options)
    told = " ".join((out + err).split())
    assert said in told
    assert ("--delimiter" in told) == bool(said)


def test_a_draft_beside_goes_into_a_new_file_of_ours(shop: Path, cli: Cli) -> None:
    to = shop.parent / "draft.yaml"
    options = ("--type", "sqlite", "--file", "shop.db", "--to", str(to))
    assert cli("source", "draft", "shop", *options)[0] == 0
    assert "kind: Source" in to.read_text()
    assert to.stat().st_mode & 0o777 == 0o600
    assert not (shop / "sources/shop.yaml").exists()
    assert cli("source", "draft", "shop", *options)[0] == 6


def test_bad_input_is_one_clear_message(made: Path, cli: Cli) -> None:
    assert "sandbox source draft" in cli("source", "list")[1]
    assert "sandbox source draft" in cli("data", "list")[1]
    csv = ("source", "draft", "shop", "--type", "csv", "--file")
    for arguments, code, said in (
        (("source", "draft", "shop"), 3, "--type"),
        (("source", "draft", "shop", "--type", "sqlight"), 3, "Did you mean sqlite"),
        (("source", "draft", "shop", "--type", "postgres"), 3, "--host is missing"),
        (("source", "draft", "Shop!", "--type", "sqlite"), 3, "lower-case letters"),
        ((*csv, "t=a.csv", "--file", "t=b.csv"), 3, "--file t=b.csv: Each table"),
        ((*csv, "a.csv", "--file", "b.csv"), 3, "--file a.csv: Each table"),
        ((*csv, "=a.csv"), 3, "--file =a.csv: Each table"),
        (("source", "show", "shop"), 5, "no such source"),
        (("data", "show", "people"), 5, "no such table"),
        (("data", "request", "--table", "people"), 2, "Missing option"),
    ):
        got, out, err = cli(*arguments)
        assert (got, out) == (code, ""), arguments
        assert said in err, arguments
