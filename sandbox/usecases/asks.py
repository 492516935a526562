"""Asks: who waits for whose yes; make, show and use them. See `deciding` for the yes or no.

Who makes one is the use case that it belongs to.
"""

from datetime import timedelta

from sandbox.core.asks import Ask, AskAction, AskContent, AskState, Who, moved
from sandbox.core.errors import NotFound
from sandbox.core.ports import Context, Transaction
from sandbox.core.text import clean, closest
from sandbox.core.values import Request, Result, Value
from sandbox.usecases.desk import answers
from sandbox.usecases.recording import record

WAITS = timedelta(days=7)
NOT_SEPARATED = (
    "Personal home: duties are not separated. Whoever asks can answer; both are on record by name."
)
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
        asked_by=caller(context),
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
    used = moved(find_ask(tx, id), AskAction.USE, context.now())
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
        ask = find_ask(tx, request.id)
    return told(context, ask)


def find_ask(tx: Transaction, id: str) -> Ask:
    """Return one ask, by its id or its number alone; raises NotFound with the nearest."""
    wanted = id.strip().lower()
    if found := tx.ask(f"r{wanted}" if wanted.isdecimal() else wanted):
        return found
    raise NotFound(
        "There is no such request." + closest(wanted, [ask.id for ask in tx.asks()]),
        subject=clean(id),
        hint="See: sandbox request list --all",
    )


def told(
    context: Context, ask: Ask, *, outcome: str = "", notes: tuple[str, ...] = ()
) -> RequestResult:
    """Return one ask as it is told, with `notes` and what to know of duties here."""
    warnings = (*notes, NOT_SEPARATED)
    if ask.same_person:
        warnings += (f"{ask.asked_by.name} asked and answered.",)
    return RequestResult(view=_view(context, ask), outcome=outcome, warnings=warnings)


def caller(context: Context) -> Who:
    """Return who asks or answers now."""
    return Who(name=context.actor.name, identity=context.actor.identity)


def _view(context: Context, ask: Ask) -> AskView:
    return AskView(ask=ask, state=ask.state_at(context.now()))
