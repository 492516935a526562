"""When sandboxes were last used, and what policy makes of those that are not.

The gateway keeps when a person last asked it for each name; the lab tells how long it has worked
for its users. What both say is noted in the record without an event: it changes nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sandbox.core.anatomy import LAB_UID, container_name
from sandbox.core.errors import Conflict, SandboxError
from sandbox.core.idle import (
    broken_rules,
    broken_why,
    idle_chore,
    idle_warning,
    judge_idle,
)
from sandbox.core.lifecycle import Sandbox
from sandbox.core.objects import as_user
from sandbox.core.phases import State
from sandbox.core.policy import Decision
from sandbox.core.ports import Context, Transaction
from sandbox.core.reaping import Chore, Found
from sandbox.core.use import IdleWarned, LabReading, Use
from sandbox.core.waivers import granted, waived
from sandbox.usecases.exempt import exempt
from sandbox.usecases.line import freeze_in
from sandbox.usecases.probing import PSQL
from sandbox.usecases.recording import as_reaper, now_of, record
from sandbox.usecases.starting import stop_all
from sandbox.usecases.together import few_at_once

# Milliseconds that the lab has worked for connections of the lab's own role. Those of its
# superuser, ours, do not count there (`track_activities` in setup.sql), nor does autovacuum.
LAB_WORK = "SELECT active_time FROM pg_stat_database WHERE datname = 'lab'"
# Many commands in a row need not each write when the last one was.
_FINEST = timedelta(minutes=1)


def uses(context: Context, sandboxes: Iterable[Sandbox]) -> dict[str, Use]:
    """Return by id what is known now of the use of those that are ready.

    Without a gateway that can tell, nothing is: then nobody is taken for idle.
    """
    now = context.now()
    ready = [s for s in sandboxes if s.endpoint and s.state_at(now) is State.READY]
    seen = _through_gateway(context) if ready else None
    if seen is None:
        return {}
    found: dict[str, Use] = {}
    for sandbox, worked in few_at_once(partial(_lab_work, context), ready):
        last = seen.get(sandbox.name)
        # Another sandbox may have had the name before.
        begun = sandbox.lease.started or sandbox.created
        own = last if last and last >= begun else None
        found[sandbox.id] = sandbox.use.told(own, worked, now)
    return found


def with_use(context: Context, sandbox: Sandbox) -> Sandbox:
    """Return `sandbox` with its use as it can be told now, for whoever looks at it."""
    use = uses(context, [sandbox]).get(sandbox.id)
    return sandbox.model_copy(update={"use": use}) if use else sandbox


def warned_by(context: Context, sandbox: Sandbox) -> Decision | None:
    """Return what the rules say to `sandbox`, if a warning that nobody uses it holds still."""
    if not idle_warning(sandbox, context.now()):
        return None
    # A policy file that IT must mend hides no sandbox.
    with suppress(SandboxError), context.registry.reading() as tx:
        return _decided(context, tx, sandbox)
    return None


def note(context: Context, known: Mapping[str, Use]) -> None:
    """Keep what was told of the use of sandboxes, where it is news."""
    with context.registry.reading() as tx:
        news = [s for s in tx.sandboxes([State.READY]) if _news(s, known)]
    if not news:
        return
    with context.registry.writing() as tx:
        for sandbox in tx.sandboxes([State.READY]):
            if _news(sandbox, known):
                # What a command wrote meanwhile is newer than what was read before.
                told = known[sandbox.id]
                last = sandbox.use.with_last(told.last).last
                tx.save_sandbox(_with(sandbox, last=last, lab=told.lab))


def note_command(context: Context, sandbox: Sandbox) -> None:
    """Keep that somebody works inside `sandbox` at this moment, by a command of ours."""
    now = context.now()
    if sandbox.use.last is not None and now - sandbox.use.last < _FINEST:
        return
    with context.registry.writing() as tx:
        if current := now_of(tx, sandbox):
            tx.save_sandbox(_with(current, last=now))


@contextmanager
def not_counted(context: Context, sandbox: Sandbox) -> Iterator[None]:
    """Let what the block makes the lab do be no use: our attacks log in as its own user."""
    note(context, uses(context, [sandbox]))
    yield
    worked = _lab_work(context, sandbox)
    if worked is None:
        return
    with context.registry.writing() as tx:
        if current := now_of(tx, sandbox):
            lab = LabReading(at=context.now(), ms=worked)
            tx.save_sandbox(_with(current, lab=lab))


def due(
    context: Context, sandboxes: Iterable[Sandbox], known: Mapping[str, Use]
) -> Mapping[str, Found]:
    """Return by id what the rules at `idle` ask for, of those whose use is known."""
    told = [s.model_copy(update={"use": known[s.id]}) for s in sandboxes if s.id in known]
    if not told:
        return {}
    try:
        policies = context.catalogue.policies()
    except SandboxError as error:
        # Whatever else there is to settle does not wait for IT to mend a file.
        context.progress.say("reap", f"Nobody was judged for being idle: {error.message}")
        return {}
    now, digest = context.now(), policies.digest()
    with context.registry.reading() as tx:
        waivers = granted(tx.asks())
    found: dict[str, Found] = {}
    for s in told:
        exempt_of = waived(waivers, s.name, s.lease.owner, now)
        if chore := idle_chore(s, judge_idle(s, policies, now, exempt_of, digest)):
            found[s.id] = chore
    return found


def freeze(context: Context, chore: Chore) -> None:
    """Freeze a sandbox that a rule wants frozen, by the system, with the decision on record."""
    sandbox = _now(context, chore)
    with context.registry.writing() as tx:
        current, decision = _judged(context, tx, sandbox)
        if decision.verdict != "deny":
            raise Conflict("It was used just now.", subject=current.name)
        said = decision.model_dump(mode="json")
        frozen = freeze_in(as_reaper(context), tx, current, broken_why(decision), decision=said)
    stop_all(context, frozen)


def warn(context: Context, chore: Chore) -> None:
    """Write that a sandbox is not used, so that `list` and `show` say it, once."""
    sandbox = _now(context, chore)
    with context.registry.writing() as tx:
        current, decision = _judged(context, tx, sandbox)
        if idle_chore(current, decision) is None:
            return
        warned = IdleWarned(at=context.now(), rules=broken_rules(decision))
        tx.save_sandbox(_with(current, warned=warned))
        details = {"id": current.id, "decision": decision.model_dump(mode="json")}
        record(context, tx, "sandbox.idle-warned", current.name, reason=chore.why, **details)


def _judged(context: Context, tx: Transaction, sandbox: Sandbox) -> tuple[Sandbox, Decision]:
    """Return the record as it is, with the use that was just read, and what the rules say."""
    current = _ready(tx, sandbox.id, sandbox.name)
    current = _with(current, last=current.use.with_last(sandbox.use.last).last)
    return current, _decided(context, tx, current)


def _decided(context: Context, tx: Transaction, sandbox: Sandbox) -> Decision:
    now = context.now()
    exempt_of = exempt(tx, sandbox.name, sandbox.lease.owner, now)
    return judge_idle(sandbox, context.catalogue.policies(), now, exempt_of)


def _now(context: Context, chore: Chore) -> Sandbox:
    with context.registry.reading() as tx:
        found = _ready(tx, chore.sandbox, chore.subject)
    return with_use(context, found)


def _ready(tx: Transaction, id: str, name: str) -> Sandbox:
    """Return the record of that id; raises Conflict if it is not ready any more."""
    for sandbox in tx.sandboxes([State.READY]):
        if sandbox.id == id:
            return sandbox
    raise Conflict("It is not ready any more.", subject=name)


def _with(sandbox: Sandbox, **changes: Any) -> Sandbox:
    """Return the record with changes of what is known of its use."""
    use = sandbox.use.model_copy(update=changes)
    return sandbox.model_copy(update={"use": use})


def _news(sandbox: Sandbox, known: Mapping[str, Use]) -> bool:
    use = known.get(sandbox.id)
    return use is not None and use.is_news(sandbox.use)


def _through_gateway(context: Context) -> Mapping[str, datetime] | None:
    with suppress(SandboxError):
        return context.gateway.uses()
    return None


def _lab_work(context: Context, sandbox: Sandbox) -> float | None:
    """Return how many milliseconds a lab has worked for its users; None if it does not tell."""
    if "lab" not in sandbox.parts:
        return None
    command = (*PSQL, "-A", "-t", "-c", LAB_WORK)
    with suppress(SandboxError, ValueError):
        lab = container_name(sandbox.id, "lab")
        ran = context.engine.run(lab, command, user=as_user(LAB_UID))
        return float(ran.out) if ran.code == 0 else None
    return None
