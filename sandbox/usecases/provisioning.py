"""`plan` and `up`: from a wish to a running sandbox, or to a denial, with nothing left behind."""

import statistics
import time
from dataclasses import dataclass
from datetime import timedelta

from sandbox.core.addressing import first_free, overlapped
from sandbox.core.anatomy import (
    LAB_SEED_MB,
    PROVISIONING_ALLOWANCE,
    Anatomy,
    Images,
    compose,
    deadline_file,
    lease_files,
    LEASE_FOLDER,
)
from sandbox.core.errors import Conflict, Denied, InvalidInput, SandboxError
from sandbox.core.lease import Lease
from sandbox.core.lifecycle import LIVE, Action, Sandbox, Spec, State, transition
from sandbox.core.policy import CreateInput, Decision, evaluate
from sandbox.core.ports import Context, Transaction
from sandbox.core.resolving import Wish, choose_snapshot, differences, lacking_tables, resolve
from sandbox.core.snapshot import Snapshot
from sandbox.core.source import Source
from sandbox.core.template import Template
from sandbox.core.values import Request, Result, Value
from sandbox.core.version import VERSION
from sandbox.usecases.desk import answers
from sandbox.usecases.dismantling import dismantle
from sandbox.usecases.images import build_missing, images_of, missing
from sandbox.usecases.probing import attack, route_to, settle_lab, wait_for_tool
from sandbox.usecases.recording import record
from sandbox.usecases.together import together
from sandbox.usecases.views import SandboxView, view


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


class PlanResult(Result):
    """Everything `up` would do. Nothing was touched."""

    name: str
    spec: Spec
    decision: Decision
    containers: tuple[PlannedContainer, ...]
    forecast: Forecast
    replica: Snapshot
    exists: bool


class PlanRequest(Request[PlanResult]):
    """Ask what `up` would do."""

    wish: Wish


class UpResult(Result):
    """A sandbox that runs. `created` is False when it ran already."""

    sandbox: SandboxView
    decision: Decision
    replica: Snapshot
    created: bool
    seconds: float


class UpRequest(Request[UpResult]):
    """Ask for a sandbox."""

    wish: Wish


@dataclass(frozen=True)
class _Resolved:
    wish: Wish
    template: Template
    source: Source
    snapshot: Snapshot
    images: Images
    spec: Spec


@answers(PlanRequest)
def plan(context: Context, request: PlanRequest) -> PlanResult:
    """Return what `up` would do with the same wish, touching nothing."""
    resolved = _resolve(context, request.wish)
    with context.registry.reading() as tx:
        decision = _decide(context, tx, resolved)
        existing = tx.sandbox(request.wish.name)
        past = _past_seconds(tx, resolved.template.name)
    to_build = {image.tag for image in missing(context, resolved.images.all())}
    return PlanResult(
        name=request.wish.name,
        spec=resolved.spec,
        decision=decision,
        containers=_planned_containers(resolved, to_build),
        forecast=_forecast(resolved, past, len(to_build)),
        replica=resolved.snapshot,
        exists=existing is not None and existing.state in LIVE,
    )


@answers(UpRequest)
def up(context: Context, request: UpRequest) -> UpResult:
    """Make the sandbox, or return the one that already runs for the same wish.

    Raises Denied with the decision, Conflict when another sandbox has the name, and any error of
    the way after unmaking what was made.
    """
    began = time.monotonic()
    resolved = _resolve(context, request.wish)
    sandbox, decision, created = _reserve(context, resolved)
    if created:
        sandbox = _provision(context, resolved, sandbox, began)
    return UpResult(
        sandbox=view(context, sandbox),
        decision=decision,
        replica=resolved.snapshot,
        created=created,
        seconds=round(time.monotonic() - began, 3),
    )


def _resolve(context: Context, wish: Wish) -> _Resolved:
    template = context.catalogue.template(wish.template)
    source = context.catalogue.source(template.needs.source)
    with context.registry.reading() as tx:
        snapshot = choose_snapshot(wish.snapshot, source.name, tx.snapshots(source.name))
    lacking = lacking_tables(template, snapshot)
    if lacking:
        raise InvalidInput(
            f"The snapshot lacks what the template needs: {', '.join(lacking)}.",
            subject=snapshot.id,
            hint=f"Add the tables to sources/{source.name}.yaml and build a new snapshot.",
        )
    images = images_of(context, template)
    spec = resolve(
        wish,
        template,
        source,
        snapshot,
        digest=context.catalogue.template_digest(template.name),
        image=images.services[template.answers].tag,
        actor=context.actor.name,
        defaults=context.settings.defaults,
    )
    return _Resolved(wish, template, source, snapshot, images, spec)


