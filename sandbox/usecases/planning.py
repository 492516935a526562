"""`plan`: everything that `up` would do, what it would cost, and what policy would say."""

import statistics
from typing import Literal

from sandbox.core.anatomy import LAB_SEED_MB
from sandbox.core.approval import Wanted, wanted
from sandbox.core.asks import AskState
from sandbox.core.disk import Room
from sandbox.core.errors import Conflict, SandboxError, Unavailable
from sandbox.core.freshness import Freshness, freshness
from sandbox.core.headroom import Quota, forecast
from sandbox.core.lifecycle import Sandbox, Spec
from sandbox.core.phases import State
from sandbox.core.policy import Decision
from sandbox.core.pool import CLAIMED
from sandbox.core.ports import Context, Transaction
from sandbox.core.replica import PostgresForecast
from sandbox.core.resolving import Wish
from sandbox.core.snapshot import Snapshot
from sandbox.core.template import Template
from sandbox.core.values import Request, Result, Value
from sandbox.usecases.approving import answered_before, waits
from sandbox.usecases.awaiting import awaited, would_want
from sandbox.usecases.claiming import Offer, look_into_pool, running
from sandbox.usecases.desk import answers
from sandbox.usecases.disk import check_room, look_at_room
from sandbox.usecases.exempt import exempt
from sandbox.usecases.filling import foresee
from sandbox.usecases.images import missing
from sandbox.usecases.provisioning import running_already
from sandbox.usecases.wishes import (
    Resolved,
    account_of,
    decide,
    exemption,
    judge_wish,
    resolve_wish,
)


class PlannedContainer(Value):
    """A container that `up` would start."""

    part: str
    image: str
    built: bool
    memory_mb: int
    cpus: float


class Forecast(Value):
    """What `up` will cost. `seconds` is the median of earlier ones here, None before the first.

    What fills the PostgreSQL replica, once for a snapshot, counts only where that is still to come.
    `disk_mb` is what it may hold on the engine's disk.
    """

    seconds: float | None
    images_to_build: int
    replica_bytes: int
    replica_shared_bytes: int
    lab_bytes: int
    disk_mb: int


Answer = Literal["made", "waits", "runs", "taken", "denied", "full"]


class PlanResult(Result):
    """Everything `up` would do. Nothing was touched.

    `answer`: it would be made; it would wait, or waits, for somebody's yes (`waits`); it runs
    already and would be returned; its name is taken, a disk too full, or somebody said no lately,
    `why` and `hint` being what `up` would say; policy denies it, `hint` telling how
    to ask for an exemption. `quotas` are held and left before it, `room` is what the disks have
    free. `pool` is as in UpResult.
    """

    name: str
    answer: Answer
    why: str = ""
    hint: str = ""
    spec: Spec
    decision: Decision
    waits: Wanted | None = None
    containers: tuple[PlannedContainer, ...]
    forecast: Forecast
    quotas: tuple[Quota, ...]
    room: Room
    replica: Snapshot
    age: Freshness | None = None
    postgres: PostgresForecast | None = None
    pool: str = ""


class PlanRequest(Request[PlanResult]):
    """Ask what `up` would do."""

    wish: Wish


@answers(PlanRequest)
def plan(context: Context, request: PlanRequest) -> PlanResult:
    """Return what `up` would do with the same wish, touching nothing."""
    resolved = resolve_wish(context, request.wish)
    with context.registry.reading() as tx:
        offer = look_into_pool(context, tx, resolved)
    offer = running(context, offer)
    with context.registry.reading() as tx:
        answer, decision, refusal = _answer(context, tx, resolved, offer)
        existing = tx.sandbox(request.wish.name)
        past = _past_seconds(tx, resolved.template, claimed=bool(offer.serving))
        held = account_of(context, tx, resolved.template, offer.place)
        waived = exempt(tx, request.wish.name, context.actor.name, context.now())
    room = look_at_room(context)
    if answer == "made" and (refusal := _no_room(context, room, resolved, offer)):
        answer = "full"
    policies = context.catalogue.policies()
    quotas = forecast(policies, "create", decision.document, held, context.now(), waived)
    postgres = foresee(context, resolved)
    to_build = {image.tag for image in missing(context, resolved.images.all())}
    return PlanResult(
        name=request.wish.name,
        answer=answer,
        why=refusal.message if refusal else "",
        hint=refusal.hint if refusal else exemption(request.wish.name, decision),
        spec=resolved.spec,
        decision=decision,
        waits=_waits(context, decision, existing) if answer == "waits" else None,
        containers=_planned_containers(resolved, to_build),
        forecast=_forecast(resolved, past, len(to_build), postgres),
        quotas=quotas,
        room=room,
        replica=resolved.snapshot,
        age=freshness(resolved.snapshot, resolved.max_age, context.now()),
        postgres=postgres,
        pool=CLAIMED if offer.serving else offer.why,
    )


