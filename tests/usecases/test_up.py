"""`up` and `plan`: what is made, what is kept, what is refused."""

from dataclasses import replace
from typing import Any

import pytest

from sandbox.core.anatomy import container_name
from sandbox.core.errors import Conflict, Denied, InvalidInput, NotFound, Unavailable
from sandbox.core.objects import Ran
from sandbox.core.ports import Actor, Context
from sandbox.core.snapshot import Snapshot
from sandbox.usecases.planning import PlanRequest, plan
from sandbox.usecases.sandboxes import (
    DownRequest,
    ListRequest,
    OpenRequest,
    ShowRequest,
    down,
    list_sandboxes,
    open_link,
    show,
)
from sandbox.usecases.snapshots import BuildSnapshotRequest, build
from tests.fakes import NOON, Clock, FakeEngine, FakeGateway
from tests.usecases.asking_up import PURPOSE, chain_holds, codes, events, journal, make, state, wish

pytestmark = pytest.mark.usefixtures("snapshot")


def test_up_makes_a_sandbox_that_is_ready_and_open(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway, snapshot: Snapshot
) -> None:
    made = make(ctx)
    view = made.sandbox
    assert made.created
    assert (view.state, view.owner, view.purpose) == ("ready", "anna", PURPOSE)
    assert view.snapshot == snapshot.id
    assert view.minutes_left == 180
    assert codes(ctx, view.name) == ["sandbox.requested", "sandbox.ready"]
    assert gateway.routes[view.name].secret == ctx.keys.derive(f"link {view.id}")
    running = {n for n, b in engine.containers.items() if b.running}
    assert {container_name(view.id, "tool"), container_name(view.id, "lab")} <= running
    assert container_name(view.id, "lease") not in running
    assert chain_holds(ctx)


def test_the_journal_names_everything_that_is_made(ctx: Context, engine: FakeEngine) -> None:
    before = set(engine.listing())
    made = make(ctx)
    gateway = ("container", ctx.gateway.container)
    assert set(journal(ctx, made.sandbox.id)) == set(engine.listing()) - before - {gateway}


def ends(line: bytes) -> int:
    """Return the end that a guard's line names, in unix seconds."""
    return int(line.split()[0])


def test_the_guards_get_the_deadline_of_the_lease(
    ctx: Context, engine: FakeEngine, clock: Clock
) -> None:
    made = make(ctx, ttl="2h")
    holder = container_name(made.sandbox.id, "lease")
    expected = int(NOON.timestamp()) + 2 * 3600
    assert ends(engine.read(holder, "/run/sandbox/deadline")) == expected
    assert made.sandbox.deadline is not None
    assert int(made.sandbox.deadline.timestamp()) == expected


def test_until_it_is_ready_the_guards_have_ten_minutes(ctx: Context, engine: FakeEngine) -> None:
    seen: list[bytes] = []
    put = engine.put

    def watch(container, folder, files):  # type: ignore[no-untyped-def]
        kept = list(files)
        seen.extend(f.content for f in kept if f.path == "deadline")
        put(container, folder, kept)

    engine.put = watch  # type: ignore[method-assign]
    make(ctx, ttl="2h")
    now = int(NOON.timestamp())
    assert [ends(line) for line in seen] == [now + 600, now + 7200]


def test_no_secret_is_in_record_or_label(ctx: Context, engine: FakeEngine) -> None:
    made = make(ctx)
    with ctx.registry.reading() as tx:
        found = tx.sandbox(made.sandbox.name)
        kept = "".join(e.body for e in tx.events()) + (found.model_dump_json() if found else "")
    boxes = "".join(repr(b.container) for b in engine.containers.values())
    for purpose in (f"link {made.sandbox.id}", f"lab {made.sandbox.id}"):
        assert ctx.keys.derive(purpose) not in kept + boxes


def test_asked_again_it_is_the_same_one(ctx: Context, engine: FakeEngine) -> None:
    first = make(ctx)
    engine.forget_calls()
    again = make(ctx)
    assert not again.created
    assert again.sandbox.id == first.sandbox.id
    assert again.decision == first.decision
    assert engine.changes() == []
    assert codes(ctx, "spring-coupon") == ["sandbox.requested", "sandbox.ready"]


