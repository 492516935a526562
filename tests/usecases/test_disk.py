"""The watch over disks: what is refused without room, what is frozen, and how it comes back."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.core.anatomy import container_name
from sandbox.core.disk import MB
from sandbox.core.errors import Conflict, Unavailable
from sandbox.core.objects import Ran
from sandbox.core.ports import Context
from sandbox.core.settings import DiskSettings
from sandbox.drivers.home import HomeFolder
from sandbox.drivers.registry.store import SqlRegistry
from sandbox.drivers.registry.transaction import SqlTransaction
from sandbox.usecases.leases import ResumeRequest, resume
from sandbox.usecases.planning import PlanRequest, plan
from sandbox.usecases.reaping import ReapRequest, ReapResult, reap
from sandbox.usecases.sandboxes import ListRequest, list_sandboxes
from sandbox.usecases.snapshots import BuildSnapshotRequest, build
from tests.fakes import FakeEngine, FakeGateway, Said
from tests.usecases.asking_up import chain_holds, events, make, state, wish
from tests.usecases.leasing import NAME, on_record, running

pytestmark = pytest.mark.usefixtures("marked", "snapshot")
RESERVE, FLOOR = 2048, 1024


def reaped(ctx: Context, *, apply: bool = True) -> ReapResult:
    return reap(ctx, ReapRequest(apply=apply))


def kinds(result: ReapResult) -> list[str]:
    return [f"{chore.kind} {chore.subject}: {chore.outcome}" for chore in result.chores]


def fill(ctx: Context, engine: FakeEngine, mb: float, part: str = "work") -> None:
    engine.sizes[container_name(on_record(ctx).id, part)] = int(mb * MB)


def free(engine: FakeEngine, mb: int | None) -> None:
    engine.free_bytes = None if mb is None else mb * MB


def test_up_keeps_the_reserve_free_beside_what_it_reserves(
    ctx: Context, engine: FakeEngine
) -> None:
    free(engine, 3072 + RESERVE - 1)
    before = engine.listing()
    with pytest.raises(Unavailable) as caught:
        make(ctx)
    assert "The engine's disk has 5,119 MB free; 3,072 MB are asked for" in caught.value.message
    assert "2,048 MB must stay free" in caught.value.message
    assert caught.value.details["room"]["engine"] == 5119 * MB
    assert (state(ctx), engine.listing()) == ("none", before)
    free(engine, 3072 + RESERVE)
    assert make(ctx).created


def test_plan_says_what_up_would(ctx: Context, engine: FakeEngine) -> None:
    free(engine, 4000)
    planned = plan(ctx, PlanRequest(wish=wish()))
    assert (planned.answer, planned.room.engine) == ("full", 4000 * MB)
    assert "has 4,000 MB free" in planned.why
    assert "sandbox down NAME" in planned.hint


def test_one_that_runs_is_returned_however_full_the_disk_is(
    ctx: Context, engine: FakeEngine
) -> None:
    make(ctx)
    free(engine, 0)
    assert not make(ctx).created


def test_the_home_needs_its_reserve_too(ctx: Context, home: Path) -> None:
    class Narrow(HomeFolder):
        def free_bytes(self, place: str = "") -> int | None:
            return (RESERVE - 1) * MB

    with pytest.raises(Unavailable, match="The home's disk has 2,047 MB free"):
        make(replace(ctx, files=Narrow(home)))


def test_a_snapshot_needs_room_for_one_like_the_last(ctx: Context, engine: FakeEngine) -> None:
    free(engine, RESERVE)
    with pytest.raises(Unavailable, match="1 MB are asked for and 2,048 MB must stay free"):
        build(ctx, BuildSnapshotRequest(source="core"))
    assert [e.code for e in events(ctx)].count("snapshot.requested") == 1
    free(engine, RESERVE + 1)
    assert build(ctx, BuildSnapshotRequest(source="core")).snapshot.manifest


def test_what_cannot_be_measured_is_said_and_not_guessed(
    ctx: Context, engine: FakeEngine, said: Said
) -> None:
    free(engine, None)
    assert make(ctx).created
    assert "How much the engine's disk has free is not known" in said.steps
    assert reaped(ctx).unmeasured == ("how much the engine's disk has free",)


def test_the_gateway_looks_where_we_cannot(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway, said: Said
) -> None:
    """A remote engine: its volume lies in no folder of ours."""
    engine.create_volume(gateway.container, {})
    gateway.free_bytes = 4000 * MB
    with pytest.raises(Unavailable, match="has 4,000 MB free"):
        make(ctx)


def test_a_folder_of_this_machine_is_looked_at_here(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway, tmp_path: Path
) -> None:
    engine.create_volume(gateway.container, {})
    engine.folder, gateway.free_bytes = str(tmp_path), 0
    planned = plan(ctx, PlanRequest(wish=wish()))
    assert planned.room.engine == pytest.approx(planned.room.home, rel=0.1)


def test_a_sandbox_over_its_limit_is_frozen(ctx: Context, engine: FakeEngine) -> None:
    make(ctx)
    make(ctx, "other")
    fill(ctx, engine, 3000)
    fill(ctx, engine, 72.5, "lab")
    assert kinds(reaped(ctx, apply=False)) == [f"freeze-full {NAME}: to do"]
    assert state(ctx) == "ready"
    assert kinds(reaped(ctx)) == [f"freeze-full {NAME}: done"]
    assert (state(ctx), state(ctx, "other")) == ("frozen", "ready")
    assert not running(ctx, engine)
    (event,) = [e for e in events(ctx, NAME) if e.code == "sandbox.frozen"]
    assert event.reason == "its disk holds 3,073 MB, its limit is 3,072 MB"
    assert (event.actor, event.identity) == ("system", "the reaper, run by anna")
    assert kinds(reaped(ctx)) == []
    assert chain_holds(ctx)


def test_at_its_limit_it_goes_on_and_at_80_percent_it_is_warned(
    ctx: Context, engine: FakeEngine
) -> None:
    make(ctx)
    fill(ctx, engine, 2457)
    reaped(ctx)
    assert list_sandboxes(ctx, ListRequest()).sandboxes[0].disk_warning == ""
    fill(ctx, engine, 3072)
    assert kinds(reaped(ctx)) == []
    (seen,) = list_sandboxes(ctx, ListRequest()).sandboxes
    assert (seen.used_mb, seen.disk_mb) == (3072, 3072)
    assert seen.disk_warning == "its disk is 100 % full: 3,072 of 3,072 MB"


def test_a_dry_run_notes_nothing(ctx: Context, engine: FakeEngine) -> None:
    make(ctx)
    fill(ctx, engine, 3000)
    reaped(ctx, apply=False)
    assert on_record(ctx).used_mb is None


def test_an_overfull_one_comes_back_only_with_more_room(ctx: Context, engine: FakeEngine) -> None:
    make(ctx)
    fill(ctx, engine, 4000)
    reaped(ctx)
    with pytest.raises(Conflict, match="It would be frozen again") as caught:
        resume(ctx, ResumeRequest(name=NAME))
    assert caught.value.hint.endswith("sandbox resume spring-coupon --disk-mb 5024")
    with pytest.raises(Conflict, match="its limit is 3,999 MB"):
        resume(ctx, ResumeRequest(name=NAME, disk_mb=3999))
    resume(ctx, ResumeRequest(name=NAME, disk_mb=5024))
    assert kinds(reaped(ctx)) == []
    assert state(ctx) == "ready"


def test_below_the_floor_everything_is_frozen_and_nothing_starts(
    ctx: Context, engine: FakeEngine
) -> None:
    make(ctx)
    make(ctx, "other")
    free(engine, FLOOR)
    assert kinds(reaped(ctx)) == []
    free(engine, FLOOR - 1)
    assert kinds(reaped(ctx)) == [f"freeze-full {NAME}: done", "freeze-full other: done"]
    assert on_record(ctx).reason == "the engine's disk has 1,023 MB free, the floor is 1,024 MB"
    for act in (
        lambda: resume(ctx, ResumeRequest(name=NAME)),
        lambda: make(ctx, "new"),
        lambda: build(ctx, BuildSnapshotRequest(source="core")),
    ):
        with pytest.raises(Unavailable, match="1,023 MB free"):
            act()
    assert state(ctx) == "frozen"
    free(engine, FLOOR)
    assert kinds(reaped(ctx)) == []
    assert state(ctx) == "frozen"  # IT decides what starts again
    resume(ctx, ResumeRequest(name=NAME))
    assert (state(ctx), state(ctx, "other")) == ("ready", "frozen")
    assert chain_holds(ctx)


def test_a_volume_that_cannot_be_measured_freezes_nobody(ctx: Context, engine: FakeEngine) -> None:
    make(ctx)

    class Unable(FakeEngine):
        def volume_bytes(self, installation: str) -> dict[str, int]:
            raise Unavailable("The engine refused: no.", subject="the engine")

    unable = Unable()
    unable.__dict__.update(engine.__dict__)
    found = reap(replace(ctx, engine=unable), ReapRequest(apply=True))
    assert found.unmeasured == ("what spring-coupon holds: The engine refused: no.",)
    assert (found.chores, state(ctx)) == ((), "ready")


def test_an_engine_that_measures_for_others_is_asked_again(
    ctx: Context, engine: FakeEngine
) -> None:
    make(ctx)
    fill(ctx, engine, 5000)
    asked: list[int] = []

    class Busy(FakeEngine):
        def volume_bytes(self, installation: str) -> dict[str, int]:
            asked.append(1)
            if len(asked) == 1:
                said = "The engine refused: a disk usage operation is already running"
                raise Unavailable(said, subject="the engine")
            return super().volume_bytes(installation)

    busy = Busy()
    busy.__dict__.update(engine.__dict__)
    assert kinds(reap(replace(ctx, engine=busy), ReapRequest(apply=True))) == [
        f"freeze-full {NAME}: done"
    ]
    assert len(asked) == 2


def du(engine: FakeEngine, code: int, kilobytes: int) -> None:
    engine.programs["/usr/bin/du"] = Ran(code, f"{kilobytes}\t/work\n".encode(), b"")


def test_what_takes_blocks_counts_not_how_long_files_are(ctx: Context, engine: FakeEngine) -> None:
    make(ctx)
    fill(ctx, engine, 900_000)  # a file full of holes
    du(engine, 0, 700_001)
    assert kinds(reaped(ctx)) == []
    assert on_record(ctx).used_mb == 1368  # of the tool's folder and of the lab's
    assert {c for c, words, _ in engine.asked if "/usr/bin/du" in words} == {
        container_name(on_record(ctx).id, part) for part in ("tool", "lab")
    }


def test_lengths_count_where_a_folder_is_closed_to_us(ctx: Context, engine: FakeEngine) -> None:
    make(ctx)
    fill(ctx, engine, 3073)
    du(engine, 1, 100)
    assert kinds(reaped(ctx)) == [f"freeze-full {NAME}: done"]


def test_one_that_stands_still_keeps_what_was_measured(ctx: Context, engine: FakeEngine) -> None:
    make(ctx)
    du(engine, 0, 2_000_000)
    reaped(ctx)
    fill(ctx, engine, 1)
    reaped(ctx)
    assert (state(ctx), on_record(ctx).used_mb) == ("frozen", 3907)


def test_below_the_floor_all_are_stopped_before_anything_is_written(
    ctx: Context, engine: FakeEngine, registry: SqlRegistry
) -> None:
    """The registry may be on that very disk."""
    make(ctx)
    make(ctx, "other")
    free(engine, 0)

    class Full(SqlRegistry):
        @contextmanager
        def writing(self) -> Iterator[SqlTransaction]:
            raise Unavailable("The disk that holds the registry is full.", subject="registry")
            yield

    full = Full(ctx.files.access().path / Path(".sandbox"))
    engine.forget_calls()
    failed = reap(replace(ctx, registry=full), ReapRequest(apply=True))
    assert {chore.said for chore in failed.chores} == {"The disk that holds the registry is full."}
    assert [kind for kind, _ in engine.changes()][:4] == ["stop"] * 4
    tools = [box for name, box in engine.containers.items() if name.endswith(("-tool", "-lab"))]
    assert len(tools) == 4
    assert not any(box.running for box in tools)
    full.close()
    assert kinds(reaped(ctx)) == [f"freeze-full {NAME}: done", "freeze-full other: done"]


class Brim(HomeFolder):
    """A home on a disk without a free byte, but for its ballast."""

    dropped = False

    def free_bytes(self, place: str = "") -> int | None:
        return (16 if self.dropped else 0) * MB

    def drop_ballast(self) -> None:
        self.dropped = True
        super().drop_ballast()


class Closed(SqlRegistry):
    """A registry that cannot even be read while the disk is full."""

    files: Brim

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Any]:
        if not self.files.dropped:
            raise Unavailable("The disk that holds the registry is full.", subject="registry")
        with super()._transaction(begin) as connection:
            yield connection


@pytest.mark.parametrize("same_disk", [True, False])
def test_full_to_the_brim_all_are_stopped_by_their_labels_alone(
    ctx: Context, engine: FakeEngine, home: Path, same_disk: bool
) -> None:
    make(ctx)
    gateway = ctx.gateway.container
    engine.free_bytes = 0 if same_disk else 10**11
    closed = Closed(home / ".sandbox")
    closed.files = Brim(home)
    brim = replace(ctx, registry=closed, files=closed.files)
    assert kinds(reap(brim, ReapRequest(apply=True))) == (
        [f"freeze-full {NAME}: done"] if same_disk else []
    )
    assert bool(running(ctx, engine)) is not same_disk
    assert engine.is_running(gateway)
    assert closed.files.dropped
    closed.close()


def test_a_dry_run_on_a_full_disk_stops_nobody(
    ctx: Context, engine: FakeEngine, home: Path
) -> None:
    make(ctx)
    engine.free_bytes = 0
    brim = replace(ctx, files=Brim(home))
    assert kinds(reaped(brim, apply=False)) == [f"freeze-full {NAME}: to do"]
    assert running(ctx, engine)


def test_settings_of_zero_switch_reserve_and_floor_off(ctx: Context, engine: FakeEngine) -> None:
    off = DiskSettings(reserve_mb=0, floor_mb=0)
    bare = replace(ctx, settings=ctx.settings.model_copy(update={"disk": off}))
    free(engine, 3072)
    make(bare)
    free(engine, 0)
    assert kinds(reaped(bare)) == []
