"""The home itself: init, doctor, uninstall."""

import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Literal

from pydantic import Field

from sandbox.core.disk import MB
from sandbox.core.errors import Conflict, SandboxError
from sandbox.core.lease import spoken
from sandbox.core.objects import EngineFacts
from sandbox.core.people import FILE as PEOPLE
from sandbox.core.phases import LIVE
from sandbox.core.ports import Context, Exposed, Transaction
from sandbox.core.snapshot import SnapshotState
from sandbox.core.values import Request, Result
from sandbox.usecases.ages import data_checks
from sandbox.usecases.checks import Check as Check
from sandbox.usecases.desk import answers
from sandbox.usecases.disk import look_at_room, take_ballast
from sandbox.usecases.dismantling import remove_all
from sandbox.usecases.duties import duties_in_short
from sandbox.usecases.gateway import ensure_gateway, gateway_in_use
from sandbox.usecases.images import build_missing
from sandbox.usecases.line import stopped_line
from sandbox.usecases.pooling import PoolState, empty_pool, pool_states
from sandbox.usecases.recording import record
from sandbox.usecases.scheduling import last_run, unschedule

_LOW_DISK = 5000 * MB
# A schedule that runs every few minutes and has been silent for longer does not run.
_RESTING = timedelta(hours=1)
_MOST_EXPOSED = 8


class InitResult(Result):
    """A home. `created` is False when it was one already; `demo_rows` by table of the demo core."""

    home: str
    installation: str
    created: bool
    demo_rows: dict[str, int] = Field(default_factory=dict)


class InitRequest(Request[InitResult]):
    """Ask for a home in `folder`, with the demo core system if `demo`."""

    folder: str
    demo: bool = False
    gateway_port: int = 8700


class DoctorResult(Result):
    """Whether the main job can run here."""

    checks: tuple[Check, ...]

    @property
    def works(self) -> bool:
        """True when nothing fails."""
        return all(c.status != "fail" for c in self.checks)


class DoctorRequest(Request[DoctorResult]):
    """Ask whether everything that is needed is there."""


class UninstallResult(Result):
    """What was removed from the engine."""

    removed: tuple[str, ...]


class UninstallRequest(Request[UninstallResult]):
    """Ask to remove this home's gateway, snapshots and demo core from the engine."""


@answers(InitRequest)
def init(context: Context, request: InitRequest) -> InitResult:
    """Complete a home whose files are laid out: its first event, and the demo's core system."""
    home = context.files.access().path
    installation = context.registry.installation()
    context.files.belongs_to(installation)
    take_ballast(context)
    with context.registry.writing() as tx:
        created = not tx.events(last=1)
        if created:
            record(context, tx, "home.created", installation, path=home, demo=request.demo)
    if request.demo and not context.settings.demo:
        raise Conflict(
            "This home exists already, without the demo.",
            subject=home,
            hint="Make the demo in a folder of its own: sandbox init --demo DIR",
        )
    rows = _demo_core(context) if request.demo else {}
    return InitResult(
        home=home,
        installation=installation,
        created=created,
        demo_rows=dict(rows),
    )


def _demo_core(context: Context) -> Mapping[str, int]:
    assert context.demo is not None
    if context.demo.lacking():  # before minutes of building, and before anything is started
        context.demo.check_rows()
    build_missing(context, [context.catalogue.base_image(), context.catalogue.lab_image()])
    ensure_gateway(context)
    rows: Mapping[str, int] = context.demo.ensure(context.progress)["rows"]
    return rows


@answers(DoctorRequest)
def doctor(context: Context, request: DoctorRequest) -> DoctorResult:
    """Look at engine, disk, images, gateway, home and registry; changes nothing."""
    checks = _engine(context)
    works = checks[0].status == "ok"
    if works:
        checks += [_base_image(context), _port(context), *_gateway(context), *_demo(context)]
    return DoctorResult(
        checks=(
            *checks,
            *_home(context),
            *_master_key(context),
            _registry(context),
            *_on_record(context, pool=works),
            _duties(context),
        )
    )


@answers(UninstallRequest)
def uninstall(context: Context, request: UninstallRequest) -> UninstallResult:
    """Remove every engine object of this installation, the pool first.

    Raises Conflict while sandboxes live that somebody holds.
    """
    gone = empty_pool(context)
    # The records go first, so that no build that still runs can write `ready` afterwards.
    with context.registry.writing() as tx:
        live = [s.name for s in tx.sandboxes(LIVE)]
        if live:
            raise Conflict(
                f"Sandboxes are still there: {', '.join(live)}.",
                subject="home",
                hint=f"End them first: sandbox down {live[0]}",
            )
        sources = _give_up_snapshots(tx)
    unschedule(context)
    found = context.engine.owned(context.registry.installation())
    remove_all(context, found)
    path = context.files.access().path
    with context.registry.writing() as tx:
        record(context, tx, "home.uninstalled", context.registry.installation(), path=path)
    for source in sources:
        context.files.sweep(source)
    return UninstallResult(removed=tuple(f"{o.kind} {o.name}" for o in (*gone, *found)))


