"""How much room quotas leave: what is held and asked beside what rules in force allow. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

from sandbox.core.quotas import Account, Amounts
from sandbox.core.regions import flat
from sandbox.core.rules import PolicySet, Rule
from sandbox.core.values import Value

Scope = Literal["owner", "home"]
SCOPES: tuple[Scope, ...] = ("owner", "home")


class Quota(Value):
    """One sum before a request: what is held, what is asked for, and the least that rules allow.

    `allowed` and `left` (what is free of it before the request) are None where no rule in force
    caps the sum.
    """

    of: Scope
    what: str
    held: float
    asked: float
    allowed: float | None
    left: float | None
    fits: bool


def forecast(
    policies: PolicySet,
    point: str,
    document: Mapping[str, Any],
    account: Account,
    now: datetime,
    waived: Mapping[str, str] | None = None,
) -> tuple[Quota, ...]:
    """Return every sum with what rules in force at `point` allow of it to `document`.

    What `waived` exempts from (see `evaluate`) caps nothing.
    """
    rules = [r for r in policies.in_force(point, now) if not r.exempt_by(waived or {})]
    rules = [rule for rule in rules if rule.mode_at(now) == "enforce"]
    return tuple(
        _quota(scope, what, account, _allowed(rules, f"{scope}_totals.{what}", document))
        for scope in SCOPES
        for what in Amounts.model_fields
    )


def _quota(scope: Scope, what: str, account: Account, allowed: float | None) -> Quota:
    held, asked = getattr(getattr(account, scope), what), getattr(account.asked, what)
    return Quota(
        of=scope,
        what=what,
        held=held,
        asked=asked,
        allowed=allowed,
        left=None if allowed is None else max(0, round(allowed - held, 3)),
        fits=allowed is None or held + asked <= allowed,
    )


def _allowed(rules: Iterable[Rule], field: str, document: Mapping[str, Any]) -> float | None:
    """Return the least that these rules allow of `field`, None if none is about it."""
    limits = [
        condition.max
        for rule in rules
        if rule.for_each is None and _applies(rule, document)
        for condition in flat(rule.asserts)
        if condition.field == field and condition.max is not None
    ]
    return min(limits, default=None)


def _applies(rule: Rule, document: Mapping[str, Any]) -> bool:
    """Say whether no condition of `when` is plainly false, as the evaluator reads it."""
    missed = [condition.misses(document) for condition in rule.when]
    return all(any(miss.unclear for miss in misses) for misses in missed if misses)
