"""Keeping the warm pool: making sandboxes ahead, and taking away those that serve nobody any more.

The reaper does both. One that is made ahead is made like any other, and proven; then its route is
closed, and it waits. What cuts this off leaves what the reaper settles.
"""

from sandbox.core.errors import InvalidInput, SandboxError, Unavailable
from sandbox.core.freshness import check_fresh, why_too_old
from sandbox.core.headroom import forecast
from sandbox.core.judged import CreateInput
from sandbox.core.lease import ttl_text
from sandbox.core.lifecycle import Sandbox
from sandbox.core.objects import Owned
from sandbox.core.phases import LIVE, Action, Pooled, Provisioning, State
from sandbox.core.pool import LIFETIME, Pool, Want, lacking, unclaimed
from sandbox.core.ports import Context, Transaction
from sandbox.core.reaping import Chore
from sandbox.core.resolving import Wish
from sandbox.core.values import Value
from sandbox.usecases.destroying import end
from sandbox.usecases.disk import check_room, look_at_room
from sandbox.usecases.egress import subnets_of_others
from sandbox.usecases.filling import lend_replica
from sandbox.usecases.gateway import ensure_gateway
from sandbox.usecases.images import build_missing
from sandbox.usecases.line import check_line
from sandbox.usecases.making import anatomy_of, make, new_record, place, unmake
from sandbox.usecases.recording import as_reaper, committed, record, still
from sandbox.usecases.starting import write_deadline
from sandbox.usecases.together import together
from sandbox.usecases.wishes import Resolved, account_of, resolve_wish


class HomeFull(Unavailable):
    """The home's quota has no room for one more. The pool waits: what people hold goes first."""


class PoolState(Value):
    """How many of a template wait in the pool, and how many should; or why none can be made."""

    template: str
    ready: int
    wanted: int
    trouble: str = ""


def look_at_pool(context: Context) -> Pool:
    """Return what the settings want pooled, after which pattern it would be made, and what is."""
    wants = tuple(_want(context, name, n) for name, n in sorted(context.settings.pool.items()))
    with context.registry.reading() as tx:
        live = tx.sandboxes(LIVE)
    pooled = tuple(s for s in live if s.state is State.POOLED)
    held = any(not unclaimed(s) for s in live)
    # An older gateway is replaced as soon as nobody is on it; those who wait keep nobody busy.
    replaced = bool(pooled) and not held and context.gateway.state() == "older"
    return Pool(wants, pooled, "it keeps an older gateway from being replaced" if replaced else "")


def _want(context: Context, template: str, count: int) -> Want:
    pattern, too_old, now = None, "", context.now()
    try:
        resolved = _resolved(context, template, "pool")
        pattern = resolved.pattern()
        too_old = why_too_old(resolved.snapshot, resolved.max_age, now)
        check_fresh(resolved.snapshot, resolved.max_age, now)
    except SandboxError as error:
        return Want(template, count, pattern, f"{error.message} {error.hint}".strip(), too_old)
    return Want(template, count, pattern)


def pool_states(context: Context) -> tuple[PoolState, ...]:
    """Return how each part of the pool stands."""
    pool = look_at_pool(context)
    short = lacking(pool.wants, pool.pooled, context.now())
    return tuple(
        PoolState(
            template=want.template,
            ready=want.count - short.get(want.template, 0),
            wanted=want.count,
            trouble=want.trouble,
        )
        for want in pool.wants
    )


def retire(context: Context, chore: Chore) -> None:
    """Take away a pooled sandbox that serves nobody any more; the reaper has it alone."""
    with context.registry.reading() as tx:
        pooled = [s for s in tx.sandboxes([State.POOLED]) if s.id == chore.sandbox]
    for sandbox in pooled:
        end(as_reaper(context), sandbox, chore.why)


def empty_pool(context: Context) -> list[Owned]:
    """Take all of the pool away and return what went; nothing while somebody holds a sandbox."""
    with context.registry.reading() as tx:
        live = tx.sandboxes(LIVE)
    if any(not unclaimed(s) for s in live):
        return []
    ends = [end(context, sandbox, "the home was uninstalled") for sandbox in live]
    return [one for _, found in ends for one in found or []]


