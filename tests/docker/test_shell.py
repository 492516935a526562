"""What people see and type at a terminal, with a real sandbox behind it."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.cli.layout import width_of
from tests.cli.terminals import ESCAPE, on_terminal
from tests.docker.conftest import UP, Home

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def shell(home: Home) -> Iterator[str]:
    before = home.listing()
    home.run("up", "shell", *UP)
    yield "shell"
    home.run("down", "shell")
    assert home.listing() == before


def seen(home: Home, *arguments: str) -> list[str]:
    code, out = on_terminal("--home", str(home.folder), *arguments)
    assert code == 0, out
    lines = ESCAPE.sub("", out).splitlines()
    assert all(width_of(line) <= 80 for line in lines), out
    return lines


def test_wide_results_fit_a_terminal(home: Home, shell: str) -> None:
    tables = seen(home, "sql", shell, "SHOW ALL TABLES")
    assert any(re.match(r"core +main +customers +\['customer_id.*…", line) for line in tables)
    assert "-o csv" in tables[-1]
    people = seen(home, "sql", shell, "FROM core.customers LIMIT 1")
    assert any(line.startswith("customer_id  c_") for line in people)
    whole = home.run("sql", shell, "SHOW ALL TABLES")
    assert "…" not in whole
    assert not any(line.endswith(" ") for line in whole.splitlines())


def test_show_and_plan_fit_a_terminal(home: Home, shell: str) -> None:
    shown = "\n".join(seen(home, "show", shell))
    assert "you can   open, sql, import, export, exec, logs, extend, reset, freeze, down" in shown
    seen(home, "plan", "another", *UP)
    actions = home.json("show", shell)["sandbox"]["allowed_actions"]
    assert {"extend", "freeze", "down"} <= set(actions)


def test_the_way_out_of_a_taken_table_works_as_printed(
    home: Home, shell: str, tmp_path: Path
) -> None:
    file = tmp_path / "budgets.csv"
    file.write_text("segment,budget\nlapsed,5\n")
    home.run("import", shell, str(file))
    refused = home.json("import", shell, str(file), code=6)["error"]
    printed = re.search(r"sandbox (sql \w+ '.+?')", refused["hint"])
    assert printed is not None
    home.run(*shlex.split(printed[1]))
    assert home.json("import", shell, str(file))["rows"] == 1
    assert "--table" in refused["hint"]
    assert home.json("import", shell, str(file), "--table", "other")["table"] == "other"
