"""Asks: who waits for whose yes; make, show and use them. See `deciding` for the yes or no.

Who makes one is the use case that it belongs to.
"""

import unicodedata
from datetime import timedelta

from sandbox.core.approval import Wants, agreed, lacking, roles_of, roles_open
from sandbox.core.asks import (
    Ask,
    AskAction,
    AskContent,
    AskDecision,
    AskKind,
    AskState,
    WaiverAsk,
    Who,
    moved,
)
from sandbox.core.errors import InvalidInput, NotFound
from sandbox.core.ports import Context, Transaction
from sandbox.core.text import clean, closest
from sandbox.core.values import Request, Result, Value
from sandbox.usecases.desk import answers
from sandbox.usecases.duties import PERSONAL, duties, eligible
from sandbox.usecases.recording import record

_LAST = "last-ask"


class AskView(Value):
    """One ask, in the state that it has now."""

    ask: Ask
    state: AskState


class RequestListResult(Result):
    """Asks, oldest first."""

    asks: tuple[AskView, ...]
    waiting: int


class RequestListRequest(Request[RequestListResult]):
    """Ask for what waits and what was accepted and is unused; for all there ever was, if `all`."""

    all: bool = False


class RequestResult(Result):
    """One ask; `outcome` tells what was done because of it, `warnings` what to know of the yes.

    `approvers` are who can answer one that waits, where the home knows its people.
    """

    view: AskView
    approvers: tuple[str, ...] = ()
    outcome: str = ""
    warnings: tuple[str, ...] = ()


class RequestShowRequest(Request[RequestResult]):
    """Ask for one."""

    id: str


def make_ask(
    context: Context,
    tx: Transaction,
    content: AskContent,
    *,
    subject: str,
    purpose: str,
    roles: tuple[str, ...],
    wants: Wants | None = None,
    waits: timedelta | None = None,
) -> Ask:
    """Write a new ask and its event; it waits for one of `roles` until `waits` is over.

    With `wants` each of these rules wants a yes. Without `waits` it waits as long as the home says.
    """
    number = int(tx.noted(_LAST) or 0) + 1
    tx.note(_LAST, str(number))
    now = context.now()
    ask = Ask(
        id=f"r{number}",
        content=content,
        subject=subject,
        asked_by=caller(context),
        asked_at=now,
        purpose=purpose,
        due=now + (context.settings.approvals.waits if waits is None else waits),
        roles=roles,
        wants=dict(wants or {}),
    )
    tx.save_ask(ask)
    about = {"id": ask.id, "content": content.model_dump(mode="json"), "roles": list(roles)}
    record(context, tx, "ask.made", subject, reason=purpose, **about)
    return ask


def with_yes(context: Context, ask: Ask, yes: AskDecision) -> Ask:
    """Return `ask` with the caller's yes, accepted if it is the last one; raises as `agreed` does.

    In a personal home one yes is for all roles.
    """
    asker, actor = (ask.asked_by.name,), context.actor
    personal = context.catalogue.people() is None
    roles = roles_of(ask.wants) if personal else actor.answers_as(asker)
    instead = () if personal else actor.answers_for(roles_of(ask.wants) or ask.roles, asker)
    return agreed(ask, yes.model_copy(update={"deputy_for": instead}), roles, context.now())


def save_answer(
    context: Context, tx: Transaction, ask: Ask, decision: AskDecision, outcome: str = ""
) -> None:
    """Write what `decision` made of an ask, and its event: `ask.agreed` if it still waits."""
    tx.save_ask(ask)
    waits = ask.state is AskState.WAITING
    record(
        context,
        tx,
        "ask.agreed" if waits else f"ask.{ask.state}",
        ask.subject,
        reason=decision.reason,
        id=ask.id,
        kind=ask.kind,
        asked_by=ask.asked_by.model_dump(),
        same_person=ask.same_person,
        outcome=outcome,
        **({"lacking": lacking(ask.wants, ask.yeses)} if ask.wants else {}),
    )


