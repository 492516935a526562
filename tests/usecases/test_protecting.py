"""k and policy at the point `snapshot`; keys of one experiment, and who sees what they masked."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.cli.tables_snapshots import SHOWN
from sandbox.core.anonymity import Anonymity
from sandbox.core.errors import Conflict, Denied, InvalidInput, NotFound, Unavailable
from sandbox.core.leaks import GateReport
from sandbox.core.ports import Context
from sandbox.core.snapshot import Snapshot, SnapshotState
from sandbox.usecases.attesting import AttestRequest, VerifySnapshotRequest, attest, find, verify
from sandbox.usecases.snapshots import (
    BuildSnapshotRequest,
    ListSnapshotsRequest,
    build,
    list_snapshots,
)
from tests.fakes import FakeEngine, FakeReader
from tests.usecases.asking_up import chain_holds, codes, events, make

BUILD = BuildSnapshotRequest(source="core")
ID = "core@2026-11-23.1"
BIRTH = Anonymity(table="customers", columns=("birth_date",), k=3, groups=40, few=7)


def judged(*found: Anonymity) -> GateReport:
    return GateReport(places=3, detectors={}, real_values=7, canaries=0, anonymity=found)


def enforce(home: Path) -> None:
    file = home / "policies" / "baseline.yaml"
    head, rest = file.read_text("utf-8").split("id: k-min\n")
    file.write_text(f"{head}id: k-min\n{rest.replace('mode: warn', 'mode: enforce', 1)}", "utf-8")


def per_experiment(home: Path) -> None:
    file = home / "sources" / "core.yaml"
    text = file.read_text("utf-8")
    file.write_text(text.replace("tables:\n", "keys: {scope: experiment}\ntables:\n", 1), "utf-8")


def stated(context: Context, id: str = ID) -> Any:
    envelope = json.loads(attest(context, AttestRequest(id=id)).text)
    return json.loads(base64.b64decode(envelope["payload"]))["predicate"]


def test_k_is_judged_told_and_attested(ctx: Context, reader: FakeReader) -> None:
    reader.gate = judged(BIRTH)
    made = build(ctx, BUILD)
    assert made.snapshot.manifest is not None
    decision = made.snapshot.manifest.decision
    assert decision is not None
    assert decision["verdict"] == "warn"
    assert [f["rule"] for f in decision["findings"]] == ["k-min"]
    told = stated(ctx)
    assert told["k"] == {
        "customers": {
            "columns": ["birth_date"], "subject": "", "k": 3, "groups": 40, "few": 7,
            "suppressed": 0,
        }
    }  # fmt: skip
    assert told["policy"]["verdict"] == "warn"
    shown = str(SHOWN["SnapshotResult"](made))
    assert "3 rows in customers, by birth_date; 7 rows in groups of fewer than 5" in shown
    assert "warn: tables customers: the smallest group (k) is 3, at least 5 is needed" in shown


def test_a_group_too_small_stops_the_snapshot_where_policy_says_so(
    ctx: Context, reader: FakeReader, engine: FakeEngine, home: Path
) -> None:
    enforce(home)
    reader.gate = judged(BIRTH)
    with pytest.raises(Denied, match=r"the smallest group \(k\) is 3"):
        build(ctx, BUILD)
    assert engine.listing() == []
    assert list((home / ".sandbox" / "build").glob("*")) == []
    assert find(ctx, ID).state is SnapshotState.FAILED
    assert codes(ctx, ID) == ["snapshot.requested", "snapshot.failed"]
    assert events(ctx, ID)[-1].details["decision"]["verdict"] == "deny"
    assert chain_holds(ctx)
    reader.gate = judged(BIRTH.model_copy(update={"k": 5}))
    assert build(ctx, BUILD).snapshot.state is SnapshotState.READY
    # Without rows there is nobody to be told apart.
    reader.gate = judged(BIRTH.model_copy(update={"k": 0, "groups": 0, "few": 0}))
    assert build(ctx, BUILD).snapshot.state is SnapshotState.READY


def test_a_home_without_a_rule_has_nothing_judged(
    ctx: Context, reader: FakeReader, home: Path
) -> None:
    for file in (home / "policies").glob("*.yaml"):
        file.write_text(file.read_text("utf-8").replace("at: [snapshot]", "at: [egress]"), "utf-8")
    reader.gate = judged(BIRTH)
    made = build(ctx, BUILD).snapshot
    assert made.manifest is not None
    assert made.manifest.decision is None
    assert "policy" not in stated(ctx)


def test_verify_counts_k_again(ctx: Context, reader: FakeReader) -> None:
    reader.gate = judged(BIRTH)
    build(ctx, BUILD)
    again = verify(ctx, VerifySnapshotRequest(id=ID))
    assert again.k_holds
    assert "DOES NOT HOLD" not in str(SHOWN["VerifySnapshotResult"](again))
    reader.gate = judged(BIRTH.model_copy(update={"k": 2}))
    found = verify(ctx, VerifySnapshotRequest(id=ID))
    assert (found.held, found.k_holds, found.signature_holds) == (False, False, True)
    assert "DOES NOT HOLD" in str(SHOWN["VerifySnapshotResult"](found))


def test_a_snapshot_from_before_k_was_counted_still_holds(ctx: Context, reader: FakeReader) -> None:
    build(ctx, BUILD)
    reader.gate = reader.gate.model_copy(update={"anonymity": (BIRTH,)})
    assert verify(ctx, VerifySnapshotRequest(id=ID)).held


def of(context: Context, experiment: str) -> Snapshot:
    return build(context, BuildSnapshotRequest(source="core", experiment=experiment)).snapshot


def test_an_experiment_has_a_key_of_its_own(ctx: Context, reader: FakeReader, home: Path) -> None:
    build(ctx, BUILD)
    per_experiment(home)
    spring, again, autumn = of(ctx, "spring"), of(ctx, "spring"), of(ctx, "autumn")
    series, one, same, other = reader.keys
    assert one == same
    assert len({series, one, other}) == 3
    listed = str(SHOWN["SnapshotListResult"](list_snapshots(ctx, ListSnapshotsRequest())))
    assert ("experiment" in listed, "autumn" in listed) == (True, True)
    keys = [s.manifest.key_id for s in (spring, again, autumn) if s.manifest]
    assert keys[0] == keys[1] != keys[2]
    assert stated(ctx, spring.id)["experiment"] == "spring"
    assert "experiment" not in stated(ctx, ID)
    everything = json.dumps([e.details for e in events(ctx)])
    assert not any(key.hex() in everything for key in reader.keys)


def test_a_snapshot_of_one_experiment_is_seen_by_that_one_alone(ctx: Context, home: Path) -> None:
    series = build(ctx, BUILD).snapshot
    per_experiment(home)
    with pytest.raises(NotFound, match="yet for the experiment") as missing:
        make(ctx, experiment="spring")
    assert "build core --experiment spring" in missing.value.hint
    spring, _ = of(ctx, "spring"), of(ctx, "autumn")
    assert make(ctx, experiment="spring").replica.id == spring.id
    with pytest.raises(InvalidInput, match="for one experiment"):
        make(ctx, "another")
    with pytest.raises(Conflict, match="is for spring"):
        make(ctx, "another", experiment="autumn", snapshot=spring.id)
    with pytest.raises(Conflict, match="for no single experiment"):
        make(ctx, "another", experiment="autumn", snapshot=series.id)
    # The name is the same, what is asked for is not.
    with pytest.raises(Conflict, match="another experiment"):
        make(ctx, experiment="autumn")


def test_an_experiment_must_fit_the_scope_of_the_keys(ctx: Context, home: Path) -> None:
    for experiment in ("spring", "Spring!"):
        with pytest.raises(InvalidInput, match="for everybody"):
            of(ctx, experiment)
    build(ctx, BUILD)
    with pytest.raises(InvalidInput, match="for everybody"):
        make(ctx, experiment="spring")
    per_experiment(home)
    with pytest.raises(InvalidInput, match="for one experiment"):
        build(ctx, BUILD)
    with pytest.raises(InvalidInput, match="lower-case"):
        of(ctx, "Spring!")


@pytest.mark.parametrize("content", [None, b"", b"short"])
def test_without_the_whole_master_key_nothing_is_read(
    ctx: Context, reader: FakeReader, home: Path, content: bytes | None
) -> None:
    file = home / ".sandbox" / "keys" / "master"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
        file.chmod(0o600)
    with pytest.raises(Unavailable, match="master key"):
        build(ctx, BUILD)
    assert reader.keys == []
