"""What people wrote stays what it was: never markup, never an escape, never a formula."""

import csv
import io
import json

import pytest

from sandbox.cli import render
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