def answer_of(context: Context, reason: str) -> AskDecision:
    """Return the caller's answer now; raises InvalidInput without a reason."""
    if not reason.strip():
        hint = 'Say why: --reason "Numbers of shops only, nobody can be told from them"'
        raise InvalidInput("There is no reason.", subject="--reason", hint=hint)
    return AskDecision(by=caller(context), at=context.now(), reason=reason.strip())


def use_ask(context: Context, tx: Transaction, id: str) -> Ask:
    """Write that what was accepted is used, and its event; raises Conflict if it cannot be."""
    used = moved(find_ask(tx, id), AskAction.USE, context.now())
    tx.save_ask(used)
    record(context, tx, "ask.used", used.subject, id=used.id, kind=used.kind)
    return used


@answers(RequestListRequest)
def list_asks(context: Context, request: RequestListRequest) -> RequestListResult:
    """Return asks, oldest first."""
    with context.registry.reading() as tx:
        views = [view_of(context, ask) for ask in tx.asks()]
    shown = [v for v in views if request.all or v.state in (AskState.WAITING, AskState.ACCEPTED)]
    waiting = sum(view.state is AskState.WAITING for view in views)
    return RequestListResult(asks=tuple(shown), waiting=waiting)


@answers(RequestShowRequest)
def show_ask(context: Context, request: RequestShowRequest) -> RequestResult:
    """Return one ask; raises NotFound with the nearest."""
    with context.registry.reading() as tx:
        ask = find_ask(tx, request.id)
    return told(context, ask)


def find_ask(tx: Transaction, id: str, kind: AskKind | None = None) -> Ask:
    """Return one ask, by its id or its number alone; raises NotFound with the nearest.

    With `kind` also if it is of another kind.
    """
    # Japanese keyboards type full-width letters and digits; NFKC makes them plain.
    wanted = unicodedata.normalize("NFKC", id).strip().lower()
    if found := tx.ask(f"r{wanted}" if wanted.isdecimal() else wanted):
        if kind in (None, found.kind):
            return found
        raise NotFound(
            f"This is a request of another kind ({found.kind}), no {kind}.",
            subject=found.id,
            hint=f"See: sandbox request show {found.id}",
        )
    raise NotFound(
        "There is no such request." + closest(wanted, [ask.id for ask in tx.asks()]),
        subject=clean(id),
        hint="See: sandbox request list --all",
    )


def told(
    context: Context, ask: Ask, *, outcome: str = "", notes: tuple[str, ...] = ()
) -> RequestResult:
    """Return one ask as it is told, with `notes` and what to know of duties here."""
    view, able, warnings = view_of(context, ask), tuple[str, ...](), notes
    if view.state is AskState.WAITING:
        able = _able(context, ask)
        if duties(context) != PERSONAL and not able:
            roles = " or ".join(roles_open(ask))
            warnings += (f"Nobody can say yes: people.yaml names no one else who is {roles}.",)
    warnings += (duties(context),)
    if ask.same_person:
        warnings += (f"{ask.asked_by.name} asked and answered.",)
    return RequestResult(view=view, approvers=able, outcome=outcome, warnings=warnings)


def _able(context: Context, ask: Ask) -> tuple[str, ...]:
    """Return who can answer: nobody what they asked for, nor an exemption of what they hold."""
    owner = (ask.content.owner,) if isinstance(ask.content, WaiverAsk) else ()
    return eligible(context, roles_open(ask), (ask.asked_by.name, *owner))


def caller(context: Context) -> Who:
    """Return who asks or answers now."""
    return Who(name=context.actor.name, identity=context.actor.identity)


def view_of(context: Context, ask: Ask) -> AskView:
    """Return one ask in the state that it has now."""
    return AskView(ask=ask, state=ask.state_at(context.now()))
