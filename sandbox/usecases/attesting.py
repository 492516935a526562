"""Attest and verify: what a snapshot is, signed, and whether its volume still holds just that."""

import base64
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from sandbox.core.archive import regular_files
from sandbox.core.attestation import PAYLOAD, Envelope, key_name, signed, statement, to_sign
from sandbox.core.errors import Conflict, Unavailable
from sandbox.core.leaks import GateReport
from sandbox.core.objects import INSTALLATION, ROLE, Container, Mount, unstarted
from sandbox.core.ports import Context
from sandbox.core.snapshot import Manifest, Snapshot, SnapshotState, check_id, no_such_snapshot
from sandbox.core.source import digest_of
from sandbox.core.values import Request, Result
from sandbox.usecases.carrying import carried
from sandbox.usecases.desk import answers
from sandbox.usecases.recording import record

REPLICA_FOLDER = "/replica"


class AttestResult(Result):
    """The envelope of a snapshot as DSSE wants it (JSON), or the key that it is checked with."""

    snapshot: str
    text: str


class AttestRequest(Request[AttestResult]):
    """Ask for a snapshot's attestation; with `public_key` for the key it is checked with (PEM)."""

    id: str
    public_key: bool = False


class VerifySnapshotResult(Result):
    """Whether a snapshot is still what was attested, and what the gate finds in it now.

    `held`: all of it. `same_file`: its SHA-256 is the one in the manifest. `signature_holds`: the
    attestation is this home's, and of this manifest. `k_holds`: people hide among each other as
    it says.
    """

    snapshot: str
    held: bool
    same_file: bool
    signature_holds: bool
    k_holds: bool
    gate: GateReport


class VerifySnapshotRequest(Request[VerifySnapshotResult]):
    """Ask to judge a snapshot again, as far as that goes without its source."""

    id: str


@answers(AttestRequest)
def attest(context: Context, request: AttestRequest) -> AttestResult:
    """Return a snapshot's attestation; raises Conflict for one that has none."""
    snapshot = find(context, request.id)
    if request.public_key:
        return AttestResult(snapshot=snapshot.id, text=context.keys.public_key())
    if snapshot.attestation is None:
        raise _without(snapshot, "no attestation")
    return AttestResult(snapshot=snapshot.id, text=snapshot.attestation.as_json())


@answers(VerifySnapshotRequest)
def verify(context: Context, request: VerifySnapshotRequest) -> VerifySnapshotResult:
    """Copy the file out of its volume, and judge it by the rules that it was built with.

    The copy lies in the home's state, where the file was built, and is removed with its folder.
    """
    snapshot = find(context, request.id)
    manifest = snapshot.manifest
    if snapshot.state is not SnapshotState.READY or manifest is None or manifest.gate is None:
        raise _without(snapshot, "nothing to verify")
    with context.files.workshop(_workshop(snapshot)) as folder:
        context.progress.say("snapshot", "Copying the file out of its volume")
        file = folder / f"{snapshot.source}.duckdb"
        digest = _copied_out(context, snapshot, file)
        tables = manifest.built_by()
        gate = context.reader.judge(
            tables, _canaries(context, snapshot), manifest.gate.relations, file, context.progress
        )
    same_file = digest == manifest.file_digest
    signature_holds = _signature_holds(context, snapshot, manifest)
    # One that was built before k was counted says nothing of it.
    k_holds = manifest.gate.anonymity in ((), gate.anonymity)
    found = VerifySnapshotResult(
        snapshot=snapshot.id,
        held=same_file and signature_holds and k_holds and gate.passed,
        same_file=same_file,
        signature_holds=signature_holds,
        k_holds=k_holds,
        gate=gate,
    )
    with context.registry.writing() as tx:
        told = found.model_dump(mode="json", include={"same_file", "signature_holds", "k_holds"})
        leaks = [leak.model_dump(mode="json") for leak in gate.leaks]
        record(context, tx, "snapshot.verified", snapshot.id, **told, leaks=leaks)
    return found


def attested(context: Context, id: str, manifest: Manifest) -> Envelope:
    """Return the signed attestation of a snapshot that is about to be ready."""
    return signed(_stated(id, manifest), key_name(context.keys.public_key()), context.keys.sign)


