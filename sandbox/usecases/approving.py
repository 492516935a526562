"""What policy does not let through by itself: denied, or asked of somebody else, once."""

from datetime import datetime
from typing import Any

from sandbox.core.approval import Wants, reasons, roles_of, satisfied, wanted
from sandbox.core.asks import Ask, AskState, CreateAsk, ExportAsk, MatchAsk, SnapshotAsk
from sandbox.core.errors import Denied
from sandbox.core.lifecycle import Sandbox, Spec
from sandbox.core.phases import AwaitingApproval
from sandbox.core.policy import Decision
from sandbox.core.ports import Context, Transaction
from sandbox.usecases.asks import make_ask
from sandbox.usecases.awaiting import wanted_of
from sandbox.usecases.recording import record
from sandbox.usecases.wishes import raise_denial

_Content = ExportAsk | MatchAsk | SnapshotAsk | CreateAsk
# What may differ between what was asked for and the same, asked for again.
_APART = {"rules", "why", "days", "label", "classes"}


def approved(
    context: Context,
    decision: Decision,
    content: _Content,
    *,
    subject: str,
    purpose: str,
    denied: str,
) -> str:
    """Return the id of the accepted ask that lets `content` through, "" if it needs none.

    Raises Denied where policy says no (then there is an event `denied`), where a yes is wanted
    (then an ask waits, the same however often this is called), and where somebody said no to it.
    """
    if decision.verdict == "deny":
        with context.registry.writing() as tx:
            said = decision.model_dump(mode="json")
            record(context, tx, denied, subject, reason=purpose, decision=said)
        raise_denial(subject, decision)
    if decision.verdict != "needs-approval":
        return ""
    with context.registry.writing() as tx:
        ask = _asked(context, tx, content, decision, subject, purpose) or _make(
            context, tx, content, decision, subject, purpose
        )
    if ask.state is AskState.ACCEPTED:
        return ask.id
    raise waits(context, ask, decision)


def let_in(context: Context, tx: Transaction, new: Sandbox, decision: Decision) -> Sandbox:
    """Return a sandbox that wants a yes: with the one that it has already, else as it waits for it.

    Raises Denied, with nothing written, where somebody said no to the same lately.
    """
    before = answered_before(context, tx, new.name, new.spec, decision)
    if before is not None and before.state is AskState.REFUSED:
        raise waits(context, before, decision)
    if before is not None:
        return new.model_copy(update={"ask": before.id})
    content = CreateAsk(sandbox=new.id, spec=new.spec, **reasons(decision))
    ask = _make(context, tx, content, decision, new.name, new.spec.purpose)
    phase = AwaitingApproval(since=ask.asked_at, until=ask.due, roles=ask.roles)
    return new.model_copy(update={"phase": phase, "ask": ask.id})


def answered_before(
    context: Context, tx: Transaction, name: str, spec: Spec, decision: Decision
) -> Ask | None:
    """Return what the caller asked for before, the very same, if it was answered and not used."""
    content = CreateAsk(sandbox="", spec=spec, **reasons(decision))
    ask = _asked(context, tx, content, decision, name, spec.purpose)
    mine = ask is not None and ask.asked_by.name == context.actor.name
    return ask if ask and mine and ask.state is not AskState.WAITING else None


def waits(context: Context, ask: Ask, decision: Decision | None = None) -> Denied:
    """Return the error that says who is asked, or who said no; `decision` is why."""
    details: dict[str, Any] = {"request": ask.id, "state": ask.state.value}
    details |= {"decision": decision.model_dump(mode="json")} if decision else {}
    if ask.decision is not None:
        return Denied(
            f"{ask.decision.by.name} refused this: {ask.decision.reason}",
            subject=ask.subject,
            hint=f"See: sandbox request show {ask.id}. Something else may be asked for.",
            details=details,
        )
    found = wanted_of(context, ask)
    who = f" ({', '.join(found.approvers)})" if found.approvers else ""
    words = found.words or " or ".join(ask.roles)
    days = ask.content.days if isinstance(ask.content, SnapshotAsk) else 0
    then = "then the same command goes through " + (f"for {days} days" if days else "once")
    answer = f"sandbox request accept {ask.id} --reason WHY"
    return Denied(
        f"It waits for a yes of {words}{who}: request {ask.id}.",
        subject=ask.subject,
        hint="\n".join([f"They answer: {answer}; {then}.", *found.notes]),
        details=details,
    )


def _make(
    context: Context,
    tx: Transaction,
    content: _Content,
    decision: Decision,
    subject: str,
    purpose: str,
) -> Ask:
    wants = wanted(decision)
    return make_ask(
        context,
        tx,
        content,
        subject=subject,
        purpose=purpose,
        roles=roles_of(wants),
        wants=wants,
    )


def _asked(
    context: Context,
    tx: Transaction,
    content: _Content,
    decision: Decision,
    subject: str,
    purpose: str,
) -> Ask | None:
    """Return the newest ask for the very same that waits, can be used, or was refused lately.

    A yes is for the purpose that it was given for; what waits or was refused stays that, however
    the purpose is put.
    """
    now, wants = context.now(), wanted(decision)
    same = [a for a in tx.asks(subject) if _covers(a, content, wants) and counts(a, now)]
    yes = [a for a in same if a.state is AskState.ACCEPTED and a.purpose == purpose]
    rest = [a for a in same if a.state is not AskState.ACCEPTED]
    return next(reversed(yes or rest), None)


def counts(ask: Ask, now: datetime) -> bool:
    """Say whether an ask waits, can be used, or was refused lately."""
    state = ask.state_at(now)
    # A no is told until the day until which there might have been a yes.
    refused = state is AskState.REFUSED and now < ask.due
    return refused or state in (AskState.WAITING, AskState.ACCEPTED)


def _covers(ask: Ask, content: _Content, wants: Wants) -> bool:
    """Say whether it was asked for the same, and of whom all rules that ask for a yes today ask."""
    before = ask.content
    if not isinstance(before, _Content) or {*wants} - satisfied(ask, wants):
        return False
    # Who asks for a sandbox again asks for one with another id.
    apart = _APART | ({"sandbox"} if before.kind == "create" else set())
    return before.model_dump(exclude=apart) == content.model_dump(exclude=apart)
