"""import and export: the command line, and what people see."""

from pathlib import Path
from typing import Any

import pytest

from sandbox.cli import render
from sandbox.cli.asking import Asked, Output
from sandbox.cli.crossing import export
from sandbox.core.policy import Decision
from sandbox.usecases.exporting import ExportRequest, ExportResult
from sandbox.usecases.importing import ImportedColumn, ImportResult, Matched
from tests.cli.conftest import Cli, Seen, error
from tests.contract.test_exit_rules import EXPORT, IMPORT, MATCHED, decide

OUT = ExportResult(
    name="spring-coupon",
    what="lab.segments",
    format="csv",
    rows=1001,
    bytes=2048,
    sha256="d" * 64,
    label="pseudonymised",
    data_class="contact",
    decision=decide("export", EXPORT | {"rows": 1001}),
    request="r3",
)


@pytest.mark.parametrize(
    ("what", "to", "file"),
    [
        ("lab.public.segments", "", "segments.csv"),
        ("segments", "", "segments.csv"),
        ("/work/out/chart.json", "", "chart.json"),
        ("segments", "/tmp/x.csv", "/tmp/x.csv"),
    ],
)
def test_where_an_export_goes(what: str, to: str, file: str) -> None:
    asked = export("spring-coupon", what, "Why", to)
    assert isinstance(asked, Asked)
    assert (asked.into, asked.aside) == (Path(file), False)
    assert asked.request == ExportRequest(name="spring-coupon", what=what, purpose="Why")


def test_an_export_to_stdout_has_it_alone(
    cli: Cli, made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = export("spring-coupon", "segments", "Why", "-")
    assert isinstance(asked, Asked)
    assert (asked.into, asked.aside) == (None, True)
    render.show(OUT, Output.TABLE, aside=True)
    assert capsys.readouterr().out == ""
    render.show(OUT, Output.TABLE, into=Path("segments.csv"))
    assert capsys.readouterr().out.endswith("\nfile      segments.csv\n")
    line = ["export", "spring-coupon", "segments", "-p", "Why", "--to", "-", "-o", "json"]
    code, out, _ = cli(*line)
    assert (code, error(out)["subject"]) == (3, "--to -")


def test_nothing_is_left_of_an_export_that_failed(cli: Cli, made: Path) -> None:
    code, _, err = cli("export", "spring-coupon", "segments", "--purpose", "Why")
    assert (code, "no such sandbox" in err) == (5, True)
    assert not Path("segments.csv").exists()
    Path("segments.csv").write_text("mine")
    code, _, err = cli("export", "spring-coupon", "segments", "--purpose", "Why")
    assert (code, "exists already" in err) == (6, True)
    assert Path("segments.csv").read_text() == "mine"
    assert cli("export", "spring-coupon", "segments")[0] == 2


def test_an_export_is_shown(seen: Seen) -> None:
    shown = seen(OUT)
    for words in (
        "policy    7 of 8 rules hold; for the rest request r3 was accepted",
        "lab.segments of spring-coupon, 1,001 rows, 2 kB of csv",
        "pseudonymised; the replica holds contact at most",
        "d" * 64,
    ):
        assert words in shown
    assert "export-rows" not in shown
    assert "lab.segments of spring-coupon, 1 row, 2 kB" in seen(OUT.model_copy(update={"rows": 1}))


def test_a_match_is_shown(seen: Seen) -> None:
    decision: Decision = decide("import", IMPORT | MATCHED)
    matched: dict[str, Any] = {"column": "core.customers.mail", "file_column": "E-Mail"}
    result = ImportResult(
        name="spring-coupon",
        table="loyal",
        rows=60,
        columns=(ImportedColumn(name="E-Mail", type="VARCHAR"),),
        matched=Matched(**matched, rows=42, unmatched=18, request="r1"),
        decision=decision,
    )
    shown = seen(result)
    assert "matched   E-Mail with core.customers.mail: 42 rows are there, 18 are not" in shown
