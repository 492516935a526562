"""Snapshots: build, list, show, rm. From a source to a masked file in a read-only volume."""

from typing import Any

from pydantic import Field

from sandbox.core.drift import LiveTypes, drift, refuse_drift
from sandbox.core.errors import Conflict, Denied, SandboxError
from sandbox.core.freshness import Freshness
from sandbox.core.leaks import GateReport, refusal
from sandbox.core.objects import BigFile
from sandbox.core.phases import LIVE
from sandbox.core.places import label
from sandbox.core.pool import LIFETIME
from sandbox.core.ports import Built, Context
from sandbox.core.publishing import SnapshotInput, judge_snapshot
from sandbox.core.resolving import key_series
from sandbox.core.retention import Holder, holders
from sandbox.core.snapshot import Manifest, Snapshot, SnapshotState, next_id
from sandbox.core.source import Source
from sandbox.core.values import Request, Result
from sandbox.core.version import VERSION
from sandbox.usecases.ages import age_of, ages
from sandbox.usecases.attesting import (
    REPLICA_FOLDER,
    attested,
    find,
    reached,
    snapshot_labels,
    sweep_verification,
)
from sandbox.usecases.desk import answers
from sandbox.usecases.disk import check_room_for_build
from sandbox.usecases.exempt import exempt
from sandbox.usecases.live import asking_live, types_before
from sandbox.usecases.publishing import check_not_asked, let_out
from sandbox.usecases.recording import record, why_it_ended
from sandbox.usecases.replicas import remove_cluster
from sandbox.usecases.wishes import raise_denial

# What the rules are is told by their digest; values belong into no record that stays for ever.
_UNTOLD: dict[str, Any] = {
    "rules": True,
    "types": True,
    "tables": {"__all__": {"columns": {"__all__": {"examples": True}}}},
}


class SnapshotResult(Result):
    """One snapshot; `used_by` are the names of sandboxes that have it mounted.

    `age` is None of one that was never built, or is gone. `taken_away` says that this command
    removed it.
    """

    snapshot: Snapshot
    used_by: tuple[str, ...] = ()
    age: Freshness | None = None
    taken_away: bool = False


class SnapshotListResult(Result):
    """Snapshots, oldest first, and by id how old the data of those is that can be used."""

    snapshots: tuple[Snapshot, ...]
    ages: dict[str, Freshness] = Field(default_factory=dict)


class BuildSnapshotRequest(Request[SnapshotResult]):
    """Ask for a fresh snapshot of a source, or of one for `experiment` alone."""

    source: str
    experiment: str = ""


class ListSnapshotsRequest(Request[SnapshotListResult]):
    """Ask which snapshots there are; with `everything`, also failed and removed ones."""

    everything: bool = False


class ShowSnapshotRequest(Request[SnapshotResult]):
    """Ask for one snapshot."""

    id: str


class RemoveSnapshotRequest(Request[SnapshotResult]):
    """Ask to remove a snapshot that nothing uses."""

    id: str


@answers(BuildSnapshotRequest)
def build(context: Context, request: BuildSnapshotRequest) -> SnapshotResult:
    """Copy, mask and publish; on any failure nothing is published and nothing is left."""
    source = context.catalogue.source(request.source)
    experiment = key_series(source, request.experiment)
    password = context.keys.password(source)
    check_not_asked(context, source, experiment)
    with context.files.workshop(source.name) as folder:
        end_killed(context, source.name)
        check_room_for_build(context, source.name)
        types = _check_source(context, source, password)
        snapshot = _reserve(context, source)
        try:
            key = context.keys.mask_key(source.name, experiment)
            target = folder / f"{snapshot.volume}.duckdb"
            built = context.reader.copy(source, password, key, target, context.progress)
            manifest = _manifest(context, source, experiment, built, types)
            _publish(context, source, snapshot, built)
            return SnapshotResult(snapshot=_settle(context, snapshot, manifest))
        except BaseException as error:
            # Ctrl-C may come right after `ready` was committed, and is then too late.
            if _state(context, snapshot) is not SnapshotState.READY:
                told = error.details.get("decision") if isinstance(error, Denied) else None
                _unmake(context, snapshot, why_it_ended(error), refusal(error), told)
            if isinstance(error, Denied) and refusal(error):
                error.hint += f"\nSee: sandbox snapshot show {snapshot.id}"
            raise


@answers(ListSnapshotsRequest)
def list_snapshots(context: Context, request: ListSnapshotsRequest) -> SnapshotListResult:
    """Return the usable snapshots, or all on record."""
    with context.registry.reading() as tx:
        found = tx.snapshots()
    shown = (SnapshotState.READY, SnapshotState.BUILDING)
    return SnapshotListResult(
        snapshots=tuple(s for s in found if request.everything or s.state in shown),
        ages=ages(context, (s for s in found if s.state is SnapshotState.READY)),
    )


