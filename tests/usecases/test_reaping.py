"""`reap`: a dry run changes nothing; with apply, each chore alone, recorded, others untouched."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.core.errors import Conflict, Unavailable
from sandbox.core.objects import INSTALLATION, ROLE, SANDBOX, Network, Owned
from sandbox.core.phases import Action, Frozen
from sandbox.core.ports import Context
from sandbox.core.snapshot import SnapshotState
from sandbox.drivers.home import HomeFolder
from sandbox.usecases.homes import InitRequest, init
from sandbox.usecases.reaping import ReapRequest, ReapResult, reap
from sandbox.usecases.sandboxes import DownRequest, down
from sandbox.usecases.snapshots import BuildSnapshotRequest, build
from tests.fakes import Clock, DeadEngine, FakeEngine, FakeGateway, FakeReader, Trap, unavailable
from tests.usecases.asking_up import chain_holds, codes, events, make, state
from tests.usecases.dying import killed_after

pytestmark = pytest.mark.usefixtures("marked", "snapshot")
NAME = "spring-coupon"


def found(result: ReapResult) -> list[tuple[str, str, str]]:
    return [(c.kind.value, c.subject, c.outcome) for c in result.chores]


def dry(ctx: Context) -> list[tuple[str, str, str]]:
    return found(reap(ctx, ReapRequest()))


def applied(ctx: Context) -> list[tuple[str, str, str]]:
    done = reap(ctx, ReapRequest(apply=True))
    assert not [c.said for c in done.chores if c.outcome == "failed"]
    return found(done)


def stray(ctx: Context, engine: FakeEngine, id: str) -> None:
    labels = {INSTALLATION: ctx.registry.installation(), SANDBOX: id, ROLE: "network"}
    engine.create_network(Network(f"sandbox-{id}", labels, subnet="10.231.9.0/28"))
    engine.endpoints[f"sandbox-{id}"].add(ctx.gateway.container)


def stopped(engine: FakeEngine, id: str) -> None:
    for name, box in engine.containers.items():
        if id in name:
            box.running = False


def running(engine: FakeEngine, id: str) -> set[str]:
    return {n.rpartition("-")[2] for n, b in engine.containers.items() if id in n and b.running}


def test_nothing_to_do(ctx: Context, engine: FakeEngine) -> None:
    make(ctx)
    before = engine.listing()
    assert dry(ctx) == applied(ctx) == []
    assert engine.listing() == before


def test_a_dry_run_changes_nothing(ctx: Context, engine: FakeEngine, clock: Clock) -> None:
    make(ctx)
    stray(ctx, engine, "beefbeefbeef")
    clock.advance(hours=4)
    engine.forget_calls()
    events_before = len(events(ctx))
    assert (
        dry(ctx)
        == dry(ctx)
        == [
            ("expire", NAME, "to do"),
            ("note-orphan", "beefbeefbeef", "to do"),
        ]
    )
    assert engine.changes() == []
    assert len(events(ctx)) == events_before


def test_from_deadline_to_certificate(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway, clock: Clock
) -> None:
    before = engine.listing()
    made = make(ctx)
    its, deadline = made.sandbox.id, made.sandbox.deadline
    assert deadline
    clock.advance(hours=3, minutes=5)
    assert applied(ctx) == [("expire", NAME, "done")]
    assert state(ctx) == "expired"
    assert NAME not in gateway.routes
    assert running(engine, its) == set()
    assert applied(ctx) == []
    clock.advance(hours=72)
    assert applied(ctx) == [("destroy", NAME, "done")]
    assert state(ctx) == "destroyed"
    assert set(engine.listing()) - set(before) == {("container", gateway.container)}
    told = [e for e in events(ctx, NAME) if e.code in ("sandbox.expired", "sandbox.destroyed")]
    assert [e.code for e in told] == ["sandbox.expired", "sandbox.destroyed"]
    assert all(e.actor == "anna" and e.reason for e in told)
    assert told[1].details["certificate"]["why"].startswith("it expired, and was kept until")
    assert chain_holds(ctx)


def test_what_stopped_before_its_time_runs_again(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway
) -> None:
    its = make(ctx).sandbox.id
    stopped(engine, its)
    engine.contents[f"sandbox-{its}-lease"].pop("deadline")
    assert applied(ctx) == [("restart", NAME, "done")]
    assert running(engine, its) == {"tool", "lab"}
    assert engine.contents[f"sandbox-{its}-lease"]["deadline"]
    assert NAME in gateway.routes
    assert codes(ctx, NAME)[-1] == "sandbox.restarted"
    assert applied(ctx) == []


def test_guards_know_their_end_before_anything_starts(ctx: Context, engine: FakeEngine) -> None:
    its = make(ctx).sandbox.id
    stopped(engine, its)
    engine.forget_calls()
    applied(ctx)
    changes = engine.changes()
    written = changes.index(("put", f"sandbox-{its}-lease"))
    assert written < min(i for i, (method, _) in enumerate(changes) if method == "start")


@pytest.mark.parametrize("kind", ["container", "volume", "network"])
def test_one_that_lost_a_part_goes_with_a_certificate_that_says_so(
    ctx: Context, engine: FakeEngine, kind: str
) -> None:
    make(ctx, "other")
    before = engine.listing()
    its = make(ctx).sandbox.id
    if kind == "container":
        engine.remove("container", f"sandbox-{its}-tool")
    elif kind == "volume":
        engine.volumes.pop(f"sandbox-{its}-work")
    else:
        engine.networks.pop(f"sandbox-{its}")
        engine.endpoints.pop(f"sandbox-{its}")
    assert applied(ctx) == [("lost", NAME, "done")]
    assert engine.listing() == before
    assert f"the engine lacks {kind}" in events(ctx, NAME)[-1].details["certificate"]["why"]


def test_what_runs_though_it_is_frozen_is_stopped(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway
) -> None:
    its = make(ctx).sandbox.id
    with ctx.registry.writing() as tx:
        now, sandbox = ctx.now(), tx.sandbox(NAME)
        assert sandbox
        tx.save_sandbox(sandbox.moved(Action.FREEZE, Frozen(since=now, by="it", reason="odd"), now))
    assert applied(ctx) == [("stop", NAME, "done")]
    assert running(engine, its) == set()
    assert NAME not in gateway.routes
    assert state(ctx) == "frozen"
    assert codes(ctx, NAME)[-1] == "sandbox.stopped"


def test_a_warning_is_written_once(ctx: Context, clock: Clock) -> None:
    make(ctx)
    clock.advance(hours=2, minutes=30)
    assert applied(ctx) == [("warn", NAME, "done")]
    assert codes(ctx, NAME)[-1] == "sandbox.warned"
    assert applied(ctx) == []
    clock.advance(hours=1)
    assert applied(ctx) == [("expire", NAME, "done")]


def test_an_orphan_of_an_ended_sandbox_goes_at_once(ctx: Context, engine: FakeEngine) -> None:
    its = make(ctx).sandbox.id
    down(ctx, DownRequest(name=NAME))
    make(ctx)  # the name lives on, as another sandbox
    before = engine.listing()
    stray(ctx, engine, its)
    assert applied(ctx) == [("remove-orphan", NAME, "done")]
    assert engine.listing() == before
    assert events(ctx)[-1].details["removed"] == [f"network sandbox-{its}"]
    assert state(ctx) == "ready"
    assert NAME in ctx.gateway.routes  # type: ignore[attr-defined]


def test_an_orphan_that_nobody_knows_is_watched_for_the_grace(
    ctx: Context, engine: FakeEngine, clock: Clock
) -> None:
    make(ctx, ttl="3d")
    before = engine.listing()
    stray(ctx, engine, "beefbeefbeef")
    assert applied(ctx) == [("note-orphan", "beefbeefbeef", "done")]
    clock.advance(minutes=59)
    assert applied(ctx) == [("note-orphan", "beefbeefbeef", "done")]
    assert codes(ctx).count("orphan.noted") == 1
    clock.advance(minutes=1)
    assert applied(ctx) == [("remove-orphan", "beefbeefbeef", "done")]
    assert engine.listing() == before
    assert codes(ctx)[-1] == "orphan.removed"


def test_a_sighting_is_forgotten_when_it_is_gone(
    ctx: Context, engine: FakeEngine, clock: Clock
) -> None:
    make(ctx, ttl="3d")
    stray(ctx, engine, "beefbeefbeef")
    applied(ctx)
    engine.endpoints["sandbox-beefbeefbeef"].clear()
    engine.remove("network", "sandbox-beefbeefbeef")
    clock.advance(hours=2)
    assert applied(ctx) == []
    stray(ctx, engine, "beefbeefbeef")
    assert applied(ctx) == [("note-orphan", "beefbeefbeef", "done")]


def test_what_is_unknown_is_reported_and_stays(ctx: Context, engine: FakeEngine) -> None:
    engine.create_volume("treasure", {INSTALLATION: ctx.registry.installation(), ROLE: "moat"})
    assert applied(ctx) == [("unknown", "volume treasure", "left")]
    assert "treasure" in engine.volumes


def test_what_is_unknown_stays_beside_what_goes(ctx: Context, engine: FakeEngine) -> None:
    its = make(ctx).sandbox.id
    down(ctx, DownRequest(name=NAME))
    stray(ctx, engine, its)
    labels = {INSTALLATION: ctx.registry.installation(), SANDBOX: its, ROLE: "work"}
    engine.create_volume("treasure", labels)
    assert applied(ctx) == [
        ("remove-orphan", NAME, "done"),
        ("unknown", "volume treasure", "left"),
    ]
    assert "treasure" in engine.volumes
    assert f"sandbox-{its}" not in engine.networks


def test_other_installations_are_not_seen(ctx: Context, engine: FakeEngine) -> None:
    engine.create_volume("theirs", {INSTALLATION: "0123456789ab", SANDBOX: "a", ROLE: "work"})
    assert applied(ctx) == []


def test_what_a_living_process_works_on_is_left(
    ctx: Context, engine: FakeEngine, home: Path, clock: Clock
) -> None:
    its = make(ctx).sandbox.id
    clock.advance(hours=4)
    with HomeFolder(home).working_on(its):
        assert applied(ctx) == []
    assert applied(ctx) == [("expire", NAME, "done")]


class Behind:
    """An engine whose first listing is of a moment before the sandbox was made."""

    def __init__(self, engine: FakeEngine) -> None:
        self._engine, self._first = engine, True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def owned(self, installation: str, sandbox: str | None = None) -> list[Owned]:
        found = self._engine.owned(installation, sandbox)
        first, self._first = self._first, False
        return [o for o in found if SANDBOX not in o.labels] if first else found


def test_what_was_settled_meanwhile_is_left(ctx: Context, engine: FakeEngine) -> None:
    """Between looking and acting, `up` may have made what seemed to be lost."""
    make(ctx)
    before = engine.listing()
    behind: Any = Behind(engine)
    assert applied(replace(ctx, engine=behind)) == [("lost", NAME, "left")]
    assert engine.listing() == before
    assert state(ctx) == "ready"


def test_one_that_fails_does_not_stop_the_others(
    ctx: Context, engine: FakeEngine, clock: Clock
) -> None:
    first, second = make(ctx, "first").sandbox.id, make(ctx, "second").sandbox.id
    clock.advance(hours=4)

    class Stuck(Trap):
        def meets(self, number: int, method: str) -> bool:
            return method == "stop" and first in engine.calls[-1][1]

    engine.forget_calls()
    engine.trap = Stuck(unavailable())
    done = reap(ctx, ReapRequest(apply=True))
    engine.trap = None
    assert done.failed
    assert found(done) == [("expire", "first", "failed"), ("expire", "second", "done")]
    assert "went away" in done.chores[0].said
    assert running(engine, second) == set()
    assert applied(ctx) == [("expire", "first", "done")]


def test_a_killed_build_is_settled(ctx: Context, reader: FakeReader, engine: FakeEngine) -> None:
    before = engine.listing()
    killed_after(ctx, lambda own: build(own, BuildSnapshotRequest(source="core")), 5)
    assert engine.listing() != before
    with HomeFolder(Path(ctx.files.access().path)).workshop("core"):
        assert applied(ctx) == []
    assert dry(ctx) == [("settle-build", "core@2026-11-23.2", "to do")]
    assert applied(ctx) == [("settle-build", "core@2026-11-23.2", "done")]
    assert engine.listing() == before
    with ctx.registry.reading() as tx:
        assert tx.snapshots()[-1].state is SnapshotState.FAILED


def refused(ctx: Context, engine: FakeEngine) -> Conflict:
    engine.forget_calls()
    before = len(events(ctx))
    for request in (ReapRequest(), ReapRequest(apply=True)):
        with pytest.raises(Conflict) as raised:
            reap(ctx, request)
    assert engine.changes() == []
    assert len(events(ctx)) == before
    return raised.value


def test_a_home_that_does_not_say_whose_it_is(
    ctx: Context, engine: FakeEngine, home: Path, clock: Clock
) -> None:
    make(ctx)
    clock.advance(hours=4)
    (home / ".sandbox/installation").unlink()
    assert f"sandbox init {home}" in refused(ctx, engine).hint
    init(ctx, InitRequest(folder=str(home)))
    assert applied(ctx) == [("expire", NAME, "done")]


def test_a_home_of_another_installation(
    ctx: Context, engine: FakeEngine, home: Path, clock: Clock
) -> None:
    make(ctx)
    clock.advance(hours=4)
    (home / ".sandbox/installation").write_text("0123456789ab\n")
    assert "0123456789ab" in refused(ctx, engine).message
    with pytest.raises(Conflict):
        init(ctx, InitRequest(folder=str(home)))


def test_another_engine(ctx: Context) -> None:
    make(ctx)
    other = FakeEngine()
    error = refused(replace(ctx, engine=other), other)
    assert "holds nothing of this installation" in error.message
    assert state(ctx) == "ready"


def test_an_engine_that_does_not_answer(ctx: Context) -> None:
    make(ctx)
    with pytest.raises(Unavailable):
        reap(replace(ctx, engine=DeadEngine()), ReapRequest(apply=True))


@pytest.mark.parametrize("grace", ["0m", "soon", 3])
def test_the_grace_of_orphans_is_a_duration(ctx: Context, home: Path, grace: Any) -> None:
    from sandbox.core.errors import InvalidInput
    from sandbox.drivers.catalogue.home import HomeCatalogue

    file = home / "sandbox.yaml"
    file.write_text(file.read_text() + f"\nreaper: {json.dumps({'orphan_grace': grace})}\n")
    with pytest.raises(InvalidInput, match="orphan_grace"):
        HomeCatalogue(home).settings()


def test_the_grace_is_a_setting(ctx: Context, engine: FakeEngine, clock: Clock) -> None:
    make(ctx, ttl="3d")
    short = ctx.settings.reaper.model_copy(update={"orphan_grace": timedelta(minutes=5)})
    quick = replace(ctx, settings=ctx.settings.model_copy(update={"reaper": short}))
    stray(ctx, engine, "beefbeefbeef")
    applied(quick)
    clock.advance(minutes=5)
    assert applied(quick) == [("remove-orphan", "beefbeefbeef", "done")]
