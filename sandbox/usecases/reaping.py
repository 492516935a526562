"""`reap`: settle what ended, what was cut off and what went astray. A dry run unless told to act.

What a living process works on is left to it. One chore that fails does not stop the others.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime

from sandbox.core.disk import below_floor
from sandbox.core.errors import Conflict, SandboxError
from sandbox.core.objects import SANDBOX
from sandbox.core.phases import LIVE
from sandbox.core.ports import Context, Transaction
from sandbox.core.reaping import Chore, ChoreKind, Seen, another_engine, chores, orphans
from sandbox.core.snapshot import SnapshotState
from sandbox.core.values import Request, Result
from sandbox.usecases import idling, pooling, settling, tidying
from sandbox.usecases.desk import answers
from sandbox.usecases.disk import (
    freeze_full,
    look_at_room,
    make_way,
    measured,
    note_use,
    stop_writers,
    take_ballast,
)
from sandbox.usecases.gateway import joins_owed
from sandbox.usecases.line import stopped_line
from sandbox.usecases.recording import record
from sandbox.usecases.retaining import surplus
from sandbox.usecases.scheduling import note_run
from sandbox.usecases.starting import guards_owed

_SIGHTINGS = "orphans"
Act = Callable[[Context, Chore], None]
Outcome = Literal["to do", "done", "left", "failed"]
_ACTS: dict[ChoreKind, Act] = {
    ChoreKind.SETTLE: settling.settle,
    ChoreKind.FINISH: settling.finish_removal,
    ChoreKind.LOST: settling.remove,
    ChoreKind.DESTROY: settling.remove,
    ChoreKind.CLEAR: settling.clear,
    ChoreKind.SETTLE_BUILD: settling.settle_build,
    ChoreKind.PRUNE: settling.prune,
    ChoreKind.LAPSE: settling.lapse,
    ChoreKind.EXPIRE: settling.expire,
    ChoreKind.FULL: freeze_full,
    ChoreKind.STOP: settling.stop,
    ChoreKind.GATEWAY: settling.mend,
    ChoreKind.SERVER: tidying.mend,
    ChoreKind.TIDY: tidying.tidy,
    ChoreKind.REMAKE: settling.remake,
    ChoreKind.RESTART: settling.restart,
    ChoreKind.TELL: settling.tell,
    ChoreKind.KEEPER: settling.remove_keeper,
    ChoreKind.FREEZE_IDLE: idling.freeze,
    ChoreKind.WARN: settling.warn,
    ChoreKind.WARN_IDLE: idling.warn,
    ChoreKind.RETIRE: pooling.retire,
    ChoreKind.FILL: pooling.fill,
}


class Reaped(Chore):
    """A chore, and what became of it.

    `to do` in a dry run; `left` is what a living process works on, what was settled meanwhile, or
    what is never touched; `said` tells which, or the error.
    """

    outcome: Outcome
    said: str = ""


class ReapResult(Result):
    """What was found, in the order of doing, by a look `at` that time (UTC).

    `applied` is False for a dry run.
    `unmeasured` tells what could not be measured of the disks, and is therefore not judged.
    """

    at: AwareDatetime
    applied: bool
    chores: tuple[Reaped, ...]
    unmeasured: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether any chore failed; the next run finds it again."""
        return any(chore.outcome == "failed" for chore in self.chores)


class ReapRequest(Request[ReapResult]):
    """Ask what there is to settle; with `apply`, settle it."""

    apply: bool = False


@answers(ReapRequest)
def reap(context: Context, request: ReapRequest) -> ReapResult:
    """Find every chore, and do it if asked.

    Raises Conflict, with nothing done, when home, registry and engine do not belong together.
    """
    if request.apply:
        make_way(context)
    _check_home(context)
    seen = look(context)
    _check_engine(seen)
    if request.apply:
        stop_writers(context, seen)
    seen, unmeasured = measured(context, seen)
    known = idling.uses(context, seen.sandboxes)
    seen = replace(
        seen,
        idle=idling.due(context, seen.sandboxes, known),
        pool=pooling.look_at_pool(context),
        surplus=surplus(context),
        replicas=tidying.look_at_replicas(context, seen),
    )
    found = chores(seen, context.settings.reaper.orphan_grace)
    if not request.apply:
        planned = (_became(chore, "to do") for chore in found)
        return ReapResult(
            at=context.now(), applied=False, chores=tuple(planned), unmeasured=unmeasured
        )
    note_use(context, seen)
    idling.note(context, known)
    _note_sightings(context, seen, found)
    done = []
    for number, chore in enumerate(found, start=1):
        context.progress.say("reap", f"{chore.kind} {chore.subject}", number, len(found))
        done.append(_attend(context, chore))
    done += [_became(chore, "done") for chore in settling.sweep_archives(context)]
    take_ballast(context)
    with suppress(SandboxError):  # what was done is told, also where nothing can be written
        note_run(context, sum(each.outcome == "failed" for each in done))
    return ReapResult(at=context.now(), applied=True, chores=tuple(done), unmeasured=unmeasured)


