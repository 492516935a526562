"""Running sandboxes: list, show, open, down."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import Field

from sandbox.core.approval import Wanted
from sandbox.core.asks import AskDecision
from sandbox.core.certificate import Certificate, Kept, Remains
from sandbox.core.egress import Contact
from sandbox.core.errors import Conflict, NotFound, Unavailable
from sandbox.core.freshness import Freshness
from sandbox.core.keeping import NEVER_READY, certificate_of
from sandbox.core.lifecycle import Sandbox
from sandbox.core.objects import Owned
from sandbox.core.phases import LIVE, Removing, State
from sandbox.core.policy import Decision
from sandbox.core.pool import unclaimed
from sandbox.core.ports import Context
from sandbox.core.snapshot import Snapshot
from sandbox.core.text import check_name, closest
from sandbox.core.values import Request, Result, Value
from sandbox.usecases.ages import age_of
from sandbox.usecases.awaiting import awaited
from sandbox.usecases.desk import answers
from sandbox.usecases.destroying import end
from sandbox.usecases.duties import withheld
from sandbox.usecases.egress import Told, contacts_of
from sandbox.usecases.idling import warned_by, with_use
from sandbox.usecases.inbox import pressing
from sandbox.usecases.line import Stopped, stopped_line
from sandbox.usecases.probing import route_to
from sandbox.usecases.views import SandboxView, standing, view


class ListResult(Result):
    """Sandboxes, oldest first; `line` says who stopped the line and why, if it is stopped.

    `inbox` counts what there is for the caller in theirs. `pooled` counts by template those that
    were made ahead and wait; they are listed by `everything` alone.
    """

    sandboxes: tuple[SandboxView, ...]
    pooled: dict[str, int] = Field(default_factory=dict)
    line: Stopped | None = None
    inbox: int = 0


class ListRequest(Request[ListResult]):
    """Ask which sandboxes are active; with `everything`, also those that expired or ended."""

    everything: bool = False


class Part(Value):
    """One engine object of a sandbox, as the engine has it now."""

    kind: str
    name: str
    role: str
    running: bool


class ShowResult(Result):
    """All that is known of one sandbox: of a destroyed one its certificate.

    There is no decision on one of the pool. `remains` could not be removed when that was last
    tried; `contacts` are hosts outside that its proxy was asked for (`contacts_whole`: all of
    them). `unseen` says why the engine could not tell how it is now: the rest is what is on record.
    `idle` is what the rules say to one whose owner was warned that nobody uses it. `age` is that of
    the data which the replica holds. `waits` is whose yes it waits for, `yeses` are those
    that were given. `withheld` are the verbs for which the caller has not the role.
    """

    sandbox: SandboxView
    decision: Decision | None
    replica: Snapshot | None
    age: Freshness | None = None
    parts: tuple[Part, ...]
    remains: tuple[Remains, ...] = ()
    certificate: Certificate | None = None
    contacts: tuple[Contact, ...] = ()
    contacts_whole: bool = True
    unseen: str = ""
    idle: Decision | None = None
    waits: Wanted | None = None
    yeses: tuple[AskDecision, ...] = ()
    withheld: tuple[str, ...] = ()


class ShowRequest(Request[ShowResult]):
    """Ask for one sandbox."""

    name: str


class OpenResult(Result):
    """A link that opens the sandbox once, soon, for whoever has it: it is for its owner."""

    name: str
    link: str


class OpenRequest(Request[OpenResult]):
    """Ask for a fresh link."""

    name: str


class DownResult(Result):
    """What was removed, and what is kept of it (`not_kept`: why nothing is).

    `already`: it had ended before, and nothing was left to remove.
    """

    name: str
    id: str
    already: State | None = None
    removed: tuple[Part, ...]
    kept: Kept | None
    not_kept: str
    seconds: float


class DownRequest(Request[DownResult]):
    """Ask to remove a sandbox; its tables and work files are kept unless `keep` is false."""

    name: str
    reason: str = ""
    keep: bool = True


class NamesResult(Result):
    """Names for the shell's completion."""

    names: tuple[str, ...]


class NamesRequest(Request[NamesResult]):
    """Ask for the names of live sandboxes."""


@answers(ListRequest)
def list_sandboxes(context: Context, request: ListRequest) -> ListResult:
    """Return the sandboxes that are active or on their way; all on record if asked."""
    with context.registry.reading() as tx:
        found = tx.sandboxes(None if request.everything else LIVE)
        line, newest, mine = stopped_line(tx), tx.newest(), pressing(context, tx)
    views = (view(context, s, newest) for s in found if request.everything or not unclaimed(s))
    wanted = tuple(v for v in views if request.everything or v.state is not State.EXPIRED)
    pooled = Counter(s.spec.template for s in found if s.state is State.POOLED)
    return ListResult(sandboxes=wanted, pooled=dict(pooled), line=line, inbox=mine)


