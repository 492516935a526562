"""A template that reads PostgreSQL: filled once, cloned or shared, gone when nobody needs it."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sandbox.cli import tables
from sandbox.core.addressing import replica_beside
from sandbox.core.errors import Conflict, Unavailable
from sandbox.core.lifecycle import Sandbox
from sandbox.core.objects import Ran
from sandbox.core.phases import Destroyed
from sandbox.core.ports import Context
from sandbox.core.replica import LOGINS
from sandbox.core.snapshot import Snapshot
from sandbox.usecases.homes import InitRequest, init
from sandbox.usecases.leases import FreezeRequest, ResumeRequest, freeze, resume
from sandbox.usecases.planning import PlanRequest, plan
from sandbox.usecases.reaping import ReapRequest, reap
from sandbox.usecases.recording import record as write
from sandbox.usecases.replicas import kind_key
from sandbox.usecases.resetting import ResetRequest, reset
from sandbox.usecases.sandboxes import DownRequest, ShowRequest, down, show
from sandbox.usecases.snapshots import BuildSnapshotRequest, RemoveSnapshotRequest, remove
from sandbox.usecases.snapshots import build as build_snapshot
from sandbox.usecases.templates import BuildTemplateRequest, build
from sandbox.usecases.verifying import VerifyRequest, verify
from tests.fakes import FakeEngine, FakeGateway, ran_saying
from tests.usecases import pools
from tests.usecases.asking_up import approve_host, cap, codes, events, journal, make, state, wish
from tests.usecases.dying import Killed, Life, Spread, killed_after, killed_at, mortal, steps

NAME = "spring-coupon"
FILL, SQL = "/sandbox/replica/fill.py", "/usr/lib/postgresql/15/bin/psql"


@pytest.fixture
def speaking(ctx: Context, home: Path, engine: FakeEngine, snapshot: Snapshot) -> Snapshot:
    """The template's tool speaks PostgreSQL; the engine's volumes cannot be cloned."""
    file = home / "templates/segment-rfm/template.yaml"
    text = file.read_text("utf-8")
    file.write_text(text.replace("    port: 2718\n", "    port: 2718\n    replica: postgres\n"))
    init(ctx, InitRequest(folder=str(home)))  # as the reaper wants it
    assert snapshot.manifest
    said = [{"table": t.name, "rows": t.rows} for t in snapshot.manifest.tables]
    lines = [json.dumps(line) for line in [*said, {"bytes": 5_000_000}]]
    engine.programs |= {
        FILL: Ran(0, "\n".join(lines).encode(), b""),
        SQL: Ran(0, b"t|t\n", b""),
        "/bin/sh": Ran(1, b"", b"cp: failed to clone"),
    }
    return snapshot


@pytest.fixture
def cloning(speaking: Snapshot, engine: FakeEngine) -> Snapshot:
    """And the engine's volumes can be cloned."""
    engine.programs["/bin/sh"] = Ran(0, b"", b"")
    return speaking


def record(ctx: Context, name: str = NAME) -> Sandbox:
    with ctx.registry.reading() as tx:
        found = tx.sandbox(name)
    assert found
    return found


def admitted(engine: FakeEngine, snapshot: Snapshot) -> list[str]:
    """Return the lines that let a login into the shared server."""
    content = engine.contents[f"{snapshot.volume}-postgres"]["pg_hba.conf"].decode()
    return [line for line in content.splitlines() if line.startswith("host")]


def filled(engine: FakeEngine) -> int:
    """Return how often a cluster was filled."""
    return sum(FILL in command for _, command, _ in engine.asked)


def test_one_server_serves_two_sandboxes_apart(
    ctx: Context, engine: FakeEngine, speaking: Snapshot
) -> None:
    make(ctx)
    make(ctx, "another")
    server = f"{speaking.volume}-server"
    one, other = record(ctx), record(ctx, "another")
    joined = {n for n, ends in engine.endpoints.items() if server in ends}
    assert joined >= {f"sandbox-{one.id}", f"sandbox-{other.id}"}
    assert [use.login for s in (one, other) if (use := s.replica)] == [0, 1]
    lines = admitted(engine, speaking)
    assert [line.split()[2] for line in lines] == ["reader_0", "reader_1"]
    assert len({line.split()[3] for line in lines}) == 2
    assert filled(engine) == 1
    assert codes(ctx, speaking.id)[-1] == "replica.filled"