@pytest.mark.parametrize(
    ("changes", "differs"),
    [
        ({"purpose": "Which of the new customers came back twice?"}, ["purpose"]),
        ({"ttl": "4h"}, ["ttl"]),
        ({"parameters": {"bins": "4"}}, ["parameters"]),
        ({"owners": {"transform": "ben"}}, ["owners"]),
    ],
)
def test_another_wish_under_the_same_name_is_a_conflict(
    ctx: Context, changes: dict[str, Any], differs: list[str]
) -> None:
    make(ctx)
    with pytest.raises(Conflict) as raised:
        make(ctx, **changes)
    assert raised.value.details["differs"] == differs
    assert state(ctx) == "ready"


def test_another_person_under_the_same_name_is_a_conflict(ctx: Context) -> None:
    make(ctx)
    with pytest.raises(Conflict) as raised:
        make(replace(ctx, actor=Actor("ben", "operating-system user")))
    assert "owner" in raised.value.details["differs"]


def test_an_expired_one_still_holds_its_name(ctx: Context, clock: Clock) -> None:
    make(ctx, ttl="1h")
    clock.advance(hours=1)
    with pytest.raises(Conflict) as raised:
        make(ctx, ttl="1h")
    assert raised.value.details["state"] == "expired"
    assert raised.value.hint.endswith("Remove it first: sandbox down spring-coupon")
    assert list_sandboxes(ctx, ListRequest(everything=True)).sandboxes[0].state == "expired"
    with pytest.raises(Conflict, match="expired"):
        open_link(ctx, OpenRequest(name="spring-coupon"))


@pytest.mark.parametrize(
    ("changes", "rule"), [({"purpose": "test"}, "purpose-said"), ({"ttl": "8d"}, "ttl-max")]
)
def test_a_denial_is_recorded_and_makes_nothing(
    ctx: Context, engine: FakeEngine, changes: dict[str, str], rule: str
) -> None:
    before = engine.listing()
    engine.forget_calls()
    with pytest.raises(Denied) as raised:
        make(ctx, **changes)
    findings = raised.value.details["decision"]["findings"]
    assert [f["rule"] for f in findings] == [rule]
    assert engine.changes() == []
    assert engine.listing() == before
    assert state(ctx) == "denied"
    assert codes(ctx, "spring-coupon") == ["sandbox.denied"]
    assert events(ctx, "spring-coupon")[0].details["decision"]["findings"][0]["rule"] == rule
    assert make(ctx).created
    assert state(ctx) == "ready"


def test_the_sixth_sandbox_of_one_person_is_denied(ctx: Context) -> None:
    for number in range(5):
        make(ctx, f"one-{number}")
    with pytest.raises(Denied) as raised:
        make(ctx, "one-5")
    found = {f["rule"] for f in raised.value.details["decision"]["findings"]}
    assert "sandboxes-per-owner" in found
    down(ctx, DownRequest(name="one-0"))
    assert make(ctx, "one-5").created


def test_sandboxes_never_share_a_subnet_nor_take_a_foreign_one(
    ctx: Context, engine: FakeEngine
) -> None:
    with ctx.registry.reading() as tx:
        assert not tx.sandboxes()
    engine.foreign.append("10.231.0.0/17")
    for number in range(4):
        make(ctx, f"one-{number}")
    subnets = [n.subnet for n in engine.networks.values() if n.subnet]
    assert len(set(subnets)) == 4
    assert all(int(s.split(".")[2]) >= 128 for s in subnets)