def _give_up_snapshots(tx: Transaction) -> set[str]:
    """Write every snapshot as removed; return the sources that had any."""
    snapshots = [s for s in tx.snapshots() if s.state is not SnapshotState.REMOVED]
    for snapshot in snapshots:
        tx.save_snapshot(snapshot.removed())
        tx.forget_journal(snapshot.id)
    return {s.source for s in snapshots}


def _engine(context: Context) -> list[Check]:
    try:
        facts = context.engine.facts()
    except SandboxError as error:
        return [Check(name="engine", status="fail", said=error.message, fix=error.hint)]
    checks = [
        Check(
            name="engine", status="ok", said=f"Docker {facts.version} (API {facts.api}), {facts.os}"
        ),
        Check(name="cgroups", status="ok", said=facts.cgroups),
        Check(name="storage", status="ok", said=facts.storage),
    ]
    return [*checks, _disk(context, facts.root), _host(context, facts)]


def _host(context: Context, facts: EngineFacts) -> Check:
    """Say whether what a sandbox sends to everybody reaches programs of the engine's machine."""
    here = facts.free_bytes is not None
    closed = context.files.checks_sources() if here else None
    if closed:
        return Check(name="host", status="ok", said="it takes nothing from a sandbox's network")
    unseen = closed is None
    return Check(
        name="host",
        status="warn",
        said="whether it takes multicasts from sandboxes cannot be seen from here"
        if unseen
        else "unless a firewall drops them, multicasts from sandboxes reach its UDP services",
        fix="See docs/isolation.md, on multicasts: one rule or one setting of its kernel ends it.",
    )


def _disk(context: Context, root: str) -> Check:
    """Say whether the engine's disk has its reserve free, below which `up` is refused."""
    free, reserve = look_at_room(context).engine, context.settings.disk.reserve_mb * MB
    if free is None:
        return Check(
            name="disk",
            status="warn",
            said="the engine's disk cannot be seen from here",
            fix="Look at the free space on the engine's own machine.",
        )
    status: Literal["ok", "warn", "fail"] = "ok"
    if free < reserve + _LOW_DISK:
        status = "fail" if free < reserve else "warn"
    fix = "" if status == "ok" else "Free some space: docker system df, sandbox snapshot rm"
    return Check(name="disk", status=status, said=f"{free // MB:,} MB free in {root}", fix=fix)


def _base_image(context: Context) -> Check:
    base = context.settings.images.base
    found = context.engine.image_id(base)
    built = context.engine.image_id(context.catalogue.base_image().tag)
    if found or built:
        return Check(name="base image", status="ok", said=base)
    return Check(
        name="base image",
        status="fail",
        said=f"{base} is not there",
        fix=f"docker pull {base}, or without a registry: make base-image",
    )


def _port(context: Context) -> Check:
    gateway = context.settings.gateway
    where = f"{gateway.bind}:{gateway.port}"
    if context.gateway.port_is_free():
        return Check(name="gateway port", status="ok", said=where)
    return Check(
        name="gateway port",
        status="fail",
        said=f"{where} is taken by another program",
        fix="Free it, or set gateway.port in sandbox.yaml.",
    )


def _gateway(context: Context) -> list[Check]:
    state = context.gateway.state()
    if state == "off" and gateway_in_use(context):
        fix = "sandbox reap --apply"
        return [Check(name="gateway", status="warn", said="nobody can reach it", fix=fix)]
    if state != "older":
        return []
    return [
        Check(
            name="gateway",
            status="warn",
            said="it runs an older image",
            fix="Nothing: `sandbox up` replaces it as soon as no other sandbox is up.",
        )
    ]


def _demo(context: Context) -> list[Check]:
    if context.demo is None:
        return []
    lacking = context.demo.lacking()
    return [
        Check(
            name="demo core",
            status="fail" if lacking else "ok",
            said=lacking or "its PostgreSQL server runs and all rows are loaded",
            fix=f"sandbox init --demo {context.files.access().path}" if lacking else "",
        )
    ]


def _home(context: Context) -> list[Check]:
    found = context.files.exposed()
    if not found:
        access = context.files.access()
        said = f"{access.path}: {access.owner} alone reads its secrets and changes its rules"
        return [Check(name="home", status="ok", said=said)]
    keeper = context.files.access().owner
    checks = [_open_to_others(one, keeper) for one in found[:_MOST_EXPOSED]]
    if (rest := len(found) - _MOST_EXPOSED) > 0:
        fix = "Mend those above, then run doctor again."
        checks.append(Check(name="home", status="fail", said=f"and {rest} more", fix=fix))
    return checks


