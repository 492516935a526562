"""What people see of people."""

from typing import TYPE_CHECKING

from sandbox.cli.blocks import Block, Grid, cell, named

if TYPE_CHECKING:
    from sandbox.usecases.people import PeopleResult


_MORE = ("language", "valid_until", "deputy")


def listed(result: "PeopleResult") -> list[Block]:
    """Return who works here, and who asks."""
    roles = ", ".join(result.roles) or "no role"
    you = named("you", f"{result.you} ({result.identity}): {roles}")
    if not result.people:
        return [you, named("note", result.note)]
    # Columns that nobody uses here are left out.
    more = [name for name in _MORE if any(getattr(p, name) for p in result.people)]
    grid = Grid(("person", "user", "roles", *(name.replace("_", " ") for name in more)))
    for one in result.people:
        rest = (cell(getattr(one, name) or "") for name in more)
        grid.rows.append((one.name, one.user or "", ", ".join(one.roles), *rest))
    instead = [named("deputy", f"for {', '.join(result.deputy_for)}")] if result.deputy_for else []
    return [grid, you, *instead, named("note", result.note)]