def fill(context: Context, chore: Chore) -> None:
    """Make one sandbox more for the pool of the template that the chore names.

    Raises what keeps it from being made; nothing stays then. Does nothing where somebody else has
    filled the pool meanwhile.
    """
    own = as_reaper(context)
    new_id = own.new_id()
    resolved = _resolved(own, chore.subject, f"pool-{new_id}")
    check_fresh(resolved.snapshot, resolved.max_age, own.now())
    with own.files.working_on(new_id):
        sandbox = _reserve(own, resolved, new_id)
        if sandbox:
            _make(own, resolved, sandbox)


def _resolved(context: Context, template: str, name: str) -> Resolved:
    """Return what a sandbox made ahead is made from: its template's own words, nobody's purpose."""
    wish = Wish(name=name, template=template, ttl=ttl_text(LIFETIME), owners={"analyse": ""})
    resolved = resolve_wish(context, wish)
    if resolved.spec.egress:
        raise InvalidInput(
            "The template has a way out (egress): such sandboxes are not made ahead.",
            subject=template,
            hint="Take it out of `pool` in sandbox.yaml.",
        )
    return resolved


def _reserve(context: Context, resolved: Resolved, new_id: str) -> Sandbox | None:
    """Write it as provisioning, with its place and journal; None if the pool is full by now."""
    foreign, room = together(
        lambda: subnets_of_others(context, egress=bool(resolved.spec.egress)),
        lambda: look_at_room(context),
    )
    template = resolved.template
    want = Want(template.name, context.settings.pool.get(template.name, 0), resolved.pattern())
    with context.registry.writing() as tx:
        check_line(tx, template.name)
        if not lacking([want], tx.sandboxes(LIVE), context.now()):
            return None
        check_room(context, room, template.name, template.disk_mb)
        _check_home(context, tx, resolved)
        phase = Provisioning(since=context.now())
        nobodys = new_record(context, resolved, new_id, phase, owner="", ttl=LIFETIME)
        sandbox = place(context, tx, resolved, nobodys, foreign)
        tx.save_sandbox(sandbox)
        spec = sandbox.spec.model_dump(mode="json")
        record(context, tx, "pool.requested", sandbox.name, id=sandbox.id, spec=spec)
    return sandbox


def _check_home(context: Context, tx: Transaction, resolved: Resolved) -> None:
    """Raise HomeFull if one more would take the home beyond what its rules allow it."""
    account = account_of(context, tx, resolved.template)
    asked = CreateInput.of(
        resolved.spec,
        resolved.snapshot,
        owner="",
        account=account,
        services=len(resolved.template.services),
    )
    policies = context.catalogue.policies()
    quotas = forecast(policies, "create", asked.as_document(), account, context.now())
    full = [q for q in quotas if q.of == "home" and not q.fits]
    if full:
        raise HomeFull(
            f"The home's quota has no room for one more: {full[0].what} {full[0].held:g} held, "
            f"{full[0].asked:g} asked, {full[0].allowed:g} allowed.",
            subject=resolved.template.name,
            hint="Lower `pool` in sandbox.yaml, or end what nobody needs.",
        )


def _make(context: Context, resolved: Resolved, sandbox: Sandbox) -> None:
    try:
        build_missing(context, resolved.images.all())
        ensure_gateway(context)
        sandbox = lend_replica(context, resolved, sandbox)
        make(context, sandbox, anatomy_of(context, resolved, sandbox))
        _put_in(context, resolved, sandbox)
    except BaseException as error:
        if not committed(context, sandbox, State.POOLED):
            unmake(context, sandbox, error)
        raise


def _put_in(context: Context, resolved: Resolved, sandbox: Sandbox) -> None:
    """Close it, give its guards their time, and commit `pooled` if it is still wanted."""
    context.gateway.close(sandbox.name)
    now = context.now()
    write_deadline(context, sandbox, now + LIFETIME)
    with context.registry.writing() as tx:
        check_line(tx, resolved.template.name)
        phase = Pooled(since=now, pattern=resolved.pattern())
        pooled = still(tx, sandbox).moved(Action.POOL, phase, now)
        tx.save_sandbox(pooled)
        record(context, tx, "pool.filled", pooled.name, id=pooled.id, template=pooled.spec.template)
