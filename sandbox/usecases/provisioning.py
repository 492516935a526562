"""`up`: from a wish to a running sandbox, to one that waits for a yes, or to a denial."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from sandbox.core.approval import Wanted
from sandbox.core.disk import Room
from sandbox.core.errors import Conflict
from sandbox.core.freshness import Freshness, freshness
from sandbox.core.lease import Lease, whole_second
from sandbox.core.lifecycle import Sandbox
from sandbox.core.phases import LIVE, Action, Provisioning, Ready, State
from sandbox.core.phases import Denied as DeniedPhase
from sandbox.core.policy import Decision
from sandbox.core.pool import CLAIMED, NONE_LEFT
from sandbox.core.ports import Context, Transaction
from sandbox.core.resolving import Wish, differences
from sandbox.core.snapshot import Snapshot
from sandbox.core.values import Request, Result
from sandbox.usecases.approving import let_in
from sandbox.usecases.awaiting import awaited, use_yes, write_lapsed
from sandbox.usecases.claiming import Offer, claimed, hand_over, look_into_pool, running, take
from sandbox.usecases.desk import answers
from sandbox.usecases.disk import check_room, look_at_room
from sandbox.usecases.egress import subnets_of_others
from sandbox.usecases.filling import lend_replica
from sandbox.usecases.gateway import ensure_gateway
from sandbox.usecases.images import build_missing
from sandbox.usecases.inbox import pressing
from sandbox.usecases.line import check_line
from sandbox.usecases.making import anatomy_of, make, new_record, place, unmake
from sandbox.usecases.recording import as_reaper, committed, record, still
from sandbox.usecases.starting import write_deadline
from sandbox.usecases.together import together
from sandbox.usecases.views import SandboxView, standing, view
from sandbox.usecases.wishes import Resolved, decide, raise_denial, resolve_wish

# Those that `up` returns again, as people say it; and the events of what is not made at once.
_THERE = {State.READY: "runs", State.AWAITING_APPROVAL: "waits for a yes"}
_WRITTEN = {
    State.DENIED: "sandbox.denied",
    State.AWAITING_APPROVAL: "sandbox.awaiting-approval",
}


class UpResult(Result):
    """A sandbox that runs, or `waits` for somebody's yes. `created`: it did neither before.

    `age` is that of the data. `pool` is `claimed` if the warm pool served it, else why it did not;
    empty where there is none.
    """

    sandbox: SandboxView
    decision: Decision
    replica: Snapshot
    age: Freshness | None = None
    created: bool
    waits: Wanted | None = None
    pool: str = ""
    seconds: float
    inbox: int = 0


class UpRequest(Request[UpResult]):
    """Ask for a sandbox."""

    wish: Wish


class _Reserved(NamedTuple):
    """What is on record now; `created` is False for what ran or waited already."""

    sandbox: Sandbox
    decision: Decision
    created: bool
    pool: str = ""


@answers(UpRequest)
def up(context: Context, request: UpRequest) -> UpResult:
    """Make the sandbox, claim one of the pool, or return the one that runs for the same wish.

    Where policy wants a yes first, it is written down and waits; `approve` makes it. Raises Denied
    with the decision, or where somebody said no to the same lately, Conflict when another sandbox
    has the name, and any error of the way after unmaking what was made.
    """
    began = time.monotonic()
    resolved = resolve_wish(context, request.wish)
    new_id = context.new_id()
    with ExitStack() as held:
        held.enter_context(context.files.working_on(new_id))
        sandbox, decision, created, pool = _reserve(context, resolved, new_id, held)
        if created and sandbox.state is State.PROVISIONING:
            sandbox = provision(context, resolved, sandbox, began)
    replica = resolved.snapshot if created else _mounted(context, resolved, sandbox)
    with context.registry.reading() as tx:
        mine = pressing(context, tx)
    return UpResult(
        sandbox=view(context, sandbox),
        decision=decision,
        replica=replica,
        age=freshness(replica, resolved.max_age, context.now()),
        created=created,
        waits=awaited(context, sandbox),
        pool=pool,
        seconds=round(time.monotonic() - began, 3),
        inbox=mine,
    )


def _mounted(context: Context, resolved: Resolved, sandbox: Sandbox) -> Snapshot:
    """Return the snapshot that a running sandbox sees, which need not be the newest."""
    with context.registry.reading() as tx:
        return tx.snapshot(sandbox.spec.snapshot) or resolved.snapshot


def _reserve(context: Context, resolved: Resolved, new_id: str, held: ExitStack) -> _Reserved:
    """Write the sandbox as provisioning, waiting or denied; or find the one that is there already.

    The pool is asked first. Raises Denied once the denial is on record.
    """
    with context.registry.reading() as tx:
        running_already(context, tx, resolved)  # a name that is taken is told without the engine
        offer = look_into_pool(context, tx, resolved)
    offer = running(context, offer)
    reserved = _from_pool(context, resolved, new_id, offer, held) if offer.serving else None
    if reserved is None:
        why = offer.why or (NONE_LEFT if offer.serving else "")
        reserved = _new(context, resolved, new_id)
        begun = reserved.created and reserved.sandbox.state is State.PROVISIONING
        reserved = reserved._replace(pool=why) if begun else reserved
    raise_denial(resolved.wish.name, reserved.decision)
    if reserved.pool not in ("", CLAIMED):
        context.progress.say("pool", f"pool: {reserved.pool}")
    return reserved


def _from_pool(
    context: Context, resolved: Resolved, new_id: str, offer: Offer, held: ExitStack
) -> _Reserved | None:
    """Reserve one of `offer`; None, with nothing written, if nobody can have one any more."""
    room = look_at_room(context)
    with context.registry.writing() as tx:
        runs = _as_it_runs(context, tx, resolved)
        pooled = None if runs else take(context, tx, offer, held)
        if pooled is None:
            return runs
        own = partial(_own, context, room, pooled)
        return _written(context, tx, resolved, new_id, own, pooled.id)


def _own(context: Context, room: Room, pooled: Sandbox, wanted: Sandbox) -> Sandbox:
    """Return the pooled one as its claimant's; its room was looked for when it was made."""
    check_room(context, room, wanted.name, 0)
    return claimed(pooled, wanted, context.now())


