"""Approvals: whose yes each rule wants, which were given, and what is still lacking. Pure.

A rule that asks for an approval is satisfied by a yes of one person who has one of its roles. Rules
with other roles want a yes each; one person with several roles gives all of theirs at once.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from pydantic import AwareDatetime

from sandbox.core.asks import Ask, AskAction, AskDecision, moved
from sandbox.core.errors import Conflict
from sandbox.core.policy import Decision
from sandbox.core.values import Value

# The roles by rule: each rule wants a yes of one of its roles.
Wants = Mapping[str, tuple[str, ...]]


class Wanted(Value):
    """Whose yes something waits for, and what was said so far.

    `request` is the ask ("" where nothing is asked yet), `lacking` are the rules without a yes,
    each with the roles of which one may give it; `approvers` names who can, as far as the home
    knows its people. `given` are the yeses that there are. `asked` are the roles whose answer is
    wanted where no rule lacks one any more.
    """

    request: str = ""
    until: AwareDatetime | None = None
    lacking: dict[str, tuple[str, ...]]
    approvers: tuple[str, ...] = ()
    given: tuple[AskDecision, ...] = ()
    asked: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Whose yes is lacking, as people read it."""
        return spoken(self.lacking) or " or ".join(self.asked)


def wanted(decision: Decision) -> dict[str, tuple[str, ...]]:
    """Return the rules that ask for a yes, each with the roles of which one may give it."""
    return {finding.rule: finding.approval for finding in decision.to_approve()}


def reasons(decision: Decision) -> dict[str, tuple[str, ...]]:
    """Return the rules that ask for a yes, and what each says, as asks keep them."""
    findings = decision.to_approve()
    return {
        "rules": tuple(wanted(decision)),
        "why": tuple(f"{finding.rule}: {finding.sentence.en}" for finding in findings),
    }


def roles_of(wants: Wants) -> tuple[str, ...]:
    """Return all roles that are asked, each once."""
    return tuple(dict.fromkeys(role for roles in wants.values() for role in roles))


def lacking(wants: Wants, yeses: Iterable[AskDecision]) -> dict[str, tuple[str, ...]]:
    """Return what no yes was given for."""
    given = {rule for yes in yeses for rule in yes.rules}
    return {rule: roles for rule, roles in wants.items() if rule not in given}


def roles_open(ask: Ask) -> tuple[str, ...]:
    """Return the roles that can still say yes to `ask`; all that it asks where no rule lacks one.

    The rule that lacked it may be gone by now: what is lacking then is the answer itself.
    """
    return roles_of(lacking(ask.wants, ask.yeses)) or ask.roles


def satisfied(ask: Ask, wants: Wants) -> frozenset[str]:
    """Return the rules of `wants` that a yes to `ask` is for.

    It asked for them, and nobody but those whom they ask today: the yes of others is none to them.
    """
    asked = ask.wants or dict.fromkeys(ask.rules, ask.roles)
    return frozenset(r for r, roles in wants.items() if r in asked and {*asked[r]} <= {*roles})


def counting(ask: Ask, wants: Wants) -> tuple[AskDecision, ...]:
    """Return the yeses to `ask`, each for the rules of `wants` that it counts for."""
    held = satisfied(ask, wants)
    return tuple(
        yes.model_copy(update={"rules": tuple(r for r in yes.rules if r in held)})
        for yes in ask.yeses
    )


def spoken(wants: Wants) -> str:
    """Return whose yes is wanted, as in `it and data-owner or legal`."""
    return " and ".join(dict.fromkeys(" or ".join(roles) for roles in wants.values()))


def agreed(ask: Ask, yes: AskDecision, roles: Collection[str], now: datetime) -> Ask:
    """Return `ask` with one more yes, by somebody who has `roles`: accepted if it was the last one.

    It is given for every rule that wants one of their roles. Raises Conflict if the ask waits no
    longer, or if what they could say yes to has its yes already.
    """
    accepted = moved(ask, AskAction.ACCEPT, now, yes)
    if not ask.wants:
        return accepted
    open_now = lacking(ask.wants, ask.yeses)
    rules = tuple(rule for rule, asked in open_now.items() if {*asked} & {*roles})
    if open_now and not rules:
        raise Conflict(
            f"What {yes.by.name} can say yes to has its yes already; "
            f"it still waits for a yes of {spoken(open_now)}.",
            subject=ask.id,
            hint=f"See: sandbox request show {ask.id}",
            details={"state": ask.state.value, "lacking": open_now},
        )
    given = yes.model_copy(update={"rules": rules})
    yeses = (*ask.yeses, given)
    if lacking(ask.wants, yeses):
        return ask.model_copy(update={"yeses": yeses})
    return accepted.model_copy(update={"yeses": yeses, "decision": given})
