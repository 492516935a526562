"""Duties: who may ask what, who may answer whom, and what to know of both in this home."""

from collections.abc import Collection
from datetime import date
from typing import Any, NoReturn

from sandbox.core.errors import Conflict, Denied
from sandbox.core.people import FILE, Role, alike, spoken, why_not
from sandbox.core.permissions import VERBS, Verb, granted
from sandbox.core.ports import Context
from sandbox.core.values import Request
from sandbox.usecases.recording import record

PERSONAL = (
    "Personal home: duties are not separated. Whoever asks can answer; both are on record by name."
)
ASSERTED = "Identities are asserted here: everybody is who they say, and could be another."
# What people are told that they can do with one sandbox.
_ON_ONE = frozenset(
    {
        *("up", "open", "sql", "import", "export", "exec", "logs", "extend", "restore", "reset"),
        *("freeze", "resume", "down", "policy explain"),
    }
)
UNGUARDED = "Roles hold for commands; whoever owns the home's files can go round them."
SERVED = "Shared home: the kernel says who asks, and the service's account alone has the files."


def duties(context: Context) -> str:
    """Return what to know of how duties are separated here, for whoever asks or answers."""
    if context.catalogue.people() is None:
        return PERSONAL
    if context.served:
        return SERVED
    return ASSERTED if context.settings.identity == "asserted" else UNGUARDED


def duties_in_short(context: Context) -> str:
    """Return the same for whoever looks at the record: its first sentence."""
    said = duties(context)
    return f"{said.partition('. ')[0]}." if said is PERSONAL else said


def check_may_ask(context: Context, request: Request[Any]) -> None:
    """Raise Denied, once that is on record, unless the caller's roles let them ask this."""
    name = type(request).__name__
    grant = granted(name, context.actor.roles)
    if grant == "any":
        return
    subject = str(getattr(request, "name", ""))
    if grant == "own":
        _check_own(context, name, subject)
    else:
        _refuse_role(context, name, subject)


def eligible(
    context: Context, roles: Collection[str], besides: Collection[str] = ()
) -> tuple[str, ...]:
    """Return who can answer what waits for `roles`, by name; `besides` cannot.

    In a personal home nobody is named: it is whoever owns it.
    """
    people = context.catalogue.people()
    return people.answering(roles, _today(context), besides) if people else ()


def _today(context: Context) -> date:
    return context.now().astimezone().date()


def withheld(context: Context, owner: str | None) -> tuple[str, ...]:
    """Return the verbs on one sandbox for which the caller has not the role; it is `owner`'s.

    In a personal home there are none.
    """
    if context.catalogue.people() is None:
        return ()
    enough = {"any", "own"} if owner == context.actor.name else {"any"}
    names = (name for name in VERBS if granted(name, context.actor.roles) not in enough)
    return tuple(sorted(VERBS[name].words for name in names if VERBS[name].words in _ON_ONE))


def check_may_answer(
    context: Context,
    subject: str,
    roles: Collection[str],
    *,
    asked_by: str,
    identity: str = "",
    owner: str = "",
) -> None:
    """Raise Denied, once that is on record, unless the caller may answer what waits for `roles`.

    Nobody answers what they asked for themselves (`asked_by`, known by `identity`), nor what is
    about something of their own where `owner` says whose it is. In a personal home everybody may:
    see `duties`.
    """
    if context.catalogue.people() is None:
        return
    found = why_not(context.actor, roles, asked_by=asked_by, identity=identity, owner=owner)
    if found is None:
        return
    why, said = found
    able = eligible(context, roles, (asked_by, owner, context.actor.name))
    hint = f"Who can: {', '.join(able)}" if able else f"Nobody can: {FILE} names no one else."
    _refuse(context, "answer.denied", subject, said, hint, why=why, roles=sorted(roles), able=able)


def check_may_have(context: Context, name: str, owner: str) -> None:
    """Raise Conflict where `owner`, who asked for the sandbox `name` once, could do so no more."""
    people = context.catalogue.people()
    makers = people.having(VERBS["UpRequest"].any, _today(context)) if people else (owner,)
    if any(alike(owner, one) for one in makers):
        return
    raise Conflict(
        f"{owner}, whose it would be, may have no sandbox any more.",
        subject=name,
        hint=f"See: sandbox people. End it: sandbox reject {name} --reason WHY",
    )


def _able(context: Context, verb: Verb, subject: str) -> tuple[str, ...]:
    """Return who could: whoever may with anything, and its owner where that is enough."""
    if not verb.own:
        return eligible(context, verb.any)
    owner = _owner(context, subject)
    may = eligible(context, verb.roles())
    return tuple(name for name in may if name == owner or name in eligible(context, verb.any))


def _owner(context: Context, subject: str) -> str | None:
    with context.registry.reading() as tx:
        found = tx.sandbox(subject)
    return found.lease.owner if found else None


def _check_own(context: Context, name: str, subject: str) -> None:
    owner, verb = _owner(context, subject), VERBS[name].words
    # What is not there, or nobody's yet (one of the pool), is the use case's to tell.
    if not owner or owner == context.actor.name:
        return
    said = f"It is {owner}'s sandbox, and {spoken(context.actor)}."
    hint = f"Ask {owner}, or make one of your own: sandbox up"
    _refuse(context, "verb.denied", subject, said, hint, verb=verb, owner=owner)


def _refuse_role(context: Context, name: str, subject: str) -> NoReturn:
    verb, actor = VERBS.get(name), context.actor
    if verb is None:
        said, hint = f"No role may do this ({name}).", "It stands in no row of the table of roles."
        _refuse(context, "verb.denied", subject, said, hint, verb=name)
    if not actor.roles:
        said = f"{actor.name} is nobody here: {actor.identity}."
        _refuse(context, "verb.denied", subject, said, f"IT adds you to {FILE}.", verb=verb.words)
    roles: tuple[Role, ...] = verb.roles()
    said = f"`{verb.words}` is for {', '.join(roles)}; {spoken(actor)}."
    able = _able(context, verb, subject)
    hint = f"Ask one of them: {', '.join(able)}" if able else f"{FILE} names nobody with that role."
    _refuse(context, "verb.denied", subject, said, hint, verb=verb.words, roles=roles, able=able)


def _refuse(
    context: Context, code: str, subject: str, said: str, hint: str, **details: Any
) -> NoReturn:
    with context.registry.writing() as tx:
        record(context, tx, code, subject or context.actor.name, reason=said, **details)
    raise Denied(said, subject=subject or context.actor.name, hint=hint, details=details)
