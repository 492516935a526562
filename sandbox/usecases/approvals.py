"""`approve` and `reject`: the yes or no to a sandbox that waits for one.

The last yes that is lacking makes the sandbox there and then, in the approver's process, for who
asked for it. Everything is judged again at that moment; what is made is what was asked for.
"""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from sandbox.core.approval import Wanted, counting, reasons, roles_of, roles_open, wanted
from sandbox.core.asks import Ask, AskAction, AskDecision, AskState, CreateAsk, moved
from sandbox.core.errors import Conflict, Denied, NotFound, SandboxError
from sandbox.core.lifecycle import Sandbox
from sandbox.core.people import why_not
from sandbox.core.phases import Action, AwaitingApproval, Provisioning, State
from sandbox.core.phases import Denied as DeniedPhase
from sandbox.core.policy import Decision
from sandbox.core.ports import Context, Transaction
from sandbox.core.values import Request, Result
from sandbox.usecases.asks import answer_of, save_answer, with_yes
from sandbox.usecases.awaiting import awaited
from sandbox.usecases.desk import answers
from sandbox.usecases.disk import check_room, look_at_room
from sandbox.usecases.duties import check_may_answer, check_may_have, duties
from sandbox.usecases.egress import subnets_of_others
from sandbox.usecases.line import check_line
from sandbox.usecases.making import place
from sandbox.usecases.provisioning import provision
from sandbox.usecases.recording import record, still
from sandbox.usecases.sandboxes import alone_with
from sandbox.usecases.together import together
from sandbox.usecases.views import SandboxView, standing, view
from sandbox.usecases.wishes import Resolved, decide, raise_denial, resolve_again


class ApproveResult(Result):
    """A sandbox with one more yes: it runs, or it `waits` for those that are still lacking.

    `notes` tell what to know of duties here.
    """

    sandbox: SandboxView
    decision: Decision
    waits: Wanted | None = None
    notes: tuple[str, ...] = ()
    seconds: float


class ApproveRequest(Request[ApproveResult]):
    """Say yes to a sandbox that waits; with `ask`, only if it waits for that request's answer.

    `name` may be the request's id.
    """

    name: str
    reason: str
    ask: str = ""


class RejectResult(Result):
    """A sandbox that is not made; its view has the reason."""

    sandbox: SandboxView
    notes: tuple[str, ...] = ()


class RejectRequest(Request[RejectResult]):
    """Say no to a sandbox that waits; `name` and `ask` as in ApproveRequest."""

    name: str
    reason: str
    ask: str = ""


@answers(ApproveRequest)
def approve(context: Context, request: ApproveRequest) -> ApproveResult:
    """Say yes; if no other yes is lacking, make the sandbox for its owner.

    Raises InvalidInput without a reason, Denied for whoever may not answer it, or if policy by now
    says no whatever anybody approves (it waits on then), Conflict if it waits no longer or is not
    what was asked for any more; and any error of its making, after which the yes still stands.
    """
    began = time.monotonic()
    yes = answer_of(context, request.reason)
    name, wanted_ask = _meant(context, request)
    with alone_with(context, name) as sandbox:
        _check_waits(context, sandbox, wanted_ask)
        resolved = _resolved(context, sandbox)
        ask = _renewed(context, resolved, sandbox)
        _check_answers(context, sandbox, ask)
        check_may_have(context, sandbox.name, sandbox.lease.owner)
        sandbox, ask, decision = _agreed(context, resolved, sandbox, yes)
        if sandbox.state is State.PROVISIONING:
            sandbox = _made(context, resolved, sandbox, ask, began)
    return ApproveResult(
        sandbox=view(context, sandbox),
        decision=decision,
        waits=awaited(context, sandbox),
        notes=_notes(context, ask),
        seconds=round(time.monotonic() - began, 3),
    )


@answers(RejectRequest)
def reject(context: Context, request: RejectRequest) -> RejectResult:
    """Say no: nothing is made, and the same is refused until its request's day is over.

    Raises as `approve` does.
    """
    no, now = answer_of(context, request.reason), context.now()
    name, wanted_ask = _meant(context, request)
    with alone_with(context, name) as sandbox:
        ask = _check_waits(context, sandbox, wanted_ask)
        _check_answers(context, sandbox, ask)
        with context.registry.writing() as tx:
            current, ask = _waiting(tx, sandbox)
            ask = moved(ask, AskAction.REFUSE, now, no)
            save_answer(context, tx, ask, no)
            phase = DeniedPhase(since=now, why=f"{no.by.name} said no: {no.reason}")
            rejected = current.moved(Action.REJECT, phase, now)
            tx.save_sandbox(rejected)
            about = {"id": rejected.id, "ask": ask.id, "owner": rejected.lease.owner}
            record(context, tx, "sandbox.rejected", rejected.name, reason=no.reason, **about)
    return RejectResult(sandbox=view(context, rejected), notes=_notes(context, ask))