def test_a_tool_finds_its_login_and_nobody_else_does(
    ctx: Context, engine: FakeEngine, speaking: Snapshot
) -> None:
    make(ctx)
    make(ctx, "another")
    logins = [
        json.loads(engine.contents[f"sandbox-{record(ctx, n).id}-lease"]["replica.json"])
        for n in (NAME, "another")
    ]
    assert [login["user"] for login in logins] == ["reader_0", "reader_1"]
    assert logins[0]["password"] != logins[1]["password"]
    order = next(stdin for _, command, stdin in engine.asked if FILL in command)
    assert order
    assert json.loads(order)["logins"]["reader_1"] == logins[1]["password"]
    for event in events(ctx):
        assert logins[0]["password"] not in event.model_dump_json()
    tool = engine.containers[f"sandbox-{record(ctx).id}-tool"].container
    assert tool.env["PGSERVICEFILE"] == "/run/sandbox/pg_service.conf"
    assert not [m for m in tool.mounts if "postgres" in m.volume]


def test_the_server_goes_with_its_last_user_and_the_data_stays(
    ctx: Context, engine: FakeEngine, speaking: Snapshot
) -> None:
    make(ctx)
    make(ctx, "another")
    down(ctx, DownRequest(name=NAME, keep=False))
    assert f"{speaking.volume}-server" in engine.containers
    down(ctx, DownRequest(name="another", keep=False))
    assert f"{speaking.volume}-server" not in engine.containers
    assert f"{speaking.volume}-postgres" in engine.volumes
    phase = record(ctx, "another").phase
    assert isinstance(phase, Destroyed)
    gone = {each.name for each in phase.certificate.gone}
    assert "replica login" in gone
    assert any(name.startswith("shared replica on ") for name in gone)
    make(ctx, "third")
    assert filled(engine) == 1


def test_removing_the_snapshot_removes_its_cluster(
    ctx: Context, engine: FakeEngine, speaking: Snapshot
) -> None:
    make(ctx)
    with pytest.raises(Conflict):
        remove(ctx, RemoveSnapshotRequest(id=speaking.id))
    down(ctx, DownRequest(name=NAME, keep=False))
    remove(ctx, RemoveSnapshotRequest(id=speaking.id))
    assert not [name for name in engine.volumes if speaking.volume in name]


def test_the_proxy_is_tried_as_a_bridge_to_the_replica(
    ctx: Context, home: Path, engine: FakeEngine, speaking: Snapshot
) -> None:
    approve_host(home, "news.example.com")
    make(ctx, egress=("news.example.com",))
    engine.asked.clear()
    check = {"about": "egress", "name": "x", "held": True, "detail": ""}
    engine.programs["sandbox_verify"] = ran_saying({"checks": [check]})
    verify(ctx, VerifyRequest(name=NAME))
    asked = [json.loads(stdin or b"{}") for _, words, stdin in engine.asked if "-I" in words]
    one = record(ctx)
    assert one.endpoint
    (proxy,) = (question for question in asked if question["phase"] == "proxy")
    assert replica_beside(one.endpoint.address) in proxy["targets"]


def test_a_clone_is_the_sandboxs_own(ctx: Context, engine: FakeEngine, cloning: Snapshot) -> None:
    made = make(ctx)
    own = f"sandbox-{record(ctx).id}-replica"
    assert made.sandbox.postgres == "clone"
    assert engine.containers[own].running
    assert ("volume", own) in journal(ctx, record(ctx).id)
    assert ("container", own) in journal(ctx, record(ctx).id)
    assert f"{cloning.volume}-server" not in engine.containers
    down(ctx, DownRequest(name=NAME, keep=False))
    assert own not in engine.volumes
    assert own not in engine.containers


