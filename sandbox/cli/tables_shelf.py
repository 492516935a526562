"""What people see of the tables that sandboxes see."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sandbox.cli.blocks import Block, Grid, Line, named
from sandbox.cli.layout import width_of

if TYPE_CHECKING:
    from sandbox.core.source import Owners
    from sandbox.usecases.shelf import TableLine, TableListResult, TableShownResult

# Of more examples than this nobody reads the end.
_SHORT = 45
_CUT = frozenset({"examples"})


def _tables(result: "TableListResult") -> list[Block]:
    wrong = [named("wrong", fault, "red") for fault in result.faults]
    if not result.tables:
        return [*wrong, Line("No tables. IT lists them in a source: sandbox source draft NAME")]
    grid = Grid(("table", "meaning", "owner", "rows", "data"), whole=True)
    for t in result.tables:
        rows = "" if t.rows is None else f"{t.rows:,}"
        grid.rows.append((t.name, t.meaning, _owner(t.owners), rows, _age(t)))
    return [grid, *wrong]


def _table(result: "TableShownResult") -> list[Block]:
    t = result.table
    shown: list[Block] = [named("table", t.name)]
    shown += [named("meaning", t.meaning)] if t.meaning else []
    if t.owners:
        owners = f"{t.owners.extract} extracts, {t.owners.transform} masks"
        shown.append(named("owners", owners))
    if t.rows is not None:
        shown.append(named("rows", f"{t.rows:,}" + (f", {t.chosen}" if t.chosen else "")))
    shown.append(named("data", f"{t.snapshot}, {_age(t)}" if t.snapshot else _age(t)))
    grid = Grid(("column", "class", "what you see", "examples", "meaning"), cut=_CUT)
    for c in result.columns:
        grid.rows.append((c.name, c.data_class, c.mask, _examples(c.examples), c.meaning))
    absent = ", ".join(result.not_copied)
    return [*shown, grid, *([named("not there", absent)] if absent else [])]


def _examples(values: tuple[str, ...]) -> str:
    """Return the first of them, and more as long as they are short."""
    shown = ", ".join(values)
    while width_of(shown) > _SHORT and ", " in shown:
        shown = shown.rpartition(", ")[0]
    return shown


def _owner(owners: "Owners | None") -> str:
    if owners is None:
        return ""
    return ", ".join(dict.fromkeys((owners.extract, owners.transform)))


def _age(table: "TableLine") -> str:
    return table.age.words if table.age else "in no snapshot yet"


SHOWN: dict[str, Callable[[Any], list[Block]]] = {
    "TableListResult": _tables,
    "TableShownResult": _table,
}