@answers(NamesRequest)
def names(context: Context, request: NamesRequest) -> NamesResult:
    """Return the names of live sandboxes."""
    with context.registry.reading() as tx:
        return NamesResult(names=tuple(s.name for s in tx.sandboxes(LIVE) if not unclaimed(s)))


@answers(ShowRequest)
def show(context: Context, request: ShowRequest) -> ShowResult:
    """Return one sandbox, its decision, its replica and its engine objects.

    The record is told even where the engine cannot be asked.
    """
    sandbox = find(context, request.name)
    with context.registry.reading() as tx:
        replica, newest = tx.snapshot(sandbox.spec.snapshot), tx.newest()
        asked = tx.ask(sandbox.ask) if sandbox.ask else None
    parts: tuple[Part, ...] = ()
    unseen = ""
    made = sandbox.state in LIVE and sandbox.state is not State.AWAITING_APPROVAL
    if made:
        try:
            parts = _parts(context, sandbox)
            sandbox = with_use(context, sandbox)
        except Unavailable as error:
            unseen = error.message
    told = contacts_of(context, sandbox) if made else Told()
    return ShowResult(
        sandbox=view(context, sandbox, newest),
        decision=Decision.model_validate(sandbox.decision) if sandbox.decision else None,
        replica=replica,
        age=age_of(context, replica),
        parts=parts,
        remains=sandbox.phase.remains if isinstance(sandbox.phase, Removing) else (),
        certificate=certificate_of(sandbox),
        contacts=told.contacts,
        contacts_whole=told.whole,
        unseen=unseen,
        idle=warned_by(context, sandbox),
        waits=awaited(context, sandbox),
        yeses=asked.yeses if asked else (),
        withheld=withheld(context, sandbox.lease.owner),
    )


@answers(OpenRequest)
def open_link(context: Context, request: OpenRequest) -> OpenResult:
    """Return a fresh link to a running sandbox."""
    sandbox = running(context, request.name)
    assert sandbox.endpoint is not None
    link = context.gateway.link(route_to(context, sandbox, sandbox.endpoint))
    return OpenResult(name=sandbox.name, link=link)


@answers(DownRequest)
def down(context: Context, request: DownRequest) -> DownResult:
    """Remove a sandbox whatever its state, and write what was removed.

    Repeatable: what is gone already is success. Raises NotFound if nothing had that name ever.
    """
    began, found = time.monotonic(), None
    sandbox = find(context, request.name)
    if sandbox.state in LIVE:
        sandbox, found = end(context, sandbox, request.reason, wanted=request.keep)
    certificate = certificate_of(sandbox)
    return DownResult(
        name=sandbox.name,
        id=sandbox.id,
        already=sandbox.state if found is None else None,
        removed=tuple(_part(o) for o in found or ()),
        kept=certificate.kept if certificate else None,
        not_kept=certificate.not_kept if certificate else NEVER_READY,
        seconds=round(time.monotonic() - began, 3),
    )


def find(context: Context, name: str) -> Sandbox:
    """Return the sandbox of that name (live, else the newest that had it); raises NotFound."""
    check_name(name)
    with context.registry.reading() as tx:
        sandbox = tx.sandbox(name)
        known = [s.name for s in tx.sandboxes(LIVE)] if sandbox is None else []
    if sandbox is None:
        raise NotFound(
            "There is no such sandbox." + closest(name, known),
            subject=name,
            hint="See: sandbox list",
        )
    return sandbox


def running(context: Context, name: str) -> Sandbox:
    """Return a sandbox that is ready now; raises Conflict saying what it is instead."""
    sandbox = find(context, name)
    now = context.now()
    state = sandbox.state_at(now)
    if state is not State.READY:
        raise Conflict(
            f"The sandbox is {state}{': ' if sandbox.reason else ''}{sandbox.reason}.",
            subject=name,
            hint=sandbox.next_step(now),
            details=standing(sandbox, now),
        )
    if sandbox.reset:
        raise Conflict(
            f"{sandbox.reset.by} is resetting the sandbox.",
            subject=name,
            hint=f"Wait until that is done; if it was cut off: sandbox reset {name}",
            details=standing(sandbox, now),
        )
    return sandbox


@contextmanager
def alone_with(context: Context, name: str) -> Iterator[Sandbox]:
    """Give the sandbox, held alone: no two commands move one lease, and the reaper keeps off."""
    sandbox = find(context, name)
    with context.files.alone_with(sandbox.id) as alone:
        if not alone:
            raise Conflict(
                "Another command is at work on this sandbox.",
                subject=name,
                hint="Wait until it is done, then ask again.",
                details=standing(sandbox, context.now()),
            )
        yield find(context, name)


def _parts(context: Context, sandbox: Sandbox) -> tuple[Part, ...]:
    found = context.engine.owned(context.registry.installation(), sandbox.id)
    return tuple(_part(o) for o in found)


def _part(found: Owned) -> Part:
    return Part(kind=found.kind, name=found.name, role=found.role, running=found.running)