def _stated(id: str, manifest: Manifest) -> bytes:
    # What is not said is left out, so that older attestations still hold when there is more to say.
    untold = {"rules", "types", "tables", "gate", "bytes", "file_digest", "decision"}
    gate = manifest.gate
    assert gate is not None  # nothing is published without it
    judged = gate.model_dump(mode="json", exclude={"detectors", "seconds", "anonymity"})
    if not gate.relations.followed:
        del judged["relations"]["followed"]
    predicate = {
        **manifest.model_dump(mode="json", exclude=untold, exclude_defaults=True),
        "rows": {table.name: table.rows for table in manifest.tables},
        "columns": {
            table.name: {c.name: f"{c.data_class}: {c.mask}" for c in table.columns}
            for table in manifest.tables
        },
        **_left_out(manifest),
        "k": _anonymity(manifest),
        "detectors": dict(gate.detectors),
        "gate": judged,
        "passed": gate.passed,
    }
    if manifest.decision:
        said = ("verdict", "policy", "policy_version", "policy_digest")
        predicate["policy"] = {part: manifest.decision[part] for part in said}
    return statement(id, manifest.file_digest, predicate)


def _left_out(manifest: Manifest) -> dict[str, Any]:
    """Return by table how many rows stayed behind, by the reference that leads elsewhere."""
    found = {
        table.name: {left.because: left.rows for left in table.left_out}
        for table in manifest.tables
        if table.left_out
    }
    return {"left_out": found} if found else {}


def _anonymity(manifest: Manifest) -> dict[str, Any] | None:
    """Return k by table, with what it was counted by; None where nothing was declared."""
    suppressed = {table.name: table.suppressed for table in manifest.tables}
    found = manifest.gate.anonymity if manifest.gate else ()
    return {
        each.table: {
            **each.model_dump(mode="json", exclude={"table"}),
            "suppressed": suppressed.get(each.table, 0),
        }
        for each in found
    } or None


def carrier(name: str, volume: str, image: str, labels: dict[str, str]) -> Container:
    """Return a container that never runs, through which a snapshot's volume is reached."""
    return unstarted(name, image, labels, "65534:65534", Mount(volume, REPLICA_FOLDER))


def _copied_out(context: Context, snapshot: Snapshot, file: Path) -> str:
    """Copy a snapshot's file out of its volume; return its SHA-256."""
    with reached(context, snapshot, _verifier(snapshot)) as name:
        for found in regular_files(context.engine.fetch(name, REPLICA_FOLDER)):
            if found.path.rpartition("/")[2] == file.name:
                return context.files.fill(file, found.chunks)
    raise Unavailable(
        "The snapshot's volume does not hold its file.",
        subject=snapshot.id,
        hint=f"Build another: {snapshot.build_command}",
    )


def reached(context: Context, snapshot: Snapshot, name: str) -> AbstractContextManager[str]:
    """Give the container `name`, through which a snapshot's volume is reached meanwhile."""
    labels = snapshot_labels(context)
    return carried(context, lambda image: carrier(name, snapshot.volume, image, labels))


def snapshot_labels(context: Context) -> dict[str, str]:
    """Return the labels of what belongs to a snapshot."""
    return {INSTALLATION: context.registry.installation(), ROLE: "snapshot"}


def sweep_verification(context: Context, snapshot: Snapshot) -> None:
    """Remove what a verification that was killed has left; gone already is success."""
    context.engine.remove("container", _verifier(snapshot))
    context.files.sweep(_workshop(snapshot))


def _verifier(snapshot: Snapshot) -> str:
    return f"{snapshot.volume}-verify"


def _workshop(snapshot: Snapshot) -> str:
    return f"verify-{snapshot.source}"


def _canaries(context: Context, snapshot: Snapshot) -> tuple[str, ...]:
    """Return the canaries of the source's file as it is today; none if there is none any more."""
    if snapshot.source not in context.catalogue.sources():
        return ()
    return context.catalogue.source(snapshot.source).canaries


def _signature_holds(context: Context, snapshot: Snapshot, manifest: Manifest) -> bool:
    envelope = snapshot.attestation
    # The rules themselves are not stated: whoever changed them would choose what the gate looks at.
    scope = "experiment" if manifest.experiment else "series"
    if envelope is None or digest_of(manifest.built_by(), scope) != manifest.rules_digest:
        return False
    try:
        content = envelope.content()
        signatures = [base64.b64decode(s.sig) for s in envelope.signatures]
    except ValueError:  # not even base64
        return False
    covered = to_sign(PAYLOAD, content)
    return content == _stated(snapshot.id, manifest) and any(
        context.keys.signed_by_us(covered, signature) for signature in signatures
    )


def find(context: Context, id: str) -> Snapshot:
    """Return one snapshot; raises NotFound with the nearest version."""
    check_id(id)
    with context.registry.reading() as tx:
        snapshot = tx.snapshot(id)
        known = [s.id for s in tx.snapshots()]
    if snapshot is None:
        raise no_such_snapshot(id, known)
    return snapshot


def _without(snapshot: Snapshot, what: str) -> Conflict:
    return Conflict(
        f"The snapshot has {what}: it is {snapshot.state}, or older than the leak gate.",
        subject=snapshot.id,
        hint=f"Build another: {snapshot.build_command}",
    )
