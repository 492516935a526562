"""What the reaper finds, as tables: records, objects and a moment in, chores out."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from sandbox.core.errors import Conflict
from sandbox.core.lease import Lease, Warned
from sandbox.core.lifecycle import Reset, Sandbox
from sandbox.core.objects import INSTALLATION, LABEL, ROLE, SANDBOX, Owned
from sandbox.core.phases import LIVE, State
from sandbox.core.reaping import Seen, another_engine, chores, expired, orphans
from sandbox.core.snapshot import SnapshotState
from tests.contract.registry_samples import a_snapshot
from tests.core.reaped import (
    GATEWAY,
    GRACE,
    HOUR,
    ID,
    PARTS,
    held,
    kinds,
    one,
    only_why,
    seen,
    whole,
)
from tests.core.test_lifecycle import a_sandbox
from tests.phases import NOON, phase


@pytest.mark.parametrize(
    ("state", "objects", "after", "expected"),
    [
        (State.READY, whole(), timedelta(0), []),
        (State.READY, whole(), HOUR, ["expire"]),
        (State.READY, whole(running=False), HOUR, ["expire"]),
        (State.READY, whole(), HOUR + GRACE, ["destroy"]),
        (State.READY, whole(running=False), timedelta(0), ["restart"]),
        (State.READY, whole(lacking="-tool"), timedelta(0), ["lost"]),
        (State.READY, whole(lacking="-work"), HOUR, ["lost"]),
        (State.READY, [], timedelta(0), ["lost"]),
        (State.READY, [], HOUR + GRACE, ["destroy"]),
        (State.FROZEN, whole(running=False), timedelta(0), []),
        (State.FROZEN, whole(), timedelta(0), ["stop"]),
        (State.FROZEN, whole(running=False), HOUR, ["expire"]),
        (State.FROZEN, whole(lacking="-lease"), timedelta(0), ["lost"]),
        (State.EXPIRED, whole(running=False), HOUR, []),
        (State.EXPIRED, whole(), HOUR, ["stop"]),
        (State.EXPIRED, whole(lacking=f"sandbox-{ID}"), HOUR, ["lost"]),
        (State.EXPIRED, whole(running=False), HOUR + GRACE, ["destroy"]),
        (State.EXPIRED, whole(running=False), HOUR + GRACE - timedelta(seconds=1), []),
        (State.PROVISIONING, whole(), timedelta(0), ["settle"]),
        (State.PROVISIONING, [], timedelta(0), ["settle"]),
        (State.REMOVING, whole(), timedelta(0), ["finish-removal"]),
        (State.REMOVING, [], timedelta(0), ["finish-removal"]),
        (State.AWAITING_APPROVAL, [], timedelta(days=7) - timedelta(seconds=1), []),
        (State.AWAITING_APPROVAL, [], timedelta(days=7), ["lapse"]),
        (State.DESTROYED, [], timedelta(days=30), []),
        (State.DESTROYED, whole(), timedelta(0), ["remove-orphan"]),
        (State.FAILED, whole(), timedelta(0), ["remove-orphan"]),
        (State.DENIED, [one("network", f"sandbox-{ID}")], timedelta(0), ["remove-orphan"]),
    ],
)
def test_one_sandbox(
    state: State, objects: list[Owned], after: timedelta, expected: list[str]
) -> None:
    assert kinds(seen(held(state, warnings=()), objects, NOON + after)) == expected


@pytest.mark.parametrize("state", sorted(LIVE))
def test_what_a_living_process_works_on_is_left_alone(state: State) -> None:
    later = NOON + timedelta(days=30)
    for objects in ([], whole()):
        assert kinds(seen(held(state), objects, later, busy=frozenset({ID}))) == []


def test_a_pooled_one_that_lost_a_part_goes() -> None:
    pooled = a_sandbox(phase=phase(State.POOLED), lease=Lease(owner="pool", ttl=HOUR))
    assert kinds(seen(pooled, whole())) == []
    assert kinds(seen(pooled, whole(lacking="-work"))) == ["lost"]


def test_a_container_that_was_lent_to_it_is_not_started() -> None:
    lent = one("container", f"sandbox-{ID}-keep")
    assert "restart" not in kinds(seen(held(State.READY), [*whole(), lent]))


def test_nothing_is_started_while_the_line_is_stopped() -> None:
    ready = held(State.READY)
    assert kinds(seen(ready, whole(running=False), line_stopped=True)) == []


@pytest.mark.parametrize(
    ("state", "expected"),
    [(State.READY, ["tell-guards"]), (State.FROZEN, ["tell-guards"]), (State.EXPIRED, [])],
)
def test_guards_that_may_not_know_their_end_are_told(state: State, expected: list[str]) -> None:
    objects = whole(running=state is State.READY)
    look = seen(held(state), objects, owed=frozenset({ID}))
    assert kinds(look) == expected


@pytest.mark.parametrize(
    ("state", "minutes_before", "given", "expected"),
    [
        (State.READY, 90, (), []),
        (State.READY, 60, (), ["warn"]),
        (State.READY, 59, (), ["warn"]),
        (State.READY, 59, (HOUR,), []),
        (State.FROZEN, 59, (), ["warn"]),
        (State.EXPIRED, 59, (), []),
    ],
)
def test_a_warning_is_given_once(
    state: State, minutes_before: int, given: tuple[timedelta, ...], expected: list[str]
) -> None:
    sandbox = held(state, hours=2, warnings=(HOUR,))
    deadline = NOON + 2 * HOUR
    warned = tuple(Warned(before=before, deadline=deadline) for before in given)
    lease = sandbox.lease.model_copy(update={"warned": warned})
    look = seen(
        sandbox.model_copy(update={"lease": lease}),
        whole(running=state is State.READY),
        deadline - timedelta(minutes=minutes_before),
    )
    assert kinds(look) == expected


def test_a_sandbox_is_started_again_and_warned_in_one_run() -> None:
    sandbox = held(State.READY, hours=2, warnings=(HOUR,))
    look = seen(sandbox, whole(running=False), NOON + timedelta(minutes=61))
    assert kinds(look) == ["restart", "warn"]


@pytest.mark.parametrize(
    ("first_seen", "expected"),
    [
        (None, "note-orphan"),
        (NOON, "note-orphan"),
        (NOON - timedelta(minutes=59), "note-orphan"),
        (NOON - HOUR, "remove-orphan"),
        (NOON - timedelta(days=30), "remove-orphan"),
    ],
)
def test_what_no_record_knows_is_watched_first(first_seen: datetime | None, expected: str) -> None:
    sightings = {"b2": first_seen} if first_seen else {}
    stray = [
        one("network", "sandbox-b2", "b2"),
        one("container", "sandbox-b2-tool", "b2", running=True),
    ]
    look = Seen(now=NOON, objects=[GATEWAY, *stray], sightings=sightings)
    (chore,) = chores(look, HOUR)
    assert (chore.kind, chore.sandbox, chore.subject) == (expected, "b2", "b2")
    assert chore.why.startswith("2 objects of a sandbox that no record knows")
    assert orphans(look) == {"b2": stray}


def test_an_orphan_that_somebody_works_on_is_left_alone() -> None:
    stray = [one("network", "sandbox-b2", "b2")]
    look = Seen(now=NOON, objects=stray, busy=frozenset({"b2"}), sightings={"b2": NOON - 2 * HOUR})
    assert chores(look, HOUR) == ()


@pytest.mark.parametrize(
    ("object_", "said"),
    [
        (Owned("volume", "v", {INSTALLATION: "i", ROLE: "moat"}), "unknown: moat"),
        (Owned("volume", "v", {INSTALLATION: "i"}), "unknown: none"),
        (one("volume", "sandbox-b2-work", "b2", label=f"{LABEL}.tenant"), f"{LABEL}.tenant"),
        (one("volume", "precious", "b2"), "not its name and role"),
        (one("volume", "sandbox-b22-work", "b2"), "not its name and role"),
        (Owned("volume", "sandbox-b2-work", {INSTALLATION: "i", SANDBOX: "b2"}), "name and role"),
        (Owned("volume", "sandbox-", {INSTALLATION: "i", SANDBOX: "", ROLE: "x"}), "name and role"),
    ],
)
@pytest.mark.parametrize("sightings", [{}, {"b2": NOON - 30 * HOUR}])
def test_what_we_do_not_know_is_reported_and_never_touched(
    object_: Owned, said: str, sightings: dict[str, datetime]
) -> None:
    look = Seen(now=NOON, objects=[object_], sightings=sightings)
    (chore,) = chores(look, HOUR)
    assert (chore.kind, chore.subject) == ("unknown", f"volume {object_.name}")
    assert said in chore.why


def test_the_homes_own_objects_are_no_chore() -> None:
    own = [
        Owned("container", role, {INSTALLATION: "i", ROLE: role})
        for role in ("gateway", "snapshot", "demo-core")
    ]
    assert chores(Seen(now=NOON, objects=own), HOUR) == ()


def test_a_build_whose_process_is_gone_is_settled() -> None:
    build = a_snapshot(state=SnapshotState.BUILDING)
    (chore,) = chores(Seen(now=NOON, builds=[build]), HOUR)
    assert (chore.kind, chore.subject, chore.sandbox) == ("settle-build", build.id, "")


def test_what_frees_something_comes_first() -> None:
    ready = held(State.READY)
    dead = a_sandbox(id="c3", name="dead", phase=phase(State.PROVISIONING))
    look = Seen(
        now=NOON,
        sandboxes=[ready, dead],
        objects=[*whole(running=False), one("network", "sandbox-b2", "b2"), GATEWAY],
        journals={ID: PARTS},
    )
    assert kinds(look) == ["settle", "restart", "note-orphan"]


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ("-work", f"the engine lacks volume sandbox-{ID}-work"),
        ("-lease", f"the engine lacks volume sandbox-{ID}-lease and 1 more"),
    ],
)
def test_what_was_lost_is_named(lacking: str, said: str) -> None:
    assert only_why(seen(held(State.READY), whole(lacking=lacking))) == said


def test_an_end_is_told_with_its_moment() -> None:
    ready = held(State.READY)
    assert (
        only_why(seen(ready, whole(), NOON + HOUR)) == "its time was over at 2026-11-23 13:00 UTC"
    )
    assert "kept until 2026-11-26 13:00 UTC" in only_why(seen(ready, whole(), NOON + HOUR + GRACE))


@pytest.mark.parametrize(
    ("state", "objects", "expected"),
    [
        (State.READY, [], True),
        (State.EXPIRED, [], True),
        (State.READY, [GATEWAY], False),
        (State.PROVISIONING, [], False),
        (State.DESTROYED, [], False),
    ],
)
def test_an_engine_that_holds_nothing_of_us_is_another_one(
    state: State, objects: list[Owned], expected: bool
) -> None:
    look = Seen(now=NOON, sandboxes=[held(state)], objects=objects)
    assert another_engine(look) is expected


@pytest.mark.parametrize("state", [State.READY, State.FROZEN])
def test_expired_is_written_with_the_deadline(state: State) -> None:
    ended = expired(held(state))
    assert (ended.state, ended.phase.since) == (State.EXPIRED, NOON + HOUR)


@pytest.mark.parametrize("state", [State.EXPIRED, State.REMOVING, State.DESTROYED])
def test_expired_is_not_written_over_what_went_on(state: State) -> None:
    with pytest.raises(Conflict):
        expired(held(state))


def test_a_gateway_that_does_not_run_is_mended_while_anybody_is_up() -> None:
    stopped = replace(GATEWAY, running=False)
    for gateway in ([], [stopped]):
        look = replace(seen(held(State.READY), whole()), objects=[*whole(), *gateway])
        assert only_why(look) == "it does not run, and a sandbox is up"
        assert kinds(look) == ["mend-gateway"]
        for idle in (held(State.FROZEN), held(State.EXPIRED), held(State.READY, hours=0)):
            objects = [*whole(running=False), *gateway]
            assert "mend-gateway" not in kinds(replace(look, sandboxes=[idle], objects=objects))
        assert kinds(replace(look, line_stopped=True)) == []


def test_a_gateway_that_runs_and_cannot_be_reached_is_mended() -> None:
    look = seen(held(State.READY), whole(), deaf=True)
    assert only_why(look) == "nobody can reach its port, and a sandbox is up"
    assert kinds(seen(held(State.FROZEN), whole(running=False), deaf=True)) == []


def test_a_new_gateway_is_joined_to_all_who_are_up() -> None:
    look = seen(held(State.READY), whole(), joins_owed=True)
    assert only_why(look) == "it was replaced, and may not be joined to all; a sandbox is up"
    assert kinds(seen(held(State.FROZEN), whole(running=False), joins_owed=True)) == []


def test_the_gateway_comes_before_who_needs_it() -> None:
    look = seen(held(State.READY), whole(running=False), joins_owed=True)
    assert kinds(look) == ["mend-gateway", "restart"]


@pytest.mark.parametrize("state", [State.READY, State.FROZEN, State.EXPIRED])
def test_a_keeper_that_was_left_is_removed(state: State) -> None:
    keeper = one("container", f"sandbox-{ID}-keep")
    objects = [*whole(running=state is State.READY), keeper]
    assert kinds(seen(held(state), objects)) == ["remove-keeper"]
    assert kinds(seen(held(state), objects, busy=frozenset({ID}))) == []


def test_what_expires_frozen_stays_frozen() -> None:
    frozen = held(State.FROZEN)
    assert expired(frozen).frozen == frozen.phase
    assert expired(frozen).reason == frozen.reason
    assert expired(held(State.READY)).frozen is None


FLOOR = "the engine's disk has 5 MB free, the floor is 1,024 MB"


@pytest.mark.parametrize(
    ("state", "found"),
    [
        (State.READY, ["freeze-full"]),
        (State.FROZEN, []),
        (State.EXPIRED, []),
        (State.POOLED, ["retire"]),
    ],
)
def test_below_the_floor_what_runs_is_stopped(state: State, found: list[str]) -> None:
    runs = state in (State.READY, State.POOLED)
    look = seen(held(state), whole(running=runs), floor=FLOOR)
    assert kinds(look) == found
    assert not found or only_why(look) == FLOOR


def test_below_the_floor_what_stopped_is_not_started_again() -> None:
    assert kinds(seen(held(State.READY), whole(running=False), floor=FLOOR)) == ["freeze-full"]


def test_one_over_its_limit_is_frozen_and_still_warned_of_its_end() -> None:
    full = held(State.READY, hours=2, warnings=(HOUR,)).model_copy(
        update={"disk_mb": 10, "used_mb": 11}
    )
    late = NOON + timedelta(hours=1.5)
    assert kinds(seen(full, whole(), now=late)) == ["freeze-full", "warn"]


def test_one_over_its_limit_whose_time_is_over_expires() -> None:
    full = held(State.READY).model_copy(update={"disk_mb": 10, "used_mb": 11})
    assert kinds(seen(full, whole(), now=NOON + HOUR)) == ["expire"]


def resetting(state: State = State.READY, **more: Any) -> Sandbox:
    begun = Reset(since=NOON, by="anna", before="core@2026-11-22.1")
    return held(state, **more).model_copy(update={"reset": begun, "parts": ("tool",)})


LATE = NOON + HOUR


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        (seen(resetting(), whole()), ["finish-reset"]),
        (seen(resetting(), whole(lacking="-tool")), ["finish-reset"]),
        (seen(resetting(), whole(running=False)), ["finish-reset"]),  # not only started again
        (seen(resetting(), whole(lacking="-work")), ["lost"]),
        (seen(resetting(), whole(lacking="-lease")), ["lost"]),
        (seen(resetting(), whole(lacking="-tool"), LATE), ["expire"]),
        (seen(resetting(State.EXPIRED), whole(lacking="-tool"), LATE), ["finish-reset"]),
        (seen(resetting(State.FROZEN), whole(lacking="-tool")), ["finish-reset"]),
        (seen(resetting(State.FROZEN), whole()), ["stop"]),
        (seen(resetting(), whole(lacking="-tool"), busy=frozenset({ID})), []),
        (seen(resetting(), whole(lacking="-tool"), line_stopped=True), ["finish-reset"]),
        (seen(held(State.READY), whole(lacking="-tool")), ["lost"]),
    ],
)
def test_a_reset_that_was_cut_off_is_finished(look: Seen, expected: list[str]) -> None:
    assert kinds(look) == expected


def test_snapshots_that_go_are_named_with_the_reason() -> None:
    look = seen(held(State.READY), whole(), surplus={"core@2026-11-23.1": "older than kept"})
    (chore,) = chores(look, HOUR)
    assert (chore.kind, chore.subject, chore.sandbox, chore.why) == (
        "remove-snapshot",
        "core@2026-11-23.1",
        "",
        "older than kept",
    )