def _new(context: Context, resolved: Resolved, new_id: str) -> _Reserved:
    """Reserve a sandbox that is still to be made, unless it runs by now."""
    foreign, room = together(
        lambda: subnets_of_others(context, egress=bool(resolved.spec.egress)),
        lambda: look_at_room(context),
    )
    with context.registry.writing() as tx:
        runs = _as_it_runs(context, tx, resolved)
        placed = partial(_placed, context, tx, resolved, room, foreign)
        return runs or _written(context, tx, resolved, new_id, placed)


def _placed(
    context: Context,
    tx: Transaction,
    resolved: Resolved,
    room: Room,
    foreign: set[int],
    wanted: Sandbox,
) -> Sandbox:
    """Return it with its place, where there is room."""
    check_room(context, room, wanted.name, wanted.disk_mb)
    return place(context, tx, resolved, wanted, foreign)


def _as_it_runs(context: Context, tx: Transaction, resolved: Resolved) -> _Reserved | None:
    found = running_already(context, tx, resolved)
    if found is None:
        return None
    return _Reserved(found, Decision.model_validate(found.decision), created=False)


def _written(
    context: Context,
    tx: Transaction,
    resolved: Resolved,
    new_id: str,
    made: Callable[[Sandbox], Sandbox],
    besides: str = "",
) -> _Reserved:
    """Judge the request and write it down: as denied, as it waits for a yes, or as `made` gives it.

    `besides` is the id of the pooled sandbox whose place it takes.
    """
    _free_name(context, tx, resolved.wish.name)
    decision = decide(context, tx, resolved, besides)
    sandbox = _new_sandbox(context, resolved, decision, new_id)
    if decision.verdict == "needs-approval":
        sandbox = let_in(context, tx, sandbox, decision)
    if sandbox.state is State.PROVISIONING:
        sandbox = made(sandbox)
    tx.save_sandbox(sandbox)
    record(
        context,
        tx,
        _WRITTEN.get(sandbox.state, "sandbox.requested"),
        sandbox.name,
        reason=sandbox.spec.purpose,
        id=sandbox.id,
        claimed=bool(sandbox.claim),
        ask=sandbox.ask,
        spec=sandbox.spec.model_dump(mode="json"),
        decision=decision.model_dump(mode="json"),
    )
    return _Reserved(sandbox, decision, created=True, pool=CLAIMED if sandbox.claim else "")