@answers(ShowSnapshotRequest)
def show(context: Context, request: ShowSnapshotRequest) -> SnapshotResult:
    """Return one snapshot with its manifest and who uses it."""
    snapshot = find(context, request.id)
    usable = snapshot.state is SnapshotState.READY
    return SnapshotResult(
        snapshot=snapshot,
        used_by=tuple(holder.name for holder in held_by(context, snapshot)),
        age=age_of(context, snapshot) if usable else None,
    )


@answers(RemoveSnapshotRequest)
def remove(context: Context, request: RemoveSnapshotRequest) -> SnapshotResult:
    """Remove a snapshot's volume; raises Conflict while a sandbox uses it.

    Repeatable: a removal that the engine refused, or a build that was killed, ends here.
    """
    gone = take_away(context, find(context, request.id))
    return SnapshotResult(snapshot=gone, taken_away=True)


def take_away(context: Context, snapshot: Snapshot, why: str = "") -> Snapshot:
    """Remove a snapshot that nobody needs; raises Conflict, naming them, while anybody does.

    The record goes first, and its journal holds the volume until that is gone: what was cut off
    in between is finished by asking again, or by the reaper.
    """
    if held := held_by(context, snapshot):
        raise _in_use(context, snapshot, held)
    # The record goes first: from here on no `up` chooses it. The engine refuses the volume's
    # removal while a container has it, should one have been made in between.
    with context.registry.writing() as tx:
        if any(snapshot.id in s.snapshots for s in tx.sandboxes(LIVE)):
            raise Conflict(
                "The snapshot was taken into use just now.",
                subject=snapshot.id,
                hint=f"See by whom: sandbox snapshot show {snapshot.id}",
            )
        current = tx.snapshot(snapshot.id) or snapshot
        removed = current.removed()
        if current.state is not SnapshotState.REMOVED:
            tx.save_snapshot(removed)
            tx.journal(removed.id, "volume", removed.volume)
            record(context, tx, "snapshot.removed", removed.id, reason=why)
    sweep_verification(context, removed)
    _take_apart(context, removed)
    if removed.manifest is None:  # it was never ready: its build may have been killed
        context.files.sweep(removed.source)
    with context.registry.writing() as tx:
        tx.forget_journal(removed.id)
    return removed


def end_killed(context: Context, source: str) -> None:
    """Settle builds that were killed: whoever holds the workshop knows that no other one lives.

    What the engine refuses to remove stays `building`, to be settled another time.
    """
    with context.registry.reading() as tx:
        found = tx.snapshots(source)
    for snapshot in found:
        if snapshot.state is SnapshotState.BUILDING:
            _unmake(context, snapshot, "its process was killed")


def _check_source(context: Context, source: Source, password: str) -> LiveTypes:
    """Return the listed columns with their types; raises InvalidInput where the file differs."""
    context.progress.say("snapshot", f"Reading the tables of {source.name}")
    with asking_live(context):
        live = context.reader.columns(source, password)
        refuse_drift(source, drift(source, live, types_before(context, source.name)))
    return {name: live[name] for name in source.tables}


def _reserve(context: Context, source: Source) -> Snapshot:
    now = context.now()
    with context.registry.writing() as tx:
        version = next_id(source.name, now.astimezone().date(), (s.id for s in tx.snapshots()))
        volume = f"sandbox-{context.registry.installation()}-{version.replace('@', '-')}"
        snapshot = Snapshot(
            id=version,
            source=source.name,
            state=SnapshotState.BUILDING,
            volume=volume,
            created=now,
            built_by=context.actor.name,
        )
        tx.save_snapshot(snapshot)
        tx.journal(version, "volume", volume)
        tx.journal(version, "container", volume)
        record(context, tx, "snapshot.requested", version, rules_digest=source.rules_digest())
    return snapshot


def _publish(context: Context, source: Source, snapshot: Snapshot, built: Built) -> None:
    """Copy the file into its volume through a container that never runs."""
    context.progress.say("snapshot", "Publishing: copying into a read-only volume")
    context.engine.create_volume(snapshot.volume, snapshot_labels(context))
    file = BigFile(f"{source.name}.duckdb", built.bytes, context.files.chunks(built.path))
    with reached(context, snapshot, snapshot.volume) as name:
        context.engine.put(name, REPLICA_FOLDER, [file])


