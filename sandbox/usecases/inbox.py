"""`inbox`: what of mine ends soon, what waits for my answer, and for whose answer mine waits."""

from collections.abc import Iterable, Iterator

from pydantic import AwareDatetime

from sandbox.core.approval import lacking, roles_of
from sandbox.core.asks import Ask, AskKind, AskState, WaiverAsk
from sandbox.core.lifecycle import Sandbox
from sandbox.core.people import why_not
from sandbox.core.phases import LIVE, State
from sandbox.core.pool import unclaimed
from sandbox.core.ports import Context, Transaction
from sandbox.core.values import Request, Result, Value
from sandbox.usecases.awaiting import wanted_of
from sandbox.usecases.desk import answers
from sandbox.usecases.reviewing import REVIEWERS, ReviewView, to_review
from sandbox.usecases.views import SandboxView, view


class AskedView(Value):
    """A request that waits: `roles` are whose yes is lacking, `whose` names who can give it."""

    request: str
    kind: AskKind
    subject: str
    purpose: str
    asked_by: str
    until: AwareDatetime
    roles: tuple[str, ...]
    whose: tuple[str, ...]


class InboxResult(Result):
    """What `you` should look at.

    `ending` are your sandboxes whose end is near, or that are over and can be restored; `decide`
    waits for your answer; `review` was expedited and waits for a word; `waiting` is yours and waits
    for others.
    """

    you: str
    ending: tuple[SandboxView, ...]
    decide: tuple[AskedView, ...]
    review: tuple[ReviewView, ...]
    waiting: tuple[AskedView, ...]

    @property
    def count(self) -> int:
        """How many things there are; what somebody asked and can answer is one."""
        asks = {asked.request for asked in (*self.decide, *self.waiting)}
        return len(asks) + len(self.ending) + len(self.review)


class InboxRequest(Request[InboxResult]):
    """Ask what there is for the caller."""


@answers(InboxRequest)
def inbox(context: Context, request: InboxRequest) -> InboxResult:
    """Return what there is for the caller, the most urgent of each kind first."""
    me = context.actor.name
    with context.registry.reading() as tx:
        asks = _waiting(context, tx)
        return InboxResult(
            you=me,
            ending=tuple(_ending(context, tx.sandboxes(LIVE))),
            decide=tuple(_asked(context, ask) for ask in asks if _can_answer(context, ask)),
            review=tuple(_reviews(context, tx)),
            waiting=tuple(_asked(context, ask) for ask in asks if ask.asked_by.name == me),
        )


def pressing(context: Context, tx: Transaction) -> int:
    """Return how many things there are for the caller, but for reviews: these can wait, and to find
    them every sandbox that ever was is read."""
    me = context.actor.name
    asks = (a for a in _waiting(context, tx) if a.asked_by.name == me or _can_answer(context, a))
    return sum(1 for _ in asks) + len(_ending(context, tx.sandboxes(LIVE)))


def _waiting(context: Context, tx: Transaction) -> list[Ask]:
    now = context.now()
    waiting = [ask for ask in tx.asks() if ask.state_at(now) is AskState.WAITING]
    return sorted(waiting, key=lambda ask: ask.due)


def _ending(context: Context, sandboxes: Iterable[Sandbox]) -> list[SandboxView]:
    mine = [
        view(context, sandbox)
        for sandbox in sandboxes
        if sandbox.lease.owner == context.actor.name and not unclaimed(sandbox)
    ]
    near = [s for s in mine if s.warning or s.idle_warning or s.state is State.EXPIRED]
    return sorted(near, key=lambda s: s.kept_until or s.deadline or s.created)


def _reviews(context: Context, tx: Transaction) -> Iterator[ReviewView]:
    personal = context.catalogue.people() is None
    for waiting in to_review(context, tx):
        if personal or why_not(context.actor, REVIEWERS, asked_by=waiting.owner) is None:
            yield waiting


def _can_answer(context: Context, ask: Ask) -> bool:
    """Say whether the caller may answer `ask`; in a personal home whoever is there may."""
    if context.catalogue.people() is None:
        return True
    owner = ask.content.owner if isinstance(ask.content, WaiverAsk) else ""
    asked = ask.asked_by
    refusal = why_not(
        context.actor, _roles(ask), asked_by=asked.name, identity=asked.identity, owner=owner
    )
    return refusal is None


def _roles(ask: Ask) -> tuple[str, ...]:
    return roles_of(lacking(ask.wants, ask.yeses)) or ask.roles


def _asked(context: Context, ask: Ask) -> AskedView:
    return AskedView(
        request=ask.id,
        kind=ask.kind,
        subject=ask.subject,
        purpose=ask.purpose,
        asked_by=ask.asked_by.name,
        until=ask.due,
        roles=_roles(ask),
        whose=wanted_of(context, ask).approvers,
    )
