"""What people see of the age of data, of resets, and of snapshots that are kept no longer."""

from dataclasses import replace
from pathlib import Path

from sandbox.cli import render
from sandbox.core.ports import Context
from sandbox.core.retention import Retention
from sandbox.core.snapshot import Snapshot
from sandbox.usecases.planning import PlanRequest, plan
from sandbox.usecases.resetting import ResetRequest, reset
from sandbox.usecases.retaining import PruneRequest, prune
from sandbox.usecases.sandboxes import ListRequest, ShowRequest, list_sandboxes, show
from sandbox.usecases.snapshots import (
    BuildSnapshotRequest,
    ListSnapshotsRequest,
    ShowSnapshotRequest,
    build,
    list_snapshots,
)
from sandbox.usecases.snapshots import show as show_snapshot
from tests.cli.conftest import Cli, Seen
from tests.fakes import Clock, FakeEngine, Trap, unavailable
from tests.usecases.asking_up import make, wish

NAME = "spring-coupon"
FIRST, SECOND = "core@2026-11-23.1", "core@2026-11-23.2"


def limited(home: Path) -> None:
    file = home / "sources/core.yaml"
    file.write_text(f"{file.read_text('utf-8')}max_age: 24h\n", "utf-8")


def test_the_age_stands_beside_the_data(
    ctx: Context, home: Path, snapshot: Snapshot, clock: Clock, seen: Seen
) -> None:
    made = make(ctx, ttl="72h")
    assert ", 1 h old\n" in seen(made)
    assert ", 1 h old\n" in seen(plan(ctx, PlanRequest(wish=wish("other"))))
    limited(home)
    clock.advance(hours=30)
    said = "31 h old, too old: the limit is 24 h"
    assert said in seen(show(ctx, ShowRequest(name=NAME)))
    assert said in seen(list_snapshots(ctx, ListSnapshotsRequest()))
    assert f"age       {said}" in seen(show_snapshot(ctx, ShowSnapshotRequest(id=FIRST)))
    document = seen(list_snapshots(ctx, ListSnapshotsRequest()), "json")
    assert '"age_minutes": 1860' in document


def test_a_newer_snapshot_is_told_until_the_reset(
    ctx: Context, snapshot: Snapshot, seen: Seen
) -> None:
    make(ctx)
    assert "newer" not in seen(list_sandboxes(ctx, ListRequest()))
    build(ctx, BuildSnapshotRequest(source="core"))
    told = f"newer     data for {NAME}: sandbox reset NAME --latest"
    assert told in seen(list_sandboxes(ctx, ListRequest()))
    shown = seen(show(ctx, ShowRequest(name=NAME)))
    assert f"newer     {SECOND} is there: sandbox reset {NAME} --latest" in shown
    assert "extend, reset, freeze, down" in shown
    done = seen(reset(ctx, ResetRequest(name=NAME, latest=True)))
    assert f"reset     {NAME}: from {FIRST} to {SECOND}, in " in done
    assert "kept      lab and work" in done
    assert f"ready     http://{NAME}.localhost:8700   until " in done
    assert "newer" not in seen(list_sandboxes(ctx, ListRequest()))
    again = seen(reset(ctx, ResetRequest(name=NAME)))
    assert f"reset     {NAME}: its tool was made anew, in " in again


def test_pruning_says_what_goes_what_stays_and_for_whom(
    ctx: Context, snapshot: Snapshot, seen: Seen, engine: FakeEngine
) -> None:
    make(ctx)
    none = prune(ctx, PruneRequest())
    assert "All snapshots are kept: `snapshots` in sandbox.yaml" in seen(none)
    for _ in range(2):
        build(ctx, BuildSnapshotRequest(source="core"))
    settings = ctx.settings.model_copy(update={"snapshots": Retention(keep=1)})
    one = replace(ctx, settings=settings)
    dry = seen(prune(one, PruneRequest()))
    assert "kept      core: the newest 1" in dry
    assert f"stays: {NAME} (ready) needs it until 2026-11-26 15:00 UTC at least" in dry
    assert "older than what is kept: the newest 1  to do" in dry
    assert "Do it: sandbox snapshot prune --apply" in dry
    engine.trap = Trap(unavailable(), method="remove")
    failed = prune(one, PruneRequest(apply=True))
    assert "failed: The engine went away." in seen(failed)
    assert render.exit_code(failed) == 7
    engine.trap = None
    done = prune(one, PruneRequest(apply=True))
    assert "its removal was cut off" in seen(done)
    assert render.exit_code(done) == 0
    assert "All snapshots are kept." not in seen(prune(one, PruneRequest()))  # one stays for now


def test_bad_input(cli: Cli, home: Path) -> None:
    code, _, err = cli("--home", str(home), "reset", "no-such-one", "--latest")
    assert (code, "There is no such sandbox" in err) == (5, True)
    code, _, err = cli("--home", str(home), "snapshot", "prune", "now")
    assert code == 2
    file = home / "sandbox.yaml"
    file.write_text(f"{file.read_text('utf-8')}snapshots: {{keep: none}}\n", "utf-8")
    code, _, err = cli("--home", str(home), "snapshot", "prune")
    assert code == 3
    assert "sandbox.yaml" in err
    limited(home)
    source = home / "sources/core.yaml"
    source.write_text(source.read_text("utf-8").replace("max_age: 24h", "max_age: soon"), "utf-8")
    file.write_text(file.read_text("utf-8").replace("{keep: none}", "{keep: 3}"), "utf-8")
    code, _, err = cli("--home", str(home), "snapshot", "build", "core")
    assert code == 3
    assert "max_age" in err
    assert "write it as in 90m, 72h, 14d" in err
