"""`policy explain`: a rule in words; or a decision, why it is so, and what would pass instead."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from pydantic import Field, ValidationError

from sandbox.core.asks import Ask, AskDecision, AskState
from sandbox.core.audit import NewEvent
from sandbox.core.errors import NotFound
from sandbox.core.explaining import Explanation, explained
from sandbox.core.policy import Decision
from sandbox.core.ports import Context, Transaction
from sandbox.core.rejudging import (
    QUIET,
    completed,
    judged_again,
    repeated,
    rules_from,
    same,
    waivers_of,
)
from sandbox.core.rules import PolicySet, note_of
from sandbox.core.text import clean, closest
from sandbox.core.values import Request, Result, Value
from sandbox.core.version import VERSION
from sandbox.usecases.desk import answers
from sandbox.usecases.duties import eligible
from sandbox.usecases.exempt import exempt
from sandbox.usecases.policies import RuleResult, ShowRuleRequest, show_rule
from sandbox.usecases.recording import about


class Origin(Value):
    """Where a decision is on record.

    `repeatable` says whether judging it once more, by the rules that are kept of that day, gives
    the same; None if those rules are not kept, or not known to this version. `ask` is the request
    for somebody's yes that came of it.
    """

    event: int
    code: str
    at: datetime
    subject: str
    actor: str
    repeatable: bool | None
    ask: str = ""


class PolicyExplainResult(Result):
    """A rule in words; or a decision with what stands against it by today's rules.

    `decision` is the one on record, `today` what the rules of today say to the same request (None
    where nothing is judged there any more), `explanation` is about `today`. `people` are those who
    have the roles that can exempt or approve, as far as the home knows its people. `yeses` are
    those that were given to what was decided, `refused` is a no. A waiver is for `waivable`.
    """

    rule: RuleResult | None = None
    origin: Origin | None = None
    decision: Decision | None = None
    today: Decision | None = None
    explanation: Explanation | None = None
    people: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    yeses: tuple[AskDecision, ...] = ()
    refused: AskDecision | None = None
    waivable: str = ""


class PolicyExplainRequest(Request[PolicyExplainResult]):
    """Ask about a rule by its id, a decision by its event, or the last one about a name."""

    what: str


@answers(PolicyExplainRequest)
def explain(context: Context, request: PolicyExplainRequest) -> PolicyExplainResult:
    """Return a rule or a decision in words; raises NotFound with the nearest."""
    policies = context.catalogue.policies()
    what = request.what.strip()
    if any(rule.id == what for rule in policies.rules):
        return PolicyExplainResult(rule=show_rule(context, ShowRuleRequest(rule=what)))
    with context.registry.reading() as tx:
        found = _event(tx, what)
        if found is None:
            raise _unknown(tx, what, policies)
        origin, decision = found
        return _decided(context, tx, origin, decision, policies)


def _event(tx: Transaction, what: str) -> tuple[Origin, Decision] | None:
    """Return the decision of event number `what`, else the last one about that subject."""
    for seq, event in _events(tx, what):
        decision = _read(event.details.get("decision"))
        if decision is not None:
            origin = Origin(
                event=seq,
                code=event.code,
                at=event.at,
                subject=event.subject,
                actor=event.actor,
                repeatable=_repeatable(tx, decision),
                ask=str(event.details.get("ask", "")),
            )
            return origin, decision
    return None


def _events(tx: Transaction, what: str) -> Iterator[tuple[int, NewEvent]]:
    """Yield the event of that number; else those about that name, the newest first."""
    number = what.removeprefix("#")
    if number.isdecimal():
        wanted = int(number)
        bodies = (body for seq, _, _, body in tx.chain() if seq == wanted)
        yield from ((wanted, NewEvent.model_validate_json(body)) for body in bodies)
    else:
        yield from about(tx, what)


def _read(said: Any) -> Decision | None:
    try:
        return Decision.model_validate(said) if isinstance(said, Mapping) else None
    except ValidationError:  # of a version that kept less
        return None


def _repeatable(tx: Transaction, decision: Decision) -> bool | None:
    """Say whether the rules kept then say the same again; None if nobody can tell.

    Raises Conflict if what is kept was changed.
    """
    text = tx.noted(note_of(decision.policy_digest))
    if text is None:
        return None
    try:
        rules = rules_from(text, decision.policy_digest)
    except ValidationError:  # of another version
        return None
    return same(repeated(decision, rules), decision)


def _decided(
    context: Context, tx: Transaction, origin: Origin, decision: Decision, policies: PolicySet
) -> PolicyExplainResult:
    """Return a decision with what today's rules and waivers say to the same.

    Where no rule means that nothing is judged, and there is none any more, they say nothing.
    """
    now, ask = context.now(), tx.ask(origin.ask)
    told = _answered(PolicyExplainResult(origin=origin, decision=decision), ask)
    if decision.point in QUIET and not policies.in_force(decision.point, now):
        return told
    subject, owner = _waivable(context, origin, decision)
    waived = exempt(tx, subject, owner, now) if owner else waivers_of(decision)
    today = judged_again(completed(decision), policies, now=now, waived=waived, tool=VERSION)
    explanation = explained(today, policies, now=now, waived=waived)
    people = _people(context, explanation, ask.asked_by.name if ask else origin.actor)
    found = {"today": today, "explanation": explanation, "people": people, "waivable": subject}
    return told.model_copy(update=found)


def _answered(told: PolicyExplainResult, ask: Ask | None) -> PolicyExplainResult:
    """Return `told` with the answers that were given to `ask`."""
    if ask is None:
        return told
    refused = ask.decision if ask.state is AskState.REFUSED else None
    return told.model_copy(update={"yeses": ask.yeses, "refused": refused})


def _waivable(context: Context, origin: Origin, decision: Decision) -> tuple[str, str]:
    """Return what waivers count for what was judged, and of whom: of a snapshot, its source's."""
    source = str(decision.document.get("source", ""))
    if decision.point == "snapshot" and source in context.catalogue.sources():
        return source, context.catalogue.source(source).owners.extract
    return origin.subject, _owner(decision)


def _owner(decision: Decision) -> str:
    for name in ("owner", "by"):
        if isinstance(found := decision.document.get(name), str):
            return found
    return ""


def _people(context: Context, explanation: Explanation, asker: str) -> dict[str, tuple[str, ...]]:
    """Return who has the roles that can exempt or approve, other than who asked."""
    if context.catalogue.people() is None:
        return {}
    roles = {exemption.role for exemption in explanation.exempt}
    roles |= {role for several in explanation.approvals.values() for role in several}
    return {role: eligible(context, (role,), (asker,)) for role in sorted(roles)}


def _unknown(tx: Transaction, what: str, policies: PolicySet) -> NotFound:
    known = [*(rule.id for rule in policies.rules), *(s.name for s in tx.sandboxes())]
    return NotFound(
        "There is no such rule, and no decision about that name or of that event."
        + closest(what, known),
        subject=clean(what),
        hint="See: sandbox policy list, or sandbox audit list for numbers of events",
    )
