"""A way out: asked for by name, judged by policy, made, proven, shown and removed."""

from contextlib import suppress
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest

from sandbox.core.errors import Conflict, Denied, InvalidInput, Unavailable
from sandbox.core.lifecycle import Sandbox
from sandbox.core.objects import Ran
from sandbox.core.ports import Context
from sandbox.core.snapshot import Snapshot
from sandbox.usecases.homes import InitRequest, init
from sandbox.usecases.inside import ExecRequest, LogsRequest, execute, logs
from sandbox.usecases.planning import PlanRequest, plan
from sandbox.usecases.reaping import ReapRequest, reap
from sandbox.usecases.sandboxes import DownRequest, ShowRequest, down, show
from sandbox.usecases.verifying import VerifyRequest, verify
from tests.fakes import Clock, FakeEngine, Trap, unavailable
from tests.usecases.asking_up import approve_host, codes, events, make, state, wish
from tests.usecases.dying import Spread, killed_after, steps

pytestmark = pytest.mark.usefixtures("snapshot")
NAME, HOST = "spring-coupon", "api.example.com"


@pytest.fixture
def approved(home: Path) -> None:
    """IT approves one host."""
    approve_host(home, HOST)


def record(ctx: Context) -> Sandbox:
    with ctx.registry.reading() as tx:
        found = tx.sandbox(NAME)
    assert found
    return found


def test_without_an_approval_nothing_is_made(ctx: Context, engine: FakeEngine) -> None:
    before = engine.listing()
    with pytest.raises(Denied, match=f"{HOST}, none is allowed") as denied:
        make(ctx, egress=(HOST,))
    (finding,) = denied.value.details["decision"]["findings"]
    assert (finding["rule"], finding["item"]) == ("egress-approved", f"hosts {HOST}")
    assert finding["sentence"]["en"] == f"the host is {HOST}, none is allowed"
    assert finding["sentence"]["ja"].startswith(f"ホストは {HOST} です。")
    assert engine.listing() == before
    assert state(ctx) == "denied"
    (event,) = events(ctx, NAME)
    assert event.details["decision"]["document"]["egress"]["hosts"] == [{"host": HOST}]


def test_a_denial_tells_a_japanese_host_both_ways(ctx: Context) -> None:
    with pytest.raises(Denied, match=r"the host is 日本語\.jp \(xn--wgv71a119e\.jp\)"):
        make(ctx, egress=("日本語.jp",))


def test_plan_says_the_same_and_counts_the_proxy(ctx: Context) -> None:
    planned = plan(ctx, PlanRequest(wish=wish(egress=(HOST,))))
    assert planned.answer == "denied"
    assert [c.part for c in planned.containers] == ["tool", "lab", "proxy"]
    without = plan(ctx, PlanRequest(wish=wish()))
    assert without.answer == "made"
    assert planned.decision.evaluated == without.decision.evaluated + 2


@pytest.mark.parametrize("text", ["10.0.0.1", "*.example.com", "x.localhost", "a.com:443"])
def test_what_is_no_host_outside_is_refused_before_policy(ctx: Context, text: str) -> None:
    with pytest.raises(InvalidInput):
        make(ctx, egress=(text,))
    assert state(ctx) == "none"


def test_a_template_can_name_hosts_too(ctx: Context, home: Path) -> None:
    file = home / "templates" / "segment-rfm" / "template.yaml"
    file.write_text(file.read_text("utf-8") + "\negress: [files.example.com]\n", "utf-8")
    planned = plan(ctx, PlanRequest(wish=wish(egress=("B.example.com", "files.example.com"))))
    assert planned.spec.egress == ("b.example.com", "files.example.com")
    file.write_text(file.read_text("utf-8").replace("[files.example.com]", "[10.0.0.1]"), "utf-8")
    with pytest.raises(InvalidInput, match=r"egress: 10\.0\.0\.1: This is an address"):
        plan(ctx, PlanRequest(wish=wish()))


@pytest.mark.usefixtures("approved")
def test_an_approved_host_gets_a_proxy_between_two_networks(
    ctx: Context, engine: FakeEngine
) -> None:
    made = make(ctx, egress=(HOST,)).sandbox
    own, outside = f"sandbox-{made.id}", f"sandbox-{made.id}-outside"
    proxy, tool = (engine.containers[f"{own}-{part}"].container for part in ("proxy", "tool"))
    assert (engine.networks[own].isolated, engine.networks[outside].isolated) == (True, False)
    assert engine.networks[outside].outward
    assert f"{own}-proxy" in engine.endpoints[own] & engine.endpoints[outside]
    assert engine.endpoints[outside] == {f"{own}-proxy"}
    assert proxy.sysctls["net.ipv4.ip_forward"] == "0"
    assert proxy.command[0] == "/sandbox/guard"
    assert proxy.env == {}
    proxy_address = ip_address(tool.address or "") + 6
    assert tool.env["https_proxy"] == f"http://{proxy_address}:3128"
    assert "lab" in tool.env["NO_PROXY"].split(",")
    assert made.memory_mb == tool.memory_mb + proxy.memory_mb + 160
    assert record(ctx).parts == ("tool", "lab", "proxy")


