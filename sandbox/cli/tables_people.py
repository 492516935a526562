"""What people see of people."""

from typing import TYPE_CHECKING

from sandbox.cli.blocks import Block, Grid, named

if TYPE_CHECKING:
    from sandbox.usecases.people import PeopleResult


def listed(result: "PeopleResult") -> list[Block]:
    """Return who works here, and who asks."""
    roles = ", ".join(result.roles) or "no role"
    you = named("you", f"{result.you} ({result.identity}): {roles}")
    if not result.people:
        return [you, named("note", result.note)]
    grid = Grid(("person", "user", "roles"))
    for one in result.people:
        grid.rows.append((one.name, one.user or "", ", ".join(one.roles)))
    return [grid, you, named("note", result.note)]
