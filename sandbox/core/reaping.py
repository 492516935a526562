"""What there is to settle: from records, engine objects and the clock to chores. Pure.

The reaper judges by what it sees, never by what it did before: a chore that failed, or whose
process was killed, is found again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from sandbox.core.anatomy import HOLDER, KEEPER, container_name, network_name, remade
from sandbox.core.disk import Room, to_freeze
from sandbox.core.lease import spoken
from sandbox.core.lifecycle import Sandbox
from sandbox.core.objects import INSTALLATION, LABEL, ROLE, SANDBOX, Owned
from sandbox.core.phases import HELD, LIVE, Action, Expired, State, transition
from sandbox.core.pool import Pool, Want, lacking, why_retired
from sandbox.core.replica import REPLICA
from sandbox.core.snapshot import Snapshot, SnapshotState
from sandbox.core.values import Value

# Roles of objects that belong to the home itself, not to one sandbox.
GATEWAY = "gateway"
HOME_ROLES = frozenset({GATEWAY, "snapshot", "demo-core", REPLICA})
_OUR_LABELS = frozenset({INSTALLATION, SANDBOX, ROLE})
_COMPLETE = HELD | {State.EXPIRED, State.POOLED}


class ChoreKind(StrEnum):
    """What is to be done, in the order of doing: what frees something comes first."""

    SETTLE = "settle"
    FINISH = "finish-removal"
    LOST = "lost"
    DESTROY = "destroy"
    RETIRE = "retire"
    CLEAR = "remove-orphan"
    TIDY = "remove-replica"
    SETTLE_BUILD = "settle-build"
    PRUNE = "remove-snapshot"
    LAPSE = "lapse"
    EXPIRE = "expire"
    FULL = "freeze-full"
    STOP = "stop"
    GATEWAY = "mend-gateway"
    SERVER = "mend-replica"
    REMAKE = "finish-reset"
    RESTART = "restart"
    TELL = "tell-guards"
    KEEPER = "remove-keeper"
    FREEZE_IDLE = "freeze-idle"
    WARN = "warn"
    WARN_IDLE = "warn-idle"
    FILL = "fill-pool"
    NOTE = "note-orphan"
    SWEEP = "remove-archive"
    UNKNOWN = "unknown"


# What is to be done about one sandbox, and why.
Found = tuple[ChoreKind, str]


class Chore(Value):
    """One thing to do, and why. `sandbox` is an id, empty where it is about none."""

    kind: ChoreKind
    subject: str
    sandbox: str = ""
    why: str


@dataclass(frozen=True)
class Seen:
    """All that chores are judged by.

    `objects` are the engine's, of this installation; `journals` what each live sandbox is made of;
    `busy` the ids that a living process works on; `sightings` when an id that no record knows was
    first seen; `builds` the snapshots under construction whose process is gone; `owed` the ids
    whose guards do not know their deadline yet; `line_stopped` whether nothing may be started;
    `joins_owed` whether a new gateway may not be joined to all who are up; `deaf` whether nobody
    can reach it, although it may run;
    `room` what is free on the disks, `floor` that the engine's is below its floor ("": it is not);
    `pool` what is wanted of the warm pool and what is there; `surplus` the snapshots that go, each
    with the reason; `replicas` what is to be done about PostgreSQL replicas that belong to no
    sandbox, by their locks.
    """

    now: datetime
    sandboxes: Sequence[Sandbox] = ()
    objects: Sequence[Owned] = ()
    journals: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    busy: frozenset[str] = frozenset()
    sightings: Mapping[str, datetime] = field(default_factory=dict)
    builds: Sequence[Snapshot] = ()
    owed: frozenset[str] = frozenset()
    line_stopped: bool = False
    joins_owed: bool = False
    deaf: bool = False
    idle: Mapping[str, Found] = field(default_factory=dict)
    room: Room = field(default_factory=Room)
    floor: str = ""
    pool: Pool | None = None
    surplus: Mapping[str, str] = field(default_factory=dict)
    replicas: Mapping[str, Found] = field(default_factory=dict)


def chores(seen: Seen, orphan_grace: timedelta) -> tuple[Chore, ...]:
    """Return everything that is to be done now, in order."""
    found = [
        chore
        for sandbox in seen.sandboxes
        if sandbox.state in LIVE and sandbox.id not in seen.busy
        for chore in _of_record(sandbox, seen)
    ]
    found += [*_of_snapshots(seen), *_fills(seen, found)]
    found += [*_gateway(seen), *_orphans(seen, orphan_grace), *_unknown(seen)]
    order = list(ChoreKind)
    return tuple(sorted(found, key=lambda chore: order.index(chore.kind)))


def another_engine(seen: Seen) -> bool:
    """Say whether this engine holds nothing of us, though records say that it should.

    Then it is another engine, or one that lost its storage, and nothing may be settled by it.
    """
    return not seen.objects and any(s.state in _COMPLETE for s in seen.sandboxes)


def orphans(seen: Seen) -> dict[str, list[Owned]]:
    """Return the objects, by sandbox id, that no live record accounts for and nobody works on."""
    live = {s.id for s in seen.sandboxes if s.state in LIVE}
    found: dict[str, list[Owned]] = {}
    for one in seen.objects:
        its = one.labels.get(SANDBOX, "")
        if its not in live and its not in seen.busy and ours(one):
            found.setdefault(its, []).append(one)
    return found


def ours(one: Owned) -> bool:
    """Say whether an object with a sandbox's id is what we make: name, role and labels tell."""
    its = one.labels.get(SANDBOX, "")
    named = one.name == network_name(its) or one.name.startswith(container_name(its, ""))
    return bool(its) and named and bool(one.role) and not _foreign_labels(one)