def _decide(context: Context, tx: Transaction, resolved: _Resolved) -> Decision:
    total = resolved.template.total()
    mine = [s for s in tx.sandboxes(LIVE) if s.lease.owner == context.actor.name]
    document = CreateInput.of(
        resolved.spec,
        resolved.snapshot,
        owner=context.actor.name,
        owned=len(mine) + 1,
        owned_memory_mb=sum(s.memory_mb for s in mine) + total.memory_mb,
        limits=total,
        services=len(resolved.template.services),
    )
    return evaluate(
        context.catalogue.policies(),
        "create",
        document.as_document(),
        now=context.now(),
        tool_version=VERSION,
    )


def _reserve(context: Context, resolved: _Resolved) -> tuple[Sandbox, Decision, bool]:
    """Write the sandbox as provisioning, or as denied; or find the one that runs already."""
    foreign = overlapped(context.settings.network.range, context.engine.subnets())
    with context.registry.writing() as tx:
        existing = tx.sandbox(resolved.wish.name)
        if existing is not None and existing.state in LIVE:
            same = _same_or_conflict(context, resolved, existing)
            return same, Decision.model_validate(same.decision), False
        decision = _decide(context, tx, resolved)
        denied = decision.verdict == "deny"
        sandbox = _new_sandbox(context, resolved, decision)
        if not denied:
            taken = foreign | {s.subnet for s in tx.sandboxes(LIVE) if s.subnet is not None}
            start = _next_subnet(context, tx)
            index = first_free(context.settings.network.range, taken, start)
            sandbox = sandbox.model_copy(update={"subnet": index})
            anatomy = _anatomy(context, resolved, sandbox)
            sandbox = sandbox.model_copy(update={"endpoint": anatomy.endpoint})
            for kind, name in anatomy.journal():
                tx.journal(sandbox.id, kind, name)
        tx.save_sandbox(sandbox)
        code = "sandbox.denied" if denied else "sandbox.requested"
        record(context, tx, code, sandbox.name, reason=sandbox.spec.purpose, id=sandbox.id,
               spec=sandbox.spec.model_dump(mode="json"),
               decision=decision.model_dump(mode="json"))
    if denied:
        raise Denied(decision.summary(), subject=sandbox.name,
                     details={"decision": decision.model_dump(mode="json")})
    return sandbox, decision, True


def _same_or_conflict(context: Context, resolved: _Resolved, existing: Sandbox) -> Sandbox:
    state = existing.state_at(context.now())
    if state is not State.READY:
        raise Conflict(
            f"The name is taken by a sandbox that is {state}.",
            subject=existing.name,
            hint=f"Remove it first: sandbox down {existing.name}",
            details={"state": state.value},
        )
    other_owner = ["owner"] if existing.lease.owner != context.actor.name else []
    differ = other_owner + differences(resolved.wish, existing.spec, resolved.spec)
    if differ:
        raise Conflict(
            f"A sandbox of that name runs already, with another {', '.join(differ)}.",
            subject=existing.name,
            hint=f"Choose another name, or remove it first: sandbox down {existing.name}",
            details={"differs": differ},
        )
    return existing


def _new_sandbox(context: Context, resolved: _Resolved, decision: Decision) -> Sandbox:
    total = resolved.template.total()
    return Sandbox(
        id=context.new_id(),
        name=resolved.wish.name,
        state=State.DENIED if decision.verdict == "deny" else State.PROVISIONING,
        lease=Lease(owner=context.actor.name, ttl=timedelta(minutes=resolved.spec.ttl_minutes)),
        spec=resolved.spec,
        decision=decision.model_dump(mode="json"),
        created=context.now(),
        memory_mb=total.memory_mb,
        cpus=total.cpus,
        parts=(*resolved.template.services, *(["lab"] if resolved.template.lab else [])),
    )


def _next_subnet(context: Context, tx: Transaction) -> int:
    """Subnets go round: one just given back rests, so that nothing stale meets a new sandbox."""
    used = [s.subnet for s in tx.sandboxes() if s.subnet is not None]
    # Two installations on one engine start apart, so that they seldom want the same subnet.
    return used[-1] + 1 if used else int(context.registry.installation(), 16)


def _anatomy(context: Context, resolved: _Resolved, sandbox: Sandbox) -> Anatomy:
    return compose(
        sandbox,
        resolved.template,
        resolved.images,
        installation=context.registry.installation(),
        network_range=context.settings.network.range,
        replica_volume=resolved.snapshot.volume,
    )