def running_already(context: Context, tx: Transaction, resolved: Resolved) -> Sandbox | None:
    """Return the sandbox that is what is wished for, and runs or waits for a yes.

    None if the name is free. Raises Conflict, saying what differs, when something else has the
    name, or when the line is stopped.
    """
    check_line(tx, resolved.wish.name)
    existing, now = tx.sandbox(resolved.wish.name), context.now()
    if existing is None or existing.state not in LIVE or existing.lapsed(now):
        return None
    state = existing.state_at(now)
    if state not in _THERE:
        raise _name_taken(existing, now)
    other_owner = ["owner"] if existing.lease.owner != context.actor.name else []
    differ = other_owner + differences(resolved.wish, existing.spec, resolved.spec)
    if differ:
        raise Conflict(
            f"A sandbox of that name {_THERE[state]} already, with another {', '.join(differ)}.",
            subject=existing.name,
            hint=f"Choose another name, or remove it first: sandbox down {existing.name}",
            details={"differs": differ},
        )
    return existing


def _free_name(context: Context, tx: Transaction, name: str) -> None:
    """Write down that whoever has `name` waited too long for a yes, if that is so."""
    existing = tx.sandbox(name)
    if existing is not None and existing.lapsed(context.now()):
        write_lapsed(as_reaper(context), tx, existing)


def _name_taken(existing: Sandbox, now: datetime) -> Conflict:
    state = existing.state_at(now)
    back = {State.EXPIRED: "restore", State.FROZEN: "resume"}.get(state, "")
    remove = f"Remove it first: sandbox down {existing.name}"
    possible = back in existing.actions_at(now)
    again = f"Bring it back: sandbox {back} {existing.name}\n" if possible else ""
    return Conflict(
        f"The name is taken by a sandbox that is {state}.",
        subject=existing.name,
        hint=again + remove,
        details=standing(existing, now),
    )


def _new_sandbox(context: Context, resolved: Resolved, decision: Decision, new_id: str) -> Sandbox:
    now, denied = context.now(), decision.verdict == "deny"
    phase = DeniedPhase(since=now) if denied else Provisioning(since=now)
    ttl = timedelta(minutes=resolved.spec.ttl_minutes)
    wanted = new_record(context, resolved, new_id, phase, context.actor.name, ttl)
    return wanted.model_copy(update={"decision": decision.model_dump(mode="json")})


def provision(context: Context, resolved: Resolved, sandbox: Sandbox, began: float) -> Sandbox:
    """Make what is on record as provisioning, or hand it over if it was claimed; return it, ready.

    The caller holds it. Any failure unmakes what was made, is written down and raised again.
    """
    lending = 0.0
    try:
        if sandbox.claim:
            lease, deadline = _begun(context, sandbox)
            hand_over(context, sandbox, anatomy_of(context, resolved, sandbox), deadline)
        else:
            build_missing(context, resolved.images.all())
            ensure_gateway(context)
            asked = time.monotonic()
            sandbox = lend_replica(context, resolved, sandbox)
            lending = time.monotonic() - asked
            make(context, sandbox, anatomy_of(context, resolved, sandbox))
            lease, deadline = _begun(context, sandbox)
            write_deadline(context, sandbox, deadline)
        return _finish(context, sandbox, lease, began, lending)
    except BaseException as error:
        if not committed(context, sandbox, State.READY):
            unmake(context, sandbox, error)
        raise


def _begun(context: Context, sandbox: Sandbox) -> tuple[Lease, datetime]:
    """Return the lease with its clock started, and its end."""
    lease = sandbox.lease.model_copy(update={"started": whole_second(context.now())})
    assert lease.deadline is not None
    return lease, lease.deadline


def _finish(
    context: Context, sandbox: Sandbox, lease: Lease, began: float, lending: float
) -> Sandbox:
    """Commit `ready` if it is still wanted; the guards know the deadline by now.

    `lending` are the seconds that went into PostgreSQL's filling, which is done once.
    """
    with context.registry.writing() as tx:
        current = still(tx, sandbox)
        check_line(tx, sandbox.name)
        now = context.now()
        ready = current.moved(Action.FINISH, Ready(since=now), now, lease=lease)
        tx.save_sandbox(ready)
        use_yes(context, tx, ready)
        record(
            context,
            tx,
            "sandbox.ready",
            ready.name,
            id=ready.id,
            template=ready.spec.template,
            claimed=bool(ready.claim),
            deadline=lease.deadline and lease.deadline.isoformat(),
            seconds=round(time.monotonic() - began, 3),
            filling=round(lending, 3) if ready.replica else None,
        )
    return ready