def expired(sandbox: Sandbox) -> Sandbox:
    """Return the record of a sandbox past its deadline as expired since then.

    Raises Conflict if its state on record does not lead there.
    """
    assert sandbox.lease.deadline is not None
    over = Expired(since=sandbox.lease.deadline, frozen=sandbox.frozen)
    phase = transition(sandbox.state, Action.EXPIRE, over, sandbox.name)
    return sandbox.model_copy(update={"phase": phase})


def _of_record(sandbox: Sandbox, seen: Seen) -> list[Chore]:
    """Return what is to be done about one live sandbox: at most one change, and a warning."""

    def chore(kind: ChoreKind, why: str) -> Chore:
        return Chore(kind=kind, subject=sandbox.name, sandbox=sandbox.id, why=why)

    found = [o for o in seen.objects if o.labels.get(SANDBOX) == sandbox.id]
    if sandbox.state is State.PROVISIONING:
        return [chore(ChoreKind.SETTLE, "the process that made it is gone")]
    if sandbox.state is State.REMOVING:
        return [chore(ChoreKind.FINISH, "the process that removed it is gone")]
    if sandbox.lapsed(seen.now):
        return [chore(ChoreKind.LAPSE, "nobody said yes in time")]
    if sandbox.state not in _COMPLETE:
        return []
    if ended := _ended(sandbox, seen, found):
        return [chore(*ended)]
    if sandbox.state is State.POOLED:
        why = _retired(sandbox, seen, found)
        return [chore(ChoreKind.RETIRE, why)] if why else []
    changed = _running_as_it_should(sandbox, seen, found)
    told = seen.idle.get(sandbox.id)
    unused = told if told and told[0] is ChoreKind.WARN_IDLE else None
    warned = _warning(sandbox, seen.now)
    kept = _keeper(found)
    return [chore(*each) for each in (changed, warned, unused, kept) if each]


def _ended(sandbox: Sandbox, seen: Seen, found: list[Owned]) -> Found | None:
    """Return the chore that ends it for good, or that its deadline asks for."""
    deadline, kept_until = sandbox.lease.deadline, sandbox.lease.grace_ends
    if deadline and kept_until and seen.now >= kept_until:
        return ChoreKind.DESTROY, f"it expired, and was kept until {_at(kept_until)}"
    if lacking := _lacking(_to_be_there(sandbox, seen), found):
        return ChoreKind.LOST, f"the engine lacks {lacking}"
    held = sandbox.state in HELD
    if held and sandbox.state_at(seen.now) is State.EXPIRED and deadline:
        return ChoreKind.EXPIRE, f"its time was over at {_at(deadline)}"
    return None


def _to_be_there(sandbox: Sandbox, seen: Seen) -> list[tuple[str, str]]:
    """Return what the journal names; without what a reset that has begun makes anew."""
    anew = remade(sandbox) if sandbox.reset else set()
    return [each for each in seen.journals.get(sandbox.id, ()) if each not in anew]


def _lacking(journal: Iterable[tuple[str, str]], found: list[Owned]) -> str:
    """Return the first object of the journal that is gone, and how many more are."""
    there = {(o.kind, o.name) for o in found}
    gone = [f"{kind} {name}" for kind, name in journal if (kind, name) not in there]
    more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
    return gone[0] + more if gone else ""


def _running_as_it_should(sandbox: Sandbox, seen: Seen, found: list[Owned]) -> Found | None:
    if full := to_freeze(sandbox, seen.floor):
        return ChoreKind.FULL, full
    told = seen.idle.get(sandbox.id)
    if told and told[0] is ChoreKind.FREEZE_IDLE:
        return told
    running = [o.name for o in found if o.kind == "container" and o.running]
    stops = bool(running) and sandbox.state in (State.FROZEN, State.EXPIRED)
    if sandbox.reset and not stops:
        return ChoreKind.REMAKE, "the process that reset it is gone"
    may_start = sandbox.state is State.READY and not seen.line_stopped
    if may_start and (stopped := _stopped(sandbox, seen, found)):
        return ChoreKind.RESTART, f"its lease holds, but {stopped} does not run"
    if sandbox.state in HELD and sandbox.id in seen.owed:
        return ChoreKind.TELL, "its end was moved, and its guards may not know"
    if stops:
        return ChoreKind.STOP, f"it is {sandbox.state}, but {', '.join(running)} runs"
    return None


