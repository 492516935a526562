"""How a build ends when others meddle: removed, interrupted late, killed, or started twice."""

from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.core.drift import LiveTypes
from sandbox.core.errors import Conflict, SandboxError, Unavailable
from sandbox.core.objects import INSTALLATION
from sandbox.core.ports import Built, Context, Progress
from sandbox.core.snapshot import Snapshot, SnapshotState
from sandbox.core.source import Source
from sandbox.usecases.homes import UninstallRequest, uninstall
from sandbox.usecases.snapshots import (
    BuildSnapshotRequest,
    RemoveSnapshotRequest,
    build,
    remove,
)
from tests.contract.registry_samples import a_snapshot
from tests.fakes import FakeDemo, FakeEngine, FakeReader, Trap, unavailable
from tests.usecases.asking_up import chain_holds, codes, journal
from tests.usecases.interrupting import InterruptedAfterCommit

BUILD = BuildSnapshotRequest(source="core")
FIRST = "core@2026-11-23.1"


class MeddledReader(FakeReader):
    """A reader during whose copy somebody else does something."""

    def __init__(self, context: Context, *meddling: object) -> None:
        super().__init__()
        self.context, self.meddling = context, meddling
        self.met: list[Exception] = []
        self.found: list[Path] = []

    def copy(
        self, source: Source, password: str, key: bytes, target: Path, progress: Progress
    ) -> Built:
        self.found = list(target.parent.iterdir())
        made = super().copy(source, password, key, target, progress)
        for request in self.meddling:
            try:
                if isinstance(request, RemoveSnapshotRequest):
                    remove(self.context, request)
                elif isinstance(request, UninstallRequest):
                    uninstall(self.context, request)
                else:
                    build(self.context, BUILD)
            except Conflict as error:
                self.met.append(error)
        return made


def state(context: Context, id: str = FIRST) -> str:
    with context.registry.reading() as tx:
        found = tx.snapshot(id)
    return found.state.value if found else "none"


def killed(context: Context, engine: FakeEngine, home: Path) -> Snapshot:
    """Leave what a build leaves that was killed while it published."""
    made = a_snapshot(state=SnapshotState.BUILDING, volume="sandbox-v")
    with context.registry.writing() as tx:
        tx.save_snapshot(made)
        tx.journal(made.id, "volume", made.volume)
    engine.create_volume(made.volume, {INSTALLATION: context.registry.installation()})
    folder = home / ".sandbox/build/core"
    folder.mkdir(parents=True)
    (folder / "sandbox-v.duckdb").write_bytes(b"masked")
    (folder / "sandbox-v.duckdb.tmp").mkdir()
    return made


def left(home: Path) -> list[Path]:
    return list((home / ".sandbox/build").rglob("*"))


@pytest.mark.parametrize("meddling", [RemoveSnapshotRequest(id=FIRST), UninstallRequest()])
def test_a_snapshot_removed_while_it_is_built_never_becomes_ready(
    ctx: Context, engine: FakeEngine, home: Path, meddling: object
) -> None:
    with pytest.raises(Conflict, match="taken away"):
        build(replace(ctx, reader=MeddledReader(ctx, meddling)), BUILD)
    assert state(ctx) == "removed"
    assert engine.listing() == []
    assert left(home) == []
    assert journal(ctx, FIRST) == []
    assert not {"snapshot.built", "snapshot.failed"} & set(codes(ctx))
    assert chain_holds(ctx)


def test_ctrl_c_just_after_ready_is_too_late(ctx: Context, engine: FakeEngine, home: Path) -> None:
    late = replace(ctx, registry=InterruptedAfterCommit(ctx.registry, at=2))
    with pytest.raises(KeyboardInterrupt):
        build(late, BUILD)
    assert state(ctx) == "ready"
    assert [kind for kind, _ in engine.listing()] == ["volume"]
    assert codes(ctx, FIRST) == ["snapshot.requested", "snapshot.built"]
    assert left(home) == []


def test_a_removal_asked_again_finishes_and_writes_no_second_event(
    ctx: Context, engine: FakeEngine
) -> None:
    made = build(ctx, BUILD).snapshot
    engine.trap = Trap(unavailable(), method="remove")
    with pytest.raises(Unavailable):
        remove(ctx, RemoveSnapshotRequest(id=made.id))
    assert ("volume", made.volume) in engine.listing()
    engine.trap = None
    for _ in range(2):
        remove(ctx, RemoveSnapshotRequest(id=made.id))
        assert engine.listing() == []
    assert codes(ctx, made.id).count("snapshot.removed") == 1


def test_rm_of_a_killed_build_removes_all_of_it(
    ctx: Context, engine: FakeEngine, home: Path
) -> None:
    made = killed(ctx, engine, home)
    removed = remove(ctx, RemoveSnapshotRequest(id=made.id)).snapshot
    assert removed.state == "removed"
    assert engine.listing() == []
    assert left(home) == []
    assert journal(ctx, made.id) == []


def test_uninstall_removes_what_a_killed_build_left(
    ctx: Context, engine: FakeEngine, home: Path
) -> None:
    killed(ctx, engine, home)
    uninstall(ctx, UninstallRequest())
    assert engine.listing() == []
    assert left(home) == []


def test_the_next_build_settles_a_killed_one(ctx: Context, engine: FakeEngine, home: Path) -> None:
    dead = killed(ctx, engine, home)
    reader = MeddledReader(ctx)
    made = build(replace(ctx, reader=reader), BUILD).snapshot
    assert reader.found == []
    assert engine.listing() == [("volume", made.volume)]
    assert left(home) == []
    assert state(ctx, dead.id) == "failed"
    assert codes(ctx, dead.id) == ["snapshot.failed"]
    assert journal(ctx, dead.id) == []


def test_where_unmaking_fails_the_next_build_does_it(ctx: Context, engine: FakeEngine) -> None:
    engine.trap = Trap(unavailable(), method="remove")
    with pytest.raises(Unavailable):
        build(ctx, BUILD)
    engine.trap = None
    assert state(ctx) == "building"
    assert engine.listing() != []
    made = build(ctx, BUILD).snapshot
    assert state(ctx) == "failed"
    assert engine.listing() == [("volume", made.volume)]


def test_two_builds_of_one_source_are_a_conflict(ctx: Context, home: Path) -> None:
    reader = MeddledReader(ctx, BUILD)
    made = build(replace(ctx, reader=reader), BUILD).snapshot
    assert [str(e) for e in reader.met] == ["Another process builds this just now."]
    assert made.state == "ready"
    assert codes(ctx) == ["snapshot.requested", "snapshot.built"]
    assert left(home) == []


@pytest.mark.parametrize("live", [None, {}], ids=["no answer", "no tables"])
def test_a_build_without_the_demo_core_says_how_to_get_it(
    ctx: Context, reader: FakeReader, home: Path, live: LiveTypes | None
) -> None:
    reader.live = live
    broken = _Silent() if live is None else reader
    lacking = replace(ctx, reader=broken, demo=FakeDemo("its PostgreSQL server does not run"))
    with pytest.raises(SandboxError, match="source") as raised:
        build(lacking, BUILD)
    assert f"sandbox init --demo {home}" in raised.value.hint
    with pytest.raises(SandboxError, match="source") as raised:
        build(replace(lacking, demo=FakeDemo()), BUILD)
    assert "init --demo" not in raised.value.hint


class _Silent(FakeReader):
    """A core system that does not answer."""

    def columns(self, source: Source, password: str) -> LiveTypes:
        raise Unavailable("The source does not answer.", subject="core", hint="Check host.")
