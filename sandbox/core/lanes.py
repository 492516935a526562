"""The lanes by which sandboxes come in, the work in progress, and the review of what was urgent.

What cannot wait takes the lane `expedite`: capped, sponsored by somebody else than its owner, and
reviewed afterwards. A review that is overdue closes the lane. Pure.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta, tzinfo

from sandbox.core.errors import InvalidInput
from sandbox.core.judged_beside import LaneInput, WipInput
from sandbox.core.lifecycle import Sandbox, Spec
from sandbox.core.quotas import holds

# Until when somebody looks back at it, in business days after it was ready.
REVIEW_DAYS = 2
_DAY = timedelta(days=1)
_SATURDAY = 5


def check_lane(*, expedite: bool, sponsor: str) -> None:
    """Raise InvalidInput for a sponsor of what is not urgent; the rest is for rules to judge."""
    if sponsor and not expedite:
        raise InvalidInput(
            "Only what is urgent has a sponsor.",
            subject="--sponsor",
            hint="Say both, or neither: --expedite --sponsor PERSON",
        )


def review_due(sandbox: Sandbox, zone: tzinfo | None = None) -> datetime | None:
    """Return until when an expedited sandbox must be reviewed; None if it need not be, or was.

    Business days leave out Saturdays and Sundays of `zone`; public holidays are not known. What
    never ran is not reviewed.
    """
    started = sandbox.lease.started
    if not sandbox.spec.expedite or sandbox.review is not None or started is None:
        return None
    return _business_days_after(started.astimezone(zone), REVIEW_DAYS).astimezone(started.tzinfo)


def overdue(sandbox: Sandbox, now: datetime, zone: tzinfo | None = None) -> bool:
    """Say whether nobody has reviewed it in time."""
    due = review_due(sandbox, zone)
    return due is not None and now > due


def _business_days_after(moment: datetime, days: int) -> datetime:
    while days:
        moment += _DAY
        days -= moment.weekday() < _SATURDAY
    return moment


def lane_of(
    spec: Spec,
    owner: str,
    sandboxes: Iterable[Sandbox],
    now: datetime,
    besides: str = "",
    zone: tzinfo | None = None,
) -> LaneInput:
    """Return the lane of a request by `owner`, where `sandboxes` are all on record.

    `besides` is the id of one that is left out: the request takes its place. They are looked at
    only for what is expedited.
    """
    alone = LaneInput.alone(spec.sponsor, owner, expedite=spec.expedite)
    if not spec.expedite:
        return alone
    others = [s for s in sandboxes if s.spec.expedite and s.id != besides]
    counts = {
        "expedited": 1 + sum(holds(s, now).sandboxes for s in others),
        "overdue": sum(overdue(s, now, zone) for s in others),
    }
    return alone.model_copy(update=counts)


def in_progress(
    spec: Spec, sandboxes: Iterable[Sandbox], now: datetime, besides: str = ""
) -> WipInput:
    """Return the work in progress with a request, where `sandboxes` are those that live."""
    if not spec.campaign:
        return WipInput()
    same = (s for s in sandboxes if s.spec.campaign == spec.campaign and s.id != besides)
    return WipInput(campaign=1 + sum(holds(s, now).sandboxes for s in same))
