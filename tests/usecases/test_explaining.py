"""Decisions on record in plain words; what runs by today's rules, and by those of a new file."""

from pathlib import Path

import pytest

from sandbox.core.errors import Conflict, Denied, InvalidInput, NotFound
from sandbox.core.policy import evaluate
from sandbox.core.ports import Context
from sandbox.core.rules import note_of
from sandbox.usecases.explaining import PolicyExplainRequest, PolicyExplainResult, explain
from sandbox.usecases.recording import record
from sandbox.usecases.scanning import (
    PolicyImpactRequest,
    PolicyScanRequest,
    impact,
    scan,
)
from tests.usecases.asking_up import cap, events, make
from tests.usecases.leasing import NAME

pytestmark = pytest.mark.usefixtures("snapshot")


def told(ctx: Context, what: str = NAME) -> PolicyExplainResult:
    return explain(ctx, PolicyExplainRequest(what=what))


def denied(ctx: Context, **changes: str) -> None:
    with pytest.raises(Denied):
        make(ctx, **changes)


def kept(ctx: Context) -> str | None:
    digest = ctx.catalogue.policies().digest()
    with ctx.registry.reading() as tx:
        return tx.noted(note_of(digest))


def test_a_rule_is_told_in_words(ctx: Context) -> None:
    rule = told(ctx, "ttl-max").rule
    assert rule is not None
    assert rule.wants[0].en == "the time to live (hours) is at most 168"


def test_a_denial_is_told_with_what_would_pass(ctx: Context) -> None:
    denied(ctx, ttl="8d", purpose="Try")
    result = told(ctx)
    assert result.decision is not None
    assert result.today == result.decision
    assert result.origin is not None
    assert (result.origin.code, result.origin.repeatable) == ("sandbox.denied", True)
    assert result.explanation is not None
    assert {c.place: c.after for c in result.explanation.changes} == {
        "ttl_hours": 168,
        "purpose.words": 4,
    }
    assert result.explanation.exempt == ()  # nobody can exempt from saying what for


def test_whoever_asks_so_gets_it(ctx: Context) -> None:
    denied(ctx, ttl="8d")
    result = told(ctx)
    assert result.explanation is not None
    (change,) = result.explanation.changes
    assert change.how.en == "--ttl 168h"
    assert [e.role for e in result.explanation.exempt] == ["it"]
    assert make(ctx, ttl=change.how.en.removeprefix("--ttl ")).created


def test_the_last_decision_about_a_name_is_told_and_any_by_its_event(ctx: Context) -> None:
    denied(ctx, ttl="8d")
    made = make(ctx)
    assert told(ctx).decision == made.decision
    with ctx.registry.reading() as tx:
        first = next(e.seq for e in tx.events() if e.read().code == "sandbox.denied")
    by_number = told(ctx, str(first))
    assert by_number.decision is not None
    assert by_number.decision.verdict == "deny"
    assert told(ctx, f"#{first}") == by_number


def test_a_source_leads_to_the_last_decision_about_its_snapshots(ctx: Context) -> None:
    said = make(ctx).decision
    with ctx.registry.writing() as tx:
        for subject in ("core@2026-11-23.8", "core@2026-11-23.9", "corell@2026-11-23.1"):
            decision = said.model_dump(mode="json")
            record(ctx, tx, "snapshot.failed", subject, decision=decision)
    origin = told(ctx, "core").origin
    assert origin is not None
    assert origin.subject == "core@2026-11-23.9"


def test_the_rules_of_a_decision_are_kept_once_and_outlive_the_files(
    ctx: Context, home: Path
) -> None:
    denied(ctx, ttl="8d")
    before = kept(ctx)
    assert before is not None
    cap(home, "ttl-max", 240)
    assert kept(ctx) is None  # nothing was decided by these yet
    result = told(ctx)
    assert result.origin is not None
    assert result.origin.repeatable is True
    assert result.decision is not None
    assert result.today is not None
    assert (result.decision.verdict, result.today.verdict) == ("deny", "allow")
    assert result.explanation is not None
    assert result.explanation.findings == ()
    assert make(ctx, ttl="8d").created
    assert kept(ctx) not in (None, before)


def test_rules_changed_in_the_registry_are_found(ctx: Context) -> None:
    denied(ctx, ttl="8d")
    digest = ctx.catalogue.policies().digest()
    with ctx.registry.writing() as tx:
        text = tx.noted(note_of(digest))
        assert text is not None
        tx.note(note_of(digest), text.replace("168", "999"))
    with pytest.raises(Conflict, match="not those"):
        told(ctx)


def test_a_decision_whose_rules_are_not_kept_is_told_all_the_same(ctx: Context) -> None:
    denied(ctx, ttl="8d")
    with ctx.registry.writing() as tx:
        tx.forget(note_of(ctx.catalogue.policies().digest()))
    result = told(ctx)
    assert result.origin is not None
    assert result.origin.repeatable is None


