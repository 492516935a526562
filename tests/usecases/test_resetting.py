"""reset: the tool anew, on newer data or on the same; lab, work, lease and link stay."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.core.anatomy import container_name
from sandbox.core.errors import Conflict, Denied, SandboxError, Unavailable
from sandbox.core.objects import Ran
from sandbox.core.ports import Context
from sandbox.core.snapshot import Snapshot
from sandbox.usecases.homes import InitRequest, init
from sandbox.usecases.leases import FreezeRequest, freeze
from sandbox.usecases.line import Stopped, freeze_in
from sandbox.usecases.reaping import ReapRequest, reap
from sandbox.usecases.resetting import ResetRequest, ResetResult, reset
from sandbox.usecases.sandboxes import ListRequest, ShowRequest, list_sandboxes, running, show
from sandbox.usecases.snapshots import BuildSnapshotRequest, RemoveSnapshotRequest, build, remove
from sandbox.usecases.starting import owe_guards
from tests.fakes import Clock, FakeEngine, FakeGateway, Trap, unavailable
from tests.usecases.asking_up import cap, chain_holds, codes, events, make
from tests.usecases.leasing import NAME, ends, on_record, owed
from tests.usecases.leasing import running as parts_running

FIRST, SECOND = "core@2026-11-23.1", "core@2026-11-23.2"


def newer(ctx: Context) -> Snapshot:
    return build(ctx, BuildSnapshotRequest(source="core")).snapshot


def again(ctx: Context, *, latest: bool = True, reason: str = "") -> ResetResult:
    return reset(ctx, ResetRequest(name=NAME, latest=latest, reason=reason))


def sees(ctx: Context, engine: FakeEngine) -> str:
    """Return the volume that the tool has for its replica."""
    tool = engine.containers[container_name(on_record(ctx).id, "tool")].container
    return next(m.volume for m in tool.mounts if m.target == "/replica/core")


@pytest.fixture
def made(ctx: Context, engine: FakeEngine, snapshot: Snapshot) -> Snapshot:
    """A sandbox with work and lab in it, and a newer snapshot than the one it sees."""
    init(ctx, InitRequest(folder=str(ctx.files.access().path)))
    make(ctx)
    for part, file in (("work", "notes.md"), ("lab", "base")):
        engine.contents[container_name(on_record(ctx).id, part)][file] = b"mine"
    return newer(ctx)


def test_the_tool_sees_newer_data_and_all_else_stays(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway, made: Snapshot, clock: Clock
) -> None:
    before, route, listed = on_record(ctx), gateway.routes[NAME], engine.listing()
    lab = engine.containers[container_name(before.id, "lab")]
    clock.advance(hours=1)
    done = again(ctx, reason="Last week's orders")
    after = on_record(ctx)
    assert (done.before, done.replica.id, done.lab) == (FIRST, SECOND, True)
    assert sees(ctx, engine) == made.volume
    assert after.reset is None
    assert (after.spec.snapshot, after.former) == (SECOND, (FIRST,))
    assert (after.lease, after.endpoint, after.phase) == (
        before.lease,
        before.endpoint,
        before.phase,
    )
    assert gateway.routes[NAME] == route
    assert engine.listing() == listed
    assert engine.containers[container_name(before.id, "lab")] is lab
    assert parts_running(ctx, engine) == {"tool", "lab"}
    for part in ("work", "lab"):
        assert b"mine" in engine.contents[container_name(before.id, part)].values()
    assert ends(engine, before.id) == int(before.lease.deadline.timestamp())  # type: ignore[union-attr]
    assert any("sandbox_verify" in words for _, words, _ in engine.asked)
    assert chain_holds(ctx)
    assert reap(ctx, ReapRequest(apply=True)).chores == ()


def test_the_record_tells_old_and_new_snapshot_and_what_policy_said(
    ctx: Context, made: Snapshot
) -> None:
    again(ctx, reason="Last week's orders")
    begun, done = events(ctx, NAME)[-2:]
    assert (begun.code, done.code) == ("sandbox.resetting", "sandbox.reset")
    assert begun.reason == done.reason == "Last week's orders"
    assert (done.details["before"], done.details["snapshot"]) == (FIRST, SECOND)
    assert begun.details["spec"]["snapshot"] == SECOND
    assert begun.details["decision"]["verdict"] == "allow"


def test_a_stuck_tool_is_made_anew_on_the_same_data(
    ctx: Context, engine: FakeEngine, made: Snapshot
) -> None:
    tool = container_name(on_record(ctx).id, "tool")
    old = engine.containers[tool]
    done = again(ctx, latest=False)
    assert (done.before, done.replica.id) == (FIRST, FIRST)
    assert engine.containers[tool] is not old
    assert (on_record(ctx).spec.snapshot, on_record(ctx).former) == (FIRST, ())


def test_until_then_it_keeps_its_data_and_is_told_of_newer(ctx: Context, made: Snapshot) -> None:
    assert on_record(ctx).spec.snapshot == FIRST
    assert show(ctx, ShowRequest(name=NAME)).sandbox.newer_snapshot == SECOND
    (listed,) = list_sandboxes(ctx, ListRequest()).sandboxes
    assert listed.newer_snapshot == SECOND
    again(ctx)
    assert show(ctx, ShowRequest(name=NAME)).sandbox.newer_snapshot == ""


def test_nothing_newer(ctx: Context, snapshot: Snapshot) -> None:
    make(ctx)
    with pytest.raises(Conflict, match="newest snapshot already") as refused:
        again(ctx)
    assert "sandbox snapshot build core" in refused.value.hint
    assert f"sandbox reset {NAME}" in refused.value.hint


def test_states_that_forbid_it(
    ctx: Context, made: Snapshot, clock: Clock, engine: FakeEngine
) -> None:
    freeze(ctx, FreezeRequest(name=NAME, reason="Looked odd"))
    with pytest.raises(Conflict, match="frozen cannot be reset") as refused:
        again(ctx)
    assert "reset" not in refused.value.details["allowed_actions"]
    clock.advance(hours=4)
    with pytest.raises(Conflict, match="expired cannot be reset"):
        again(ctx)
    assert sees(ctx, engine) != made.volume


def test_while_the_line_is_stopped_nothing_is_made(
    ctx: Context, made: Snapshot, engine: FakeEngine
) -> None:
    stopped = Stopped(by="it", at=ctx.now(), reason="A mask is wrong")
    with ctx.registry.writing() as tx:  # and it is not frozen yet
        tx.note("line", stopped.model_dump_json())
    engine.forget_calls()
    with pytest.raises(Conflict, match="A mask is wrong"):
        again(ctx)
    assert engine.changes() == []


def test_policy_is_asked_again_and_its_no_is_on_record(
    ctx: Context, home: Path, made: Snapshot, engine: FakeEngine
) -> None:
    cap(home, "ttl-max", 1)
    engine.forget_calls()
    with pytest.raises(Denied) as denied:
        again(ctx)
    assert denied.value.details["decision"]["findings"][0]["rule"] == "ttl-max"
    assert codes(ctx, NAME)[-1] == "sandbox.reset-denied"
    assert on_record(ctx).spec.snapshot == FIRST
    assert engine.changes() == []


def test_its_own_place_in_the_quota_is_not_counted_twice(
    ctx: Context, home: Path, made: Snapshot
) -> None:
    cap(home, "sandboxes-per-owner", 1)
    again(ctx)
    assert on_record(ctx).spec.snapshot == SECOND


def test_another_who_resets_it_is_judged_as_its_owner(ctx: Context, made: Snapshot) -> None:
    it = replace(ctx, actor=replace(ctx.actor, name="it"))
    document = reset(it, ResetRequest(name=NAME, latest=True)).decision.document
    assert document["owner"] == "anna"
    assert on_record(ctx).lease.owner == "anna"


@pytest.mark.parametrize("method", ["create_container", "start"])
def test_a_failure_goes_back_to_what_it_saw(
    ctx: Context, engine: FakeEngine, made: Snapshot, method: str
) -> None:
    volume = sees(ctx, engine)
    engine.forget_calls()
    calls = _first(ctx, engine, method)
    engine.trap = Trap(unavailable(), at=calls)
    with pytest.raises(Unavailable) as failed:
        again(ctx)
    assert f"as before, on {FIRST}" in failed.value.hint
    assert sees(ctx, engine) == volume
    assert (on_record(ctx).spec.snapshot, on_record(ctx).reset) == (FIRST, None)
    assert parts_running(ctx, engine) == {"tool", "lab"}
    assert codes(ctx, NAME)[-2:] == ["sandbox.reset-failed", "sandbox.reset"]
    assert running(ctx, NAME).name == NAME


def _first(ctx: Context, engine: FakeEngine, method: str) -> int:
    """Return the number of the first call of `method` in a reset, counted on a like one."""
    again(ctx)
    number = 1 + [name for name, _ in engine.calls].index(method)
    with ctx.registry.writing() as tx:
        sandbox = on_record(ctx)
        spec = sandbox.spec.model_copy(update={"snapshot": FIRST})
        tx.save_sandbox(sandbox.model_copy(update={"spec": spec, "former": ()}))
    again(ctx, latest=False)
    engine.forget_calls()
    return number


def test_where_going_back_fails_too_it_stands_still_and_is_finished_later(
    ctx: Context, engine: FakeEngine, made: Snapshot
) -> None:
    engine.trap = Trap(unavailable(), method="create_container")
    with pytest.raises(Unavailable) as failed:
        again(ctx)
    assert f"sandbox reset {NAME}" in failed.value.hint
    assert parts_running(ctx, engine) == set()
    with pytest.raises(Conflict, match="anna is resetting"):
        running(ctx, NAME)
    assert show(ctx, ShowRequest(name=NAME)).sandbox.resetting
    engine.trap = None
    (chore,) = reap(ctx, ReapRequest(apply=True)).chores
    assert (chore.kind, chore.outcome) == ("finish-reset", "done")
    assert parts_running(ctx, engine) == {"tool", "lab"}
    assert (on_record(ctx).spec.snapshot, on_record(ctx).reset) == (FIRST, None)


def test_a_tool_that_fails_its_isolation_test_never_runs_on(
    ctx: Context, engine: FakeEngine, made: Snapshot
) -> None:
    engine.programs["sandbox_verify"] = Ran(
        0, b'{"checks": [{"name": "writes the replica", "held": false}]}', b""
    )
    with pytest.raises(Unavailable, match="writes the replica") as failed:
        again(ctx)
    assert "removed" not in failed.value.hint
    assert parts_running(ctx, engine) == set()
    assert on_record(ctx).reset is not None


def test_another_command_at_work(ctx: Context, made: Snapshot) -> None:
    with ctx.files.alone_with(on_record(ctx).id), pytest.raises(Conflict, match="at work"):
        again(ctx)


def test_frozen_while_it_is_reset(ctx: Context, engine: FakeEngine, made: Snapshot) -> None:
    """The line is stopped: the record moves first, just before the new tool is started."""

    def frozen() -> None:
        with ctx.registry.writing() as tx:
            freeze_in(ctx, tx, on_record(ctx), "A mask is wrong")

    meddling: Any = _Meddling(engine, "start", frozen)
    reset(replace(ctx, engine=meddling), ResetRequest(name=NAME, latest=True))
    assert on_record(ctx).state == "frozen"
    assert parts_running(ctx, engine) == set()
    assert (on_record(ctx).reset, sees(ctx, engine)) == (None, made.volume)


def test_the_snapshot_is_removed_just_before(
    ctx: Context, engine: FakeEngine, made: Snapshot
) -> None:
    meddling: Any = _Meddling(
        engine, "image_id", lambda: remove(ctx, RemoveSnapshotRequest(id=SECOND))
    )
    with pytest.raises(Conflict, match="removed just now"):
        reset(replace(ctx, engine=meddling), ResetRequest(name=NAME, latest=True))
    assert (on_record(ctx).spec.snapshot, on_record(ctx).reset) == (FIRST, None)


class _Meddling:
    """An engine just before whose first call of a method somebody else does something."""

    def __init__(self, real: FakeEngine, method: str, act: Callable[[], object]) -> None:
        self._real, self._method, self._act = real, method, act

    def __getattr__(self, name: str) -> object:
        if name == self._method:
            self._method = ""
            self._act()
        return getattr(self._real, name)


def test_a_volume_that_is_gone_is_not_made_anew(
    ctx: Context, engine: FakeEngine, made: Snapshot
) -> None:
    work = container_name(on_record(ctx).id, "work")
    del engine.volumes[work]
    with pytest.raises(Unavailable, match=f"gone: volume {work}"):
        again(ctx)
    assert work not in engine.volumes
    assert on_record(ctx).reset is None


def test_the_tool_may_write_down_what_it_holds_and_guards_hear_their_end_anew(
    ctx: Context, engine: FakeEngine, made: Snapshot
) -> None:
    with ctx.registry.writing() as tx:
        owe_guards(tx, on_record(ctx))
    engine.forget_calls()
    again(ctx)
    tool = container_name(on_record(ctx).id, "tool")
    calls = engine.changes()
    assert calls.index(("stop", tool)) < calls.index(("remove", f"container {tool}"))
    assert not owed(ctx)


def test_a_template_with_other_parts_by_now(ctx: Context, home: Path, made: Snapshot) -> None:
    file = home / "templates/segment-rfm/template.yaml"
    text = file.read_text("utf-8")
    file.write_text(re.sub(r"^lab:\n( .*\n)+", "", text, flags=re.MULTILINE), "utf-8")
    with pytest.raises(SandboxError, match="other parts"):
        again(ctx)


def test_the_template_is_that_of_today(
    ctx: Context, home: Path, engine: FakeEngine, made: Snapshot
) -> None:
    file = home / "templates/segment-rfm/template.yaml"
    text = file.read_text("utf-8")
    file.write_text(text.replace("memory_mb: 768", "memory_mb: 808"), "utf-8")
    before = on_record(ctx)
    again(ctx, latest=False)
    after = on_record(ctx)
    assert after.spec.template_digest == ctx.catalogue.template_digest("segment-rfm")
    assert after.spec.template_digest != before.spec.template_digest
    assert after.memory_mb == before.memory_mb + 40
    tool = engine.containers[container_name(after.id, "tool")].container
    assert tool.memory_mb == 808