def _manifest(
    context: Context, source: Source, experiment: str, built: Built, types: LiveTypes
) -> Manifest:
    """Return what a snapshot that has been built is; raises Denied if policy says no to it."""
    marked = label(source)
    invented = context.settings.demo
    document = SnapshotInput.of(
        source, context.actor.name, marked, built.tables, built.gate, invented=invented
    )
    with context.registry.reading() as tx:
        waived = exempt(tx, source.name, source.owners.extract, context.now())
    decision = judge_snapshot(document, context.catalogue.policies(), context.now(), waived)
    request = ""
    if decision:
        raise_denial(source.name, decision)
        request = let_out(context, source, experiment, document, decision)
    return Manifest(
        source=source.name,
        data_as_of=built.data_as_of,
        built_at=context.now(),
        tool_version=VERSION,
        rules_digest=source.rules_digest(),
        key_id=context.keys.key_id(source.name, experiment),
        tables=built.tables,
        bytes=built.bytes,
        file_digest=built.file_digest,
        label=marked,
        experiment=experiment,
        gate=built.gate,
        decision=decision.model_dump(mode="json") if decision else None,
        request=request,
        rules=source.model_dump(mode="json", by_alias=True, include={"tables"}),
        types=types,
    )


def _settle(context: Context, snapshot: Snapshot, manifest: Manifest) -> Snapshot:
    attestation = attested(context, snapshot.id, manifest)
    ready = snapshot.model_copy(
        update={
            "state": SnapshotState.READY,
            "manifest": manifest,
            "attestation": attestation,
        }
    )
    with context.registry.writing() as tx:
        current = tx.snapshot(snapshot.id)
        if current is None or current.state is not SnapshotState.BUILDING:
            raise Conflict(
                "The snapshot was taken away while it was built.",
                subject=snapshot.id,
                hint=f"Build another: {snapshot.build_command}",
            )
        tx.save_snapshot(ready)
        tx.forget_journal(ready.id)
        told = manifest.model_dump(mode="json", exclude=_UNTOLD)
        record(context, tx, "snapshot.built", ready.id, manifest=told)
    return ready


def _unmake(
    context: Context,
    snapshot: Snapshot,
    why: str,
    refused: GateReport | None = None,
    decision: dict[str, Any] | None = None,
) -> None:
    try:
        _take_apart(context, snapshot)
    except SandboxError:
        # The first error tells more. The record stays `building`, so the next build, or
        # `snapshot rm`, finishes this.
        return
    with context.registry.writing() as tx:
        current = tx.snapshot(snapshot.id)
        if current is None or current.state is not SnapshotState.BUILDING:
            return
        ended = {"state": SnapshotState.FAILED, "refused": refused}
        tx.save_snapshot(current.model_copy(update=ended))
        tx.forget_journal(snapshot.id)
        if refused is None:
            said = {"decision": decision} if decision else {}
            record(context, tx, "snapshot.failed", snapshot.id, reason=why, **said)
        else:
            leaks = [leak.model_dump(mode="json") for leak in refused.leaks]
            record(context, tx, "snapshot.refused", snapshot.id, leaks=leaks)


def _take_apart(context: Context, snapshot: Snapshot) -> None:
    """Remove a snapshot from the engine; what is gone already is success."""
    if snapshot.postgres:
        remove_cluster(context, snapshot)
    context.engine.remove("container", snapshot.volume)
    context.engine.remove("volume", snapshot.volume)


def _state(context: Context, snapshot: Snapshot) -> SnapshotState | None:
    with context.registry.reading() as tx:
        current = tx.snapshot(snapshot.id)
    return current.state if current else None


def held_by(context: Context, snapshot: Snapshot) -> tuple[Holder, ...]:
    """Return who needs a snapshot: sandboxes that run, stand still, wait or can be restored."""
    with context.registry.reading() as tx:
        return holders(snapshot, tx.sandboxes(LIVE), context.now(), LIFETIME)


def _in_use(context: Context, snapshot: Snapshot, held: tuple[Holder, ...]) -> Conflict:
    names = [holder.name for holder in held]
    with context.registry.reading() as tx:
        newest = tx.newest().get((snapshot.source, snapshot.experiment), snapshot.id)
    moves = f"\nWhat runs can move to newer data: sandbox reset {names[0]} --latest"
    return Conflict(
        f"The snapshot is used by {', '.join(names)}.",
        subject=snapshot.id,
        hint="\n".join(f"{holder.words}." for holder in held)
        + (moves if newest != snapshot.id else "")
        + f"\nEnd what nobody needs: sandbox down {names[0]}",
        details={"used_by": names, "held": [h.model_dump(mode="json") for h in held]},
    )