@pytest.mark.parametrize(
    ("ran", "kind"), [(Ran(0, b"", b""), "clone"), (Ran(1, b"", b""), "shared")]
)
def test_a_real_clone_decides_once(
    ctx: Context, engine: FakeEngine, speaking: Snapshot, ran: Ran, kind: str
) -> None:
    engine.programs["/bin/sh"] = ran
    before = engine.listing()
    assert plan(ctx, PlanRequest(wish=wish())).postgres.kind is None  # type: ignore[union-attr]
    build(ctx, BuildTemplateRequest(name="segment-rfm"))
    assert engine.listing() == before
    engine.programs["/bin/sh"] = Ran(1 - ran.code, b"", b"")
    build(ctx, BuildTemplateRequest(name="segment-rfm"))
    assert plan(ctx, PlanRequest(wish=wish())).postgres.kind == kind  # type: ignore[union-attr]


def test_plan_tells_what_is_to_be_filled_and_what_is_shared(
    ctx: Context, engine: FakeEngine, speaking: Snapshot
) -> None:
    before = engine.listing()
    planned = plan(ctx, PlanRequest(wish=wish()))
    assert planned.postgres
    assert not planned.postgres.filled
    assert "replica" in [c.part for c in planned.containers]
    assert engine.listing() == before
    make(ctx)
    again = plan(ctx, PlanRequest(wish=wish("another"))).postgres
    assert again
    assert (again.kind, again.filled, again.bytes) == ("shared", True, 5_000_000)
    assert show(ctx, ShowRequest(name=NAME)).sandbox.postgres == "shared"


def test_the_filling_counts_only_where_it_is_still_to_come(
    ctx: Context, speaking: Snapshot
) -> None:
    with ctx.registry.writing() as tx:
        for seconds, filling in ((9.4, 8.9), (99.0, None)):  # the second is of an older version
            told: dict[str, Any] = {"seconds": seconds, "filling": filling}
            write(ctx, tx, "sandbox.ready", "former", template="segment-rfm", **told)
    planned = plan(ctx, PlanRequest(wish=wish()))
    assert planned.postgres
    assert planned.forecast.seconds == round(0.5 + planned.postgres.seconds, 1)
    assert "filling PostgreSQL included" in str(tables._SHOWN["PlanResult"](planned))
    make(ctx)
    assert isinstance(events(ctx)[-1].details["filling"], float)
    again = plan(ctx, PlanRequest(wish=wish("another")))
    assert again.forecast.seconds is not None
    assert again.forecast.seconds < 5
    assert "filling PostgreSQL" not in str(tables._SHOWN["PlanResult"](again))


def test_other_templates_pay_nothing(ctx: Context, engine: FakeEngine, snapshot: Snapshot) -> None:
    make(ctx)
    assert record(ctx).replica is None
    assert not [n for n in engine.containers if "replica" in n]
    assert plan(ctx, PlanRequest(wish=wish("another"))).postgres is None


@pytest.mark.parametrize(
    "lines",
    [
        b'{"error": "the table customers cannot be copied (ConversionException)"}',
        b'{"table": "customers", "rows": 9}\n{"bytes": 7}',
        b"no line of ours",
    ],
    ids=["error", "other rows", "no word"],
)
def test_what_is_not_filled_as_it_should_be_is_not_served(
    ctx: Context, engine: FakeEngine, speaking: Snapshot, lines: bytes
) -> None:
    engine.programs[FILL] = Ran(0, lines, b"")
    before = engine.listing()
    with pytest.raises(Unavailable, match="cannot be filled"):
        make(ctx)
    assert [o for o in engine.listing() if o not in before] == [
        ("container", ctx.gateway.container)
    ]
    assert state(ctx) == "failed"


def test_a_replica_that_could_be_written_fails_the_sandbox(
    ctx: Context, engine: FakeEngine, cloning: Snapshot
) -> None:
    engine.programs[SQL] = Ran(0, b"f|t\n", b"")
    with pytest.raises(Unavailable, match="can be written"):
        make(ctx)
    assert state(ctx) == "failed"
    # Whether the engine's volumes can be cloned is tried anew.
    planned = plan(ctx, PlanRequest(wish=wish("another"))).postgres
    assert planned
    assert planned.kind is None


