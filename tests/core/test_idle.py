"""What rules at the point `idle` see of a sandbox, and what follows from what they say."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from sandbox.core.idle import (
    IdleInput,
    broken_why,
    idle_chore,
    idle_since,
    idle_warning,
    judge_idle,
)
from sandbox.core.lease import Lease, Move
from sandbox.core.lifecycle import Sandbox
from sandbox.core.phases import Ready, State
from sandbox.core.reaping import ChoreKind
from sandbox.core.template import Idle
from sandbox.core.use import IdleWarned, Use
from tests.core.policies import policy_set, rule
from tests.core.test_lifecycle import a_sandbox
from tests.phases import NOON, phase

HOUR = timedelta(hours=1)
LATER = NOON + 30 * HOUR


def idle(mode: str, hours: float = 24, field: str = "idle_hours", **more: Any) -> dict[str, Any]:
    condition = {"assert": {"field": field, "max": hours}}
    return rule(id=f"idle-{mode}", mode=mode, at=["idle"], **condition | more)


def unused(**changes: Any) -> Sandbox:
    lease = Lease(owner="anna", ttl=72 * HOUR, started=NOON)
    return a_sandbox(**{"phase": Ready(since=NOON), "lease": lease} | changes)


def told(*rules: dict[str, Any], sandbox: Sandbox | None = None) -> tuple[ChoreKind, str] | None:
    sandbox = sandbox or unused()
    return idle_chore(sandbox, judge_idle(sandbox, policy_set(*rules), LATER, {}))


def test_the_document_has_every_field_of_a_used_and_an_unused_one() -> None:
    document = IdleInput.of(unused(), LATER).as_document()
    assert document["idle_hours"] == 30
    assert document["last_used"] == ""
    assert (document["ttl_hours"], document["left_hours"]) == (72, 42)
    assert (document["state"], document["owner"]) == ("ready", "anna")
    assert document["template"]["name"] == "segment-rfm"
    used = unused(use=Use(last=NOON + 28 * HOUR))
    document = IdleInput.of(used, LATER).as_document()
    assert document["idle_hours"] == 2
    assert document["last_used"] == "2026-11-24T16:00:00+00:00"


@pytest.mark.parametrize(
    ("changes", "since"),
    [
        ({}, 0),
        ({"use": Use(last=NOON + 3 * HOUR)}, 3),
        ({"use": Use(last=NOON - 3 * HOUR)}, 0),
        # Resumed: whoever asked for that wants it.
        ({"phase": Ready(since=NOON + 5 * HOUR)}, 5),
        ({"phase": phase(State.FROZEN)}, 0),
    ],
)
def test_since_when_nobody_used_it(changes: dict[str, Any], since: float) -> None:
    assert idle_since(unused(**changes)) == NOON + since * HOUR


def test_more_time_is_a_sign_of_life() -> None:
    move = Move(kind="extend", at=NOON + 9 * HOUR, by="anna", reason="runs on", span=HOUR)
    lease = Lease(owner="anna", ttl=72 * HOUR, started=NOON, moves=(move,))
    assert idle_since(unused(lease=lease)) == NOON + 9 * HOUR


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([idle("warn")], ChoreKind.WARN_IDLE),
        ([idle("enforce")], ChoreKind.FREEZE_IDLE),
        ([idle("audit")], None),
        ([idle("warn", 31)], None),
        ([idle("enforce", 31)], None),
        ([idle("warn"), idle("enforce", 31)], ChoreKind.WARN_IDLE),
        ([idle("warn"), idle("enforce")], ChoreKind.FREEZE_IDLE),
        # Nobody asked for anything: without a rule nothing is denied.
        ([rule()], None),
        ([idle("enforce", effective_from="2027-01-01T00:00:00+09:00")], None),
        # A rule that cannot be judged holds nowhere, here as elsewhere.
        ([idle("enforce", field="idle_days")], ChoreKind.FREEZE_IDLE),
    ],
)
def test_what_follows_from_the_rules(
    rules: list[dict[str, Any]], expected: ChoreKind | None
) -> None:
    found = told(*rules)
    assert (found and found[0]) == expected


def test_the_reason_names_the_rule_that_enforces_in_both_languages() -> None:
    decision = judge_idle(unused(), policy_set(idle("warn"), idle("enforce")), LATER, {})
    why = broken_why(decision)
    assert why.endswith("です)")
    assert why.startswith("rule idle-enforce: the time without use (hours) is 30, the limit is 24")
    assert "使われていない期間" in why


@pytest.mark.parametrize(
    ("at", "rules", "again"),
    [
        (29, ("idle-warn",), False),
        # Another rule has come.
        (29, ("other",), True),
        # It was used after the warning, and then not again.
        (4, ("idle-warn",), True),
    ],
)
def test_a_warning_is_given_once_until_it_is_used(
    at: float, rules: tuple[str, ...], again: bool
) -> None:
    warned = IdleWarned(at=NOON + at * HOUR, rules=rules)
    sandbox = unused(use=Use(last=NOON + 5 * HOUR, warned=warned))
    assert bool(told(idle("warn"), sandbox=sandbox)) is again


@pytest.mark.parametrize(
    ("use", "state", "said"),
    [
        (Use(), State.READY, ""),
        (Use(warned=IdleWarned(at=NOON + 25 * HOUR, rules=())), State.READY, "idle 30 h"),
        (Use(warned=IdleWarned(at=NOON + 25 * HOUR, rules=())), State.FROZEN, ""),
        (
            Use(last=NOON + 26 * HOUR, warned=IdleWarned(at=NOON + 25 * HOUR, rules=())),
            State.READY,
            "",
        ),
    ],
)
def test_what_is_shown_of_a_warning(use: Use, state: State, said: str) -> None:
    sandbox = unused(use=use, **({} if state is State.READY else {"phase": phase(state)}))
    assert idle_warning(sandbox, LATER) == said


@pytest.mark.parametrize(
    "paths", [["health"], ["/a b"], ["/a\nb"], ["/日"], ["/x" * 101], ["/"] * 51]
)
def test_paths_that_are_none_are_refused(paths: list[str]) -> None:
    with pytest.raises(ValidationError):
        Idle.model_validate({"ignore": paths})


def test_the_paths_to_ignore_are_an_authors_own_or_those_of_marimo() -> None:
    assert Idle.model_validate({"ignore": []}).ignore == ()
    assert "/api/usage" in Idle().ignore
