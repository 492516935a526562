"""sql, import, exec and logs: what goes in, what comes out, and how failures are told."""

import json
from dataclasses import replace

import pytest

from sandbox.core.anatomy import container_name
from sandbox.core.errors import Conflict, InvalidInput, NotFound, Unavailable
from sandbox.core.objects import Ran
from sandbox.core.ports import Context
from sandbox.usecases.homes import DoctorRequest, UninstallRequest, doctor, uninstall
from sandbox.usecases.inside import (
    ExecRequest,
    LogsRequest,
    SqlRequest,
    execute,
    logs,
    sql,
)
from sandbox.usecases.sandboxes import DownRequest, down
from tests.fakes import DeadEngine, FakeEngine, Said, ran_saying
from tests.usecases.asking_up import codes, make

pytestmark = pytest.mark.usefixtures("snapshot")
NAME = "spring-coupon"


def test_sql_asks_inside_and_returns_rows(ctx: Context, engine: FakeEngine) -> None:
    made = make(ctx)
    rows = {"columns": ["a"], "types": ["INTEGER"], "rows": [[1], [None]], "more": True}
    engine.programs["sandbox_query"] = ran_saying(rows)
    result = sql(ctx, SqlRequest(name=NAME, sql="SELECT '顧客'", limit=2))
    assert (result.rows, result.more, result.limit) == (((1,), (None,)), True, 2)
    container, _, stdin = engine.asked[-1]
    assert container == container_name(made.sandbox.id, "tool")
    assert json.loads(stdin or b"") == {"sql": "SELECT '顧客'", "limit": 2}


@pytest.mark.parametrize(
    ("ran", "error", "words"),
    [
        (ran_saying({"error": "no table \x1b[31mx"}), InvalidInput, "no table \ufffd[31mx"),
        (Ran(137, b"", b"Killed"), InvalidInput, "more memory"),
        (Ran(1, b"[1, 2]", b""), Unavailable, "exit 1"),
        (Ran(0, b"\xff\xfe", b""), Unavailable, "exit 0"),
        (ran_saying({"error": ["x"]}), InvalidInput, "x"),
        (ran_saying({"rows": "all of them"}), Unavailable, "makes no sense"),
    ],
)
def test_sql_errors_are_told_clean(
    ctx: Context, engine: FakeEngine, ran: Ran, error: type[Exception], words: str
) -> None:
    make(ctx)
    engine.programs["sandbox_query"] = ran
    with pytest.raises(error) as raised:
        sql(ctx, SqlRequest(name=NAME, sql="SELECT 1"))
    assert words in str(raised.value)


@pytest.mark.parametrize("text", ["", "  \n"])
def test_no_sql_is_refused_before_anything_runs(
    ctx: Context, engine: FakeEngine, text: str
) -> None:
    make(ctx)
    engine.forget_calls()
    with pytest.raises(InvalidInput):
        sql(ctx, SqlRequest(name=NAME, sql=text))
    assert engine.calls == []


def test_sql_in_a_tool_that_has_died_is_unavailable(ctx: Context, engine: FakeEngine) -> None:
    made = make(ctx)
    engine.containers[container_name(made.sandbox.id, "tool")].running = False
    with pytest.raises(Unavailable, match="does not run"):
        sql(ctx, SqlRequest(name=NAME, sql="SELECT 1"))


def test_nothing_runs_in_a_sandbox_that_is_gone(ctx: Context) -> None:
    make(ctx)
    down(ctx, DownRequest(name=NAME))
    with pytest.raises(Conflict, match="destroyed"):
        sql(ctx, SqlRequest(name=NAME, sql="SELECT 1"))


@pytest.mark.parametrize(
    ("kind", "tables"), [("catalogue", True), ("", False)], ids=["catalogue", "other"]
)
def test_an_sql_error_keeps_its_position(
    ctx: Context, engine: FakeEngine, kind: str, tables: bool
) -> None:
    make(ctx)
    error = "Catalog Error: no x\nDid you mean y?\nLINE 1: FROM x\n             ^"
    engine.programs["sandbox_query"] = ran_saying({"error": error, "kind": kind})
    with pytest.raises(InvalidInput) as raised:
        sql(ctx, SqlRequest(name=NAME, sql="FROM x"))
    assert (raised.value.subject, raised.value.message) == (NAME, "SQL: Catalog Error: no x")
    assert raised.value.hint.startswith("Did you mean y?\nLINE 1: FROM x\n             ^")
    assert ("duckdb_tables()" in raised.value.hint) == tables


