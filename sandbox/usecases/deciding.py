"""A yes or no to what waits, and what follows from a yes."""

from collections.abc import Callable

from sandbox.core.approval import roles_open
from sandbox.core.asks import Ask, AskAction, AskKind, AskState, WaiverAsk, moved
from sandbox.core.ports import Context
from sandbox.core.values import Request
from sandbox.usecases.approvals import ApproveRequest, RejectRequest, approve, reject
from sandbox.usecases.asks import (
    RequestResult,
    answer_of,
    find_ask,
    save_answer,
    told,
    with_yes,
)
from sandbox.usecases.desk import answers
from sandbox.usecases.duties import check_may_answer
from sandbox.usecases.waiving import give
from sandbox.usecases.wanting import write_draft

# What follows from a yes, told in a sentence. It runs before the yes is on record: if it raises,
# the ask waits on. It may run twice for one ask (a process can end between the two), and then must
# do no more than once.
_FOLLOWS: dict[AskKind, Callable[[Context, Ask], str]] = {"data": write_draft, "waiver": give}


class RequestAcceptRequest(Request[RequestResult]):
    """Say yes to one; with `kind`, only if it is of that kind."""

    id: str
    reason: str
    kind: AskKind | None = None


class RequestRefuseRequest(Request[RequestResult]):
    """Say no to one; `kind` as in RequestAcceptRequest."""

    id: str
    reason: str
    kind: AskKind | None = None


class WaiverApproveRequest(RequestAcceptRequest):
    """Say yes to a waiver, and to nothing else."""

    kind: AskKind | None = "waiver"


class WaiverRejectRequest(RequestRefuseRequest):
    """Say no to a waiver, and to nothing else."""

    kind: AskKind | None = "waiver"


@answers(RequestAcceptRequest)
def accept(context: Context, request: RequestAcceptRequest) -> RequestResult:
    """Say yes, and do what follows from it.

    Raises InvalidInput without a reason, NotFound, Denied for whoever may not answer it, Conflict
    when it waits no longer.
    """
    decision = answer_of(context, request.reason)
    ask = _mine_to_answer(context, request.id, request.kind)
    accepted = with_yes(context, ask, decision).state is AskState.ACCEPTED
    if ask.kind == "create":
        return _admitted(context, ask, request.reason)
    follows = _FOLLOWS.get(ask.kind) if accepted else None
    outcome = follows(context, ask) if follows else ""
    with context.registry.writing() as tx:
        ask = with_yes(context, find_ask(tx, ask.id), decision)
        save_answer(context, tx, ask, decision, outcome)
    return told(context, ask, outcome=outcome)


@answers(RequestRefuseRequest)
def refuse(context: Context, request: RequestRefuseRequest) -> RequestResult:
    """Say no. Raises as `accept` does."""
    decision = answer_of(context, request.reason)
    ask = _mine_to_answer(context, request.id, request.kind)
    if ask.kind == "create":
        return _admitted(context, ask, request.reason, refused=True)
    with context.registry.writing() as tx:
        ask = moved(find_ask(tx, ask.id), AskAction.REFUSE, context.now(), decision)
        save_answer(context, tx, ask, decision)
    return told(context, ask)


@answers(WaiverApproveRequest)
def approve_waiver(context: Context, request: WaiverApproveRequest) -> RequestResult:
    """Say yes to a waiver. Raises as `accept` does, NotFound for another kind too."""
    return accept(context, request)


@answers(WaiverRejectRequest)
def reject_waiver(context: Context, request: WaiverRejectRequest) -> RequestResult:
    """Say no to a waiver. Raises as `approve_waiver` does."""
    return refuse(context, request)


def _mine_to_answer(context: Context, id: str, kind: AskKind | None) -> Ask:
    with context.registry.reading() as tx:
        ask = find_ask(tx, id, kind)
    # Nobody is exempt from a rule by their own yes.
    owner = ask.content.owner if isinstance(ask.content, WaiverAsk) else ""
    check_may_answer(
        context,
        ask.subject,
        roles_open(ask),
        asked_by=ask.asked_by.name,
        identity=ask.asked_by.identity,
        owner=owner,
    )
    return ask


def _admitted(context: Context, ask: Ask, reason: str, *, refused: bool = False) -> RequestResult:
    """Answer what a sandbox waits for as `approve` and `reject` do, and return the ask after it."""
    if refused:
        reject(context, RejectRequest(name=ask.subject, reason=reason, ask=ask.id))
        outcome = ""
    else:
        approved = approve(context, ApproveRequest(name=ask.subject, reason=reason, ask=ask.id))
        outcome = "" if approved.waits else f"It is ready: {approved.sandbox.url}"
    with context.registry.reading() as tx:
        return told(context, find_ask(tx, ask.id), outcome=outcome)
