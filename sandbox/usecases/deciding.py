"""A yes or no to what waits, and what follows from a yes."""

from collections.abc import Callable

from sandbox.core.asks import Ask, AskAction, AskDecision, AskKind, moved
from sandbox.core.errors import InvalidInput
from sandbox.core.ports import Context
from sandbox.core.values import Request
from sandbox.usecases.asks import RequestResult, caller, find_ask, told
from sandbox.usecases.desk import answers
from sandbox.usecases.recording import record
from sandbox.usecases.wanting import write_draft

# What follows from a yes, told in a sentence. It runs before the yes is on record: if it raises,
# the ask waits on. It may run twice for one ask (a process can end between the two), and then must
# do no more than once.
_FOLLOWS: dict[AskKind, Callable[[Context, Ask], str]] = {"data": write_draft}


class RequestAcceptRequest(Request[RequestResult]):
    """Say yes to one."""

    id: str
    reason: str


class RequestRefuseRequest(Request[RequestResult]):
    """Say no to one."""

    id: str
    reason: str


@answers(RequestAcceptRequest)
def accept(context: Context, request: RequestAcceptRequest) -> RequestResult:
    """Say yes, and do what follows from it.

    Raises InvalidInput without a reason, NotFound, Conflict when it waits no longer.
    """
    decision = _decision(context, request.reason)
    with context.registry.reading() as tx:
        ask = find_ask(tx, request.id)
    moved(ask, AskAction.ACCEPT, context.now(), decision)
    follows = _FOLLOWS.get(ask.kind)
    outcome = follows(context, ask) if follows else ""
    return _decided(context, ask.id, AskAction.ACCEPT, decision, outcome)


@answers(RequestRefuseRequest)
def refuse(context: Context, request: RequestRefuseRequest) -> RequestResult:
    """Say no. Raises as `accept` does."""
    decision = _decision(context, request.reason)
    return _decided(context, request.id, AskAction.REFUSE, decision, "")


def _decision(context: Context, reason: str) -> AskDecision:
    if not reason.strip():
        hint = 'Say why: --reason "Numbers of shops only, nobody can be told from them"'
        raise InvalidInput("There is no reason.", subject="--reason", hint=hint)
    return AskDecision(by=caller(context), at=context.now(), reason=reason.strip())


def _decided(
    context: Context, id: str, action: AskAction, decision: AskDecision, outcome: str
) -> RequestResult:
    with context.registry.writing() as tx:
        ask = moved(find_ask(tx, id), action, context.now(), decision)
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
    return told(context, ask, outcome=outcome)
