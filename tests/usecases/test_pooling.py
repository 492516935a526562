"""The warm pool: what the reaper makes ahead, keeps, and takes away again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.cli.blocks import Line
from sandbox.cli.tables import blocks
from sandbox.core.anatomy import container_name
from sandbox.core.errors import Conflict, InvalidInput, Unavailable
from sandbox.core.objects import SANDBOX, Network
from sandbox.core.pool import LIFETIME, MARGIN
from sandbox.core.ports import Actor, Context
from sandbox.core.reaping import Chore, ChoreKind
from sandbox.core.snapshot import Snapshot
from sandbox.drivers.home import HomeFolder
from sandbox.usecases.homes import (
    DoctorRequest,
    InitRequest,
    UninstallRequest,
    doctor,
    init,
    uninstall,
)
from sandbox.usecases.leases import ExtendRequest, extend
from sandbox.usecases.line import LiftLineRequest, StopLineRequest, lift_line, stop_line
from sandbox.usecases.pooling import fill
from sandbox.usecases.reaping import ReapRequest, reap
from sandbox.usecases.sandboxes import (
    DownRequest,
    ListRequest,
    NamesRequest,
    OpenRequest,
    ShowRequest,
    down,
    list_sandboxes,
    names,
    open_link,
    show,
)
from sandbox.usecases.snapshots import BuildSnapshotRequest, build
from tests.fakes import NOON, Clock, FakeEngine, FakeGateway, Trap, unavailable
from tests.usecases.asking_up import chain_holds, codes, events, journal, make, state
from tests.usecases.interrupting import InterruptedAfterCommit
from tests.usecases.leasing import ends
from tests.usecases.pools import TEMPLATE, pooled, reaped, with_pool

NAME = "spring-coupon"
FILL = ("fill-pool", TEMPLATE)


def test_the_reaper_makes_what_is_wanted_and_no_more(
    ctx: Context, home: Path, snapshot: Snapshot, engine: FakeEngine
) -> None:
    warm = with_pool(ctx, segment_rfm=2)
    init(warm, InitRequest(folder=str(home)))
    planned = reap(warm, ReapRequest()).chores
    assert [(c.kind.value, c.subject, c.why, c.outcome) for c in planned] == [
        (*FILL, "0 of 2 are pooled", "to do"),
        (*FILL, "0 of 2 are pooled", "to do"),
    ]
    assert pooled(warm) == []
    assert reaped(warm) == [FILL, FILL]
    assert len(pooled(warm)) == 2
    assert reaped(warm) == []
    for each in pooled(warm):
        assert codes(warm, each.name) == ["pool.requested", "pool.filled"]
    assert {e.actor for e in events(warm) if e.code.startswith("pool.")} == {"system"}
    assert chain_holds(warm)


def test_a_pooled_one_is_whole_proven_and_nobodys(
    warm: Context, engine: FakeEngine, gateway: FakeGateway
) -> None:
    (one,) = pooled(warm)
    assert (one.lease.owner, one.lease.started, one.spec.purpose) == ("", None, "")
    assert one.name == f"pool-{one.id}"
    assert gateway.routes == {}
    running = {n for n, b in engine.containers.items() if b.running and one.id in n}
    assert running == {container_name(one.id, "tool"), container_name(one.id, "lab")}
    asked = [words for name, words, _ in engine.asked if name == container_name(one.id, "tool")]
    assert [words for words in asked if "sandbox_verify" in words]
    assert set(journal(warm, one.id)) <= set(engine.listing())
    assert ends(engine, one.id) == int((NOON + LIFETIME).timestamp())


def test_a_new_snapshot_retires_what_saw_the_old_one(
    warm: Context, snapshot: Snapshot, engine: FakeEngine
) -> None:
    (old,) = pooled(warm)
    newer = build(warm, BuildSnapshotRequest(source="core")).snapshot
    made = make(warm)
    assert made.pool == "snapshot differs"
    assert made.replica.id == newer.id
    assert reaped(warm) == [("retire", old.name), FILL]
    (new,) = pooled(warm)
    assert (new.spec.snapshot, state(warm, old.name)) == (newer.id, "destroyed")
    assert not [name for _, name in engine.listing() if old.id in name]
    assert make(warm, "second", snapshot=snapshot.id).pool == "snapshot differs"


def test_a_template_or_a_rule_that_changed_retires_it(warm: Context, home: Path) -> None:
    (old,) = pooled(warm)
    readme = home / "templates/segment-rfm/README.md"
    readme.write_text(readme.read_text() + "One line more.\n")
    assert make(warm).pool == "template and images differ"
    assert reaped(warm)[0] == ("retire", old.name)
    (newer,) = pooled(warm)
    core = home / "sources/core.yaml"
    core.write_text(core.read_text().replace("mask: redact", "mask: drop", 1))
    assert make(warm, "second").pool == "source rules differ"
    assert reaped(warm)[0] == ("retire", newer.name)


def test_an_old_one_makes_way_before_its_guards_end_it(
    warm: Context, clock: Clock, engine: FakeEngine
) -> None:
    (old,) = pooled(warm)
    clock.moment = NOON + LIFETIME - MARGIN
    assert make(warm).pool == "none is left"
    assert reaped(warm) == [("retire", old.name), FILL]
    (new,) = pooled(warm)
    assert ends(engine, new.id) == int((clock.moment + LIFETIME).timestamp())


def test_fewer_are_wanted(ctx: Context, home: Path, snapshot: Snapshot, engine: FakeEngine) -> None:
    init(ctx, InitRequest(folder=str(home)))
    before = engine.listing()
    assert reaped(with_pool(ctx, segment_rfm=2)) == [FILL, FILL]
    first, second = pooled(ctx)
    assert reaped(with_pool(ctx, segment_rfm=1)) == [("retire", first.name)]
    assert [s.id for s in pooled(ctx)] == [second.id]
    assert reaped(ctx) == [("retire", second.name)]
    assert set(engine.listing()) - set(before) <= {("container", ctx.gateway.container)}
    assert reaped(ctx) == []


def test_a_pooled_one_that_lost_a_part_is_replaced(warm: Context, engine: FakeEngine) -> None:
    (old,) = pooled(warm)
    engine.remove("container", container_name(old.id, "tool"))
    assert reaped(warm) == [("lost", old.name), FILL]


def test_the_pool_does_not_keep_an_older_gateway(warm: Context, gateway: FakeGateway) -> None:
    (old,) = pooled(warm)
    gateway.image = "gateway:2"
    assert reaped(warm) == [("retire", old.name), FILL]
    assert gateway.state() == "current"
    make(warm)
    gateway.image = "gateway:3"  # somebody is on it: it stays, and so does the pool
    assert reaped(warm) == [FILL]
    assert reaped(warm) == []
    assert gateway.state() == "older"


def test_while_the_line_is_stopped_nothing_is_filled_or_claimed(
    warm: Context, engine: FakeEngine
) -> None:
    assert stop_line(warm, StopLineRequest(reason="A mask is wrong")).frozen == ()
    (one,) = pooled(warm)
    assert engine.containers[container_name(one.id, "tool")].running
    with pytest.raises(Conflict, match="stopped the line"):
        make(warm)
    assert len(pooled(warm)) == 1
    assert reaped(with_pool(warm, segment_rfm=2)) == []
    lift_line(warm, LiftLineRequest())
    assert make(warm).pool == "claimed"


def test_a_fill_that_fails_leaves_nothing(
    ctx: Context, home: Path, snapshot: Snapshot, engine: FakeEngine, gateway: FakeGateway
) -> None:
    warm = with_pool(ctx, segment_rfm=1)
    init(warm, InitRequest(folder=str(home)))
    make(warm)
    before = engine.listing()
    engine.trap = Trap(unavailable(), method="run")
    (chore,) = reap(warm, ReapRequest(apply=True)).chores
    assert (chore.outcome, chore.said) == ("failed", "The engine went away.")
    engine.forget_calls()
    assert engine.listing() == before
    assert set(gateway.routes) == {NAME}
    assert pooled(warm) == []
    assert reaped(warm) == [FILL]


def fill_chore(template: str = TEMPLATE) -> Chore:
    return Chore(kind=ChoreKind.FILL, subject=template, why="test")


def test_two_reapers_do_not_fill_it_twice(warm: Context, engine: FakeEngine) -> None:
    engine.forget_calls()
    fill(warm, fill_chore())
    assert engine.changes() == []
    assert len(pooled(warm)) == 1


def test_the_line_is_stopped_before_a_fill_begins(warm: Context, engine: FakeEngine) -> None:
    stop_line(warm, StopLineRequest(reason="A mask is wrong"))
    engine.forget_calls()
    with pytest.raises(Conflict, match="stopped the line"):
        fill(with_pool(warm, segment_rfm=2), fill_chore())
    assert engine.changes() == []


def test_what_is_made_for_the_pool_is_held_meanwhile(
    warm: Context, home: Path, engine: FakeEngine
) -> None:
    create, free = engine.create_network, []

    def watch(network: Network) -> None:
        with HomeFolder(home).alone_with(network.labels[SANDBOX]) as alone:
            free.append(alone)
        create(network)

    engine.create_network = watch  # type: ignore[method-assign]
    fill(with_pool(warm, segment_rfm=2), fill_chore())
    assert free == [False]


def test_ctrl_c_right_after_the_last_commit_comes_too_late(
    warm: Context, engine: FakeEngine
) -> None:
    late: Any = InterruptedAfterCommit(warm.registry, at=2)
    with pytest.raises(KeyboardInterrupt):
        make(replace(warm, registry=late))
    assert state(warm) == "ready"
    late = InterruptedAfterCommit(warm.registry, at=2)
    with pytest.raises(KeyboardInterrupt):
        fill(replace(warm, registry=late), fill_chore())
    (one,) = pooled(warm)
    assert engine.containers[container_name(one.id, "tool")].running


def test_a_disk_without_its_reserve_serves_and_fills_nothing(warm: Context) -> None:
    disk = warm.settings.disk.model_copy(update={"reserve_mb": 10**8, "floor_mb": 0})
    full = replace(warm, settings=warm.settings.model_copy(update={"disk": disk}))
    with pytest.raises(Unavailable):
        make(full)
    assert (state(full), len(pooled(full))) == ("none", 1)
    with pytest.raises(Unavailable):
        fill(with_pool(full, segment_rfm=2), fill_chore())
    assert len(pooled(full)) == 1


def test_a_template_with_a_way_out_is_not_pooled(warm: Context, home: Path) -> None:
    file = home / "templates/segment-rfm/template.yaml"
    file.write_text(file.read_text() + "egress: [api.example.com]\n")
    with pytest.raises(InvalidInput, match="way out"):
        fill(warm, fill_chore())
    (line,) = [c for c in doctor(warm, DoctorRequest()).checks if c.name == "pool"]
    assert "not made ahead" in line.said


def test_an_unknown_template_is_told_by_reap_and_doctor(
    ctx: Context, home: Path, snapshot: Snapshot
) -> None:
    warm = with_pool(ctx, segment_rfmm=1)
    init(warm, InitRequest(folder=str(home)))
    (planned,) = reap(warm, ReapRequest()).chores
    assert "There is no such template. Did you mean segment-rfm?" in planned.why
    (done,) = reap(warm, ReapRequest(apply=True)).chores
    assert (done.outcome, done.subject) == ("failed", "segment-rfmm")
    assert "There is no such template" in done.said
    (line,) = [c for c in doctor(warm, DoctorRequest()).checks if c.name == "pool"]
    assert line.status == "warn"
    assert line.said.startswith("segment-rfmm: 0 of 1 are ready: There is no such template")


def test_a_home_whose_rules_have_no_room_is_not_filled(warm: Context, home: Path) -> None:
    rules = home / "policies/few.yaml"
    rules.write_text(
        "apiVersion: sandbox.policy/v1\nkind: PolicySet\n"
        "metadata: {name: few, version: '1', owner: it, change: test}\n"
        "effective_from: '2026-01-01T00:00:00Z'\nrules:\n"
        "- id: few-at-all\n  title: {en: few, ja: few}\n  mode: enforce\n  at: [create]\n"
        "  assert: {field: home_totals.sandboxes, max: 1}\n"
        "  fix: {en: end one, ja: end one}\n  exceptions: never\n"
    )
    (chore,) = reap(with_pool(warm, segment_rfm=2), ReapRequest(apply=True)).chores
    assert chore.outcome == "left"
    assert "no room for one more: sandboxes 1 held, 1 asked, 1 allowed" in chore.said
    assert make(warm).pool == "claimed"  # it takes the place of the one that it claims


def test_what_people_see_of_the_pool(warm: Context) -> None:
    (one,) = pooled(warm)
    listed = list_sandboxes(warm, ListRequest())
    assert (listed.sandboxes, listed.pooled) == ((), {TEMPLATE: 1})
    everything = list_sandboxes(warm, ListRequest(everything=True))
    assert [(s.name, s.state, s.owner) for s in everything.sandboxes] == [(one.name, "pooled", "")]
    assert names(warm, NamesRequest()).names == ()
    shown = show(warm, ShowRequest(name=one.name))
    lines = {b.label.strip(): b.text for b in blocks(shown) if isinstance(b, Line)}
    assert (lines["owner"], lines["purpose"]) == ("pool", "pool")
    assert (shown.decision, shown.sandbox.url, len(shown.parts)) == (None, "", 7)
    (line,) = [c for c in doctor(warm, DoctorRequest()).checks if c.name == "pool"]
    assert (line.status, line.said) == ("ok", "segment-rfm: 1 of 1 are ready")


def test_nobody_opens_or_extends_a_pooled_one(warm: Context) -> None:
    (one,) = pooled(warm)
    with pytest.raises(Conflict, match="is pooled"):
        open_link(warm, OpenRequest(name=one.name))
    with pytest.raises(Conflict, match="that is pooled cannot be extended"):
        extend(warm, ExtendRequest(name=one.name, ttl="1h", reason="Mine"))


def test_a_pooled_one_is_removed_by_name(warm: Context, engine: FakeEngine) -> None:
    (one,) = pooled(warm)
    gone = down(warm, DownRequest(name=one.name))
    assert gone.not_kept == "it was never ready, so nobody worked in it"
    assert not [name for _, name in engine.listing() if one.id in name]


def test_uninstall_takes_the_pool_along(warm: Context, engine: FakeEngine, ctx: Context) -> None:
    (one,) = pooled(warm)
    make(warm, "held", parameters={"bins": "4"})
    with pytest.raises(Conflict, match="held"):
        uninstall(warm, UninstallRequest())
    assert len(pooled(warm)) == 1
    down(warm, DownRequest(name="held"))
    gone = uninstall(warm, UninstallRequest()).removed
    assert f"container {container_name(one.id, 'tool')}" in gone
    assert engine.listing() == []
    assert state(warm, one.name) == "destroyed"


def test_another_owner_has_nothing_of_the_pool_in_their_totals(warm: Context) -> None:
    ben = replace(warm, actor=Actor("ben", "operating-system user"))
    made = make(ben, "bens")
    assert made.pool == "claimed"
    assert made.sandbox.owner == "ben"
    assert made.decision.document["owner"] == "ben"
    assert made.decision.document["owner_totals"]["sandboxes"] == 1
