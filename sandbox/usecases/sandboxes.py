"""Running sandboxes: list, show, open, down."""

import time

from sandbox.core.errors import Conflict, NotFound
from sandbox.core.lifecycle import Sandbox
from sandbox.core.phases import LIVE, State
from sandbox.core.policy import Decision
from sandbox.core.ports import Context
from sandbox.core.snapshot import Snapshot
from sandbox.core.text import check_name, closest
from sandbox.core.values import Request, Result, Value
from sandbox.usecases.desk import answers
from sandbox.usecases.destroying import begin_removal, destroy
from sandbox.usecases.probing import route_to
from sandbox.usecases.views import SandboxView, view


class ListResult(Result):
    """Sandboxes, oldest first."""

    sandboxes: tuple[SandboxView, ...]


class ListRequest(Request[ListResult]):
    """Ask which sandboxes are active; with `everything`, also those that ended."""

    everything: bool = False


class Part(Value):
    """One engine object of a sandbox, as the engine has it now."""

    kind: str
    name: str
    role: str
    running: bool


class ShowResult(Result):
    """All that is known of one sandbox."""

    sandbox: SandboxView
    decision: Decision
    replica: Snapshot | None
    parts: tuple[Part, ...]


class ShowRequest(Request[ShowResult]):
    """Ask for one sandbox."""

    name: str


class OpenResult(Result):
    """The link to a sandbox. Whoever has it can open the sandbox: it is for its owner."""

    name: str
    link: str


class OpenRequest(Request[OpenResult]):
    """Ask for the link."""

    name: str


class DownResult(Result):
    """What was removed."""

    name: str
    id: str
    removed: tuple[Part, ...]
    seconds: float


class DownRequest(Request[DownResult]):
    """Ask to remove a sandbox."""

    name: str
    reason: str = ""


class NamesResult(Result):
    """Names for the shell's completion."""

    names: tuple[str, ...]


class NamesRequest(Request[NamesResult]):
    """Ask for the names of live sandboxes."""


@answers(ListRequest)
def list_sandboxes(context: Context, request: ListRequest) -> ListResult:
    """Return the sandboxes that hold a name and resources; all on record if asked."""
    with context.registry.reading() as tx:
        found = tx.sandboxes(None if request.everything else LIVE)
    return ListResult(sandboxes=tuple(view(context, s) for s in found))


@answers(NamesRequest)
def names(context: Context, request: NamesRequest) -> NamesResult:
    """Return the names of live sandboxes."""
    with context.registry.reading() as tx:
        return NamesResult(names=tuple(s.name for s in tx.sandboxes(LIVE)))


@answers(ShowRequest)
def show(context: Context, request: ShowRequest) -> ShowResult:
    """Return one sandbox, its decision, its replica and its engine objects."""
    sandbox = find(context, request.name)
    with context.registry.reading() as tx:
        replica = tx.snapshot(sandbox.spec.snapshot)
    parts = _parts(context, sandbox) if sandbox.state in LIVE else ()
    return ShowResult(
        sandbox=view(context, sandbox),
        decision=Decision.model_validate(sandbox.decision),
        replica=replica,
        parts=parts,
    )


@answers(OpenRequest)
def open_link(context: Context, request: OpenRequest) -> OpenResult:
    """Return the link of a running sandbox."""
    sandbox = running(context, request.name)
    assert sandbox.endpoint is not None
    link = context.gateway.link(route_to(context, sandbox, sandbox.endpoint))
    return OpenResult(name=sandbox.name, link=link)


@answers(DownRequest)
def down(context: Context, request: DownRequest) -> DownResult:
    """Remove a sandbox whatever its state, and write what was removed. Repeatable."""
    began = time.monotonic()
    with context.registry.writing() as tx:
        sandbox = _live(tx.sandbox(check_name(request.name)), request.name)
        sandbox = begin_removal(context, tx, sandbox, request.reason)
    context.progress.say("down", "Removing containers, network and volumes")
    _, found = destroy(context, sandbox)
    parts = tuple(Part(kind=o.kind, name=o.name, role=o.role, running=o.running) for o in found)
    return DownResult(
        name=sandbox.name, id=sandbox.id, removed=parts, seconds=round(time.monotonic() - began, 3)
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
    state = sandbox.state_at(context.now())
    if state is not State.READY:
        hint = "Its time is over; remove it with: sandbox down " + name
        raise Conflict(
            f"The sandbox is {state}.",
            subject=name,
            hint=hint if state is State.EXPIRED else "See: sandbox show " + name,
            details={"state": state.value},
        )
    return sandbox


def _live(sandbox: Sandbox | None, name: str) -> Sandbox:
    if sandbox is None:
        raise NotFound("There is no such sandbox.", subject=name, hint="See: sandbox list")
    if sandbox.state not in LIVE:
        raise Conflict(
            f"The sandbox is {sandbox.state} already; nothing is left to remove.",
            subject=name,
            hint="See: sandbox list --all",
            details={"state": sandbox.state.value, "allowed_actions": []},
        )
    return sandbox


def _parts(context: Context, sandbox: Sandbox) -> tuple[Part, ...]:
    found = context.engine.owned(context.registry.installation(), sandbox.id)
    return tuple(Part(kind=o.kind, name=o.name, role=o.role, running=o.running) for o in found)
