"""`review`: what was expedited is looked back at: was it urgent, and what came of it?"""

from datetime import datetime, timedelta

from sandbox.core.errors import Conflict, InvalidInput, NotFound
from sandbox.core.lanes import review_due
from sandbox.core.lease import spoken
from sandbox.core.lifecycle import Review, Sandbox
from sandbox.core.ports import Context, Transaction
from sandbox.core.text import clean, closest
from sandbox.core.values import Request, Result, Value
from sandbox.usecases.desk import answers
from sandbox.usecases.duties import check_may_answer, duties
from sandbox.usecases.recording import record

# Anybody who decides something here, the sponsor too; never the owner.
REVIEWERS = ("it", "data-owner", "legal", "sales", "marketer")


class ReviewView(Value):
    """An expedited sandbox that nobody has reviewed; `overdue` says since how long it waits."""

    name: str
    owner: str
    sponsor: str
    purpose: str
    due: datetime
    overdue: str = ""


class ReviewListResult(Result):
    """Those that wait for a review, the most urgent first."""

    waiting: tuple[ReviewView, ...]


class ReviewListRequest(Request[ReviewListResult]):
    """Ask which wait."""


class ReviewResult(Result):
    """What was written down; `late` says by how much, "" if it was in time."""

    name: str
    owner: str
    sponsor: str
    review: Review
    late: str = ""
    warnings: tuple[str, ...] = ()


class ReviewRequest(Request[ReviewResult]):
    """Say what came of an expedited sandbox; `reason` is that, in words."""

    name: str
    reason: str


@answers(ReviewListRequest)
def waiting(context: Context, request: ReviewListRequest) -> ReviewListResult:
    """Return the expedited sandboxes, ended ones too, that nobody has reviewed."""
    with context.registry.reading() as tx:
        return ReviewListResult(waiting=to_review(context, tx))


def to_review(context: Context, tx: Transaction) -> tuple[ReviewView, ...]:
    """Return the expedited sandboxes that nobody has reviewed, the most urgent first."""
    found = [(due, s) for s in tx.sandboxes() if (due := _due(context, s))]
    found.sort(key=lambda pair: pair[0])
    return tuple(_view(context, s, due) for due, s in found)


@answers(ReviewRequest)
def review(context: Context, request: ReviewRequest) -> ReviewResult:
    """Write down what came of it, once.

    Raises InvalidInput without words, NotFound, Conflict for what was not expedited, never ran or
    was reviewed; Denied for its owner, where people are told apart.
    """
    found = request.reason.strip()
    if not found:
        raise InvalidInput(
            "There is no reason.",
            subject="--reason",
            hint='Say what came of it: --reason "The mail went out on time; stock data came late"',
        )
    with context.registry.reading() as tx:
        sandbox, _ = _waiting(context, tx, request.name)
    owner = sandbox.lease.owner
    check_may_answer(context, sandbox.name, REVIEWERS, asked_by=owner)
    now = context.now()
    written = Review(by=context.actor.name, at=now, found=found)
    with context.registry.writing() as tx:
        sandbox, due = _waiting(context, tx, request.name)
        late = _late(due, now)
        tx.save_sandbox(sandbox.model_copy(update={"review": written}))
        record(
            context,
            tx,
            "sandbox.reviewed",
            sandbox.name,
            reason=found,
            id=sandbox.id,
            owner=owner,
            sponsor=sandbox.spec.sponsor,
            due=due.isoformat(),
            late=late,
        )
    return ReviewResult(
        name=sandbox.name,
        owner=owner,
        sponsor=sandbox.spec.sponsor,
        review=written,
        late=late,
        warnings=(duties(context),) if written.by == owner else (),
    )


def _due(context: Context, sandbox: Sandbox) -> datetime | None:
    return review_due(sandbox, context.now().astimezone().tzinfo)


def _waiting(context: Context, tx: Transaction, name: str) -> tuple[Sandbox, datetime]:
    """Return the newest of that name that waits for a review, and until when."""
    named = [s for s in tx.sandboxes() if s.name == name]
    for sandbox in reversed(named):
        if due := _due(context, sandbox):
            return sandbox, due
    if not named:
        names = (s.name for s in tx.sandboxes() if _due(context, s))
        raise NotFound(
            f"There is no sandbox of that name.{closest(name, names)}",
            subject=clean(name) or "NAME",
            hint="See which wait: sandbox review",
        )
    raise _nothing_to_review(named[-1])


def _nothing_to_review(sandbox: Sandbox) -> Conflict:
    done = sandbox.review
    if done:
        why = f"{done.by} has reviewed it already: {done.found}"
    elif sandbox.spec.expedite:
        why = "It never ran, so nothing came of it."
    else:
        why = "It was not expedited, so nobody needs to review it."
    return Conflict(why, subject=sandbox.name, hint="See which wait: sandbox review")


def _view(context: Context, sandbox: Sandbox, due: datetime) -> ReviewView:
    return ReviewView(
        name=sandbox.name,
        owner=sandbox.lease.owner,
        sponsor=sandbox.spec.sponsor,
        purpose=sandbox.spec.purpose,
        due=due,
        overdue=_late(due, context.now()),
    )


def _late(due: datetime, now: datetime) -> str:
    return spoken(now - due) if now - due > timedelta() else ""
