"""What waits for somebody's yes: whose it is, and what becomes of it but for the answer itself."""

from sandbox.core.approval import Wanted, Wants, counting, lacking, roles_of, roles_open, wanted
from sandbox.core.asks import Ask, AskAction, AskDecision, AskState, moved
from sandbox.core.lifecycle import Sandbox
from sandbox.core.phases import Action, AwaitingApproval
from sandbox.core.phases import Denied as DeniedPhase
from sandbox.core.policy import Decision
from sandbox.core.ports import Context, Transaction
from sandbox.usecases.asks import caller, use_ask
from sandbox.usecases.duties import PERSONAL, duties, eligible
from sandbox.usecases.recording import record


def awaited(context: Context, sandbox: Sandbox) -> Wanted | None:
    """Return whose yes `sandbox` waits for, and what was said; None if it waits for nobody's."""
    if not isinstance(sandbox.phase, AwaitingApproval) or sandbox.lapsed(context.now()):
        return None
    with context.registry.reading() as tx:
        ask = tx.ask(sandbox.ask)
    assert ask is not None
    return wanted_of(context, ask)


def wanted_of(context: Context, ask: Ask) -> Wanted:
    """Return whose yes `ask` waits for."""
    left = lacking(ask.wants, ask.yeses)
    found, roles = would_want(context, left, ask.asked_by.name), roles_open(ask)
    there = {"request": ask.id, "until": ask.due, "given": ask.yeses, "asked": roles}
    there["approvers"] = eligible(context, roles, (ask.asked_by.name,))
    return found.model_copy(update=there)


def would_want(context: Context, wants: Wants, asked_by: str) -> Wanted:
    """Return who can say yes to what `asked_by` wants, and what to know of it here."""
    nobody = [
        f"Nobody can say yes: people.yaml names no one else who is {' or '.join(roles)}."
        for roles in dict.fromkeys(wants.values())
        if duties(context) != PERSONAL and not eligible(context, roles, (asked_by,))
    ]
    return Wanted(
        lacking=dict(wants),
        approvers=eligible(context, roles_of(wants), (asked_by,)),
        notes=(*nobody, duties(context)),
    )


def use_yes(context: Context, tx: Transaction, sandbox: Sandbox) -> None:
    """Write that the yes by which `sandbox` was let in is used, if it needed one."""
    ask = tx.ask(sandbox.ask) if sandbox.ask else None
    # Its day may have passed while it was made; then nothing is left to be used.
    if ask is not None and ask.state_at(context.now()) is AskState.ACCEPTED:
        use_ask(context, tx, ask.id)


def not_approved(tx: Transaction, sandbox: Sandbox, decision: Decision) -> Wants:
    """Return what `decision` wants a yes for that `sandbox` was not let in by."""
    ask, wants = tx.ask(sandbox.ask) if sandbox.ask else None, wanted(decision)
    return lacking(wants, counting(ask, wants) if ask else ())


def write_lapsed(context: Context, tx: Transaction, waiting: Sandbox) -> None:
    """Write that nobody said yes to a sandbox in time."""
    assert isinstance(waiting.phase, AwaitingApproval)
    why = waiting.phase.why_lapsed
    over = DeniedPhase(since=waiting.phase.until, why=why)
    tx.save_sandbox(waiting.moved(Action.REJECT, over, context.now()))
    record(context, tx, "sandbox.lapsed", waiting.name, reason=why, id=waiting.id, ask=waiting.ask)


def withdraw(context: Context, tx: Transaction, waiting: Sandbox, why: str) -> None:
    """Write that what a sandbox waited for is asked no more, if nobody has answered it."""
    now, ask = context.now(), tx.ask(waiting.ask)
    if ask is None or ask.state_at(now) is not AskState.WAITING:
        return
    decision = AskDecision(by=caller(context), at=now, reason=why)
    revoked = moved(ask, AskAction.REVOKE, now, decision)
    tx.save_ask(revoked)
    record(context, tx, "ask.revoked", ask.subject, reason=why, id=ask.id, kind=ask.kind)
