"""What people see, and which codes programs get, of sandboxes that wait for a yes."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandbox.cli import render
from sandbox.core.errors import Denied
from sandbox.core.ports import Context
from sandbox.usecases.asks import RequestShowRequest, show_ask
from sandbox.usecases.deciding import RequestAcceptRequest, accept
from sandbox.usecases.planning import PlanRequest, plan
from sandbox.usecases.sandboxes import ShowRequest, show
from sandbox.usecases.snapshots import BuildSnapshotRequest, build
from tests.cli.conftest import Cli, Seen, error
from tests.fakes import Clock
from tests.usecases.approving_up import NAME, people, want_approval, yes
from tests.usecases.asking_up import make, wish
from tests.usecases.test_publishing import RULES as SNAPSHOT_RULES


@pytest.fixture
def waits(stocked: Path, ctx: Context, home: Path, clock: Clock) -> Context:
    """A home in which mia's spring-coupon waits for a yes of IT and of legal."""
    clock.moment = datetime.now(UTC)
    want_approval(home)
    file = home / "sandbox.yaml"
    file.write_text(file.read_text("utf-8") + "identity: asserted\n", "utf-8")
    mia = people(ctx, home)("mia")
    make(mia, ttl="30h")
    return mia


def test_up_tells_whose_yes_is_wanted_and_ends_with_4(waits: Context, seen: Seen) -> None:
    again = make(waits, ttl="30h")
    out = seen(again)
    assert (
        f"waits     for a yes of it and legal (request r1), until {out.split('until ')[1]}" in out
    )
    assert "who can   anna, bert, ken, lea\n" in out
    assert "yes       sandbox approve r1 --reason WHY\n" in out
    assert "no        sandbox reject r1 --reason WHY\n" in out
    assert "ready " not in out
    assert render.exit_code(again) == 4
    assert json.loads(seen(again, "json"))["waits"]["lacking"] == {
        "long-by-it": ["it"], "longer-by-legal": ["legal"],
    }  # fmt: skip


def test_plan_tells_it_before(waits: Context, seen: Seen) -> None:
    ahead = plan(waits, PlanRequest(wish=wish("summer-sale", ttl="4h")))
    out = seen(ahead)
    assert "plan      summer-sale would wait for a yes\n" in out
    assert "waits     for a yes of it\n" in out
    assert "who can   anna, bert, ken\n" in out
    assert "sandbox approve" not in out
    assert render.exit_code(ahead) == 4
    there = seen(plan(waits, PlanRequest(wish=wish(ttl="30h"))))
    assert f"plan      {NAME} waits for a yes\n" in there


def test_list_and_show(waits: Context, cli: Cli, home: Path) -> None:
    yes(people(waits, home)("ken"))
    code, out, _ = cli("--as", "ken", "list")
    assert code == 0
    assert "awaiting-approval  a yes of legal  mia" in out
    code, out, _ = cli("--as", "ken", "show", NAME)
    assert code == 0
    assert "approved  by ken, " in out
    assert "(long-by-it): Worth a try" in out
    assert "waits     for a yes of legal (request r1)" in out
    assert "you can   down\n" in out
    # What a role does not give is not offered: lea, of legal, may look and answer.
    assert "you can" not in cli("--as", "lea", "show", NAME)[1]


@pytest.mark.usefixtures("waits")
def test_request_list_and_show(cli: Cli) -> None:
    code, out, _ = cli("--as", "ken", "request", "list")
    assert (code, out.splitlines()[1].split()[:4]) == (0, ["r1", "create", NAME, "waiting"])
    code, out, _ = cli("--as", "ken", "request", "show", "r1")
    assert code == 0
    assert "create    segment-rfm " in out
    assert "lives     30 h\n" in out
    assert "rule      long-by-it: the time to live (hours) is 30, the limit is 2\n" in out
    assert "to be answered by: it and legal" in out


@pytest.mark.usefixtures("waits")
def test_approve_and_reject_by_the_door(cli: Cli) -> None:
    code, out, _ = cli("--as", "mia", "approve", NAME, "--reason", "Fine", "-o", "json")
    assert (code, error(out)["why"]) == (4, "requester")
    code, out, _ = cli("--as", "ken", "approve", NAME, "--reason", "", "-o", "json")
    assert (code, error(out)["subject"]) == (3, "--reason")
    code, out, _ = cli("--as", "ken", "approve", NAME, "--reason", "Fine", "-o", "json")
    assert (code, error(out)["code"]) == (7, "unavailable")
    code, out, _ = cli("--as", "ken", "reject", NAME, "--reason", "[Too] long", "-o", "json")
    assert code == 0
    assert json.loads(out)["sandbox"]["reason"] == "ken said no: [Too] long"
    code, out, _ = cli("--as", "ken", "reject", NAME, "--reason", "Too long", "-o", "json")
    assert (code, error(out)["state"]) == (6, "denied")


def test_what_became_of_a_yes(waits: Context, seen: Seen, home: Path) -> None:
    by = people(waits, home)
    half = seen(yes(by("ken")))
    assert "waits     for a yes of legal (request r1)" in half
    assert "approved  by ken, " in half
    whole = seen(yes(by("lea"), "Nothing against it"))
    assert f"approved  {NAME}, for mia, in " in whole
    assert f"ready     http://{NAME}.localhost:8700" in whole
    shown = seen(show(waits, ShowRequest(name=NAME)))
    assert "(long-by-it): Worth a try\n" in shown
    assert "(longer-by-legal): Nothing against it\n" in shown


def test_a_snapshot_tells_by_which_request_it_was_let_out(
    ctx: Context, home: Path, seen: Seen
) -> None:
    want_approval(home, SNAPSHOT_RULES)
    request = BuildSnapshotRequest(source="core")
    with pytest.raises(Denied):
        build(ctx, request)
    asked = seen(show_ask(ctx, RequestShowRequest(id="r1")))
    assert "snapshots of core, pseudonymised, 90 days\n" in asked
    assert "rule      contact-by-legal: " in asked
    told = seen(accept(ctx, RequestAcceptRequest(id="r1", reason="In the register")))
    assert "holds     until " in told
    assert "policy    approved by request r1: " in seen(build(ctx, request))


def test_what_was_denied_leads_to_what_would_pass(
    stocked: Path, ctx: Context, cli: Cli, clock: Clock
) -> None:
    clock.moment = datetime.now(UTC)
    with pytest.raises(Denied):
        make(ctx, ttl="9d")
    assert f"instead   sandbox policy explain {NAME}\n" in cli("show", NAME)[1]
