"""What people see of sources: the list, one source, a check, a draft."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sandbox.cli.blocks import Block, Grid, Line, named

if TYPE_CHECKING:
    from sandbox.usecases.drafting import DraftResult
    from sandbox.usecases.sources import (
        SourceCheckResult,
        SourceLine,
        SourceListResult,
        SourceResult,
    )


def _sources(result: "SourceListResult") -> list[Block]:
    if not result.sources:
        return [Line("No sources. IT drafts one with: sandbox source draft NAME --type TYPE")]
    columns = ("source", "type", "place", "tables", "classes", "snapshot", "data")
    grid = Grid(columns, whole=True)
    for s in result.sources:
        grid.rows.append(
            (s.name, s.type, s.place, s.tables or "", ", ".join(s.classes), *_newest(s))
        )
    faults = [named("wrong", f"{s.name}: {s.fault}", "red") for s in result.sources if s.fault]
    return [grid, *faults]


def _newest(line: "SourceLine") -> tuple[str, str]:
    none = "" if line.fault else "none yet"
    return line.snapshot or none, line.age.words if line.age else ""


def _source(result: "SourceResult") -> list[Block]:
    s = result.line
    titled = f"{s.name}, {s.title}" if s.title else s.name
    shown: list[Block] = [named("source", titled), named("place", f"{s.type}, {s.place}")]
    shown += [named("password", f"in {result.password}")] if result.password else []
    shown.append(named("owners", f"extract {result.extract}, transform {result.transform}"))
    shown.append(named("snapshot", ", ".join(filter(None, _newest(s)))))
    grid = Grid(("table", "column", "class", "mask", "meaning"), cut=frozenset({"meaning"}))
    for table in result.tables:
        shown += [named("table", f"{table.name}: {table.meaning}")] if table.meaning else []
        shown += [named("rows", f"{table.name}: {table.rows}")] if table.rows else []
        for number, column in enumerate(table.columns):
            lead = "" if number else table.name
            grid.rows.append((lead, column.name, column.data_class, column.mask, column.meaning))
    return [*shown, grid]


def _checked(result: "SourceCheckResult") -> list[Block]:
    where = f"{result.name} ({result.place})"
    if result.login:
        return _unfit(f"{where} COULD WRITE:", result.login, result.undo)
    if result.hidden:
        return _unfit(f"{where} MAY NOT READ what the file lists:", result.hidden, result.grant)
    shown: list[Block] = [named("source", where)]
    shown += [named("login", f"{result.user} can only read")] if result.user else []
    if result.clean:
        tables = f"{result.tables} table{'' if result.tables == 1 else 's'}"
        compared = f"{result.columns} columns of {tables}, as the file says"
        return [*shown, named("columns", compared, "green"), *_unlisted(result)]
    grid = Grid(("found", "column", "what to do"))
    file = f"sources/{result.name}.yaml"
    for found, names, fix in (
        ("new", result.drift.new, f"add it to {file} with class and mask (drop keeps it out)"),
        ("missing", result.drift.missing, f"take it out of {file}, or ask the source's owner"),
        ("retyped", result.drift.retyped, f"if that is right, state it in {file}: type"),
    ):
        grid.rows.extend((found, name, fix) for name in names)
    return [*shown, grid, *_unlisted(result)]


def _unfit(said: str, found: tuple[str, ...], mends: tuple[str, ...]) -> list[Block]:
    return [
        named("login", said, "red"),
        *(Line(f"  {each}") for each in found),
        named("fix", "let the source's owner run:"),
        *(Line(f"  {statement}", raw=True) for statement in mends),
        named("columns", "not compared until then"),
    ]


def _unlisted(result: "SourceCheckResult") -> list[Block]:
    tables = ", ".join(result.unlisted)
    return [named("left out", f"tables that the file does not list: {tables}")] if tables else []


def _drafted(result: "DraftResult") -> list[Block]:
    grid = Grid(("table", "column", "class", "mask", "why"), cut=frozenset({"why"}))
    for table in result.tables:
        for number, column in enumerate(table.columns):
            lead = "" if number else table.name
            grid.rows.append((lead, column.name, column.data_class, column.mask, column.why))
    left = [named("left out", f"{t.name}: {t.left_out}") for t in result.tables if t.left_out]
    then = (
        f"review {result.file}, then: sandbox snapshot build {result.name}"
        if result.file
        else f"review it, then put what is right into sources/{result.name}.yaml"
    )
    drafted = named("draft", f"{result.name}, from {result.place}")
    doubts = [named("warning", doubt, "yellow") for doubt in result.warnings]
    return [drafted, grid, *left, *doubts, named("next", then)]


SHOWN: dict[str, Callable[[Any], list[Block]]] = {
    "SourceListResult": _sources,
    "SourceResult": _source,
    "SourceCheckResult": _checked,
    "DraftResult": _drafted,
}