def look(context: Context, sandbox: str | None = None) -> Seen:
    """Return what chores are judged by: of everything, or of the one sandbox of that id.

    Objects are listed before records are read: what `down` ends meanwhile is then known as ended.
    """
    objects = context.engine.owned(context.registry.installation(), sandbox)
    room = look_at_room(context)
    deaf = context.gateway.state() == "off"
    with context.registry.reading() as tx:
        sandboxes = [s for s in tx.sandboxes() if sandbox in (None, s.id)]
        live = [s for s in sandboxes if s.state in LIVE]
        seen = Seen(
            now=context.now(),
            sandboxes=sandboxes,
            objects=objects,
            journals={s.id: tx.journaled(s.id) for s in live},
            sightings=_sightings(tx),
            builds=[s for s in tx.snapshots() if s.state is SnapshotState.BUILDING],
            owed=frozenset(s.id for s in live if guards_owed(tx, s)),
            line_stopped=stopped_line(tx) is not None,
            joins_owed=joins_owed(tx),
            deaf=deaf,
            room=room,
            floor=below_floor(room, context.settings.disk),
        )
    if sandbox is not None:  # whoever asks about one has it alone
        return replace(seen, builds=())
    ids = {s.id for s in live} | {o.labels.get(SANDBOX, "") for o in objects} - {""}
    return replace(
        seen,
        busy=frozenset(each for each in ids if not _is_alone(context, each)),
        builds=[s for s in seen.builds if not context.files.building(s.source)],
    )


def _is_alone(context: Context, id: str) -> bool:
    with context.files.alone_with(id) as alone:
        return alone


def _check_home(context: Context) -> None:
    """Raise Conflict unless the home's state folder belongs to this registry."""
    named, own = context.files.installation(), context.registry.installation()
    home = context.files.access().path
    if not named:
        raise Conflict(
            "The home does not say which installation it is; nothing was done.",
            subject=home,
            hint="If its disk is mounted and its registry is there, write it anew: "
            f"sandbox init {home}",
        )
    if named != own:
        raise Conflict(
            f"The home is of installation {named}, its registry of {own}; nothing was done.",
            subject=home,
            hint="Mount or restore the registry that belongs to this home.",
            details={"home": named, "registry": own},
        )


def _check_engine(seen: Seen) -> None:
    if another_engine(seen):
        raise Conflict(
            "The engine holds nothing of this installation, though sandboxes are on record; "
            "nothing was done.",
            subject="the engine",
            hint="Is this the right engine (DOCKER_HOST)? If its storage was lost, end each "
            "sandbox by: sandbox down NAME",
        )


def _became(chore: Chore, outcome: Outcome, said: str = "") -> Reaped:
    return Reaped(**chore.model_dump(), outcome=outcome, said=said)


def _attend(context: Context, chore: Chore) -> Reaped:
    """Do one chore if it is still to be done and nobody else works on its sandbox."""
    if chore.kind is ChoreKind.NOTE:
        return _became(chore, "done")
    if chore.kind is ChoreKind.UNKNOWN:
        return _became(chore, "left", "never touched")
    try:
        with context.files.alone_with(chore.sandbox or chore.subject) as alone:
            if not alone:
                return _became(chore, "left", "a living process works on it")
            if chore.sandbox and not _still(context, chore):
                return _became(chore, "left", "settled meanwhile")
            _ACTS[chore.kind](context, chore)
    except pooling.HomeFull as full:
        return _became(chore, "left", full.message)
    except SandboxError as error:
        return _became(chore, "failed", error.message)
    return _became(chore, "done")


def _still(context: Context, chore: Chore) -> bool:
    seen = look(context, chore.sandbox)
    if chore.kind in (ChoreKind.FREEZE_IDLE, ChoreKind.WARN_IDLE):
        known = idling.uses(context, seen.sandboxes)
        seen = replace(seen, idle=idling.due(context, seen.sandboxes, known))
    if chore.kind is ChoreKind.RETIRE:
        seen = replace(seen, pool=pooling.look_at_pool(context))
    found = chores(seen, context.settings.reaper.orphan_grace)
    return any(chore.kind is again.kind for again in found)


def _sightings(tx: Transaction) -> dict[str, datetime]:
    noted = json.loads(tx.noted(_SIGHTINGS) or "{}")
    return {each: datetime.fromisoformat(text) for each, text in noted.items()}


def _note_sightings(context: Context, seen: Seen, found: tuple[Chore, ...]) -> None:
    """Keep when each id that no record knows was first seen; what is gone is forgotten."""
    known = {s.id for s in seen.sandboxes}
    strays = [each for each in orphans(seen) if each not in known]
    now = {each: seen.sightings.get(each, seen.now) for each in strays}
    if now == seen.sightings:
        return
    with context.registry.writing() as tx:
        tx.note(_SIGHTINGS, json.dumps({each: at.isoformat() for each, at in now.items()}))
        for chore in found:
            if chore.kind is ChoreKind.NOTE and chore.sandbox not in seen.sightings:
                record(context, tx, "orphan.noted", chore.subject, reason=chore.why)
