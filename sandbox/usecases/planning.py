"""`plan`: everything that `up` would do, what it would cost, and what policy would say."""

import statistics
from typing import Literal

from sandbox.core.anatomy import LAB_SEED_MB
from sandbox.core.errors import Conflict
from sandbox.core.lifecycle import Spec
from sandbox.core.policy import Decision
from sandbox.core.ports import Context, Transaction
from sandbox.core.resolving import Wish
from sandbox.core.snapshot import Snapshot
from sandbox.core.values import Request, Result, Value
from sandbox.usecases.desk import answers
from sandbox.usecases.images import missing
from sandbox.usecases.provisioning import running_already
from sandbox.usecases.wishes import Resolved, decide, resolve_wish


class PlannedContainer(Value):
    """A container that `up` would start."""

    part: str
    image: str
    built: bool
    memory_mb: int
    cpus: float


class Forecast(Value):
    """What `up` will cost. `seconds` is the median of earlier ones here, None before the first."""

    seconds: float | None
    images_to_build: int
    replica_bytes: int
    replica_shared_bytes: int
    lab_bytes: int


Answer = Literal["made", "runs", "taken", "denied"]


class PlanResult(Result):
    """Everything `up` would do. Nothing was touched.

    `answer`: it would be made; it runs already and would be returned; its name is taken, `why`
    and `hint` being what `up` would say; policy denies it.
    """

    name: str
    answer: Answer
    why: str = ""
    hint: str = ""
    spec: Spec
    decision: Decision
    containers: tuple[PlannedContainer, ...]
    forecast: Forecast
    replica: Snapshot


class PlanRequest(Request[PlanResult]):
    """Ask what `up` would do."""

    wish: Wish


@answers(PlanRequest)
def plan(context: Context, request: PlanRequest) -> PlanResult:
    """Return what `up` would do with the same wish, touching nothing."""
    resolved = resolve_wish(context, request.wish)
    with context.registry.reading() as tx:
        answer, decision, refusal = _answer(context, tx, resolved)
        past = _past_seconds(tx, resolved.template.name)
    to_build = {image.tag for image in missing(context, resolved.images.all())}
    return PlanResult(
        name=request.wish.name,
        answer=answer,
        why=refusal.message if refusal else "",
        hint=refusal.hint if refusal else "",
        spec=resolved.spec,
        decision=decision,
        containers=_planned_containers(resolved, to_build),
        forecast=_forecast(resolved, past, len(to_build)),
        replica=resolved.snapshot,
    )


def _answer(
    context: Context, tx: Transaction, resolved: Resolved
) -> tuple[Answer, Decision, Conflict | None]:
    """Return what `up` would answer, by the same steps in the same order."""
    try:
        running = running_already(context, tx, resolved)
    except Conflict as refusal:
        return "taken", decide(context, tx, resolved), refusal
    if running is not None:
        return "runs", Decision.model_validate(running.decision), None
    decision = decide(context, tx, resolved)
    return "denied" if decision.verdict == "deny" else "made", decision, None


def _planned_containers(resolved: Resolved, to_build: set[str]) -> tuple[PlannedContainer, ...]:
    services, images = resolved.template.services, resolved.images
    parts = [(name, images.services[name], s.limits) for name, s in services.items()]
    if resolved.template.lab and images.lab:
        parts.append(("lab", images.lab, resolved.template.lab))
    return tuple(
        PlannedContainer(
            part=name,
            image=image.tag,
            built=image.tag not in to_build,
            memory_mb=limits.memory_mb,
            cpus=limits.cpus,
        )
        for name, image, limits in parts
    )


def _past_seconds(tx: Transaction, template: str) -> list[float]:
    events = (e.read() for e in tx.events(last=500))
    return [
        e.details["seconds"]
        for e in events
        if e.code == "sandbox.ready" and e.details.get("template") == template
    ]


def _forecast(resolved: Resolved, past: list[float], to_build: int) -> Forecast:
    manifest = resolved.snapshot.manifest
    return Forecast(
        seconds=round(statistics.median(past), 1) if past else None,
        images_to_build=to_build,
        replica_bytes=0,
        replica_shared_bytes=manifest.bytes if manifest else 0,
        lab_bytes=LAB_SEED_MB * 1_000_000 if resolved.template.lab else 0,
    )
