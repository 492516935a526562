"""sql, import, exec and the notebook in one real sandbox, as newcomers misuse them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.core.anatomy import PYTHON
from tests.docker.conftest import UP, Home

pytestmark = pytest.mark.docker
NAME = "inside"


@pytest.fixture(scope="module", autouse=True)
def inside(home: Home) -> Iterator[None]:
    """One running sandbox for all tests."""
    home.run("up", NAME, *UP)
    yield
    home.run("down", NAME)


def refused(home: Home, *arguments: str, code: int = 3) -> Any:
    return home.json(*arguments, code=code)["error"]


def test_a_query_too_big_for_memory_is_told(home: Home) -> None:
    statement = "SELECT count(*) FROM range(100000000000) a, range(1000000000) b"
    error = refused(home, "sql", NAME, statement)
    assert "768 MB" in error["message"]
    assert error["subject"] == NAME
    assert home.json("sql", NAME, "SELECT 1")["rows"] == [[1]]


def test_a_million_rows_arrive(home: Home) -> None:
    statement = "SELECT p.* FROM core.purchases p, range(15)"
    answer = home.json("sql", NAME, statement, "--limit", "1000000")
    assert (len(answer["rows"]), answer["more"]) == (1_000_000, True)


def test_an_error_after_the_first_rows_is_an_error(home: Home) -> None:
    late = "SELECT CASE WHEN i = 50000 THEN 'z' ELSE '1' END::INT FROM range(99999) t(i)"
    assert "'z'" in refused(home, "sql", NAME, late, "--limit", "99999")["message"]


def test_a_table_without_a_place_goes_to_the_lab(home: Home) -> None:
    home.run("sql", NAME, "CREATE TABLE kept AS SELECT 41 + 1 AS a")
    assert home.json("sql", NAME, "FROM lab.kept")["rows"] == [[42]]
    assert ["kept"] in home.json("sql", NAME, "SHOW TABLES")["rows"]
    home.run("sql", NAME, "PIVOT core.customers ON prefecture USING count(*)")


def test_sql_errors_keep_what_duckdb_proposes(home: Home) -> None:
    table = refused(home, "sql", NAME, "FROM customers")
    assert 'Did you mean "core.customers"?\nLINE 1: FROM customers\n' in table["hint"]
    assert "duckdb_tables()" in table["hint"]
    column = refused(home, "sql", NAME, "SELECT custmer_id FROM core.customers")
    assert '"customer_id"' in column["hint"]
    assert "duckdb_tables()" not in column["hint"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('a,b\n1,"2\n3,4\n', "Line 2: a quote"),
        ("a,b\n1,2\n1,2,3\n", "Line 3 has 3 cells, but the first line names 2 columns"),
        ("a,b\n1\n", "Line 2 has 1 cell,"),
        (f"a,b\n1,{'x' * 200_000}\n", "Line 2: a cell has more than"),
        ("PK\x03\x04rest", "Excel"),
    ],
)
def test_files_that_are_refused(home: Home, tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "wrong.csv"
    file.write_text(content)
    assert words in refused(home, "import", NAME, str(file))["message"]


def test_renamed_columns_and_japanese_names(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "予算 2026.csv"
    file.write_text("a,A,\n1,2,3\n")
    result = home.json("import", NAME, str(file))
    assert result["table"] == "予算_2026"
    assert [n.partition(";")[0].partition(",")[0] for n in result["notes"]] == [
        "Column 2",
        "Column 3 has no heading",
    ]
    assert home.json("sql", NAME, "FROM lab.予算_2026")["rows"] == [[1, 2, 3]]
    again = refused(home, "import", NAME, str(file), code=6)
    assert f"sandbox sql {NAME} 'DROP TABLE lab.予算_2026'" in again["hint"]


def test_commands_that_cannot_start(home: Home) -> None:
    assert home.run("exec", NAME, "--", "no-such-command", code=127) == ""
    assert home.run("exec", NAME, "--", "/etc/passwd", code=126) == ""


def test_the_page_fills_itself_when_its_first_visitor_leaves_at_once(home: Home) -> None:
    """A browser that leaves before it asks for the cells to be run; the next one sees outputs."""
    program = """
import json
from websockets.sync.client import connect
def visit(session, until):
    address = f"ws://127.0.0.1:2718/ws?session_id={session}&file=/work/segment_rfm.py"
    with connect(address, open_timeout=20, max_size=None) as page:
        for _ in range(400):
            if until in page.recv(timeout=20):
                return
    raise SystemExit("never came: " + until)
visit("s_first1", '"kernel-ready"')
visit("s_secnd2", "Champions")
"""
    home.run("exec", NAME, "--", PYTHON, "-c", program)


def test_a_file_of_the_owner_poses_as_no_module_of_ours(home: Home) -> None:
    shell = ("exec", NAME, "--", "/bin/sh", "-c")
    home.run(*shell, "echo 'raise SystemExit(9)' > /work/json.py")
    try:
        assert home.json("sql", NAME, "SELECT 1")["rows"] == [[1]]
    finally:
        home.run(*shell, "rm /work/json.py")