def test_where_nothing_is_judged_any_more_nothing_stands_against_it(
    ctx: Context, home: Path
) -> None:
    made = make(ctx).sandbox
    said = evaluate(
        ctx.catalogue.policies(),
        "idle",
        {"idle_hours": 30.0, "last_used": "", "owner": made.owner},
        now=ctx.now(),
        tool_version="1",
    )
    with ctx.registry.writing() as tx:
        record(ctx, tx, "sandbox.idle", NAME, decision=said.model_dump(mode="json"))
    assert told(ctx).explanation is not None
    (home / "policies" / "idle.yaml").unlink()
    result = told(ctx)
    assert result.decision == said
    assert (result.today, result.explanation) == (None, None)


@pytest.mark.parametrize("what", ["ttl-mx", "99999", "nobody", ""])
def test_what_is_nothing_is_not_found(ctx: Context, what: str) -> None:
    with pytest.raises(NotFound, match="no such rule"):
        told(ctx, what)


def test_what_runs_is_judged_by_the_rules_of_today(ctx: Context, home: Path) -> None:
    make(ctx)
    clean = scan(ctx, PolicyScanRequest())
    assert (clean.clean, clean.judged, clean.drift) == (True, 1, ())
    count = len(events(ctx))
    cap(home, "memory-per-owner", 100)
    found = scan(ctx, PolicyScanRequest())
    assert (found.clean, found.broken) == (False, 1)
    (drift,) = found.drift
    assert (drift.sandbox, drift.rule, drift.mode, drift.before) == (
        NAME,
        "memory-per-owner",
        "enforce",
        "held",
    )
    assert len(events(ctx)) == count


def test_one_that_does_not_run_is_not_scanned(ctx: Context) -> None:
    make(ctx)
    with pytest.raises(NotFound, match="Did you mean spring-coupon"):
        scan(ctx, PolicyScanRequest(name="spring-cupon"))


def test_a_new_file_is_tried_on_what_runs_and_changes_nothing(ctx: Context, home: Path) -> None:
    make(ctx)
    file = home / "policies" / "baseline.yaml"
    now = file.read_bytes()
    tighter = now.replace(b"field: ttl_hours, max: 168", b"field: ttl_hours, max: 2")
    result = impact(ctx, PolicyImpactRequest(file="baseline.yaml", content=tighter))
    assert [(c.rule, c.what) for c in result.rules] == [("ttl-max", "tighter")]
    assert result.replaces
    assert [(a.sandbox, a.point, a.before, a.after, a.broken) for a in result.affected] == [
        (NAME, "create", "allow", "deny", ("ttl-max",))
    ]
    assert file.read_bytes() == now
    same = impact(ctx, PolicyImpactRequest(file="baseline.yaml", content=now))
    assert (same.rules, same.affected) == ((), ())


def test_a_new_file_that_is_wrong_is_refused_with_its_place(ctx: Context, home: Path) -> None:
    wrong = (home / "policies" / "idle.yaml").read_bytes().replace(b"max: 24", b"mx: 24")
    with pytest.raises(InvalidInput, match=r"idle\.yaml:"):
        impact(ctx, PolicyImpactRequest(file="idle.yaml", content=wrong))


def test_rules_that_come_later_are_tried_on_their_day(ctx: Context, home: Path) -> None:
    make(ctx)
    text = (home / "policies" / "baseline.yaml").read_text("utf-8")
    limit = "at: [create]\n    assert: {field: ttl_hours, max: 168}"
    warned = limit.replace("168", "2") + '\n    enforce_after: "2027-01-01T00:00:00Z"'
    head, rest = text.split("id: ttl-max\n")
    changed = f"{head}id: ttl-max\n" + rest.replace("mode: enforce", "mode: warn", 1)
    content = changed.replace(limit, warned).encode()

    def verdicts(on: str) -> tuple[tuple[str, ...], list[str]]:
        request = PolicyImpactRequest(file="baseline.yaml", content=content, on=on)
        result = impact(ctx, request)
        return result.later, [a.after for a in result.affected]

    assert verdicts("") == (("ttl-max",), ["warn"])
    assert verdicts("2027-01-02") == ((), ["deny"])
    assert verdicts("2027-01-01T00:00:00Z") == ((), ["deny"])


def test_a_scan_of_another_day_counts_its_rules(ctx: Context, home: Path) -> None:
    make(ctx)
    cap(home, "memory-per-owner", 100)
    file = home / "policies" / "baseline.yaml"
    head, rest = file.read_text("utf-8").split("id: memory-per-owner\n")
    day = 'mode: warn\n    enforce_after: "2027-01-01T00:00:00Z"'
    changed = rest.replace("mode: enforce", day, 1)
    file.write_text(f"{head}id: memory-per-owner\n{changed}", "utf-8")
    assert scan(ctx, PolicyScanRequest()).clean
    assert not scan(ctx, PolicyScanRequest(on="2027-02-01")).clean


@pytest.mark.parametrize("on", ["tomorrow", "2027-13-01", "2027-01-01T09:00:00"])
def test_what_is_no_moment_is_refused(ctx: Context, on: str) -> None:
    with pytest.raises(InvalidInput, match="no moment"):
        scan(ctx, PolicyScanRequest(on=on))
