"""What leaves a real sandbox, what does not, and how a list of people comes in."""

import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docker.conftest import UP, Core, Home

pytestmark = pytest.mark.docker
NAME = "exits"
WHY = ("--purpose", "Budget per segment for the October meeting")
MAIL = "taro.yamada@example.co.jp"
AGGREGATE = """
CREATE TABLE lab.by_prefecture AS
SELECT prefecture, count(*) AS customers, '=1+1' AS note FROM core.customers
GROUP BY ALL HAVING count(*) >= 5
"""


@pytest.fixture(scope="module", autouse=True)
def exits(home: Home) -> Iterator[None]:
    """One running sandbox for all tests."""
    before = home.listing()
    home.run("up", NAME, *UP)
    yield
    home.run("down", NAME, "--no-keep")
    assert home.listing() == before


def events(home: Home) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = home.json("audit", "list", "--subject", NAME)["events"]
    return found


def test_an_aggregate_leaves(home: Home, tmp_path: Path) -> None:
    home.run("sql", NAME, AGGREGATE)
    file = tmp_path / "out.csv"
    result = home.json("export", NAME, "by_prefecture", *WHY, "--to", str(file))
    content = file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600
    assert result["sha256"] == hashlib.sha256(content).hexdigest()
    rows = list(csv.reader(content.decode().splitlines()))
    assert rows[0] == ["prefecture", "customers", "note"]
    assert len(rows) - 1 == result["rows"] > 40
    assert rows[1:] == sorted(rows[1:])
    assert {row[2] for row in rows[1:]} == {"'=1+1"}
    told = events(home)[-1]
    assert (told["code"], told["details"]["digest"]) == ("sandbox.exported", result["sha256"])
    whole = home.run("export", NAME, "lab.by_prefecture", *WHY, "--to", "-")
    assert whole.encode() == content


def test_mails_never_leave_wherever_they_stand(home: Home, tmp_path: Path) -> None:
    home.run("sql", NAME, f"CREATE TABLE lab.loyal AS SELECT '{MAIL}' AS who, 900 AS customers")
    home.run("exec", NAME, "--", "sh", "-c", f"echo 'Ask {MAIL}' > /work/notes.md")
    for what in ("loyal", "/work/notes.md"):
        file = tmp_path / "out"
        error = home.json("export", NAME, what, *WHY, "--to", str(file), code=4)["error"]
        rules = {f["rule"] for f in error["decision"]["findings"] if not f["approval"]}
        assert rules == {"export-no-identities"}
        assert MAIL not in str(error)
        assert not file.exists()
    assert [e["code"] for e in events(home)][-2:] == ["sandbox.export-denied"] * 2
    assert MAIL not in str(events(home))


@pytest.mark.parametrize(
    ("make", "what", "code"),
    [
        ("ln -s /run/sandbox/lab.json /work/link", "/work/link", 3),
        ("ln -s /run/sandbox /work/folder", "/work/folder/lab.json", 3),
        ("mkfifo /work/pipe", "/work/pipe", 3),
        ("head -c 40000000 /dev/zero > /work/large", "/work/large", 3),
        ("head -c 4000 /dev/urandom > /work/chart.png", "/work/chart.png", 4),
        ("true", "/work", 3),
        ("true", "/work/none.csv", 5),
        ("true", "none", 5),
    ],
)
def test_what_is_no_file_of_the_owner_stays(
    home: Home, tmp_path: Path, make: str, what: str, code: int
) -> None:
    home.run("exec", NAME, "--", "sh", "-c", make)
    file = tmp_path / "out"
    home.run("export", NAME, what, *WHY, "--to", str(file), code=code)
    assert not file.exists()
    home.run("exec", NAME, "--", "sh", "-c", "rm -rf /work/large /work/pipe")


def test_rows_of_single_people_leave_after_a_yes_and_once(home: Home, tmp_path: Path) -> None:
    home.run("exec", NAME, "--", "/opt/venv/bin/python", "/opt/template/rfm.py")
    file = tmp_path / "segments.csv"
    command = ("export", NAME, "segments", *WHY, "--to", str(file))
    error = home.json(*command, code=4)["error"]
    rules = [f["rule"] for f in error["decision"]["findings"]]
    assert rules == ["export-rows", "export-smallest-group"]
    request = error["request"]
    assert home.json(*command, code=4)["error"]["request"] == request
    shown = home.run("request", "show", request)
    assert "lab.segments, 23,570 rows" in shown
    answer = home.json("request", "accept", request, "--reason", "Goes to the core side only")
    assert "duties are not separated" in answer["warnings"][0]
    assert not file.exists()
    assert home.json(*command)["request"] == request
    assert len(file.read_text().splitlines()) == 23_571
    file.unlink()
    assert home.json(*command, code=4)["error"]["request"] != request
    asked = [e["code"] for e in events(home) if e["code"].startswith("ask.")]
    assert asked == ["ask.made", "ask.accepted", "ask.used", "ask.made"]


def test_a_list_of_people_joins_with_core(home: Home, demo_core: Core, tmp_path: Path) -> None:
    real = demo_core.psql("SELECT mail FROM customers ORDER BY mail LIMIT 60").split()
    assert len(real) == 60
    people = [*real, *(f"nobody{n}@example.com" for n in range(10))]
    file = tmp_path / "mailing.csv"
    file.write_text("E-Mail,opened\n" + "".join(f" {m} ,{n % 2}\n" for n, m in enumerate(people)))
    refused = home.json("import", NAME, str(file), code=4)["error"]
    assert refused["decision"]["findings"][0]["rule"] == "import-no-identities"

    command = ("import", NAME, str(file), "--match", "core.customers.mail=E-Mail")
    request = home.json(*command, code=4)["error"]["request"]
    assert home.json(
        "sql", NAME, "SELECT coalesce(max(table_name), 'none') FROM duckdb_tables() "
        "WHERE table_name = 'mailing'"
    )["rows"][0][0] == "none"  # fmt: skip
    home.run("request", "accept", request, "--reason", "The mailing of October")
    matched = home.json(*command)["matched"]
    assert (matched["rows"], matched["unmatched"]) == (60, 10)
    joined = home.json(
        "sql", NAME, 'SELECT count(DISTINCT c.customer_id), sum(opened) FROM lab.mailing m '
        'JOIN core.customers c ON c.mail = m."E-Mail"'
    )  # fmt: skip
    assert joined["rows"] == [[60, 30]]
    stored = home.json("sql", NAME, 'SELECT "E-Mail" FROM lab.mailing')["rows"]
    assert all(mail.endswith("@masked.invalid") for (mail,) in stored)
    told = str(events(home))
    files = [f.read_bytes() for f in home.folder.rglob("*") if f.is_file()]
    for mail in people:
        assert mail not in told
        assert not any(mail.encode() in content for content in files)
