"""Snapshots that want somebody's yes: asked once for the masking rules, then let through."""

from datetime import timedelta
from pathlib import Path

import pytest

from sandbox.core.asks import AskState, SnapshotAsk, WaiverAsk
from sandbox.core.errors import Denied
from sandbox.core.ports import Context
from sandbox.core.snapshot import SnapshotState
from sandbox.usecases.asks import RequestListRequest, list_asks
from sandbox.usecases.deciding import RequestAcceptRequest, RequestRefuseRequest, accept, refuse
from sandbox.usecases.explaining import PolicyExplainRequest, explain
from sandbox.usecases.snapshots import BuildSnapshotRequest, SnapshotResult, build
from sandbox.usecases.waiving import WaiverRequestRequest, request_waiver
from tests.fakes import NOON, Clock, FakeEngine, FakeReader
from tests.usecases.approving_up import people, want_approval
from tests.usecases.asking_up import chain_holds, codes, events

RULES = """
apiVersion: sandbox.policy/v1
kind: PolicySet
metadata: {name: approvals, version: "1", owner: it, change: CHG-1}
effective_from: "2026-01-01T00:00:00+09:00"
rules:
  - id: contact-by-legal
    title: {en: Legal says yes to contact classes, ja: 連絡先は法務が承認する}
    mode: enforce
    at: [snapshot]
    assert: {not: {field: classes, contains_any: [contact]}}
    approval: [legal]
    fix: {en: Leave them out, ja: 除外する}
"""
YES, NO = (
    RequestAcceptRequest(id="r1", reason="In the register"),
    RequestRefuseRequest(id="r1", reason="No consent"),
)


@pytest.fixture(autouse=True)
def _approving(home: Path) -> None:
    want_approval(home, RULES)


def built(ctx: Context) -> SnapshotResult:
    return build(ctx, BuildSnapshotRequest(source="core"))


def refused(ctx: Context) -> Denied:
    with pytest.raises(Denied) as caught:
        built(ctx)
    return caught.value


def test_a_build_waits_for_a_yes_and_publishes_nothing(
    ctx: Context, engine: FakeEngine, reader: FakeReader
) -> None:
    error = refused(ctx)
    assert error.message == "It waits for a yes of legal: request r1."
    assert "sandbox request accept r1 --reason WHY; then the same command goes through for 90" in (
        error.hint
    )
    assert error.details["decision"]["verdict"] == "needs-approval"
    assert engine.listing() == []
    with ctx.registry.reading() as tx:
        assert [s.state for s in tx.snapshots()] == [SnapshotState.FAILED]
        (ask,) = tx.asks("core")
    assert isinstance(ask.content, SnapshotAsk)
    assert ask.content.digest == ctx.catalogue.source("core").rules_digest()
    assert "contact" in ask.content.classes
    assert codes(ctx) == ["snapshot.requested", "ask.made", "snapshot.failed"]
    # Whoever asks again meanwhile is told so before anything is copied.
    again = refused(ctx)
    assert (again.message, again.hint) == (error.message, error.hint)
    assert len(reader.keys) == 1
    assert len(codes(ctx)) == 3
    assert chain_holds(ctx)


def test_a_yes_is_for_every_build_of_these_rules_until_it_lapses(
    ctx: Context, clock: Clock
) -> None:
    refused(ctx)
    clock.advance(days=2)
    accept(ctx, YES)
    for _ in range(2):
        manifest = built(ctx).snapshot.manifest
        assert manifest is not None
        assert manifest.request == "r1"
    clock.moment = NOON + timedelta(days=92) - timedelta(microseconds=1)
    assert built(ctx).snapshot.state is SnapshotState.READY
    clock.moment = NOON + timedelta(days=92)
    assert refused(ctx).message == "It waits for a yes of legal: request r2."
    told = [e for e in events(ctx) if e.code == "snapshot.built"]
    assert [e.details["manifest"]["request"] for e in told] == ["r1"] * 3


