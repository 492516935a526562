"""What policy does not let through by itself: denied, or asked of somebody else, once."""

from sandbox.core.asks import Ask, AskState, ExportAsk, MatchAsk
from sandbox.core.errors import Denied
from sandbox.core.policy import Decision
from sandbox.core.ports import Context, Transaction
from sandbox.usecases.asks import NOT_SEPARATED, make_ask
from sandbox.usecases.recording import record
from sandbox.usecases.wishes import raise_denial


def approved(
    context: Context,
    decision: Decision,
    content: ExportAsk | MatchAsk,
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
        ask = _asked(context, tx, content, subject, purpose) or make_ask(
            context, tx, content, subject=subject, purpose=purpose, roles=_roles(decision)
        )
    if ask.state is AskState.ACCEPTED:
        return ask.id
    raise _waits(ask, decision)


def reasons(decision: Decision) -> dict[str, tuple[str, ...]]:
    """Return the rules that ask for a yes, and what each says, as asks keep them."""
    findings = decision.to_approve()
    return {
        "rules": tuple(dict.fromkeys(finding.rule for finding in findings)),
        "why": tuple(f"{finding.rule}: {finding.sentence.en}" for finding in findings),
    }


def _asked(
    context: Context, tx: Transaction, content: ExportAsk | MatchAsk, subject: str, purpose: str
) -> Ask | None:
    """Return the newest ask for the very same that is not used and has not lapsed.

    A yes is for the purpose that it was given for; what waits or was refused stays that, however
    the purpose is put.
    """
    same = [(ask, ask.state_at(context.now())) for ask in tx.asks(subject) if _covers(ask, content)]
    yes = [a for a, state in same if state is AskState.ACCEPTED and a.purpose == purpose]
    rest = [a for a, state in same if state in (AskState.WAITING, AskState.REFUSED)]
    return next(reversed(yes or rest), None)


def _covers(ask: Ask, content: ExportAsk | MatchAsk) -> bool:
    """Say whether it was asked for the same, and for all the rules that ask for a yes today."""
    before = ask.content
    if not isinstance(before, ExportAsk | MatchAsk) or {*content.rules} - {*before.rules}:
        return False
    same = {"rules": content.rules, "why": content.why}
    return before.model_copy(update=same) == content


def _roles(decision: Decision) -> tuple[str, ...]:
    roles = (role for finding in decision.to_approve() for role in finding.approval)
    return tuple(dict.fromkeys(roles))


def _waits(ask: Ask, decision: Decision) -> Denied:
    details = {
        "request": ask.id,
        "state": ask.state.value,
        "decision": decision.model_dump(mode="json"),
    }
    if ask.decision is not None:
        return Denied(
            f"{ask.decision.by.name} refused this: {ask.decision.reason}",
            subject=ask.subject,
            hint=f"See: sandbox request show {ask.id}. Something else may be asked for.",
            details=details,
        )
    return Denied(
        f"It waits for a yes of {' or '.join(ask.roles)}: request {ask.id}.",
        subject=ask.subject,
        hint=f"They answer: sandbox request accept {ask.id} --reason WHY; then the same command "
        f"goes through once.\n{NOT_SEPARATED}",
        details=details,
    )
