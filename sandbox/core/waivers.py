"""Waivers: dated, approved exemptions from one rule, and the one function that resolves them.

Whoever judges anything (create, extend, scan, test, promote) asks `waived`, so an exemption that is
over ends at once everywhere. Whether a rule can be waived at all is the rule's say, each time it is
judged: see `evaluate`.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from pydantic import AwareDatetime

from sandbox.core.asks import Ask, AskState, WaiverAsk
from sandbox.core.errors import Denied, InvalidInput
from sandbox.core.rules import Rule, Waivable
from sandbox.core.values import Value


class Waiver(Value):
    """An exemption of `subject`, held by `owner`, from `rule` until (not including) `until`.

    `subject` is what is judged, by its name: a sandbox, a source. Who gets the same name later is
    another owner, or it is over by then.
    """

    id: str
    rule: str
    subject: str
    owner: str
    approved: AwareDatetime
    until: AwareDatetime


def in_force(waiver: Waiver, now: datetime) -> bool:
    """Say whether a waiver holds at `now` (aware)."""
    return waiver.approved <= now < waiver.until


def waived(waivers: Iterable[Waiver], subject: str, owner: str, now: datetime) -> dict[str, str]:
    """Return the rules that `subject` of `owner` is exempt from at `now`, with their waivers' ids.

    Of several for one rule the one that lasts longest is named.
    """
    ours = [w for w in waivers if (w.subject, w.owner) == (subject, owner) and in_force(w, now)]
    return {w.rule: w.id for w in sorted(ours, key=lambda waiver: waiver.until)}


def granted(asks: Iterable[Ask]) -> list[Waiver]:
    """Return the waivers among `asks` that somebody said yes to and nobody revoked."""
    return [
        Waiver(
            id=ask.id,
            rule=ask.content.rule,
            subject=ask.subject,
            owner=ask.content.owner,
            approved=ask.decision.at,
            until=ask.content.until,
        )
        for ask in asks
        if isinstance(ask.content, WaiverAsk) and ask.state is AskState.ACCEPTED and ask.decision
    ]


def waivable(rule: Rule) -> Waivable:
    """Return who can exempt from `rule`, and for how long; raises Denied if nobody can."""
    if isinstance(rule.exceptions, Waivable):
        return rule.exceptions
    raise Denied(
        "Nobody can exempt from this rule (exceptions: never).",
        subject=rule.id,
        hint=f"{rule.fix.en}\n{rule.fix.ja}",
    )


def check_until(rule: Rule, until: datetime, now: datetime) -> None:
    """Raise InvalidInput for an end that is over, Denied for one later than the rule allows.

    The longest is counted from `now`, when somebody asks or answers.
    """
    most = timedelta(days=waivable(rule).max_days)
    if until <= now:
        raise InvalidInput(
            "The end that is asked for is over.",
            subject=rule.id,
            hint="Name one to come: --until 7d",
        )
    if until - now > most:
        raise Denied(
            f"This rule allows an exemption of at most {most.days} days.",
            subject=rule.id,
            hint=f"Ask for less: --until {most.days}d. A new one can be asked for before it ends.",
            details={"max_days": most.days},
        )
