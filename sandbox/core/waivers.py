"""Waivers: dated, approved exemptions from one rule, and the one function that resolves them.

Whoever judges anything (create, extend, scan, test, promote) asks `waived`, so an exemption that is
over ends at once everywhere. Whether a rule can be waived at all is the rule's say, each time it is
judged: see `evaluate`.
"""

from collections.abc import Iterable
from datetime import datetime

from pydantic import AwareDatetime

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
