"""Snapshots: build, list, show, rm. From a source to a masked file in a read-only volume."""

from sandbox.core.errors import Conflict, InvalidInput, SandboxError
from sandbox.core.leaks import GateReport, refusal
from sandbox.core.objects import INSTALLATION, ROLE, BigFile
from sandbox.core.phases import LIVE
from sandbox.core.places import label
from sandbox.core.ports import Built, Context
from sandbox.core.snapshot import Manifest, Snapshot, SnapshotState, next_id
from sandbox.core.source import Source, drift
from sandbox.core.values import Request, Result
from sandbox.core.version import VERSION
from sandbox.usecases.attesting import (
    REPLICA_FOLDER,
    attested,
    carrier,
    find,
    sweep_verification,
)
from sandbox.usecases.desk import answers
from sandbox.usecases.disk import check_room_for_build
from sandbox.usecases.images import build_missing
from sandbox.usecases.recording import record, why_it_ended


class SnapshotResult(Result):
    """One snapshot; `used_by` are the names of sandboxes that have it mounted."""

    snapshot: Snapshot
    used_by: tuple[str, ...] = ()


class SnapshotListResult(Result):
    """Snapshots, oldest first."""

    snapshots: tuple[Snapshot, ...]


class BuildSnapshotRequest(Request[SnapshotResult]):
    """Ask for a fresh snapshot of a source."""

    source: str


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
    password = context.keys.password(source)
    with context.files.workshop(source.name) as folder:
        end_killed(context, source.name)
        check_room_for_build(context, source.name)
        _check_source(context, source, password)
        snapshot = _reserve(context, source)
        try:
            key = context.keys.mask_key(source.name)
            target = folder / f"{snapshot.volume}.duckdb"
            built = context.reader.copy(source, password, key, target, context.progress)
            _publish(context, source, snapshot, built)
            return SnapshotResult(snapshot=_settle(context, source, snapshot, built))
        except BaseException as error:
            # Ctrl-C may come right after `ready` was committed, and is then too late.
            if _state(context, snapshot) is not SnapshotState.READY:
                _unmake(context, snapshot, why_it_ended(error), refusal(error))
            raise


@answers(ListSnapshotsRequest)
def list_snapshots(context: Context, request: ListSnapshotsRequest) -> SnapshotListResult:
    """Return the usable snapshots, or all on record."""
    with context.registry.reading() as tx:
        found = tx.snapshots()
    shown = (SnapshotState.READY, SnapshotState.BUILDING)
    return SnapshotListResult(
        snapshots=tuple(s for s in found if request.everything or s.state in shown)
    )


@answers(ShowSnapshotRequest)
def show(context: Context, request: ShowSnapshotRequest) -> SnapshotResult:
    """Return one snapshot with its manifest and who uses it."""
    snapshot = find(context, request.id)
    return SnapshotResult(snapshot=snapshot, used_by=_used_by(context, snapshot))


@answers(RemoveSnapshotRequest)
def remove(context: Context, request: RemoveSnapshotRequest) -> SnapshotResult:
    """Remove a snapshot's volume; raises Conflict while a sandbox uses it.

    Repeatable: a removal that the engine refused, or a build that was killed, ends here.
    """
    snapshot = find(context, request.id)
    used_by = _used_by(context, snapshot)
    if used_by:
        raise Conflict(
            f"The snapshot is used by {', '.join(used_by)}.",
            subject=snapshot.id,
            hint=f"End them first: sandbox down {used_by[0]}",
            details={"used_by": list(used_by)},
        )
    # The record goes first: from here on no `up` chooses it. The engine refuses the volume's
    # removal while a container has it, should one have been made in between.
    with context.registry.writing() as tx:
        if any(s.spec.snapshot == snapshot.id for s in tx.sandboxes(LIVE)):
            raise Conflict("The snapshot was taken into use just now.", subject=snapshot.id)
        current = tx.snapshot(snapshot.id) or snapshot
        removed = current.model_copy(update={"state": SnapshotState.REMOVED})
        if current.state is not SnapshotState.REMOVED:
            tx.save_snapshot(removed)
            record(context, tx, "snapshot.removed", removed.id)
    sweep_verification(context, removed)
    _take_apart(context, removed)
    if removed.manifest is None:  # it was never ready: its build may have been killed
        context.files.sweep(removed.source)
    with context.registry.writing() as tx:
        tx.forget_journal(removed.id)
    return SnapshotResult(snapshot=removed)


