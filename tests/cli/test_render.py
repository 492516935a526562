"""What people wrote stays what it was: never markup, never an escape, never a formula."""

import csv
import importlib
import io
import json
import pkgutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandbox import usecases
from sandbox.cli import render, tables
from sandbox.core.egress import Asked, Why
from sandbox.core.values import Result
from sandbox.usecases.inside import LogsResult, SqlResult
from sandbox.usecases.templates import TemplateLine, TemplateListResult

NASTY = ["[/x]", "[red]a", ":smile:", "\x1b[2J", "\u202eabc", "=cmd|' /C calc'!A0", "山田 太郎"]


def rows(*cells: object, more: bool = False) -> SqlResult:
    return SqlResult(
        columns=("=name",), types=("VARCHAR",), rows=tuple((c,) for c in cells), more=more, limit=2
    )


def test_a_table_shows_text_as_it_is_without_controls(capsys: pytest.CaptureFixture[str]) -> None:
    render.show(rows(*NASTY, None, -3.5), "table")
    out, err = capsys.readouterr()
    lines = [line.rstrip() for line in out.splitlines()]
    expected = [*NASTY[:3], "\ufffd[2J", "\ufffdabc", *NASTY[5:], "", "-3.5"]
    assert lines == ["=name", *expected]
    assert err == ""


def test_csv_runs_nothing_and_reads_back(capsys: pytest.CaptureFixture[str]) -> None:
    render.show(rows(*NASTY, -3.5, "a,b\nc", '"'), "csv")
    found = [r[0] for r in csv.reader(io.StringIO(capsys.readouterr().out))]
    assert found[0] == "'=name"
    assert found[6] == "'" + NASTY[5]
    assert found[8] == "-3.5"
    assert not any(cell.startswith("=") for cell in found)
    assert not any("\x1b" in cell or "\u202e" in cell for cell in found)


def test_json_keeps_every_value(capsys: pytest.CaptureFixture[str]) -> None:
    render.show(rows(*NASTY), "json")
    out = capsys.readouterr().out
    assert [r[0] for r in json.loads(out)["rows"]] == NASTY
    assert "\x1b" not in out


def test_a_cut_result_says_so_beside_the_rows(capsys: pytest.CaptureFixture[str]) -> None:
    render.show(rows("a", "b", more=True), "csv")
    out, err = capsys.readouterr()
    assert out == "'=name\na\nb\n"
    assert "first 2 rows" in err


def test_long_cells_are_not_folded_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    line = TemplateLine(name="n", version="1", family="f", title="長い" * 300, needs=(), ready=True)
    render.show(TemplateListResult(templates=(line,)), "table")
    assert "長い" * 300 in capsys.readouterr().out


def test_log_lines_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    render.show(LogsResult(name="n", part="tool", lines=("[bold]x[/y]",)), "table")
    assert capsys.readouterr().out == "[bold]x[/y]\n"


STARTS = ["=1+1", "+cmd", "-cmd", "@SUM(A1)", "  =1+1", "＝1+1", "\ufeff=1+1", "-1 day", "-inf"]
NUMBERS = [-5, -3.5, "-5", "-5.00", "+7", "1E+5", "-0.5e-3", 0, True, None]


def test_csv_escapes_formulas_and_leaves_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    render.show(rows(*STARTS, "\t=1+1", *NUMBERS), "csv")
    found = [r[0] if r else "" for r in csv.reader(io.StringIO(capsys.readouterr().out))][1:]
    assert found[: len(STARTS)] == [f"'{cell}" for cell in STARTS]
    assert found[len(STARTS)] == "\ufffd=1+1"
    assert found[len(STARTS) + 1 :] == [str(n) if n is not None else "" for n in NUMBERS]


def test_a_bug_is_told_clean_and_as_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    render.show_bug(ZeroDivisionError("[/x]\n \x1b[31m"), as_json=False)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Error Unexpected: ZeroDivisionError: [/x] \ufffd[31m\nThis is a fault")


def test_a_formula_in_a_purpose_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    line = TemplateLine(name="=cmd", version="-1", family="@f", title="+x", needs=(), ready=True)
    render.show(TemplateListResult(templates=(line,)), "table")
    assert "=cmd      -1       @f      +x" in capsys.readouterr().out


def test_every_result_has_a_look() -> None:
    """Looks are found by the result's name, so that no command loads what it does not show."""
    for module in pkgutil.iter_modules(usecases.__path__):
        importlib.import_module(f"sandbox.usecases.{module.name}")
    names = [kind.__name__ for kind in Result.__subclasses__()]
    assert len(names) == len(set(names))
    for_the_shell = {"NamesResult", "TemplateNamesResult"}
    assert set(names) - for_the_shell == set(tables._SHOWN)


@pytest.mark.parametrize("arguments", [["list"], ["--help"], ["audit", "list"]], ids=" ".join)
def test_a_command_that_only_reads_loads_no_heavy_library(
    lived_in: Path, arguments: list[str]
) -> None:
    told = (
        "import sys; from sandbox.cli.app import main; main(sys.argv[1:]); "
        "print(*sys.modules, file=sys.stderr)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", told, *arguments],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    loaded = {name.split(".")[0] for name in ran.stderr.split()}
    assert not loaded & {"docker", "requests", "jinja2", "duckdb", "alembic", "webbrowser"}
    if arguments == ["list"]:
        assert "sandbox.usecases.provisioning" not in ran.stderr.split()


@pytest.mark.parametrize(
    ("why", "leads_to", "said"),
    [
        ("", "", "let through"),
        ("rule", "", "refused by rule"),
        ("name", "", "refused, name not found"),
        ("address", "10.0.0.1", "refused, leads to 10.0.0.1"),
    ],
)
def test_requests_of_a_proxy_are_a_table(
    why: Why, leads_to: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    one = Asked(
        at=datetime(2026, 11, 23, 8, 5, 7, tzinfo=UTC),
        method="CONNECT",
        host="xn--wgv71a119e.jp",
        port=443,
        refused=bool(why),
        why=why,
        leads_to=leads_to,
        verifying=False,
        sent=49,
        received=3394,
    )
    told = LogsResult(name="n", part="proxy", lines=(), requests=(one,), left_out=1669)
    render.show(told, "table")
    _, row, left_out = capsys.readouterr().out.splitlines()
    assert row.startswith(f"{one.at.astimezone():%Y-%m-%d %H:%M:%S}  CONNECT  日本語.jp (xn--wgv")
    assert f" 443   {said} " in row
    assert left_out.startswith("left out: 1,669 requests refused while verify ran")
