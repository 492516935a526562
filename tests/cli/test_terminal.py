"""The real command on a real terminal of 80 columns, and in a pipe: colours, folding, cutting."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from sandbox.cli.layout import width_of
from sandbox.core.errors import Denied
from sandbox.core.ports import Context
from tests.cli.terminals import COMMAND, ESCAPE, environment, on_terminal
from tests.usecases.asking_up import make

COLOUR = re.compile(r"\x1b\[[0-9;]*m")

pytestmark = pytest.mark.usefixtures("lived_in")


def in_pipe(*arguments: str, **settings: str) -> str:
    ran = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, env=environment(**settings), check=True
    )
    assert ran.stderr == b""
    return ran.stdout.decode()


TABLES = [
    ["list", "--all"],
    ["audit", "list"],
    ["snapshot", "show", "core@2026-11-23.1"],
    *(
        pytest.param(arguments, marks=pytest.mark.slow)
        for arguments in (["list"], ["audit", "verify"], ["snapshot", "list"], ["template", "list"])
    ),
]


@pytest.mark.parametrize("arguments", TABLES, ids=" ".join)
def test_every_table_fits_80_columns(arguments: list[str], lived_in: Path) -> None:
    code, out = on_terminal(*arguments)
    assert code == 0
    assert COLOUR.search(out)
    lines = ESCAPE.sub("", out).splitlines()
    assert all(width_of(line) <= 80 for line in lines), out
    assert not any(line.endswith(" ") for line in lines)


@pytest.mark.parametrize("arguments", TABLES, ids=" ".join)
def test_in_a_pipe_nothing_is_cut_padded_or_coloured(arguments: list[str]) -> None:
    out = in_pipe(*arguments)
    assert "\x1b" not in out
    assert "…" not in out.replace("…,", "").replace("…\n", "\n")
    assert not any(line.endswith(" ") for line in out.splitlines())


def test_japanese_in_a_cell_is_cut_where_it_does_not_fit() -> None:
    _, out = on_terminal("list")
    plain = ESCAPE.sub("", out)
    assert re.search(r"休眠顧客.*…\n", plain)
    assert "-o json shows all" in plain
    assert "休眠顧客のうち誰がクーポン[/x]に反応しますか。" in in_pipe("list")


def test_no_color_is_kept_on_a_terminal() -> None:
    for settings in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        code, out = on_terminal("list", **settings)
        assert code == 0
        assert "spring-coupon" in out
        colours = [code for code in COLOUR.findall(out) if re.search(r"[34]\d", code)]
        assert not colours, out
    assert "\x1b" not in on_terminal("list", TERM="dumb")[1]


def test_errors_have_colour_on_a_terminal_only() -> None:
    code, out = on_terminal("show", "nobody")
    assert code == 5
    assert "\x1b[1;31mError" in out
    assert "\x1b[1;31m" not in on_terminal("show", "nobody", NO_COLOR="1")[1]


def test_force_color_colours_a_pipe_without_cutting() -> None:
    out = in_pipe("list", FORCE_COLOR="1", TERM="xterm-256color")
    assert COLOUR.search(out)
    assert "休眠顧客のうち誰がクーポン[/x]に反応しますか。" in out


@pytest.mark.parametrize(
    "settings",
    [{"FORCE_COLOR": "1"}, {"TERM": "dumb"}, pytest.param({}, marks=pytest.mark.slow)],
)
def test_json_has_no_escapes_anywhere(settings: dict[str, str]) -> None:
    assert json.loads(in_pipe("list", "-o", "json", **settings))["sandboxes"]
    _, out = on_terminal("list", "-o", "json", **settings)
    document = out[out.index("{") : out.rindex("}") + 1]
    assert "\x1b" not in document
    assert json.loads(document)["sandboxes"][0]["allowed_actions"][-1] == "down"


def test_a_command_to_copy_stays_in_one_piece(ctx: Context) -> None:
    name = "a-name-of-nearly-forty-letters-in-all"
    with pytest.raises(Denied):
        make(ctx, name, ttl="9d")
    asking = f"sandbox waiver request ttl-max {name} --until 14d --reason WHY\n"
    _, out = on_terminal("policy", "explain", name)
    assert f"          {asking}" in ESCAPE.sub("", out)
