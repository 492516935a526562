"""verify: what it asks inside, what it says, and what the record keeps."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.cli.render import exit_code
from sandbox.core.errors import Conflict, Denied, Unavailable
from sandbox.core.objects import Ran
from sandbox.core.ports import Context
from sandbox.drivers.home import HomeFolder
from sandbox.usecases.inside import ExecRequest, execute
from sandbox.usecases.verifying import VerifyRequest, verify
from tests.fakes import Clock, FakeEngine, Said, ran_saying
from tests.usecases.asking_up import events, make

pytestmark = pytest.mark.usefixtures("snapshot")
NAME = "spring-coupon"


def answer(engine: FakeEngine, held: bool) -> None:
    check = {"about": "guard", "name": "trace\x1b the guard", "held": held, "detail": "EPERM"}
    engine.programs["sandbox_verify"] = ran_saying({"checks": [check]})


def asked(engine: FakeEngine) -> dict[str, dict[str, object]]:
    found = [json.loads(stdin or b"{}") for _, words, stdin in engine.asked if "-I" in words]
    return {question["phase"]: question for question in found}


@pytest.mark.parametrize("held", [True, False])
def test_it_says_and_records_what_held(
    ctx: Context, engine: FakeEngine, said: Said, held: bool
) -> None:
    made = make(ctx)
    answer(engine, held)
    result = verify(ctx, VerifyRequest(name=NAME))
    assert (result.held, result.id, len(result.checks)) == (held, made.sandbox.id, 3)
    assert result.checks[0].name == "trace\ufffd the guard"
    assert exit_code(result) == (0 if held else 4)
    event = events(ctx)[-1]
    assert (event.code, event.subject) == ("sandbox.verified", NAME)
    assert event.details["tried"] == 3
    assert event.details["held"] == (3 if held else 0)
    assert len(event.details["failed"]) == (0 if held else 3)
    assert any("lab" in step for step in said.steps)


ALONE = "No other sandbox runs, so reaching one was not tried."


def strict(folder: Path, value: int) -> Path:
    """Return a folder like the kernel's settings, which filters by source (1) or not (0)."""
    for name in ("all", "default"):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "rp_filter").write_text(f"{value}\n")
    return folder


def test_it_says_what_it_cannot_see_of_the_host(
    ctx: Context, engine: FakeEngine, home: Path, tmp_path: Path
) -> None:
    make(ctx)
    answer(engine, True)
    ctx = replace(ctx, files=HomeFolder(home, conf=strict(tmp_path, 0)))
    assert any("doctor" in note for note in verify(ctx, VerifyRequest(name=NAME)).notes)


def test_it_attacks_every_other_sandbox_and_says_when_there_is_none(
    ctx: Context, engine: FakeEngine, home: Path, tmp_path: Path
) -> None:
    ctx = replace(ctx, files=HomeFolder(home, conf=strict(tmp_path, 1)))
    make(ctx)
    answer(engine, True)
    assert verify(ctx, VerifyRequest(name=NAME)).notes == (ALONE,)
    other = make(ctx, "autumn").sandbox
    result = verify(ctx, VerifyRequest(name=NAME))
    assert result.notes == ()
    quiet = asked(engine)["quiet"]
    assert other.name in str(quiet["gateway"])
    targets = quiet["others"]
    assert isinstance(targets, list)
    assert [port for _, port in targets] == [2718, 5432, 8700]
    unused = quiet["unused"]
    assert isinstance(unused, list)
    own = {f".{last}" for last in (2, 6, 7)}
    assert len(unused) == 11
    first = int(str(unused[0]).rpartition(".")[2]) - 1
    assert not {f".{int(u.rpartition('.')[2]) - first}" for u in unused} & own


def test_a_program_that_fails_is_no_proof(ctx: Context, engine: FakeEngine) -> None:
    make(ctx)
    engine.programs["sandbox_verify"] = Ran(1, b"", b"no such module")
    with pytest.raises(Unavailable, match="no such module"):
        verify(ctx, VerifyRequest(name=NAME))
    assert events(ctx)[-1].code == "sandbox.verify-failed"


def test_an_image_of_an_older_version_says_so(ctx: Context, engine: FakeEngine) -> None:
    make(ctx)
    old = b'{"checks": [{"name": "x", "held": true, "detail": ""}]}'
    engine.programs["sandbox_verify"] = Ran(0, old, b"")
    with pytest.raises(Unavailable, match="older version"):
        verify(ctx, VerifyRequest(name=NAME))


def test_only_what_is_ready_can_be_attacked(ctx: Context, clock: Clock) -> None:
    make(ctx)
    clock.advance(hours=4)
    with pytest.raises(Conflict, match="expired"):
        verify(ctx, VerifyRequest(name=NAME))


def test_no_command_is_run_as_the_labs_own_user(ctx: Context) -> None:
    make(ctx)
    with pytest.raises(Denied, match="answers SQL"):
        execute(ctx, ExecRequest(name=NAME, command=("id",), part="lab"))


SECOND = """services:
  sender:
    command: [/opt/venv/bin/python, -m, http.server, "8025"]
    port: 8025
    limits: {memory_mb: 64, cpus: 0.2, pids: 32}
"""


@pytest.fixture
def two_services(home: Path) -> None:
    """The template has a second service beside its tool."""
    file = home / "templates/segment-rfm/template.yaml"
    file.write_text(file.read_text().replace("services:\n", SECOND, 1))


def asked_in(engine: FakeEngine) -> set[tuple[str, str]]:
    """Return (part, phase) of all attacks so far."""
    found = [(c, json.loads(stdin or b"{}")) for c, words, stdin in engine.asked if "-I" in words]
    return {(c.rpartition("-")[2], question["phase"]) for c, question in found}


@pytest.mark.usefixtures("two_services")
def test_every_service_is_attacked_alike(ctx: Context, engine: FakeEngine) -> None:
    make(ctx)
    assert asked_in(engine) == {("tool", "fast"), ("sender", "fast")}
    engine.asked.clear()
    answer(engine, False)
    result = verify(ctx, VerifyRequest(name=NAME))
    assert asked_in(engine) == {
        *(("tool", "quiet"), ("tool", "lab"), ("tool", "limits")),
        *(("sender", "quiet"), ("sender", "limits")),
    }
    assert [c.name.partition(":")[0] for c in result.checks[3:]] == ["sender", "sender"]
    assert len(events(ctx)[-1].details["failed"]) == 5


@pytest.mark.usefixtures("two_services")
def test_a_service_that_gives_way_ends_up(ctx: Context, engine: FakeEngine) -> None:
    answer(engine, False)
    with pytest.raises(Unavailable, match="failed its own isolation test: sender: trace"):
        make(ctx)
