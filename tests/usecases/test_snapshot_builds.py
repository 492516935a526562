"""Snapshots: published whole or not at all, never from a source that changed, never while used."""

import hashlib
import json
from pathlib import Path

import pytest

from sandbox.core.errors import Conflict, InvalidInput, NotFound, Unavailable
from sandbox.core.ports import Context
from sandbox.usecases.sandboxes import DownRequest, down
from sandbox.usecases.snapshots import (
    BuildSnapshotRequest,
    ListSnapshotsRequest,
    RemoveSnapshotRequest,
    ShowSnapshotRequest,
    build,
    list_snapshots,
    remove,
    show,
)
from tests.fakes import FakeEngine, FakeReader, Trap, unavailable
from tests.usecases.asking_up import chain_holds, codes, events, make

BUILD = BuildSnapshotRequest(source="core")


def under_construction(home: Path) -> list[Path]:
    return list((home / ".sandbox" / "build").glob("*"))


def test_a_build_publishes_the_file_in_its_volume(
    ctx: Context, engine: FakeEngine, home: Path
) -> None:
    made = build(ctx, BUILD).snapshot
    assert made.state == "ready"
    assert made.id == "core@2026-11-23.1"
    assert engine.listing() == [("volume", made.volume)]
    assert engine.contents[made.volume] == {"core.duckdb": b"DUCK" * 1000}
    assert under_construction(home) == []
    assert codes(ctx, made.id) == ["snapshot.requested", "snapshot.built"]
    manifest = events(ctx, made.id)[-1].details["manifest"]
    assert manifest["file_digest"] == hashlib.sha256(b"DUCK" * 1000).hexdigest()
    assert "rules" not in manifest
    assert "not-in-any-output" not in json.dumps(manifest)
    assert build(ctx, BUILD).snapshot.id == "core@2026-11-23.2"


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("error", [unavailable, KeyboardInterrupt])
def test_every_engine_call_of_a_build_may_fail(
    ctx: Context, engine: FakeEngine, home: Path, error: type[BaseException], after: bool
) -> None:
    build(ctx, BUILD)
    before = engine.listing()
    engine.forget_calls()
    remove(ctx, RemoveSnapshotRequest(id=build(ctx, BUILD).snapshot.id))
    count = len(engine.calls) - 3  # removing it took the last three
    assert count >= 5
    for number in range(1, count + 1):
        engine.forget_calls()
        engine.trap = Trap(error(), at=number, after=after)
        with pytest.raises((Unavailable, KeyboardInterrupt)):
            build(ctx, BUILD)
        assert engine.trap.sprung
        engine.trap = None
        assert engine.listing() == before, engine.calls[number - 1]
        assert under_construction(home) == []
        newest = list_snapshots(ctx, ListSnapshotsRequest(everything=True)).snapshots[-1]
        # Without knowing the room on the disk none is begun.
        looking = engine.calls[number - 1][0] in ("volume_folder", "facts")
        assert newest.state == ("removed" if looking else "failed")
        assert (newest.manifest is None) is not looking
    assert chain_holds(ctx)
    assert build(ctx, BUILD).snapshot.state == "ready"


def test_a_reader_that_fails_leaves_nothing(
    ctx: Context, engine: FakeEngine, reader: FakeReader, home: Path
) -> None:
    reader.error = Unavailable("The source went away.", subject="core", hint="Try again.")
    with pytest.raises(Unavailable, match="went away"):
        build(ctx, BUILD)
    assert engine.listing() == []
    assert under_construction(home) == []
    assert codes(ctx, "core@2026-11-23.1") == ["snapshot.requested", "snapshot.failed"]
    with pytest.raises(NotFound, match="no snapshot"):
        make(ctx)


def test_a_source_that_changed_is_refused_by_name(ctx: Context, reader: FakeReader) -> None:
    source = ctx.catalogue.source("core")
    live = {n: dict.fromkeys(t.columns, "VARCHAR") for n, t in source.tables.items()}
    live["customers"]["blood_type"] = "VARCHAR"
    gone, _ = live["purchases"].popitem()
    reader.live = live | {"payroll": {"salary": "INTEGER"}}
    with pytest.raises(InvalidInput) as raised:
        build(ctx, BUILD)
    assert raised.value.details == {
        "new": ["customers.blood_type"],
        "missing": [f"purchases.{gone}"],
        "retyped": [],
    }
    assert "customers.blood_type" in str(raised.value)
    assert list_snapshots(ctx, ListSnapshotsRequest(everything=True)).snapshots == ()
    assert codes(ctx) == []


def test_a_missing_password_is_told_without_a_snapshot(ctx: Context, home: Path) -> None:
    (home / ".sandbox/secrets/core-password").unlink()
    with pytest.raises(Unavailable, match="password"):
        build(ctx, BUILD)
    assert codes(ctx) == []


def test_a_snapshot_in_use_stays(ctx: Context, engine: FakeEngine) -> None:
    made = build(ctx, BUILD).snapshot
    make(ctx)
    assert show(ctx, ShowSnapshotRequest(id=made.id)).used_by == ("spring-coupon",)
    with pytest.raises(Conflict) as raised:
        remove(ctx, RemoveSnapshotRequest(id=made.id))
    assert raised.value.details["used_by"] == ["spring-coupon"]
    assert "reset" not in raised.value.hint  # it sees the newest already
    assert ("volume", made.volume) in engine.listing()
    newer = build(ctx, BUILD).snapshot
    with pytest.raises(Conflict) as raised:
        remove(ctx, RemoveSnapshotRequest(id=made.id))
    assert "sandbox reset spring-coupon --latest" in raised.value.hint
    remove(ctx, RemoveSnapshotRequest(id=newer.id))
    down(ctx, DownRequest(name="spring-coupon"))
    remove(ctx, RemoveSnapshotRequest(id=made.id))
    assert ("volume", made.volume) not in engine.listing()
    assert codes(ctx, made.id)[-1] == "snapshot.removed"
    # Again is no error: what an engine refused the first time ends here.
    assert remove(ctx, RemoveSnapshotRequest(id=made.id)).snapshot.state == "removed"
    assert list_snapshots(ctx, ListSnapshotsRequest()).snapshots == ()


@pytest.mark.parametrize(
    ("id", "error"), [("core@2026-11-23.9", NotFound), ("core", InvalidInput), ("", InvalidInput)]
)
def test_unknown_snapshots(ctx: Context, id: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        show(ctx, ShowSnapshotRequest(id=id))