def _provision(
    context: Context, resolved: _Resolved, sandbox: Sandbox, began: float
) -> Sandbox:
    anatomy = _anatomy(context, resolved, sandbox)
    try:
        build_missing(context, resolved.images.all())
        context.gateway.ensure(context.progress)
        _make(context, sandbox, anatomy)
        return _finish(context, sandbox, anatomy, began)
    except BaseException as error:
        _unmake(context, sandbox, error)
        raise


def _make(context: Context, sandbox: Sandbox, anatomy: Anatomy) -> None:
    """Make, start and prove every part; what can happen at once does."""
    context.progress.say("up", "Network and volumes")
    together(lambda: _make_network(context, anatomy), lambda: _make_volumes(context, sandbox, anatomy))
    context.progress.say("up", "Starting the tool")
    parts = [*anatomy.services.values(), *([anatomy.lab] if anatomy.lab else [])]

    def start(container):  # type: ignore[no-untyped-def]
        context.engine.create_container(container)
        context.engine.start(container.name)

    together(
        *(lambda each=each: start(each) for each in parts),
        lambda: _join_gateway(context, sandbox, anatomy),
    )
    context.progress.say("up", "Waiting for its first answer")
    together(
        lambda: wait_for_tool(context, sandbox, anatomy),
        lambda: settle_lab(context, sandbox, anatomy),
        lambda: attack(context, sandbox, anatomy),
    )


def _make_network(context: Context, anatomy: Anatomy) -> None:
    context.engine.create_network(anatomy.network)


def _make_volumes(context: Context, sandbox: Sandbox, anatomy: Anatomy) -> None:
    for name, labels in anatomy.volumes.items():
        context.engine.create_volume(name, labels)
    context.engine.create_container(anatomy.holder)
    allowance = context.now() + PROVISIONING_ALLOWANCE
    password = context.keys.derive(f"lab {sandbox.id}") if anatomy.lab else ""
    files = lease_files(sandbox, anatomy, allowance, password)
    context.engine.put(anatomy.holder.name, LEASE_FOLDER, files)


def _join_gateway(context: Context, sandbox: Sandbox, anatomy: Anatomy) -> None:
    context.engine.connect(
        anatomy.network.name, context.gateway.container, anatomy.gateway_address
    )
    context.gateway.open(route_to(context, sandbox, anatomy.endpoint))


def _finish(context: Context, sandbox: Sandbox, anatomy: Anatomy, began: float) -> Sandbox:
    """Start the lease's clock, tell the guards, and commit `ready` if it is still wanted."""
    lease = sandbox.lease.model_copy(update={"started": context.now()})
    deadline = lease.deadline
    assert deadline is not None
    context.engine.put(anatomy.holder.name, LEASE_FOLDER, [deadline_file(deadline)])
    with context.registry.writing() as tx:
        current = tx.sandbox(sandbox.name)
        if current is None or current.id != sandbox.id:
            raise Conflict("The sandbox was taken away while it was made.", subject=sandbox.name)
        state = transition(current.state, Action.FINISH)
        ready = current.model_copy(update={"state": state, "lease": lease})
        tx.save_sandbox(ready)
        record(context, tx, "sandbox.ready", ready.name, id=ready.id, template=ready.spec.template,
               deadline=deadline.isoformat(), seconds=round(time.monotonic() - began, 3))
    return ready


def _unmake(context: Context, sandbox: Sandbox, error: BaseException) -> None:
    why = error.message if isinstance(error, SandboxError) else type(error).__name__
    context.progress.say("up", "Removing what was made")
    dismantle(context, sandbox)
    with context.registry.writing() as tx:
        current = tx.sandbox(sandbox.name)
        if current is None or current.id != sandbox.id or current.state is not State.PROVISIONING:
            return
        failed = transition(current.state, Action.FAIL)
        tx.save_sandbox(current.model_copy(update={"state": failed, "reason": why}))
        tx.forget_journal(sandbox.id)
        record(context, tx, "sandbox.failed", sandbox.name, id=sandbox.id, why=why)


def _planned_containers(resolved: _Resolved, to_build: set[str]) -> tuple[PlannedContainer, ...]:
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


def _forecast(resolved: _Resolved, past: list[float], to_build: int) -> Forecast:
    manifest = resolved.snapshot.manifest
    return Forecast(
        seconds=round(statistics.median(past), 1) if past else None,
        images_to_build=to_build,
        replica_bytes=0,
        replica_shared_bytes=manifest.bytes if manifest else 0,
        lab_bytes=LAB_SEED_MB * 1_000_000 if resolved.template.lab else 0,
    )