def test_too_big_for_memory_says_how_much_there_is(ctx: Context, engine: FakeEngine) -> None:
    make(ctx)
    engine.programs["sandbox_query"] = ran_saying(
        {"error": "x", "kind": "memory", "memory_mb": 768}
    )
    with pytest.raises(InvalidInput, match="the sandbox has 768 MB") as raised:
        sql(ctx, SqlRequest(name=NAME, sql="FROM x"))
    assert "LIMIT" in raised.value.hint


def test_what_fails_inside_names_the_sandbox(ctx: Context, engine: FakeEngine) -> None:
    make(ctx)
    engine.programs["sandbox_query"] = Ran(1, b"", b"broken")
    with pytest.raises(Unavailable) as raised:
        sql(ctx, SqlRequest(name=NAME, sql="SELECT 1"))
    assert (raised.value.subject, raised.value.hint) == (NAME, f"See: sandbox logs {NAME}")


@pytest.mark.parametrize(
    ("why", "code", "words"),
    [
        (b"nix: No such file or directory\n", 127, "no such command"),
        (b"nix: Permission denied\n", 126, "cannot be executed"),
    ],
)
def test_a_command_that_cannot_start(
    ctx: Context, engine: FakeEngine, said: Said, why: bytes, code: int, words: str
) -> None:
    make(ctx)
    engine.programs["nix"] = Ran(code, b"sandbox guard: cannot run " + why, b"")
    assert execute(ctx, ExecRequest(name=NAME, command=("nix",))).code == code
    assert [stream for stream, _ in said.passed] == ["stderr"]
    assert words in said.passed[0][1].decode()
    assert b"guard" not in said.passed[0][1]


def test_exec_passes_output_and_exit_code_on(ctx: Context, engine: FakeEngine, said: Said) -> None:
    make(ctx)
    engine.programs["false"] = Ran(3, b"out\x1b", b"")
    assert execute(ctx, ExecRequest(name=NAME, command=("false", "-x"))).code == 3
    assert engine.asked[-1][1] == ("/sandbox/guard", "-x", "--", "false", "-x")
    assert said.passed == [("stdout", b"out\x1b")]
    with pytest.raises(NotFound, match="Did you mean lab"):
        execute(ctx, ExecRequest(name=NAME, command=("true",), part="labb"))


def test_logs_are_clean_lines(ctx: Context) -> None:
    make(ctx)
    assert logs(ctx, LogsRequest(name=NAME)).lines == ("first", "last \ufffd[31mwords")


def test_doctor_with_and_without_an_engine(ctx: Context, engine: FakeEngine) -> None:
    good = doctor(ctx, DoctorRequest())
    assert good.works
    engine.images.clear()
    bare = {c.name: c for c in doctor(ctx, DoctorRequest()).checks}
    assert bare["engine"].status == "ok"
    assert (bare["base image"].status, bool(bare["base image"].fix)) == ("fail", True)
    dead = doctor(replace(ctx, engine=DeadEngine()), DoctorRequest())
    assert not dead.works
    found = {c.name: c for c in dead.checks}
    assert found["engine"].status == "fail"
    assert found["engine"].fix
    assert found["registry"].status == found["home"].status == "ok"


def test_uninstall_waits_for_sandboxes_and_leaves_nothing(ctx: Context, engine: FakeEngine) -> None:
    make(ctx)
    with pytest.raises(Conflict, match=NAME):
        uninstall(ctx, UninstallRequest())
    down(ctx, DownRequest(name=NAME))
    uninstall(ctx, UninstallRequest())
    assert engine.listing() == []
    assert codes(ctx)[-1] == "home.uninstalled"