def _retired(sandbox: Sandbox, seen: Seen, found: list[Owned]) -> str:
    if stopped := _stopped(sandbox, seen, found):
        return f"it waits in the pool, but {stopped} does not run"
    return seen.floor or (why_retired(sandbox, seen.pool, seen.now) if seen.pool else "")


def _fills(seen: Seen, found: Sequence[Chore]) -> list[Chore]:
    """Return one chore for each sandbox that the pool lacks, where anything may be started."""
    if seen.pool is None or seen.line_stopped or seen.floor:
        return []
    going = {chore.sandbox for chore in found}
    staying = [s for s in seen.sandboxes if s.state in LIVE and s.id not in going]
    short = lacking(seen.pool.wants, staying, seen.now)
    return [
        Chore(kind=ChoreKind.FILL, subject=want.template, why=_short(want, short[want.template]))
        for want in seen.pool.wants
        for _ in range(short.get(want.template, 0))
    ]


def _short(want: Want, lacks: int) -> str:
    return want.trouble or f"{want.count - lacks} of {want.count} are pooled"


def _stopped(sandbox: Sandbox, seen: Seen, found: list[Owned]) -> str:
    """Return the containers that should run and do not; those lent to the sandbox never should."""
    made = seen.journals.get(sandbox.id, ())
    should_run = [
        o for o in found if o.kind == "container" and o.role != HOLDER and (o.kind, o.name) in made
    ]
    return ", ".join(o.name for o in should_run if not o.running)


def _warning(sandbox: Sandbox, now: datetime) -> Found | None:
    due = sandbox.lease.due_warning(now) if sandbox.state in HELD else None
    return (ChoreKind.WARN, f"less than {spoken(due.before)} are left") if due else None


def _keeper(found: list[Owned]) -> Found | None:
    left = any(o.role == KEEPER and o.kind == "container" for o in found)
    return (ChoreKind.KEEPER, "a removal was cut off while it kept the work") if left else None


def _gateway(seen: Seen) -> list[Chore]:
    """Return what is to be done about the gateway while anybody is up."""
    up = [s for s in seen.sandboxes if s.state_at(seen.now) is State.READY]
    runs = any((o.kind, o.role, o.running) == ("container", GATEWAY, True) for o in seen.objects)
    reached = runs and not seen.deaf
    if not up or seen.line_stopped or (reached and not seen.joins_owed):
        return []
    why = "nobody can reach its port, and" if runs else "it does not run, and"
    if reached:
        why = "it was replaced, and may not be joined to all;"
    many = "a sandbox is up" if len(up) == 1 else f"{len(up)} sandboxes are up"
    return [Chore(kind=ChoreKind.GATEWAY, subject=GATEWAY, why=f"{why} {many}")]


def _of_snapshots(seen: Seen) -> list[Chore]:
    """Return what is to be done about snapshots and their replicas, which no one sandbox has."""
    gone = (ChoreKind.SETTLE_BUILD, "the process that built it is gone")
    found = [(s.id, gone) for s in seen.builds if s.state is SnapshotState.BUILDING]
    found += [(each, (ChoreKind.PRUNE, why)) for each, why in seen.surplus.items()]
    found += seen.replicas.items()
    return [Chore(kind=kind, subject=each, why=why) for each, (kind, why) in found]


def _orphans(seen: Seen, grace: timedelta) -> list[Chore]:
    ended = {s.id: s for s in seen.sandboxes if s.state not in LIVE}
    found = []
    for its, objects in orphans(seen).items():
        many = f"{len(objects)} object" + ("" if len(objects) == 1 else "s")
        if its in ended:
            kind, why = ChoreKind.CLEAR, f"{many} of a sandbox that is {ended[its].state}"
        else:
            kind, why = _sighted(seen, its, grace, many)
        subject = ended[its].name if its in ended else its
        found.append(Chore(kind=kind, subject=subject, sandbox=its, why=why))
    return found


def _sighted(seen: Seen, id: str, grace: timedelta, many: str) -> Found:
    first = seen.sightings.get(id)
    what = f"{many} of a sandbox that no record knows"
    if first is None:
        return ChoreKind.NOTE, f"{what}; removed if still there in {spoken(grace)}"
    if seen.now < first + grace:
        return ChoreKind.NOTE, f"{what}; removed if still there at {_at(first + grace)}"
    return ChoreKind.CLEAR, f"{what}, first seen at {_at(first)}"


def _unknown(seen: Seen) -> list[Chore]:
    """Return what carries our installation's label and is nothing that we know: never touched."""
    return [
        Chore(kind=ChoreKind.UNKNOWN, subject=f"{one.kind} {one.name}", why=why)
        for one in seen.objects
        if (why := _strange(one))
    ]


def _strange(one: Owned) -> str:
    if foreign := _foreign_labels(one):
        return f"it carries a label of ours that this version does not know: {foreign[0]}"
    if SANDBOX in one.labels:
        return "" if ours(one) else "it carries a sandbox's label, but not its name and role"
    return "" if one.role in HOME_ROLES else f"its role is unknown: {one.role or 'none'}"


def _foreign_labels(one: Owned) -> list[str]:
    return sorted(k for k in one.labels if k.startswith(f"{LABEL}.") and k not in _OUR_LABELS)


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