def test_when_all_logins_are_taken_another_is_refused(
    ctx: Context, home: Path, speaking: Snapshot
) -> None:
    for what in ("sandboxes", "memory", "cpus", "disk"):
        cap(home, f"{what}-per-owner", 10**9)
    make(ctx)
    one = record(ctx)
    with ctx.registry.writing() as tx:
        for number in range(1, LOGINS):
            use = one.replica.model_copy(update={"login": number})  # type: ignore[union-attr]
            tx.save_sandbox(
                one.model_copy(
                    update={
                        "id": f"f{number:011x}",
                        "name": f"other-{number}",
                        "subnet": None,
                        "replica": use,
                    }
                )
            )
    with pytest.raises(Conflict, match="logins"):
        make(ctx, "one-too-many")


def test_a_frozen_one_is_served_again(ctx: Context, engine: FakeEngine, speaking: Snapshot) -> None:
    make(ctx)
    freeze(ctx, FreezeRequest(name=NAME, reason="A look at it"))
    engine.remove("container", f"{speaking.volume}-server")
    resume(ctx, ResumeRequest(name=NAME))
    server = f"{speaking.volume}-server"
    assert engine.containers[server].running
    assert server in engine.endpoints[f"sandbox-{record(ctx).id}"]
    assert len(admitted(engine, speaking)) == 1


def test_the_reaper_mends_a_server_that_is_gone(
    ctx: Context, engine: FakeEngine, speaking: Snapshot
) -> None:
    make(ctx)
    server = f"{speaking.volume}-server"
    engine.remove("container", server)
    done = reap(ctx, ReapRequest(apply=True))
    assert [(c.kind, c.outcome) for c in done.chores] == [("mend-replica", "done")]
    assert server in engine.endpoints[f"sandbox-{record(ctx).id}"]
    assert not reap(ctx, ReapRequest()).chores


@pytest.mark.parametrize("kind", ["shared", "clone"])
def test_killed_at_any_step_nothing_stays_but_what_a_snapshot_names(
    ctx: Context, engine: FakeEngine, speaking: Snapshot, kind: str, spread: Spread
) -> None:
    if kind == "clone":
        engine.programs["/bin/sh"] = Ran(0, b"", b"")

    def one(context: Context) -> None:
        made = make(context, "mortal")
        down(context, DownRequest(name=made.sandbox.name, keep=False))

    build(ctx, BuildTemplateRequest(name="segment-rfm"))
    make(ctx, "before")  # so that the gateway is there
    down(ctx, DownRequest(name="before", keep=False))
    empty = set(engine.listing())
    whole = steps(ctx, one)
    assert whole > 25
    for last in spread(whole - 1):
        killed_after(ctx, one, last)
        reap(ctx, ReapRequest(apply=True))
        if state(ctx, "mortal") == "ready":
            down(ctx, DownRequest(name="mortal", keep=False))
        assert set(engine.listing()) == empty, last
        assert not reap(ctx, ReapRequest()).chores


def test_killed_while_it_is_filled(
    ctx: Context, engine: FakeEngine, speaking: Snapshot, gateway: FakeGateway
) -> None:
    build(ctx, BuildTemplateRequest(name="segment-rfm"))
    whole = 40
    left = {f"{speaking.volume}-postgres", f"{speaking.volume}-filler"}
    seen = set()
    for last in range(1, whole):
        with suppress(Killed):
            make(mortal(ctx, Life(last)), "mortal")
        seen |= left & {name for _, name in engine.listing()}
        reap(ctx, ReapRequest(apply=True))
        with ctx.registry.reading() as tx:
            kept = tx.snapshot(speaking.id)
        assert kept
        named = {f"{speaking.volume}-postgres"} if kept.postgres else set()
        assert {n for _, n in engine.listing() if speaking.volume in n} - {speaking.volume} == named
        if kept.postgres:
            break
    assert seen == left


