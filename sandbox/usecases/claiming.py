"""A claim: one sandbox of the pool becomes somebody's own.

It is chosen and taken in the transaction that judges the request; passwords, link and deadline are
made then. A claim that is cut off is settled like any `up` that is cut off.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sandbox.core.anatomy import Anatomy, container_name
from sandbox.core.lifecycle import Sandbox
from sandbox.core.phases import Action, Provisioning, State
from sandbox.core.pool import NONE_LEFT, candidates, why_cold
from sandbox.core.ports import Context, Transaction
from sandbox.usecases.gateway import join_gateway
from sandbox.usecases.making import write_lease
from sandbox.usecases.probing import route_to, settle_lab, wait_for_tool
from sandbox.usecases.together import together
from sandbox.usecases.wishes import Resolved

NOT_RUNNING = "it does not run"


@dataclass(frozen=True)
class Offer:
    """What the pool has for a request: what serves it, oldest first, or in words why nothing does.

    Both are empty where the template is not pooled at all.
    """

    serving: tuple[Sandbox, ...] = ()
    why: str = ""

    @property
    def place(self) -> str:
        """The id of the one whose place the request would take, "" if it takes none."""
        return self.serving[0].id if self.serving else ""


def look_into_pool(context: Context, tx: Transaction, resolved: Resolved) -> Offer:
    """Return what the pool has for a wish at this moment."""
    name = resolved.template.name
    pooled = [s for s in tx.sandboxes([State.POOLED]) if s.spec.template == name]
    if not pooled:
        return Offer(why=NONE_LEFT if context.settings.pool.get(name) else "")
    wanted = resolved.pattern()
    serving = candidates(pooled, name, wanted, context.now())
    why = "" if serving else why_cold(pooled, name, wanted, context.now())
    return Offer(tuple(serving), why)


def running(context: Context, offer: Offer) -> Offer:
    """Return `offer` without those of its first that do not run now; all of it runs a gateway."""
    if not offer.serving:
        return offer
    for number, sandbox in enumerate(offer.serving):
        names = [container_name(sandbox.id, part) for part in sandbox.parts]
        parts = [partial(context.engine.is_running, name) for name in names]
        gateway, *run = together(context.gateway.state, *parts)
        if gateway == "off":
            break
        if all(run):
            return Offer(offer.serving[number:])
    return Offer(why=NOT_RUNNING)


def take(context: Context, tx: Transaction, offer: Offer, held: ExitStack) -> Sandbox | None:
    """Return the first of `offer` that is pooled still and that nobody works on, held alone.

    It is held until `held` ends; None if there is none any more.
    """
    pooled = {s.id: s for s in tx.sandboxes([State.POOLED])}
    for sandbox in offer.serving:
        if sandbox.id in pooled and held.enter_context(context.files.alone_with(sandbox.id)):
            return pooled[sandbox.id]
    return None


def claimed(pooled: Sandbox, wanted: Sandbox, now: datetime) -> Sandbox:
    """Return the record of `pooled` as its claimant's, who asked for `wanted`.

    The claim is named by the id that a sandbox of its own would have had.
    """
    return pooled.moved(
        Action.CLAIM,
        Provisioning(since=now),
        now,
        name=wanted.name,
        lease=wanted.lease,
        spec=wanted.spec,
        decision=wanted.decision,
        ask=wanted.ask,
        created=wanted.created,
        claim=wanted.id,
    )


def hand_over(context: Context, sandbox: Sandbox, anatomy: Anatomy, deadline: datetime) -> None:
    """Make a claimed sandbox its claimant's own; return when its tool answers under its name.

    Its guards get `deadline`, its tool what it was asked for, its lab a new password.
    """
    context.progress.say("up", "Claiming one that is ready")
    together(
        lambda: write_lease(context, sandbox, anatomy, deadline),
        *([lambda: settle_lab(context, sandbox)] if anatomy.lab else []),
        lambda: _open(context, sandbox, anatomy),
    )


def _open(context: Context, sandbox: Sandbox, anatomy: Anatomy) -> None:
    route, path = route_to(context, sandbox, anatomy.endpoint), anatomy.endpoint.path
    context.gateway.open(route)
    if context.gateway.answers(route, path):
        return
    join_gateway(context, sandbox)  # one that was replaced meanwhile is on none of the networks
    wait_for_tool(context, sandbox, anatomy.endpoint)
