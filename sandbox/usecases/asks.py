"""Asks: who waits for whose yes; accept, refuse, use. Who made one is the use case it belongs to.

What follows from a yes is the business of its kind: a use case registers it with `on_accept`.
"""

from collections.abc import Callable
from datetime import timedelta

from sandbox.core.asks import (
    Ask,
    AskAction,
    AskContent,
    AskDecision,
    AskKind,
    AskState,
    Who,
    moved,
)
from sandbox.core.errors import InvalidInput, NotFound
from sandbox.core.ports import Context, Transaction
from sandbox.core.text import clean, closest
from sandbox.core.values import Request, Result, Value
from sandbox.usecases.desk import answers
from sandbox.usecases.recording import record

WAITS = timedelta(days=7)
NOT_SEPARATED = (
    "Personal home: duties are not separated. Whoever asks can answer; both are on record by name."
)
# What follows from a yes, told in a sentence.
CarriesOut = Callable[[Context, Ask], str]
_FOLLOWS: dict[AskKind, CarriesOut] = {}
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
    """One ask; `outcome` tells what was done because of it, `warnings` what to know of the yes."""

    view: AskView
    outcome: str = ""
    warnings: tuple[str, ...] = ()


class RequestShowRequest(Request[RequestResult]):
    """Ask for one."""

    id: str


class RequestAcceptRequest(Request[RequestResult]):
    """Say yes to one."""

    id: str
    reason: str


class RequestRefuseRequest(Request[RequestResult]):
    """Say no to one."""

    id: str
    reason: str


def on_accept(kind: AskKind) -> Callable[[CarriesOut], CarriesOut]:
    """Register the decorated function as what follows from a yes to asks of `kind`.

    It runs before the yes is on record: if it raises, the ask waits on. It may run twice for one
    ask (a process can end between the two), and then must do no more than once. What it returns
    is told to people.
    """

    def register(function: CarriesOut) -> CarriesOut:
        _FOLLOWS[kind] = function
        return function

    return register


def make_ask(
    context: Context,
    tx: Transaction,
    content: AskContent,
    *,
    subject: str,
    purpose: str,
    roles: tuple[str, ...],
    waits: timedelta = WAITS,
) -> Ask:
    """Write a new ask and its event; it waits for one of `roles` until `waits` is over."""
    number = int(tx.noted(_LAST) or 0) + 1
    tx.note(_LAST, str(number))
    now = context.now()
    ask = Ask(
        id=f"r{number}",
        content=content,
        subject=subject,
        asked_by=_who(context),
        asked_at=now,
        purpose=purpose,
        due=now + waits,
        roles=roles,
    )
    tx.save_ask(ask)
    about = {"id": ask.id, "content": content.model_dump(mode="json"), "roles": list(roles)}
    record(context, tx, "ask.made", subject, reason=purpose, **about)
    return ask


def use_ask(context: Context, tx: Transaction, id: str) -> Ask:
    """Write that what was accepted is used, and its event; raises Conflict if it cannot be."""
    used = moved(_found(tx, id), AskAction.USE, context.now())
    tx.save_ask(used)
    record(context, tx, "ask.used", used.subject, id=used.id, kind=used.kind)
    return used


@answers(RequestListRequest)
def list_asks(context: Context, request: RequestListRequest) -> RequestListResult:
    """Return asks, oldest first."""
    with context.registry.reading() as tx:
        views = [_view(context, ask) for ask in tx.asks()]
    shown = [v for v in views if request.all or v.state in (AskState.WAITING, AskState.ACCEPTED)]
    waiting = sum(view.state is AskState.WAITING for view in views)
    return RequestListResult(asks=tuple(shown), waiting=waiting)


@answers(RequestShowRequest)
def show_ask(context: Context, request: RequestShowRequest) -> RequestResult:
    """Return one ask; raises NotFound with the nearest."""
    with context.registry.reading() as tx:
        ask = _found(tx, request.id)
    return RequestResult(view=_view(context, ask), warnings=_warnings(ask))


@answers(RequestAcceptRequest)
def accept(context: Context, request: RequestAcceptRequest) -> RequestResult:
    """Say yes, and do what follows from it.

    Raises InvalidInput without a reason, NotFound, Conflict when it waits no longer.
    """
    decision = _decision(context, request.reason)
    with context.registry.reading() as tx:
        ask = _found(tx, request.id)
    moved(ask, AskAction.ACCEPT, context.now(), decision)
    follows = _FOLLOWS.get(ask.kind)
    outcome = follows(context, ask) if follows else ""
    return _decided(context, ask.id, AskAction.ACCEPT, decision, outcome)


@answers(RequestRefuseRequest)
def refuse(context: Context, request: RequestRefuseRequest) -> RequestResult:
    """Say no. Raises as `accept` does."""
    decision = _decision(context, request.reason)
    return _decided(context, request.id, AskAction.REFUSE, decision, "")


def _decided(
    context: Context, id: str, action: AskAction, decision: AskDecision, outcome: str
) -> RequestResult:
    with context.registry.writing() as tx:
        ask = moved(_found(tx, id), action, context.now(), decision)
        tx.save_ask(ask)
        record(
            context,
            tx,
            f"ask.{ask.state}",
            ask.subject,
            reason=decision.reason,
            id=ask.id,
            kind=ask.kind,
            asked_by=ask.asked_by.model_dump(),
            same_person=ask.same_person,
            outcome=outcome,
        )
    return RequestResult(view=_view(context, ask), outcome=outcome, warnings=_warnings(ask))


def _found(tx: Transaction, id: str) -> Ask:
    wanted = id.strip().lower()
    if found := tx.ask(f"r{wanted}" if wanted.isdecimal() else wanted):
        return found
    raise NotFound(
        "There is no such request." + closest(wanted, [ask.id for ask in tx.asks()]),
        subject=clean(id),
        hint="See: sandbox request list --all",
    )


def _decision(context: Context, reason: str) -> AskDecision:
    if not reason.strip():
        hint = 'Say why: --reason "Numbers of shops only, nobody can be told from them"'
        raise InvalidInput("There is no reason.", subject="--reason", hint=hint)
    return AskDecision(by=_who(context), at=context.now(), reason=reason.strip())


def _who(context: Context) -> Who:
    return Who(name=context.actor.name, identity=context.actor.identity)


def _view(context: Context, ask: Ask) -> AskView:
    return AskView(ask=ask, state=ask.state_at(context.now()))


def _warnings(ask: Ask) -> tuple[str, ...]:
    if ask.same_person:
        return (NOT_SEPARATED, f"{ask.asked_by.name} asked and answered.")
    return (NOT_SEPARATED,)