def test_a_subnet_just_given_back_is_not_used_next(ctx: Context) -> None:
    first = make(ctx).sandbox
    down(ctx, DownRequest(name=first.name))
    make(ctx)
    with ctx.registry.reading() as tx:
        old, new = (s.subnet for s in tx.sandboxes())
    assert old is not None
    assert new == (old + 1) % 4096


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"name": "Spring Coupon"}, InvalidInput, "spring-coupon"),
        ({"ttl": "soon"}, InvalidInput, "72h"),
        ({"ttl": "0h"}, InvalidInput, "72h"),
        ({"parameters": {"bin": "4"}}, InvalidInput, "bins"),
        ({"parameters": {"bins": "9"}}, InvalidInput, "3 to 5"),
        ({"owners": {"analyze": "ben"}}, InvalidInput, "analyse"),
        ({"template": "segment-rmf"}, NotFound, "segment-rfm"),
        ({"snapshot": "core@2020-01-01.1"}, NotFound, "snapshot list"),
    ],
)
def test_a_wish_that_cannot_be_understood_leaves_no_trace(
    ctx: Context,
    engine: FakeEngine,
    changes: dict[str, Any],
    error: type[Exception],
    words: str,
) -> None:
    before = (codes(ctx), engine.listing())
    with pytest.raises(error) as raised:
        make(ctx, **changes)
    said = f"{raised.value} {getattr(raised.value, 'hint', '')}"
    assert words in said
    assert (codes(ctx), engine.listing()) == before


def test_a_sandbox_that_falls_to_its_own_attack_is_removed(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway
) -> None:
    make(ctx, "first")
    before = engine.listing()
    checks = b'{"checks": [{"name": "no-internet", "held": false}, {"name": "x", "held": true}]}'
    engine.programs["sandbox_verify"] = Ran(0, checks, b"")
    with pytest.raises(Unavailable) as raised:
        make(ctx)
    assert raised.value.details["failed_checks"] == ["no-internet"]
    assert engine.listing() == before
    assert set(gateway.routes) == {"first"}
    assert state(ctx) == "failed"


def test_plan_touches_nothing(ctx: Context, engine: FakeEngine) -> None:
    before = (engine.listing(), codes(ctx))
    engine.forget_calls()
    planned = plan(ctx, PlanRequest(wish=wish()))
    assert engine.changes() == []
    assert (engine.listing(), codes(ctx)) == before
    assert state(ctx) == "none"
    assert planned.decision.verdict == "allow"
    assert planned.forecast.seconds is None
    assert planned.answer == "made"
    assert [c.part for c in planned.containers] == ["tool", "lab"]
    assert not any(c.built for c in planned.containers)


def test_plan_says_what_up_would_deny(ctx: Context) -> None:
    planned = plan(ctx, PlanRequest(wish=wish(purpose="test")))
    assert planned.decision.verdict == "deny"
    assert state(ctx) == "none"


def test_plan_and_up_resolve_alike(ctx: Context) -> None:
    planned = plan(ctx, PlanRequest(wish=wish()))
    made = make(ctx)
    assert made.decision == planned.decision
    with ctx.registry.reading() as tx:
        found = tx.sandbox("spring-coupon")
    assert found is not None
    assert found.spec == planned.spec
    after = plan(ctx, PlanRequest(wish=wish()))
    assert after.answer == "runs"
    assert after.forecast.seconds is not None
    assert after.forecast.images_to_build == 0


def test_show_and_open(ctx: Context) -> None:
    made = make(ctx)
    shown = show(ctx, ShowRequest(name="spring-coupon"))
    assert {p.role for p in shown.parts} >= {"tool", "lab", "lease", "network", "work"}
    assert shown.sandbox.url == "http://spring-coupon.localhost:8700"
    links = {open_link(ctx, OpenRequest(name="spring-coupon")).link for _ in range(2)}
    assert len(links) == 2
    assert not any(ctx.keys.derive(f"link {made.sandbox.id}") in link for link in links)
    with pytest.raises(NotFound, match="Did you mean spring-coupon"):
        show(ctx, ShowRequest(name="spring-cupon"))


def test_asking_again_names_the_replica_that_is_mounted(ctx: Context) -> None:
    first = make(ctx)
    newer = build(ctx, BuildSnapshotRequest(source="core")).snapshot
    again = make(ctx)
    assert not again.created
    assert again.replica.id == first.replica.id != newer.id