def _may_answer(context: Context, ask: Ask) -> bool:
    if context.catalogue.people() is None:
        return True
    by, roles = ask.asked_by, roles_open(ask)
    found = why_not(context.actor, roles, asked_by=by.name, identity=by.identity)
    return found is None


def _check_answers(context: Context, sandbox: Sandbox, ask: Ask) -> None:
    asked = ask.asked_by
    check_may_answer(
        context, sandbox.name, roles_open(ask), asked_by=asked.name, identity=asked.identity
    )


def _meant(context: Context, request: ApproveRequest | RejectRequest) -> tuple[str, str]:
    """Return the name of the sandbox that is meant, and the request, "" for whatever it waits for.

    Raises NotFound for a request of another kind, Conflict where both are called so: nobody says
    yes to one by the name of the other.
    """
    with context.registry.reading() as tx:
        ask = None if request.ask else tx.ask(request.name.strip().lower())
        named = tx.sandbox(request.name)
    if ask is None or (named is not None and named.ask == ask.id):
        return request.name, request.ask
    if named is not None:
        raise Conflict(
            "This is a request's id and a sandbox's name.",
            subject=ask.id,
            hint="\n".join(_called_so(ask, named)),
        )
    if ask.kind != "create":
        raise NotFound(
            f"This is a request of another kind ({ask.kind}).",
            subject=ask.id,
            hint=f"Answer it: sandbox request accept {ask.id} --reason WHY",
        )
    return ask.subject, ask.id


def _called_so(ask: Ask, named: Sandbox) -> Iterator[str]:
    yield f"The request: sandbox request accept {ask.id} --reason WHY (or refuse)"
    if named.ask:
        yield f"The sandbox: sandbox request accept {named.ask} --reason WHY (or refuse)"


def _check_waits(context: Context, sandbox: Sandbox, wanted_ask: str) -> Ask:
    """Return what waits for an answer; raises Conflict if nothing does, or something else."""
    now = context.now()
    if wanted_ask and sandbox.ask != wanted_ask:
        raise Conflict(
            f"The request {wanted_ask} is over: a later {sandbox.name} has the name.",
            subject=wanted_ask,
            hint=f"See: sandbox request show {wanted_ask}",
        )
    if not isinstance(sandbox.phase, AwaitingApproval):
        raise Conflict(
            f"It waits for nobody's yes: it is {sandbox.state_at(now)}.",
            subject=sandbox.name,
            hint=sandbox.next_step(now),
            details=standing(sandbox, now),
        )
    with context.registry.reading() as tx:
        _, ask = _waiting(tx, sandbox)
    moved(ask, AskAction.REFUSE, now)  # raises what its day or an answer forbids
    return ask


def _waiting(tx: Transaction, sandbox: Sandbox) -> tuple[Sandbox, Ask]:
    """Return the record as it is in this transaction, and what it waits for."""
    current = still(tx, sandbox)
    ask = tx.ask(current.ask)
    assert ask is not None
    return current, ask


def _resolved(context: Context, sandbox: Sandbox) -> Resolved:
    """Return what it would be made of; raises Conflict if that is not what was asked for."""
    resolved = resolve_again(context, sandbox, sandbox.spec.snapshot)
    if resolved.spec != sandbox.spec:
        raise Conflict(
            f"The template {sandbox.spec.template} is another than when this was asked for.",
            subject=sandbox.name,
            hint=f"What nobody asked for is not made. {_ended(sandbox.name)}",
            details={"asked": sandbox.spec.template_digest, "today": resolved.spec.template_digest},
        )
    return resolved


def _renewed(context: Context, resolved: Resolved, sandbox: Sandbox) -> Ask:
    """Return what waits, by the rules that want a yes today; a yes to others counts no more."""
    with context.registry.writing() as tx:
        current, ask = _waiting(tx, sandbox)
        decision = _judged(context, tx, resolved, current)
        wants = wanted(decision)
        if decision.verdict == "deny" or wants == ask.wants:
            return ask
        assert isinstance(ask.content, CreateAsk)
        content = ask.content.model_copy(update=reasons(decision))
        changes = {"wants": wants, "roles": roles_of(wants) or ask.roles, "content": content}
        ask = ask.model_copy(update=changes | {"yeses": counting(ask, wants)})
        if not _may_answer(context, ask):  # `approve` tells them so next
            return ask
        tx.save_ask(ask)
        tx.save_sandbox(_waiting_on(current, ask))
        why, policy = "the rules were changed", decision.policy_digest
        about: dict[str, Any] = {"id": ask.id, "wants": wants, "policy": policy}
        record(context, tx, "ask.renewed", sandbox.name, reason=why, **about)
    return ask