def end_killed(context: Context, source: str) -> None:
    """Settle builds that were killed: whoever holds the workshop knows that no other one lives.

    What the engine refuses to remove stays `building`, to be settled another time.
    """
    with context.registry.reading() as tx:
        found = tx.snapshots(source)
    for snapshot in found:
        if snapshot.state is SnapshotState.BUILDING:
            _unmake(context, snapshot, "its process was killed")


def _check_source(context: Context, source: Source, password: str) -> None:
    context.progress.say("snapshot", f"Reading the tables of {source.name}")
    try:
        _refuse_drift(source, context.reader.columns(source, password))
    except SandboxError as error:
        lacking = context.demo.lacking() if context.demo else ""
        if lacking:
            again = f"sandbox init --demo {context.files.access().path}"
            error.hint += f" If this is the demo's core: {lacking}. Have it made again: {again}"
        raise


def _refuse_drift(source: Source, live: dict[str, list[str]]) -> None:
    found = drift(source, live)
    if not found:
        return
    parts = [f"not in the file: {', '.join(found.new)}"] if found.new else []
    parts += [f"not in the source: {', '.join(found.missing)}"] if found.missing else []
    raise InvalidInput(
        "The source and its file do not list the same columns; " + "; ".join(parts) + ".",
        subject=f"sources/{source.name}.yaml",
        hint="Add each new column with class and mask (mask: drop keeps it out); "
        "take out what is gone.",
        details={"new": list(found.new), "missing": list(found.missing)},
    )


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
    base = context.catalogue.base_image()
    build_missing(context, [base])
    labels = {INSTALLATION: context.registry.installation(), ROLE: "snapshot"}
    context.engine.create_volume(snapshot.volume, labels)
    context.engine.create_container(carrier(snapshot.volume, snapshot.volume, base.tag, labels))
    file = BigFile(f"{source.name}.duckdb", built.bytes, context.files.chunks(built.path))
    context.engine.put(snapshot.volume, REPLICA_FOLDER, [file])
    context.engine.remove("container", snapshot.volume)


def _settle(context: Context, source: Source, snapshot: Snapshot, built: Built) -> Snapshot:
    manifest = Manifest(
        source=source.name,
        data_as_of=built.data_as_of,
        built_at=context.now(),
        tool_version=VERSION,
        rules_digest=source.rules_digest(),
        key_id=context.keys.key_id(source.name),
        tables=built.tables,
        bytes=built.bytes,
        file_digest=built.file_digest,
        label=label(source),
        gate=built.gate,
        rules=source.model_dump(mode="json", by_alias=True, include={"tables"}),
    )
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
                hint=f"Build another: sandbox snapshot build {source.name}",
            )
        tx.save_snapshot(ready)
        tx.forget_journal(ready.id)
        # What the rules are is told by their digest.
        told = manifest.model_dump(mode="json", exclude={"rules"})
        record(context, tx, "snapshot.built", ready.id, manifest=told)
    return ready


def _unmake(
    context: Context, snapshot: Snapshot, why: str, refused: GateReport | None = None
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
            record(context, tx, "snapshot.failed", snapshot.id, reason=why)
        else:
            leaks = [leak.model_dump(mode="json") for leak in refused.leaks]
            record(context, tx, "snapshot.refused", snapshot.id, leaks=leaks)


def _take_apart(context: Context, snapshot: Snapshot) -> None:
    """Remove a snapshot from the engine; what is gone already is success."""
    context.engine.remove("container", snapshot.volume)
    context.engine.remove("volume", snapshot.volume)


def _state(context: Context, snapshot: Snapshot) -> SnapshotState | None:
    with context.registry.reading() as tx:
        current = tx.snapshot(snapshot.id)
    return current.state if current else None


def _used_by(context: Context, snapshot: Snapshot) -> tuple[str, ...]:
    with context.registry.reading() as tx:
        return tuple(s.name for s in tx.sandboxes(LIVE) if s.spec.snapshot == snapshot.id)