@pytest.mark.usefixtures("approved")
def test_the_proxy_is_told_by_files_what_to_refuse(ctx: Context, engine: FakeEngine) -> None:
    engine.foreign.append("198.51.100.0/24")
    made = make(ctx, egress=(HOST,)).sandbox
    files = engine.contents[f"sandbox-{made.id}-lease"]
    assert files["proxy.hosts"] == f"{HOST}\n".encode()
    refused = files["proxy.refused"].decode().split()
    # This machine's own addresses, and every network of the engine.
    assert {"203.0.113.9/32", "198.51.100.0/24", "10.0.0.0/8"} <= set(refused)
    command = " ".join(engine.containers[f"sandbox-{made.id}-proxy"].container.command)
    assert HOST not in command


def test_others_have_no_way_out_and_no_proxy(ctx: Context, engine: FakeEngine) -> None:
    made = make(ctx).sandbox
    assert not [name for _, name in engine.listing() if name.endswith(("-proxy", "-outside"))]
    tool = engine.containers[f"sandbox-{made.id}-tool"].container
    assert not [name for name in tool.env if "proxy" in name.lower()]
    assert not [name for name in engine.contents[f"sandbox-{made.id}-lease"] if "proxy" in name]


@pytest.mark.usefixtures("approved")
def test_hosts_are_part_of_what_a_sandbox_is(ctx: Context) -> None:
    make(ctx, egress=(HOST,))
    assert make(ctx, egress=(HOST.upper(),)).created is False
    with pytest.raises(Conflict) as refused:
        make(ctx)
    assert refused.value.details["differs"] == ["egress"]


@pytest.mark.usefixtures("approved")
@pytest.mark.parametrize(
    ("program", "ran", "why"),
    [
        ("ready", Ran(1, b"", b""), "The proxy did not start"),
        (
            "sandbox_verify",
            Ran(0, b'{"checks": [{"name": "an address outside", "held": false}]}', b""),
            "an address outside",
        ),
    ],
)
def test_a_proxy_that_does_not_hold_is_removed_again(
    ctx: Context, engine: FakeEngine, program: str, ran: Ran, why: str
) -> None:
    before = engine.listing()
    engine.programs[program] = ran
    with pytest.raises(Unavailable, match=why) as raised:
        make(ctx, egress=(HOST,))
    assert "\x1b" not in raised.value.hint
    left = set(engine.listing()) - set(before)
    assert not [name for kind, name in left if "gateway" not in name]
    assert state(ctx) == "failed"


@pytest.mark.usefixtures("approved")
def test_nobody_works_in_the_proxy(ctx: Context) -> None:
    make(ctx, egress=(HOST,))
    with pytest.raises(Denied, match="alone has a way out"):
        execute(ctx, ExecRequest(name=NAME, command=("sh",), part="proxy"))
    assert logs(ctx, LogsRequest(name=NAME, part="proxy")).part == "proxy"


@pytest.mark.usefixtures("approved")
def test_show_tells_hosts_used_and_refused_since_it_was_ready(
    ctx: Context, engine: FakeEngine, clock: Clock
) -> None:
    make(ctx, egress=(HOST,))
    now = clock().timestamp()
    engine.logged = (
        f"access {now - 5:.3f} TCP_DENIED/403 CONNECT 10.0.0.1 443 1 2\n"
        f"access {now + 5:.3f} TCP_TUNNEL/200 CONNECT {HOST} 443 100 200\n"
        f"access {now + 6:.3f} TCP_DENIED/403 CONNECT other.example.com 443 1 2\n"
    ).encode()
    shown = show(ctx, ShowRequest(name=NAME))
    found = shown.contacts
    assert shown.contacts_whole
    assert [(c.host, c.refused) for c in found] == [(HOST, False), ("other.example.com", True)]
    assert found[0].last == datetime.fromtimestamp(now + 5, UTC)


@pytest.mark.usefixtures("approved")
def test_the_record_keeps_which_hosts_were_reached(
    ctx: Context, engine: FakeEngine, clock: Clock
) -> None:
    make(ctx, egress=(HOST,))
    at = clock().timestamp() + 5
    engine.logged = (
        f"access {at - 9:.3f} TCP_DENIED/403 CONNECT 10.0.0.1 443 1 2\n"
        + f"access {at:.3f} TCP_TUNNEL/200 CONNECT {HOST} 443 100 200\n"
        f"access {at:.3f} TCP_DENIED/403 CONNECT other.example.com 443 1 2\n" * 2
    ).encode()
    down(ctx, DownRequest(name=NAME, keep=False))
    (event,) = [e for e in events(ctx, NAME) if e.code == "sandbox.reached"]
    (host,) = event.details["hosts"]
    assert (host["host"], host["port"], host["times"], host["sent"]) == (HOST, 443, 2, 200)
    assert event.details["refused"] == 2
    assert event.details["whole"] is True
    assert "other.example.com" not in str(event)