def _master_key(context: Context) -> list[Check]:
    """Return a line only where nothing can be derived from it: no mask, no link, no `up`."""
    try:
        context.keys.derive("doctor")
    except SandboxError as error:
        return [Check(name="key", status="fail", said=error.message, fix=error.hint)]
    return []


def _open_to_others(found: Exposed, keeper: str) -> Check:
    path = shlex.quote(found.path)
    if found.owner:
        said, fix = (
            f"it is {found.owner}'s, who can change it: {found.path}",
            f"chown {keeper} {path}",
        )
    elif found.secret:
        said, fix = f"others can read or enter {found.path}", f"chmod go-rwx {path}"
    else:
        said, fix = f"others can change {found.path}", f"chmod go-w {path}"
    return Check(name="home", status="fail", said=said, fix=fix)


def _registry(context: Context) -> Check:
    try:
        return Check(name="registry", status="ok", said=context.registry.check())
    except SandboxError as error:
        return Check(name="registry", status="fail", said=error.message, fix=error.hint)


def _on_record(context: Context, *, pool: bool) -> Iterator[Check]:
    """Yield what can be told from the registry; where it cannot be read, its own line says why."""
    for look in (data_checks, _reaper, _line, *((_pool,) if pool else ()), _clock):
        with suppress(SandboxError):
            yield from look(context)


def _reaper(context: Context) -> list[Check]:
    """Say whether anybody settles what ends, as the schedule of `reap --install` does."""
    run = last_run(context)
    if run is None:
        said, ago = "nothing has ever been settled here", None
    else:
        ago = context.now() - run.at
        said = f"it settled what was due {spoken(ago)} ago"
    if ago is None or ago > _RESTING:
        fix = "sandbox reap --install, or sandbox reap --apply now and then"
        return [Check(name="reaper", status="warn", said=said, fix=fix)]
    if run and run.failed:
        said = f"{said}, but {run.failed} of its chores failed"
        return [Check(name="reaper", status="warn", said=said, fix="sandbox reap --apply")]
    return [Check(name="reaper", status="ok", said=said)]


def _line(context: Context) -> list[Check]:
    with context.registry.reading() as tx:
        stopped = stopped_line(tx)
    if stopped is None:
        return []
    said = f"stopped by {stopped.by}: {stopped.reason}"
    return [Check(name="line", status="warn", said=said, fix="sandbox stop-the-line --lift")]


def _pool(context: Context) -> list[Check]:
    return [_pool_of(state) for state in pool_states(context)]


def _pool_of(state: PoolState) -> Check:
    said = f"{state.template}: {state.ready} of {state.wanted} are ready"
    if state.trouble:
        fix = "Mend that, or correct `pool` in sandbox.yaml."
        return Check(name="pool", status="warn", said=f"{said}: {state.trouble}", fix=fix)
    if state.ready < state.wanted:
        return Check(name="pool", status="warn", said=said, fix="sandbox reap --apply")
    return Check(name="pool", status="ok", said=said)


def _clock(context: Context) -> list[Check]:
    """Say whether the wall clock shows the time that leases go by (see core/clock.py)."""
    reading = context.reading()
    shown = f"{reading.wall + reading.ahead:%Y-%m-%d %H:%M} UTC"
    if not reading.ahead:
        return [Check(name="clock", status="ok", said=shown)]
    back = reading.ahead < timedelta()
    off = f"{spoken(abs(reading.ahead))} {'behind' if back else 'ahead of'}"
    after = (
        "If it was wrong before, nothing ends early: time goes on from the last event on record."
        if back
        else "If it was wrong before, it is believed after the next start of the machine."
    )
    said = f"it shows {shown}, {off} the time that has passed; "
    said += f"leases go by {reading.wall:%Y-%m-%d %H:%M} UTC"
    fix = f"Set the machine's clock right. {after}"
    return [Check(name="clock", status="warn", said=said, fix=fix)]


def _duties(context: Context) -> Check:
    people = context.catalogue.people()
    if people is None:
        said = "personal home: one person owns keys, engine and record"
        fix = "Good for trying out. Approvals by oneself prove nothing to an auditor."
    else:
        said = f"{len(people.people)} people by {PEOPLE}; {duties_in_short(context)}"
        fix = "Whoever owns the home's files still owns keys, engine and record."
    if context.served:
        return Check(name="duties", status="ok", said=said)
    return Check(name="duties", status="warn", said=said, fix=fix)