def _judged(context: Context, tx: Transaction, resolved: Resolved, waiting: Sandbox) -> Decision:
    """Return what policy says to it now; Denied, for data that is too old, says how it goes on."""
    try:
        return decide(context, tx, resolved, waiting.id, waiting.lease.owner)
    except Denied as error:
        error.hint = f"{error.hint}\n{_ended(waiting.name)}".strip()
        raise


def _ended(name: str) -> str:
    """Return what to do about what can be made no more as it was asked for."""
    return f"End it: sandbox reject {name} --reason WHY; then its owner asks again."


def _agreed(
    context: Context, resolved: Resolved, sandbox: Sandbox, yes: AskDecision
) -> tuple[Sandbox, Ask, Decision]:
    """Write the yes, and if it was the last one, the sandbox as provisioning, with its place."""
    foreign, room = together(
        lambda: subnets_of_others(context, egress=bool(resolved.spec.egress)),
        lambda: look_at_room(context),
    )
    with context.registry.writing() as tx:
        check_line(tx, sandbox.name)
        current, ask = _waiting(tx, sandbox)
        decision = _judged(context, tx, resolved, current)
        if decision.verdict == "deny":
            said = decision.model_dump(mode="json")
            about = {"id": current.id, "ask": ask.id, "decision": said}
            why = yes.reason
            record(context, tx, "sandbox.approval-denied", current.name, reason=why, **about)
        else:
            ask = with_yes(context, ask, yes)
            save_answer(context, tx, ask, yes)
            current = _waiting_on(current, ask)
            if ask.state is AskState.ACCEPTED:
                check_room(context, room, current.name, current.disk_mb)
                placed = partial(place, context, tx, resolved, foreign=foreign)
                current = _approved(context, tx, placed(sandbox=current), ask, decision)
            tx.save_sandbox(current)
    raise_denial(sandbox.name, decision)
    return current, ask, decision


def _waiting_on(sandbox: Sandbox, ask: Ask) -> Sandbox:
    """Return the record of one that waits on for what `ask` lacks."""
    assert isinstance(sandbox.phase, AwaitingApproval)
    phase = sandbox.phase.model_copy(update={"roles": roles_open(ask)})
    return sandbox.model_copy(update={"phase": phase})


def _approved(
    context: Context, tx: Transaction, placed: Sandbox, ask: Ask, decision: Decision
) -> Sandbox:
    """Return it as provisioning, by what was decided now; the event names every yes."""
    now, said = context.now(), decision.model_dump(mode="json")
    # Where no rule wants a yes any more, there is but the answer itself.
    yeses = ask.yeses or ([ask.decision] if ask.decision else [])
    record(
        context,
        tx,
        "sandbox.approved",
        placed.name,
        reason=ask.decision.reason if ask.decision else "",
        id=placed.id,
        ask=ask.id,
        owner=placed.lease.owner,
        asked_by=ask.asked_by.model_dump(),
        approved_by=[yes.model_dump(mode="json") for yes in yeses],
        same_person=ask.same_person,
        spec=placed.spec.model_dump(mode="json"),
        decision=said,
    )
    return placed.moved(Action.APPROVE, Provisioning(since=now), now, decision=said)


def _made(
    context: Context, resolved: Resolved, sandbox: Sandbox, ask: Ask, began: float
) -> Sandbox:
    """Make it; where that fails, tell that the yes was not in vain."""
    try:
        return provision(context, resolved, sandbox, began)
    except SandboxError as error:
        stands = f"The yes stands until {ask.due:%Y-%m-%d %H:%M} UTC: once that is mended, "
        again = f"{sandbox.lease.owner} asks again by the same `up`"
        newer = f"with --snapshot {sandbox.spec.snapshot} if there is a newer one by then"
        error.hint = f"{error.hint}\n{stands}{again}, {newer}."
        raise


def _notes(context: Context, ask: Ask) -> tuple[str, ...]:
    same = (f"{ask.asked_by.name} asked and answered.",) if ask.same_person else ()
    return (duties(context), *same)
