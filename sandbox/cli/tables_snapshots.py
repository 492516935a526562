"""What people see of snapshots, of the leak gate, and of attestations."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sandbox.cli import tables_fresh, tables_replica
from sandbox.cli.blocks import Block, Grid, Line, amount, cell, counted, named, size

if TYPE_CHECKING:
    from sandbox.core.anonymity import Anonymity
    from sandbox.core.leaks import GateReport
    from sandbox.core.snapshot import Manifest
    from sandbox.usecases.attesting import AttestResult, VerifySnapshotResult
    from sandbox.usecases.snapshots import SnapshotListResult, SnapshotResult


def _snapshot(result: "SnapshotResult") -> list[Block]:
    snapshot = result.snapshot
    shown: list[Block] = [named("snapshot", f"{snapshot.id}, {snapshot.state}")]
    if result.taken_away:
        return shown
    if snapshot.refused:
        return [*shown, named("leak gate", "stopped it"), *_leaks(snapshot.refused)]
    if snapshot.manifest is None:
        return shown
    m = snapshot.manifest
    grid = Grid(("table", "rows", "column", "type", "class", "mask"))
    for table in m.tables:
        for number, column in enumerate(table.columns):
            lead = (table.name, f"{table.rows:,}") if number == 0 else ("", "")
            grid.rows.append((*lead, column.name, column.type, column.data_class, column.mask))
    return [
        *shown,
        named("data", f"as of {cell(m.data_as_of)}, {amount(m.rows, m.bytes)}"),
        *tables_fresh.aged(result.age),
        named("built", f"{cell(m.built_at)} by {snapshot.built_by}, tool {m.tool_version}"),
        named("rules", f"{m.rules_digest[:16]}…, key {m.key_id}"),
        named("file", f"sha256 {m.file_digest[:16]}…"),
        *_judged(m),
        *tables_replica.held(snapshot),
        named("used by", ", ".join(result.used_by) or "nobody"),
        grid,
    ]


def _snapshots(result: "SnapshotListResult") -> list[Block]:
    if not result.snapshots:
        return [Line("No snapshots. IT makes one with: sandbox snapshot build SOURCE")]
    apart = ("experiment",) if any(s.experiment for s in result.snapshots) else ()
    grid = Grid(("snapshot", "state", "data as of", "age", "rows", "size", *apart))
    for s in result.snapshots:
        m, age = s.manifest, result.ages.get(s.id)
        old = age.words if age else None
        known = (m.data_as_of, old, f"{m.rows:,}", size(m.bytes)) if m else (None,) * 4
        grid.rows.append((s.id, s.state, *known, *([s.experiment] if apart else [])))
    return [grid]


def _judged(manifest: "Manifest") -> list[Block]:
    gate = manifest.gate
    if gate is None:
        return [named("leak gate", "none: it was built before there was one")]
    found: list[Block] = [named("label", manifest.label)]
    if manifest.experiment:
        found.append(named("for", f"experiment {manifest.experiment}, by a key of its own"))
    looked = f"passed: {gate.places} places, {len(gate.detectors)} detectors"
    if gate.real_values:
        looked += f", {gate.real_values:,} real values and {gate.canaries} canaries looked for"
    found.append(named("leak gate", looked))
    kept = len(gate.relations.unique) + len(gate.relations.references)
    found += [named("keys", f"{kept} hold")] if kept else []
    found += [named("given up", each) for each in gate.relations.given_up]
    found += [*_stayed_behind(manifest), *_people(manifest)]
    return [*found, *(named("accepted", f"{a.leak}: {a.reason}") for a in gate.accepted)]


def _stayed_behind(manifest: "Manifest") -> list[Block]:
    said = "{:,} rows of {}: not copied is what they lead to by {}"
    return [
        named("left out", said.format(left.rows, table.name, left.because))
        for table in manifest.tables
        for left in table.left_out
        if left.rows
    ]


def _people(manifest: "Manifest") -> list[Block]:
    suppressed = {table.name: table.suppressed for table in manifest.tables}
    shown = [
        named("k", _hidden(each, suppressed.get(each.table, 0)))
        for each in (manifest.gate.anonymity if manifest.gate else ())
    ]
    findings = (manifest.decision or {}).get("findings", ())
    return [*shown, *(named("policy", _found(f, manifest.request)) for f in findings)]


def _found(finding: "Mapping[str, Any]", request: str) -> str:
    """Return what one rule found, and by whose request it was let out all the same."""
    by = f"approved by request {request}" if finding.get("approval") else finding["mode"]
    by = f"waived by {finding['waiver']}" if finding.get("waiver") else by
    return f"{by}: {finding['sentence']['en']}"


def _hidden(found: "Anonymity", suppressed: int) -> str:
    """Say how well people hide among each other in one table."""
    from sandbox.core.anonymity import FEW

    least = counted(found.k, "person", "people") if found.subject else counted(found.k)
    told = f"{least} in {found.table}, by {', '.join(found.columns)}"
    told += f"; {found.few:,} rows in groups of fewer than {FEW}" if found.few else ""
    return told + (f"; {suppressed:,} rows of small groups left out" if suppressed else "")


def _leaks(gate: "GateReport") -> list[Block]:
    if not gate.leaks:
        return []
    grid = Grid(("table", "column", "found", "values", "because"), cut=frozenset({"because"}))
    grid.rows.extend((k.table, k.column, k.detector, f"{k.count:,}", k.because) for k in gate.leaks)
    return [grid]


def _verified(result: "VerifySnapshotResult") -> list[Block]:
    words = {True: "holds", False: "DOES NOT HOLD"}
    found = "nothing found" if result.gate.passed else f"{len(result.gate.leaks)} found"
    return [
        named("snapshot", result.snapshot),
        named("file", "is the one attested" if result.same_file else "IS NOT the one attested"),
        named("signature", words[result.signature_holds]),
        *([named("k", words[result.k_holds])] if result.gate.anonymity else []),
        named("leak gate", f"{found}: {result.gate.places} places, without the source"),
        *_leaks(result.gate),
    ]


def _attested(result: "AttestResult") -> list[Block]:
    return [Line(line, raw=True) for line in result.text.rstrip().split("\n")]


SHOWN: dict[str, Callable[[Any], list[Block]]] = {
    "SnapshotResult": _snapshot,
    "SnapshotListResult": _snapshots,
    "VerifySnapshotResult": _verified,
    "AttestResult": _attested,
}
