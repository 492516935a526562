"""policy explain, scan, impact: what people and programs see, and how they end."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandbox.cli import render
from sandbox.core.errors import Denied
from sandbox.core.ports import Context
from sandbox.usecases.explaining import PolicyExplainRequest, explain
from tests.cli.conftest import Cli, Seen, error
from tests.fakes import Clock
from tests.usecases.approving_up import NAME, RULES, no, people, want_approval, yes
from tests.usecases.asking_up import cap, make

pytestmark = pytest.mark.usefixtures("stocked")


@pytest.fixture(autouse=True)
def _today(clock: Clock) -> None:
    clock.moment = datetime.now(UTC)


@pytest.fixture
def denied(stocked: Path, ctx: Context) -> None:
    with pytest.raises(Denied):
        make(ctx, ttl="8d")


@pytest.mark.usefixtures("denied")
def test_a_denial_leads_to_a_request_that_passes(cli: Cli) -> None:
    code, out, err = cli("policy", "explain", "spring-coupon")
    assert (code, err) == (0, "")
    for words in (
        "spring-coupon: deny at create",
        "judged again by the rules kept of that day: the same",
        "passes if the time to live (hours): 192 → 168 (--ttl 168h)",
        "有効期間（時間）: 192 → 168（--ttl 168h）",
        "by it (role), at most 14 days",
        "sandbox waiver request ttl-max spring-coupon --until 14d --reason WHY",
    ):
        assert words in out


def test_a_denial_says_where_to_look(capsys: pytest.CaptureFixture[str], ctx: Context) -> None:
    with pytest.raises(Denied) as caught:
        make(ctx, ttl="8d")
    render.show_error(caught.value, as_json=False)
    assert "What would pass: sandbox policy explain spring-coupon" in capsys.readouterr().err


def _explained(ctx: Context, seen: Seen) -> str:
    return seen(explain(ctx, PolicyExplainRequest(what=NAME)))


def test_a_yes_that_was_given_is_told_with_who_gave_it(
    seen: Seen, ctx: Context, home: Path
) -> None:
    want_approval(home)
    known = people(ctx, home)
    make(known("mia"), ttl="4h")
    waits = _explained(known("mia"), seen)
    assert "or a yes  of it (anna, bert, ken), for rule long-by-it" in waits
    yes(known("ken"), "Four hours are enough")
    out = _explained(known("mia"), seen)
    assert "or a yes  of ken, for rule long-by-it, given " in out
    assert ": Four hours are enough\n" in out
    assert "anna" not in out


def test_a_no_is_told_in_place_of_who_could_say_yes(seen: Seen, ctx: Context, home: Path) -> None:
    want_approval(home)
    known = people(ctx, home)
    make(known("mia"), ttl="4h")
    no(known("ken"), "Two are enough")
    out = _explained(known("mia"), seen)
    assert "passes if the time to live (hours): 4 → 2 (--ttl 2h)" in out
    assert "refused   by ken, " in out
    assert ": Two are enough\n" in out
    assert "or a yes" not in out


def test_a_yes_is_no_way_where_another_rule_denies(seen: Seen, ctx: Context, home: Path) -> None:
    want_approval(home)
    with pytest.raises(Denied):
        make(ctx, ttl="8d")
    out = _explained(ctx, seen)
    assert out.index("or waiver by it") < out.index("and a yes of it") < out.index("of legal")
    (home / "policies" / "approvals.yaml").unlink()
    want_approval(home, RULES.replace("max: 24}\n    approval: [legal]", "max: 24}"))
    out = _explained(ctx, seen)
    assert "a yes" not in out
    assert "or waiver" not in out


@pytest.mark.usefixtures("denied")
def test_programs_get_the_whole_explanation(cli: Cli) -> None:
    code, out, _ = cli("policy", "explain", "spring-coupon", "-o", "json")
    told = json.loads(out)
    assert code == 0
    assert told["explanation"]["changes"][0]["place"] == "ttl_hours"
    assert told["decision"]["verdict"] == told["today"]["verdict"] == "deny"


def test_a_rule_is_told_in_words(cli: Cli) -> None:
    code, out, _ = cli("policy", "explain", "purpose-said")
    assert code == 0
    assert "目的の語数が 4 以上" in out
    code, out, _ = cli("policy", "explain", "purpose-sad", "-o", "json")
    assert (code, error(out)["code"]) == (5, "not_found")
    assert "purpose-said" in error(out)["message"]


def test_a_scan_ends_with_what_it_found(cli: Cli, ctx: Context, home: Path) -> None:
    assert cli("policy", "scan") == (0, "scan      nothing runs\n", "")
    make(ctx)
    code, out, _ = cli("policy", "scan")
    assert code == 0
    assert "1 running" in out
    assert "all of them hold" in out
    cap(home, "memory-per-owner", 100)
    code, out, _ = cli("policy", "scan")
    assert code == 4
    assert "1 break an enforced rule" in out
    assert "memory-per-owner  enforce  held" in out
    code, out, _ = cli("policy", "scan", "-o", "json")
    assert (code, json.loads(out)["clean"]) == (4, False)
    assert cli("policy", "scan", "nobody")[0] == 5


def test_a_scan_that_only_warns_ends_well(cli: Cli, ctx: Context, home: Path) -> None:
    make(ctx)
    file = home / "policies" / "baseline.yaml"
    head, rest = file.read_text("utf-8").split("id: memory-per-owner\n")
    file.write_text(f"{head}id: memory-per-owner\n{rest.replace('enforce', 'warn', 1)}", "utf-8")
    cap(home, "memory-per-owner", 100)
    code, out, _ = cli("policy", "scan")
    assert code == 0
    assert "memory-per-owner  warn" in out


def test_the_impact_of_a_new_file(cli: Cli, ctx: Context, home: Path, tmp_path: Path) -> None:
    make(ctx)
    new = tmp_path / "baseline.yaml"
    text = (home / "policies" / "baseline.yaml").read_text("utf-8")
    new.write_text(text.replace("field: ttl_hours, max: 168", "field: ttl_hours, max: 2"), "utf-8")
    code, out, err = cli("policy", "impact", str(new))
    assert (code, err) == (0, "")
    for words in (
        "1 tighter",
        "tighter   ttl-max",
        "at most 168 →",
        "1 of 1 running",
        "allow  deny",
    ):
        assert words in out
    code, out, _ = cli("policy", "impact", str(new), "-o", "json")
    assert json.loads(out)["rules"][0]["aspects"][0]["direction"] == "tighter"
    assert cli("policy", "impact", str(tmp_path / "no.yaml"))[0] == 3
