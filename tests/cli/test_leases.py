"""The lease verbs as they are typed: exit codes, one message and one hint, JSON for programs."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.core.ports import Actor, Context
from sandbox.drivers.machine import own_user
from sandbox.usecases.leases import (
    ExtendRequest,
    FreezeRequest,
    RestoreRequest,
    ResumeRequest,
    extend,
    freeze,
    restore,
    resume,
)
from sandbox.usecases.line import LiftLineRequest, StopLineRequest, lift_line, stop_line
from sandbox.usecases.sandboxes import DownRequest, ShowRequest, down, show
from tests.cli.conftest import Cli, Seen, error
from tests.fakes import Clock
from tests.usecases.asking_up import PURPOSE, make

NAME = "spring-coupon"
EXTEND = ("extend", NAME, "--ttl", "2h", "--reason", "The campaign runs on")
RESTORE = ("restore", NAME, "--ttl", "2h", "--reason", "Forgot the chart")
UP = ("up", NAME, "-t", "segment-rfm", "-p", PURPOSE, "--ttl", "3h")
MORE = ExtendRequest(name=NAME, ttl="1h", reason="The campaign runs on")
Lived = Callable[..., Context]


@pytest.fixture
def lived(stocked: Path, ctx: Context, clock: Clock) -> Lived:
    """Give a sandbox of three hours, made so many hours ago, and the context it was made in."""

    def make_one(hours_ago: float = 0, owner: str = "") -> Context:
        clock.moment = datetime.now(UTC) - timedelta(hours=hours_ago)
        mine = replace(ctx, actor=Actor(owner or own_user(), "operating-system user"))
        make(mine, ttl="3h")
        return mine

    return make_one


def refused(cli: Cli, arguments: tuple[str, ...], code: int, words: str) -> dict[str, Any]:
    """Check exit code and what people read; return the JSON error."""
    got, out, err = cli(*arguments)
    assert (got, out) == (code, ""), err
    assert err.startswith("Error ")
    assert words in err
    got, out, err = cli(*arguments, "-o", "json")
    assert (got, err) == (code, "")
    return error(out)


def test_extend_of_an_expired_one(cli: Cli, lived: Lived) -> None:
    lived(hours_ago=4)
    body = refused(cli, EXTEND, 6, "expired cannot be extended")
    assert body["hint"].endswith(f"sandbox restore {NAME}")
    assert (body["code"], body["subject"], body["state"]) == ("conflict", NAME, "expired")
    assert body["allowed_actions"] == ["restore", "down"]


def test_extend_of_somebody_elses(cli: Cli, lived: Lived) -> None:
    lived(owner="hanako")
    body = refused(cli, EXTEND, 4, "It is hanako's sandbox")
    assert (body["code"], body["owner"]) == ("denied", "hanako")


@pytest.mark.parametrize("arguments", [EXTEND, RESTORE])
def test_more_time_for_what_is_destroyed(cli: Cli, lived: Lived, arguments: Any) -> None:
    down(lived(), DownRequest(name=NAME))
    body = refused(cli, arguments, 6, "destroyed cannot")
    assert (body["state"], body["allowed_actions"]) == ("destroyed", [])
    assert body["hint"] == f"Make a new one: sandbox up {NAME} --template T --purpose WHY"
    _, shown, _ = cli("show", NAME)
    assert "\ndisk" not in shown


def test_extend_beyond_the_cap_says_what_is_left(cli: Cli, lived: Lived) -> None:
    mine = lived()
    long = ("extend", NAME, "--ttl", "100h", "--reason", "holiday")
    body = refused(cli, long, 4, "72 h now, 3 of 3 extensions left")
    assert (body["extensions_left"], body["minutes_left_to_ask"]) == (3, 72 * 60)
    assert body["hint"] == "At most: --ttl 72h"
    for _ in range(3):
        extend(mine, MORE)
    body = refused(cli, EXTEND, 4, "cannot be extended any more")
    assert (body["extensions_left"], body["minutes_left_to_ask"]) == (0, 0)


def test_restore_after_grace(cli: Cli, lived: Lived) -> None:
    lived(hours_ago=3 + 72.1)
    body = refused(cli, RESTORE, 6, "grace ended")
    assert body["allowed_actions"] == ["down"]


def test_restore_of_what_runs(cli: Cli, lived: Lived) -> None:
    lived()
    body = refused(cli, RESTORE, 6, "ready cannot be restored")
    assert "extend" in body["allowed_actions"]


def test_a_name_in_grace(cli: Cli, lived: Lived) -> None:
    lived(hours_ago=4)
    body = refused(cli, UP, 6, f"sandbox restore {NAME}")
    assert body["hint"].splitlines()[1].endswith(f"sandbox down {NAME}")
    assert body["allowed_actions"] == ["restore", "down"]


@pytest.mark.parametrize("verb", [("freeze", NAME, "--reason", "odd"), ("resume", NAME)])
def test_freeze_and_resume_of_what_is_over(cli: Cli, lived: Lived, verb: Any) -> None:
    lived(hours_ago=4)
    assert refused(cli, verb, 6, "expired cannot")["allowed_actions"] == ["restore", "down"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("extend", NAME, "--ttl", "2h"), "--reason"),
        (("extend", NAME, "--reason", "holiday"), "--ttl"),
        (("freeze", NAME), "--reason"),
    ],
)
def test_what_must_be_said(cli: Cli, lived: Lived, arguments: Any, words: str) -> None:
    code, out, err = cli(*arguments)
    assert (code, out) == (2, "")
    assert words in err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("extend", NAME, "--ttl", "2", "--reason", "holiday"), 3),
        (("extend", NAME, "--ttl", "2h", "--reason", " "), 3),
        (("extend", "nobody", "--ttl", "2h", "--reason", "holiday"), 5),
        (("restore", NAME, "--ttl", "soon"), 3),
        (("restore", "nobody"), 5),
        (("freeze", NAME, "--reason", ""), 3),
        (("resume", "nobody"), 5),
        (("stop-the-line",), 3),
        (("stop-the-line", "--lift"), 6),
    ],
)
def test_bad_requests(cli: Cli, lived: Lived, arguments: Any, code: int) -> None:
    lived()
    refused(cli, arguments, code, "Error")


def test_a_dead_engine_promises_nothing(cli: Cli, lived: Lived) -> None:
    lived()
    refused(cli, EXTEND, 7, "engine")
    (listed,) = json.loads(cli("list", "-o", "json")[1])["sandboxes"]
    assert listed["extensions_left"] == 3


def test_warnings_are_shown(cli: Cli, lived: Lived) -> None:
    lived(hours_ago=2.505)
    assert "ends in 29 min" in cli("list")[1]
    _, out, _ = cli("list", "-o", "json")
    assert json.loads(out)["sandboxes"][0]["warning"] == "ends in 29 min"


def test_an_expired_one_is_hidden_from_the_list(cli: Cli, lived: Lived) -> None:
    lived(hours_ago=4)
    assert NAME not in cli("list")[1]
    assert NAME in cli("list", "--all")[1]


def test_a_stopped_line_is_told_by_list_up_and_doctor(cli: Cli, lived: Lived) -> None:
    stop_line(lived(), StopLineRequest(reason="A mask is [/x] wrong"))
    assert "A mask is [/x] wrong" in cli("list")[1]
    assert json.loads(cli("list", "-o", "json")[1])["line"]["reason"] == "A mask is [/x] wrong"
    body = refused(cli, ("up", "other", *UP[2:]), 6, "has stopped the line: A mask is [/x]")
    assert body["line"]["by"] == own_user()
    checks = json.loads(cli("doctor", "-o", "json")[1])["checks"]
    assert [c["status"] for c in checks if c["name"] == "line"] == ["warn"]
    assert "lifted" in cli("stop-the-line", "--lift", "--reason", "mended")[1]
    assert json.loads(cli("list", "-o", "json")[1])["line"] is None


def test_a_frozen_one_is_listed_with_its_time(cli: Cli, lived: Lived) -> None:
    freeze(lived(hours_ago=0.01), FreezeRequest(name=NAME, reason="Too many queries"))
    _, out, _ = cli("list")
    assert "frozen" in out
    assert "2 h 59 min" in out


def test_extend_and_restore_say_the_new_end_and_what_is_left(
    lived: Lived, clock: Clock, seen: Seen
) -> None:
    mine = lived()
    told = seen(extend(mine, MORE))
    assert told.startswith(f"extended  {NAME}   until ")
    assert "(4 h left)\nextend    2 times more, now by 72 h at most\n" in told
    clock.advance(hours=5)
    told = seen(show(mine, ShowRequest(name=NAME)))
    assert "restore   2 times more, now by 72 h at most\nexpired   kept until " in told
    assert "you can   logs, restore, down\n" in told
    told = seen(restore(mine, RestoreRequest(name=NAME, ttl="1h")))
    assert told.startswith(f"restored  http://{NAME}.localhost:8700   until ")
    assert "extend    once more, now by" in told
    clock.advance(minutes=10)
    extend(mine, MORE)
    told = seen(show(mine, ShowRequest(name=NAME)))
    assert "extend    no more\n" in told
    clock.advance(minutes=80)
    assert "warning   ends in 30 min\n" in seen(show(mine, ShowRequest(name=NAME)))
    clock.advance(hours=100)
    assert ", over\n" in seen(show(mine, ShowRequest(name=NAME)))


def test_freeze_and_resume_say_what_comes_next(lived: Lived, clock: Clock, seen: Seen) -> None:
    mine = lived()
    told = seen(freeze(mine, FreezeRequest(name=NAME, reason="Too [/x] many")))
    assert told.startswith(f"frozen    {NAME}: Too [/x] many\nlease     runs on until ")
    assert told.endswith(f"resume    sandbox resume {NAME}\n")
    shown = seen(show(mine, ShowRequest(name=NAME)))
    assert f"frozen    by {own_user()}, " in shown
    assert "lease     runs on until " in shown
    assert "you can   logs, extend, resume, down\n" in shown
    assert re.search(r"^tool +container +no ", shown, re.MULTILINE)
    clock.advance(minutes=90)
    told = seen(resume(mine, ResumeRequest(name=NAME, credit=True)))
    assert told.startswith(f"resumed   http://{NAME}.localhost:8700   until ")
    assert "credit    1 h 30 min given back\n" in told
    freeze(mine, FreezeRequest(name=NAME, reason="again"))
    told = seen(resume(mine, ResumeRequest(name=NAME, credit=True)))
    assert "credit    under 1 min given back\n" in told


def test_the_line_says_who_stopped_it_and_what_comes_next(lived: Lived, seen: Seen) -> None:
    mine = lived()
    told = seen(stop_line(mine, StopLineRequest(reason="A mask is wrong")))
    assert told.startswith(f"line      stopped by {own_user()}, ")
    assert told.endswith(f"frozen    {NAME}\nthen      sandbox stop-the-line --lift\n")
    told = seen(lift_line(mine, LiftLineRequest()))
    assert told == f"line      lifted\nfrozen    {NAME}\nthen      sandbox resume NAME, each\n"
