"""What the gate refused, what is attested, and verify: a changed file or signature is seen."""

import base64
import json
import stat
from pathlib import Path

import pytest

from sandbox.core.attestation import to_sign
from sandbox.core.errors import Conflict, Denied, Unavailable
from sandbox.core.leaks import GateReport, Leak, refuse_leaks
from sandbox.core.ports import Context
from sandbox.core.snapshot import SnapshotState
from sandbox.usecases.attesting import AttestRequest, VerifySnapshotRequest, attest, carrier, verify
from sandbox.usecases.snapshots import (
    BuildSnapshotRequest,
    ListSnapshotsRequest,
    RemoveSnapshotRequest,
    build,
    list_snapshots,
    remove,
)
from tests.fakes import FakeEngine, FakeReader, Trap, unavailable
from tests.usecases.asking_up import chain_holds, codes, events

BUILD = BuildSnapshotRequest(source="core")
ID = "core@2026-11-23.1"
LEAK = Leak(table="customers", column="note", detector="mail", count=3, because="values")
LEAKY = GateReport(places=3, detectors={"mail": 1}, real_values=7, canaries=0, leaks=(LEAK,))


def test_a_refused_build_publishes_nothing_and_records_what_was_found(
    ctx: Context, engine: FakeEngine, reader: FakeReader, home: Path
) -> None:
    with pytest.raises(Denied) as stopped:
        refuse_leaks(LEAKY, "core")
    reader.error = stopped.value
    with pytest.raises(Denied, match=r"customers\.note: mail, 3 \(values\)") as told:
        build(ctx, BUILD)
    assert told.value.hint.endswith(f"\nSee: sandbox snapshot show {ID}")
    assert engine.listing() == []
    assert codes(ctx, ID) == ["snapshot.requested", "snapshot.refused"]
    assert events(ctx, ID)[-1].details["leaks"] == [LEAK.model_dump()]
    (refused,) = list_snapshots(ctx, ListSnapshotsRequest(everything=True)).snapshots
    assert (refused.state, refused.refused) == (SnapshotState.FAILED, LEAKY)
    assert list((home / ".sandbox" / "build").glob("*")) == []
    assert chain_holds(ctx)


def test_the_attestation_is_checked_with_the_public_key_alone(ctx: Context, home: Path) -> None:
    build(ctx, BUILD)
    envelope = json.loads(attest(ctx, AttestRequest(id=ID)).text)
    assert set(envelope) == {"payload", "payloadType", "signatures"}
    content = base64.b64decode(envelope["payload"])
    stated = json.loads(content)
    assert stated["_type"] == "https://in-toto.io/Statement/v1"
    assert stated["subject"][0]["name"] == ID
    told = stated["predicate"]
    assert told["passed"] is True
    assert (told["label"], told["k"]) == ("pseudonymised", None)
    assert told["rows"]["customers"] == 10
    assert told["columns"]["customers"]["mail"].startswith("contact: fake-mail")
    assert "tables" not in told
    signature = base64.b64decode(envelope["signatures"][0]["sig"])
    covered = to_sign(envelope["payloadType"], content)
    assert covered.startswith(b"DSSEv1 28 application/vnd.in-toto+json ")
    assert ctx.keys.signed_by_us(covered, signature)
    assert not ctx.keys.signed_by_us(covered + b" ", signature)
    file = home / ".sandbox" / "keys" / "signing"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    pem = attest(ctx, AttestRequest(id=ID, public_key=True)).text
    assert pem.startswith("-----BEGIN PUBLIC KEY-----")
    assert "PRIVATE" not in pem


def test_verify_reads_the_file_of_the_volume_and_leaves_nothing(
    ctx: Context, engine: FakeEngine, reader: FakeReader, home: Path
) -> None:
    build(ctx, BUILD)
    before = engine.listing()
    found = verify(ctx, VerifySnapshotRequest(id=ID))
    assert found.held
    assert reader.judged == (["consents", "customers", "purchases"], [], b"DUCK" * 1000)
    assert engine.listing() == before
    assert list((home / ".sandbox" / "build").glob("*")) == []
    assert codes(ctx, ID)[-1] == "snapshot.verified"