def _answer(
    context: Context, tx: Transaction, resolved: Resolved, offer: Offer
) -> tuple[Answer, Decision, SandboxError | None]:
    """Return what `up` would answer, by the same steps in the same order."""
    try:
        runs = running_already(context, tx, resolved)
    except Conflict as refusal:
        return "taken", judge_wish(context, tx, resolved, context.actor.name), refusal
    if runs is not None:
        there: Answer = "waits" if runs.state is State.AWAITING_APPROVAL else "runs"
        return there, Decision.model_validate(runs.decision), None
    decision = decide(context, tx, resolved, offer.place)
    if decision.verdict == "needs-approval":
        return _wanting(context, tx, resolved, decision)
    return "denied" if decision.verdict == "deny" else "made", decision, None


def _wanting(
    context: Context, tx: Transaction, resolved: Resolved, decision: Decision
) -> tuple[Answer, Decision, SandboxError | None]:
    """Return what `up` would answer to what wants a yes: the same may have been answered before."""
    ask = answered_before(context, tx, resolved.wish.name, resolved.spec, decision)
    if ask is None:
        return "waits", decision, None
    if ask.state is AskState.REFUSED:
        return "denied", decision, waits(context, ask, decision)
    return "made", decision, None


def _waits(context: Context, decision: Decision, existing: Sandbox | None) -> Wanted:
    """Return whose yes it waits for already, or would."""
    there = existing is not None and not existing.lapsed(context.now())
    found = awaited(context, existing) if existing and there else None
    return found or would_want(context, wanted(decision), context.actor.name)


def _no_room(context: Context, room: Room, resolved: Resolved, offer: Offer) -> Unavailable | None:
    """Return what `up` would say of a disk that is too full."""
    try:
        need = 0 if offer.serving else resolved.template.disk_mb
        check_room(context, room, resolved.wish.name, need)
    except Unavailable as refusal:
        return refusal
    return None


def _planned_containers(resolved: Resolved, to_build: set[str]) -> tuple[PlannedContainer, ...]:
    images = resolved.images.parts()
    return tuple(
        PlannedContainer(
            part=name,
            image=images[name].tag,
            built=images[name].tag not in to_build,
            memory_mb=limits.memory_mb,
            cpus=limits.cpus,
        )
        for name, limits in resolved.template.limits().items()
    )


def _past_seconds(tx: Transaction, template: Template, *, claimed: bool) -> list[float]:
    """Return how long earlier ones took, those that the pool served apart from the others.

    Without what some of them waited for PostgreSQL to be filled; where that is not on record, they
    tell nothing.
    """
    told = (e.read() for e in tx.events(last=500))
    ready = [
        e.details
        for e in told
        if e.code == "sandbox.ready"
        and e.details.get("template") == template.name
        and e.details.get("claimed", False) == claimed
    ]
    may_fill = template.postgres and not claimed
    alike = [d for d in ready if not may_fill or d.get("filling") is not None]
    return [d["seconds"] - (d.get("filling") or 0.0) for d in alike]


def _forecast(
    resolved: Resolved, past: list[float], to_build: int, postgres: PostgresForecast | None
) -> Forecast:
    manifest = resolved.snapshot.manifest
    filling = postgres.seconds if postgres and not postgres.filled else 0.0
    return Forecast(
        seconds=round(statistics.median(past) + filling, 1) if past else None,
        images_to_build=to_build,
        replica_bytes=0,
        replica_shared_bytes=manifest.bytes if manifest else 0,
        lab_bytes=LAB_SEED_MB * 1_000_000 if resolved.template.lab else 0,
        disk_mb=resolved.template.disk_mb,
    )