@pytest.mark.parametrize("answered", [True, False])
def test_other_masks_want_another_yes(ctx: Context, home: Path, answered: bool) -> None:
    refused(ctx)
    if answered:
        accept(ctx, YES)
    file = home / "sources/core.yaml"
    before = file.read_text("utf-8")
    after = before.replace("class: contact, mask: fake-mail", "class: contact, mask: redact")
    assert after != before
    file.write_text(after, "utf-8")
    assert "request r2" in refused(ctx).message
    assert "request r2" in refused(ctx).message
    file.write_text(before, "utf-8")
    if answered:
        assert built(ctx).snapshot.state is SnapshotState.READY
    else:
        assert "request r1" in refused(ctx).message


def test_a_no_is_told_until_its_day_is_over(ctx: Context, clock: Clock, reader: FakeReader) -> None:
    refused(ctx)
    refuse(ctx, NO)
    error = refused(ctx)
    assert error.message == "anna refused this: No consent"
    assert len(reader.keys) == 1
    clock.advance(days=7)
    assert "request r2" in refused(ctx).message


def test_rules_that_ask_no_more_let_it_through(ctx: Context, home: Path) -> None:
    refused(ctx)
    want_approval(home, RULES.replace("approval: [legal]", "exceptions: never"))
    assert "Policy says no" in refused(ctx).message
    (home / "policies" / "approvals.yaml").unlink()
    manifest = built(ctx).snapshot.manifest
    assert manifest is not None
    assert manifest.request == ""


@pytest.mark.parametrize("answered", [True, False])
def test_a_rule_that_asks_others_by_now_wants_their_yes(
    ctx: Context, home: Path, answered: bool
) -> None:
    refused(ctx)
    if answered:
        accept(ctx, YES)
    want_approval(home, RULES.replace("approval: [legal]", "approval: [data-owner]"))
    assert "a yes of data-owner: request r2" in refused(ctx).message
    want_approval(home, RULES.replace("approval: [legal]", "approval: [data-owner, legal]"))
    if answered:
        assert built(ctx).snapshot.state is SnapshotState.READY
    else:
        assert "request r2" in refused(ctx).message


def test_who_is_exempt_waits_for_nobody(ctx: Context, home: Path) -> None:
    waivable = "approval: [legal]\n    exceptions: {max_days: 7, approver_role: it}"
    want_approval(home, RULES.replace("approval: [legal]", waivable))
    refused(ctx)
    asked = WaiverRequestRequest(
        rule="contact-by-legal", subject="core", reason="Legal is away", until="3d"
    )
    waiver = request_waiver(ctx, asked).view.ask.id
    accept(ctx, RequestAcceptRequest(id=waiver, reason="For these days"))
    manifest = built(ctx).snapshot.manifest
    assert manifest is not None
    assert manifest.request == ""


def test_what_was_denied_is_explained_by_the_source_that_a_waiver_is_for(
    ctx: Context, home: Path
) -> None:
    waivable = "exceptions: {max_days: 7, approver_role: it}"
    want_approval(home, RULES.replace("approval: [legal]", waivable))
    assert "sandbox waiver request contact-by-legal core " in refused(ctx).hint
    why = PolicyExplainRequest(what="core")
    told = explain(ctx, why)
    assert (told.waivable, told.today) == ("core", told.decision)
    asked = WaiverRequestRequest(
        rule="contact-by-legal", subject="core", reason="Legal is away", until="3d"
    )
    content = request_waiver(ctx, asked).view.ask.content
    assert isinstance(content, WaiverAsk)
    assert content.said is not None  # whoever answers reads how it was broken
    accept(ctx, RequestAcceptRequest(id="r1", reason="For these days"))
    told = explain(ctx, why)
    assert told.today is not None
    assert told.today.verdict == "allow"


def test_legal_answers_and_nobody_else(ctx: Context, home: Path) -> None:
    by = people(ctx, home)
    assert "It waits for a yes of legal (bert, lea): request r1." in refused(by("ken")).message
    with pytest.raises(Denied, match=r"yes of legal .role.; anna is marketer, it"):
        accept(by("anna"), YES)
    assert accept(by("lea"), YES).view.state is AskState.ACCEPTED
    assert built(by("ken")).snapshot.state is SnapshotState.READY
    assert [v.ask.kind for v in list_asks(by("ken"), RequestListRequest()).asks] == ["snapshot"]
