"""Waivers: asked for by whom a rule stops, given for a time by who has the role, taken back.

One is an ask (see `asks`); the yes and no are given in `deciding`, and what it exempts from is
resolved wherever something is judged (see `exempt`).
"""

import unicodedata
from datetime import datetime
from itertools import islice

from sandbox.core.asks import Ask, AskAction, AskDecision, AskState, WaiverAsk, moved
from sandbox.core.errors import Conflict, Denied, InvalidInput, NotFound
from sandbox.core.lease import parse_ttl
from sandbox.core.moments import end_of_day, read_moment
from sandbox.core.people import alike
from sandbox.core.phases import LIVE
from sandbox.core.policy import Finding
from sandbox.core.ports import Context, Transaction
from sandbox.core.rules import Rule
from sandbox.core.text import check_name, clean, closest
from sandbox.core.values import Request, Result
from sandbox.core.waivers import check_until, waivable
from sandbox.usecases.asks import (
    AskView,
    RequestResult,
    caller,
    find_ask,
    make_ask,
    told,
    view_of,
)
from sandbox.usecases.desk import answers
from sandbox.usecases.duties import eligible
from sandbox.usecases.recording import about, record

# How far back a denial is looked for, to be shown to whoever answers.
_LAST_EVENTS = 50


class WaiverListResult(Result):
    """Waivers, oldest first; `waiting` counts those that nobody has answered."""

    waivers: tuple[AskView, ...]
    waiting: int


class WaiverListRequest(Request[WaiverListResult]):
    """Ask for the waivers that wait or hold; for all there ever were, if `all`."""

    all: bool = False


class WaiverShowRequest(Request[RequestResult]):
    """Ask for one."""

    id: str


class WaiverRequestRequest(Request[RequestResult]):
    """Ask to be exempt from `rule` for a sandbox, there or still to come, or for a source.

    `until` is a span from now on (7d), a day (through its end, where this machine stands) or a
    moment with its zone.
    """

    rule: str
    subject: str
    reason: str
    until: str
    ticket: str = ""


class WaiverRevokeRequest(Request[RequestResult]):
    """Take one back, given or still waiting."""

    id: str
    reason: str


@answers(WaiverListRequest)
def list_waivers(context: Context, request: WaiverListRequest) -> WaiverListResult:
    """Return waivers, oldest first."""
    with context.registry.reading() as tx:
        views = [view_of(context, ask) for ask in tx.asks() if ask.kind == "waiver"]
    shown = [v for v in views if request.all or v.state in (AskState.WAITING, AskState.ACCEPTED)]
    waiting = sum(view.state is AskState.WAITING for view in views)
    return WaiverListResult(waivers=tuple(shown), waiting=waiting)


@answers(WaiverShowRequest)
def show_waiver(context: Context, request: WaiverShowRequest) -> RequestResult:
    """Return one waiver; raises NotFound with the nearest."""
    with context.registry.reading() as tx:
        return told(context, find_ask(tx, request.id, "waiver"))


@answers(WaiverRequestRequest)
def request_waiver(context: Context, request: WaiverRequestRequest) -> RequestResult:
    """Put the request on record, where it waits for the role that the rule names.

    Raises NotFound for a rule or source that is not there, Denied where nobody can exempt or not
    for so long, InvalidInput without a reason, Conflict where the same waits already.
    """
    reason, now = _why(request.reason), context.now()
    rule = _rule(context, request.rule)
    until = _until(now, request.until)
    check_until(rule, until, now)
    with context.registry.writing() as tx:
        content, notes = _content(context, tx, rule, request, until)
        subject = request.subject.strip()
        _check_once(tx, subject, content, now)
        ask = make_ask(
            context,
            tx,
            content,
            subject=subject,
            purpose=reason,
            roles=(waivable(rule).approver_role,),
            waits=min(context.settings.approvals.waits, until - now),
        )
    return told(context, ask, notes=notes)


@answers(WaiverRevokeRequest)
def revoke(context: Context, request: WaiverRevokeRequest) -> RequestResult:
    """Take a waiver back: it counts no more from this moment on.

    Raises Denied to whom it is no business of, Conflict when there is nothing to take back.
    """
    now = context.now()
    decision = AskDecision(by=caller(context), at=now, reason=_why(request.reason))
    with context.registry.reading() as tx:
        ask = find_ask(tx, request.id, "waiver")
    _check_concerned(context, ask)
    with context.registry.writing() as tx:
        ask = moved(find_ask(tx, ask.id), AskAction.REVOKE, now, decision)
        tx.save_ask(ask)
        said = {"id": ask.id, "kind": ask.kind, "content": ask.content.model_dump(mode="json")}
        record(context, tx, "ask.revoked", ask.subject, reason=decision.reason, **said)
    outcome = "It exempts from nothing any more; what runs goes on. See: sandbox policy scan"
    return told(context, ask, outcome=outcome)


def give(context: Context, ask: Ask) -> str:
    """Return what follows from a yes to a waiver; the rule, as it stands today, has the say.

    Raises NotFound when there is no such rule any more, Denied when nobody can exempt from it, not
    for so long, or another role by now; InvalidInput when its end is over, Conflict when the rule
    has another title, for then it is not what was asked for.
    """
    assert isinstance(ask.content, WaiverAsk)
    rule = _rule(context, ask.content.rule)
    check_until(rule, ask.content.until, context.now())
    role = waivable(rule).approver_role
    anew = f"Ask anew: sandbox waiver request {rule.id} {ask.subject}"
    if role not in ask.roles:
        raise Denied(
            f"The rule was changed: {role} exempts from it now.", subject=ask.id, hint=anew
        )
    if rule.title != ask.content.title:
        raise Conflict(
            "The rule was changed: it wants something else now.",
            subject=ask.id,
            hint=f"{rule.title.en} / {rule.title.ja}\n{anew}",
        )
    return f"It holds until its end, or until: sandbox waiver revoke {ask.id} --reason WHY"