@pytest.mark.parametrize("kind", ["shared", "clone"])
def test_a_reset_follows_to_the_newer_data(
    ctx: Context, engine: FakeEngine, speaking: Snapshot, kind: str
) -> None:
    engine.programs["/bin/sh"] = Ran(0 if kind == "clone" else 1, b"", b"")
    make(ctx)
    lease = f"sandbox-{record(ctx).id}-lease"
    before = engine.contents[lease]["replica.json"]
    newer = build_snapshot(ctx, BuildSnapshotRequest(source="core")).snapshot
    reset(ctx, ResetRequest(name=NAME, latest=True))
    one = record(ctx)
    assert one.replica
    assert (one.replica.kind, one.spec.snapshot, one.reset) == (kind, newer.id, None)
    assert engine.contents[lease]["replica.json"] != before  # another password, of its own data
    servers = {n for n in engine.containers if n.endswith("-server")}
    if kind == "shared":
        assert servers == {f"{newer.volume}-server"}
        assert servers <= engine.endpoints[f"sandbox-{one.id}"]
        assert len(admitted(engine, newer)) == 1
    else:
        own = engine.containers[f"sandbox-{one.id}-replica"]
        assert own.running
        assert f"{newer.volume}-postgres" in {m.volume for m in own.container.mounts}
        assert servers == set()
    names = journal(ctx, one.id)
    assert len(names) == len(set(names))
    assert reap(ctx, ReapRequest(apply=True)).chores == ()


@pytest.mark.parametrize("kind", ["shared", "clone"])
def test_a_reset_after_the_engines_storage_changed_swaps_the_server(
    ctx: Context, engine: FakeEngine, speaking: Snapshot, kind: str
) -> None:
    engine.programs["/bin/sh"] = Ran(0 if kind == "shared" else 1, b"", b"")
    make(ctx)
    key = kind_key(ctx)
    engine.programs["/bin/sh"] = Ran(0 if kind == "clone" else 1, b"", b"")
    with ctx.registry.writing() as tx:
        tx.forget(key)
    reset(ctx, ResetRequest(name=NAME))
    one = record(ctx)
    own, server = f"sandbox-{one.id}-replica", f"{speaking.volume}-server"
    assert one.replica
    assert one.replica.kind == kind
    names = {name for _, name in engine.listing()}
    assert (own in names, server in names) == (kind == "clone", kind == "shared")
    if kind == "shared":
        assert server in engine.endpoints[f"sandbox-{one.id}"]
    journaled = [each for each in journal(ctx, one.id) if own in each]
    assert len(journaled) == (2 if kind == "clone" else 0)
    assert reap(ctx, ReapRequest(apply=True)).chores == ()
    down(ctx, DownRequest(name=NAME, keep=False))
    assert not {name for _, name in engine.listing() if one.id in name}


def test_a_reset_that_was_killed_is_finished_with_its_standby(
    ctx: Context, engine: FakeEngine, cloning: Snapshot
) -> None:
    make(ctx)
    build_snapshot(ctx, BuildSnapshotRequest(source="core"))
    make(ctx, "another")  # the newer one's cluster is filled for it
    reap(ctx, ReapRequest(apply=True))
    before = engine.listing()
    killed_at(ctx, lambda mine: reset(mine, ResetRequest(name=NAME, latest=True)), "create_volume")
    own = f"sandbox-{record(ctx).id}-replica"
    assert not {("container", own), ("volume", own)} & set(engine.listing())
    (chore,) = reap(ctx, ReapRequest(apply=True)).chores
    assert (chore.kind, chore.outcome) == ("finish-reset", "done")
    assert engine.listing() == before
    assert engine.containers[own].running
    assert record(ctx).reset is None


def test_one_made_ahead_keeps_its_server_and_is_claimed_with_it(
    ctx: Context, home: Path, engine: FakeEngine, speaking: Snapshot
) -> None:
    warm = pools.filled(ctx, home)
    (waiting,) = pools.pooled(warm)
    server = f"{speaking.volume}-server"
    engine.remove("container", server)
    assert pools.reaped(warm) == [("mend-replica", speaking.volume)]
    claimed = make(warm)
    assert (claimed.pool, claimed.sandbox.postgres) == ("claimed", "shared")
    assert server in engine.endpoints[f"sandbox-{waiting.id}"]
    login = json.loads(engine.contents[f"sandbox-{waiting.id}-lease"]["replica.json"])
    assert login["user"] in admitted(engine, speaking)[0]
