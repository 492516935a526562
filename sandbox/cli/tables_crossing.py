"""What people see of a file that went into a sandbox or came out of it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sandbox.cli.blocks import Block, Grid, amount, counted, named
from sandbox.cli.tables_show import findings

if TYPE_CHECKING:
    from sandbox.core.policy import Decision
    from sandbox.usecases.exporting import ExportResult
    from sandbox.usecases.importing import ImportResult


def _export(result: "ExportResult") -> list[Block]:
    much = amount(result.rows, result.bytes)
    said = f"{result.what} of {result.name}, {much} of {result.format}"
    decision = result.decision
    held = f"{decision.held} of {decision.evaluated} rules hold"
    held += f"; for the rest request {result.request} was accepted" if result.request else ""
    return [
        named("policy", held),
        *_warnings(decision),
        named("exported", said),
        named("class", f"{result.label}; the replica holds {result.data_class} at most"),
        named("sha-256", result.sha256),
    ]


def _import(result: "ImportResult") -> list[Block]:
    grid = Grid(("column", "type"), [(c.name, c.type) for c in result.columns])
    shown: list[Block] = [
        *_warnings(result.decision),
        named("imported", f"lab.{result.table}, {counted(result.rows)}"),
    ]
    if matched := result.matched:
        said = f"{matched.file_column} with {matched.column}: {matched.rows:,} rows are there"
        shown.append(named("matched", f"{said}, {matched.unmatched:,} are not"))
    return [*shown, *(named("note", each) for each in result.notes), grid]


def _warnings(decision: "Decision") -> list[Block]:
    """Return the rules that do not hold, but for those that somebody's yes stood in for."""
    left = [finding for finding in decision.findings if not finding.approval]
    return findings(decision.model_copy(update={"findings": tuple(left)}))


SHOWN: dict[str, Callable[[Any], list[Block]]] = {
    "ExportResult": _export,
    "ImportResult": _import,
}