def _why(reason: str) -> str:
    if reason.strip():
        return reason.strip()
    hint = 'Say why: --reason "The campaign runs two weeks, the shops open late"'
    raise InvalidInput("There is no reason.", subject="--reason", hint=hint)


def _rule(context: Context, wanted: str) -> Rule:
    """Return the rule of that id; raises NotFound with the nearest."""
    rules = {rule.id: rule for rule in context.catalogue.policies().rules}
    plain = unicodedata.normalize("NFKC", wanted).strip().lower()
    if found := rules.get(plain):
        return found
    raise NotFound(
        "There is no such rule." + closest(plain, rules),
        subject=clean(wanted),
        hint="See: sandbox policy list",
    )


def _until(now: datetime, written: str) -> datetime:
    """Return the moment that somebody means, in whole seconds, none later than they mean."""
    # Japanese keyboards type full-width digits; NFKC makes them plain.
    plain = unicodedata.normalize("NFKC", written).strip()
    found = read_moment(plain)
    try:
        if found is None:
            return (now + parse_ttl(plain)).replace(microsecond=0)
        if isinstance(found, datetime):
            return found.astimezone(now.tzinfo)
        # The machine's zone of that day, not of today: clocks are changed in between.
        return end_of_day(found).astimezone(now.tzinfo)
    except (InvalidInput, OverflowError, ValueError):  # years that no clock reaches
        raise InvalidInput(
            "This is neither a span of time nor a day.",
            subject=f"--until {clean(written)}",
            hint='For example: 7d, 72h, 2026-12-31, "2026-12-31T18:00+09:00"',
        ) from None


def _content(
    context: Context, tx: Transaction, rule: Rule, request: WaiverRequestRequest, until: datetime
) -> tuple[WaiverAsk, tuple[str, ...]]:
    """Return what is asked for, and what to know of it."""
    name = request.subject.strip()
    live = tx.sandbox(name)
    live = live if live and live.state in LIVE else None
    source = live is None and _about_sources(context, rule, name)
    owner, notes = context.actor.name, list[str]()
    if source:
        owner = context.catalogue.source(name).owners.extract
    elif live:
        owner = live.lease.owner or owner
    else:
        check_name(name)
        notes = [f"There is no sandbox {name} now: it is for one of {owner}'s by that name."]
    found = _denied(tx, name, owner, rule.id)
    content = WaiverAsk(
        rule=rule.id,
        title=rule.title,
        said=found.sentence if found else None,
        what="source" if source else "sandbox",
        owner=owner,
        until=until,
        ticket=request.ticket.strip(),
    )
    return content, tuple(notes)


def _about_sources(context: Context, rule: Rule, name: str) -> bool:
    """Say whether a source is meant: the rule judges nothing else, or there is one of that name."""
    if "snapshot" not in rule.at:
        return False
    return rule.at == ("snapshot",) or name in context.catalogue.sources()


def _denied(tx: Transaction, subject: str, owner: str, rule: str) -> Finding | None:
    """Return how the rule was last broken by that subject of that owner, as far as is on record."""
    for _, event in islice(about(tx, subject), _LAST_EVENTS):
        decision = event.details.get("decision") or {}
        if decision.get("document", {}).get("owner", owner) != owner:
            continue
        for finding in decision.get("findings", ()):
            if finding["rule"] == rule:
                return Finding.model_validate(finding)
    return None


def _check_once(tx: Transaction, subject: str, content: WaiverAsk, now: datetime) -> None:
    for ask in tx.asks(subject):
        before = ask.content
        same = isinstance(before, WaiverAsk) and (before.rule, before.owner) == (
            content.rule,
            content.owner,
        )
        if same and ask.state_at(now) is AskState.WAITING:
            raise Conflict(
                "The same waits already.",
                subject=ask.id,
                hint=f"See: sandbox waiver show {ask.id}. "
                f"To ask anew, take it back first: sandbox waiver revoke {ask.id} --reason WHY",
            )


def _check_concerned(context: Context, ask: Ask) -> None:
    """Raise Denied, once that is on record, unless the caller asked for it, holds what it is for,
    or has the role that gives it."""
    assert isinstance(ask.content, WaiverAsk)
    actor, theirs = context.actor, (ask.asked_by.name, ask.content.owner)
    if context.catalogue.people() is None or actor.answers_as(theirs) & {*ask.roles}:
        return
    if not any(alike(actor.name, name) for name in theirs):
        said = f"{actor.name} neither asked for it, nor can approve it."
        with context.registry.writing() as tx:
            record(context, tx, "answer.denied", ask.subject, reason=said, id=ask.id, why="role")
        raise Denied(
            said,
            subject=ask.id,
            hint=f"Who can: {', '.join(_concerned(context, ask.content.owner, ask))}",
        )


def _concerned(context: Context, owner: str, ask: Ask) -> tuple[str, ...]:
    """Return who can take it back, by name."""
    return tuple(dict.fromkeys((ask.asked_by.name, owner, *eligible(context, ask.roles))))