def test_verify_sees_another_file_another_manifest_and_new_findings(
    ctx: Context, engine: FakeEngine, reader: FakeReader
) -> None:
    made = build(ctx, BUILD).snapshot
    engine.contents[made.volume]["core.duckdb"] = b"DUCK" * 999 + b"DUCX"
    assert not verify(ctx, VerifySnapshotRequest(id=ID)).same_file
    engine.contents[made.volume]["core.duckdb"] = b"DUCK" * 1000
    reader.gate = LEAKY
    assert verify(ctx, VerifySnapshotRequest(id=ID)).held is False
    reader.gate = GateReport(places=3, detectors={}, real_values=0, canaries=0)
    assert made.manifest is not None
    other = made.manifest.model_copy(update={"label": "raw-like"})
    with ctx.registry.writing() as tx:
        tx.save_snapshot(made.model_copy(update={"manifest": other}))
    found = verify(ctx, VerifySnapshotRequest(id=ID))
    assert (found.same_file, found.signature_holds) == (True, False)
    assert [e.details.get("signature_holds") for e in events(ctx, ID)[-1:]] == [False]


def test_verify_sees_other_rules_and_a_signature_that_is_none(ctx: Context) -> None:
    made = build(ctx, BUILD).snapshot
    assert made.manifest is not None
    assert made.attestation is not None
    assert verify(ctx, VerifySnapshotRequest(id=ID)).signature_holds
    fewer = made.manifest.model_copy(update={"rules": {"tables": {}}})
    (signature,) = made.attestation.signatures
    broken = signature.model_copy(update={"sig": "A"})
    odd = made.attestation.model_copy(update={"signatures": (broken,)})
    for changed in ({"manifest": fewer}, {"attestation": odd}):
        with ctx.registry.writing() as tx:
            tx.save_snapshot(made.model_copy(update=changed))
        assert not verify(ctx, VerifySnapshotRequest(id=ID)).signature_holds


def test_verify_leaves_nothing_where_the_engine_fails(ctx: Context, engine: FakeEngine) -> None:
    build(ctx, BUILD)
    before = engine.listing()
    engine.trap = Trap(unavailable(), method="fetch")
    with pytest.raises(Unavailable):
        verify(ctx, VerifySnapshotRequest(id=ID))
    engine.trap = None
    assert engine.listing() == before


def test_removing_ends_a_verification_that_was_killed(
    ctx: Context, engine: FakeEngine, home: Path
) -> None:
    made = build(ctx, BUILD).snapshot
    engine.trap = Trap(KeyboardInterrupt(), method="remove")
    with pytest.raises(KeyboardInterrupt):
        verify(ctx, VerifySnapshotRequest(id=ID))
    engine.trap = None
    left = home / ".sandbox" / "build" / "verify-core"
    left.mkdir()
    (left / "core.duckdb").write_bytes(b"DUCK")
    engine.create_container(carrier(f"{made.volume}-verify", made.volume, "base", {}))
    remove(ctx, RemoveSnapshotRequest(id=ID))
    assert engine.listing() == []
    assert not left.exists()


def test_what_was_never_gated_cannot_be_verified_or_attested(ctx: Context) -> None:
    made = build(ctx, BUILD).snapshot
    assert made.manifest is not None
    older = made.manifest.model_copy(update={"gate": None})
    with ctx.registry.writing() as tx:
        tx.save_snapshot(made.model_copy(update={"manifest": older, "attestation": None}))
    for ask in (lambda: verify(ctx, VerifySnapshotRequest(id=ID)),
                lambda: attest(ctx, AttestRequest(id=ID))):  # fmt: skip
        with pytest.raises(Conflict, match="older than the leak gate"):
            ask()
