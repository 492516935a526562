"""A home whose rules want a yes before a long sandbox, and the people who give it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from sandbox.core.asks import Ask
from sandbox.core.people import FILE, recognised
from sandbox.core.ports import Context
from sandbox.usecases.approvals import (
    ApproveRequest,
    ApproveResult,
    RejectRequest,
    RejectResult,
    approve,
    reject,
)

NAME = "spring-coupon"
RULES = """
apiVersion: sandbox.policy/v1
kind: PolicySet
metadata: {name: approvals, version: "1", owner: it, change: CHG-1}
effective_from: "2026-01-01T00:00:00+09:00"
rules:
  - id: long-by-it
    title: {en: IT says yes to more than two hours, ja: 2時間を超えるものはIT部門が承認する}
    mode: enforce
    at: [create]
    assert: {field: ttl_hours, max: 2}
    approval: [it]
    fix: {en: Ask for less, ja: 短くする}
  - id: longer-by-legal
    title: {en: Legal says yes to more than a day, ja: 1日を超えるものは法務が承認する}
    mode: enforce
    at: [create]
    assert: {field: ttl_hours, max: 24}
    approval: [legal]
    fix: {en: Ask for less, ja: 短くする}
"""
PEOPLE = """
apiVersion: sandbox.people/v1
kind: People
people:
  - {name: anna, user: anna, roles: [marketer, it]}
  - {name: bert, user: bert, roles: [it, legal]}
  - {name: ken, user: ken, roles: [it]}
  - {name: lea, user: lea, roles: [legal]}
  - {name: mia, user: mia, roles: [marketer]}
"""
As = Callable[[str], Context]


def want_approval(home: Path, rules: str = RULES) -> None:
    (home / "policies" / "approvals.yaml").write_text(rules, "utf-8")


def people(ctx: Context, home: Path) -> As:
    """Give the context of whoever has that operating-system user, in a home of several people."""
    (home / FILE).write_text(PEOPLE, "utf-8")

    def known(user: str) -> Context:
        actor = recognised(ctx.catalogue.people(), user, "", allowed=False, day=ctx.now().date())
        return replace(ctx, actor=actor)

    return known


def yes(ctx: Context, reason: str = "Worth a try") -> ApproveResult:
    return approve(ctx, ApproveRequest(name=NAME, reason=reason))


def no(ctx: Context, reason: str = "Too long") -> RejectResult:
    return reject(ctx, RejectRequest(name=NAME, reason=reason))


def asked(ctx: Context) -> list[Ask]:
    """Return what was asked for it, oldest first, also where the clock stood still."""
    with ctx.registry.reading() as tx:
        return sorted(tx.asks(NAME), key=lambda ask: int(ask.id[1:]))