@pytest.mark.usefixtures("approved")
def test_who_floods_the_log_cannot_make_it_look_whole(
    ctx: Context, engine: FakeEngine, clock: Clock
) -> None:
    make(ctx, egress=(HOST,))
    at = clock().timestamp() + 5
    engine.logged = f"access {at:.3f} TCP_DENIED/403 GET n.example.net 80 1 2\n".encode()
    assert not show(ctx, ShowRequest(name=NAME)).contacts_whole
    down(ctx, DownRequest(name=NAME, keep=False))
    (event,) = [e for e in events(ctx, NAME) if e.code == "sandbox.reached"]
    assert (event.details["hosts"], event.details["whole"]) == ([], False)


@pytest.mark.usefixtures("approved")
def test_verify_asks_the_proxy_to_be_a_bridge(ctx: Context, engine: FakeEngine) -> None:
    make(ctx, egress=(HOST,))
    engine.asked.clear()
    verify(ctx, VerifyRequest(name=NAME))
    (question,) = [q for _, _, q in engine.asked if q and b'"proxy"' in q]
    assert b'"last_port": 65535' in question
    assert b"169.254.169.254" in question


@pytest.mark.usefixtures("approved")
@pytest.mark.parametrize("answers", [True, False], ids=["verified", "failed"])
def test_the_attacks_of_verify_are_not_the_owners(
    ctx: Context, engine: FakeEngine, clock: Clock, answers: bool
) -> None:
    make(ctx, egress=(HOST,))
    clock.advance(hours=1)
    at = clock().timestamp()
    if not answers:
        engine.programs["sandbox_verify"] = Ran(1, b"", b"killed")
    with suppress(Unavailable):
        verify(ctx, VerifyRequest(name=NAME))
    engine.logged = (
        f"access {at:.3f} TCP_DENIED/403 CONNECT 10.0.0.1 443 1 2\n"
        f"access {at + 5:.3f} TCP_DENIED/403 CONNECT other.example.com 443 1 2\n"
    ).encode()
    told = logs(ctx, LogsRequest(name=NAME, part="proxy"))
    assert ([r.host for r in told.requests], told.left_out) == (["other.example.com"], 1)
    down(ctx, DownRequest(name=NAME, keep=False))
    (event,) = [e for e in events(ctx, NAME) if e.code == "sandbox.reached"]
    assert (event.details["refused"], event.details["refused_in_verify"]) == (1, 1)


@pytest.mark.usefixtures("approved")
def test_down_takes_it_all_and_certifies_its_endpoints(
    ctx: Context, engine: FakeEngine, snapshot: Snapshot
) -> None:
    make(ctx)
    down(ctx, DownRequest(name=NAME, keep=False))
    before = engine.listing()
    made = make(ctx, egress=(HOST,)).sandbox
    down(ctx, DownRequest(name=NAME, keep=False))
    assert engine.listing() == before
    certificate = show(ctx, ShowRequest(name=NAME)).certificate
    assert certificate
    ends = {gone.name for gone in certificate.gone if gone.kind == "endpoint"}
    own = f"sandbox-{made.id}"
    assert ends == {f"gateway on {own}", f"proxy on {own}", f"proxy on {own}-outside"}
    assert f"{own}-outside" in {g.name for g in certificate.gone if g.kind == "network"}
    assert codes(ctx, NAME)[-1] == "sandbox.destroyed"


def outward(ctx: Context) -> object:
    return make(ctx, egress=(HOST,))


@pytest.mark.usefixtures("approved")
@pytest.mark.parametrize("after", [False, True], ids=["not done", "done, answer lost"])
def test_whatever_call_fails_nothing_is_left(ctx: Context, engine: FakeEngine, after: bool) -> None:
    outward(ctx)
    down(ctx, DownRequest(name=NAME, keep=False))
    before = engine.listing()
    engine.forget_calls()
    outward(ctx)
    calls = list(engine.calls)
    down(ctx, DownRequest(name=NAME, keep=False))
    own = [number for number, (_, subject) in enumerate(calls, start=1) if "-" in subject]
    assert sum("proxy" in subject or "outside" in subject for _, subject in calls) >= 4
    for number in own:
        engine.forget_calls()
        engine.trap = Trap(unavailable(), at=number, after=after)
        with suppress(Unavailable):  # what only looks at the disk may fail without harm
            outward(ctx)
        engine.trap = None
        if state(ctx) == "ready":
            down(ctx, DownRequest(name=NAME, keep=False))
        assert engine.listing() == before, calls[number - 1]


@pytest.mark.usefixtures("approved")
def test_killed_on_the_way_it_is_reaped_whole(
    ctx: Context, home: Path, engine: FakeEngine, spread: Spread
) -> None:
    init(ctx, InitRequest(folder=str(home)))
    outward(ctx)
    down(ctx, DownRequest(name=NAME, keep=False))
    before, count = engine.listing(), steps(ctx, outward)
    down(ctx, DownRequest(name=NAME, keep=False))
    for last in spread(count):
        killed_after(ctx, outward, last)
        reap(ctx, ReapRequest(apply=True))
        if state(ctx) == "ready":
            down(ctx, DownRequest(name=NAME, keep=False))
        assert engine.listing() == before, last
