"""What people see of the way out: the hosts of a sandbox, and what its proxy did for them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sandbox.cli.blocks import Block, Grid, Line, named

if TYPE_CHECKING:
    from sandbox.core.egress import Contact

# Who tries many names or addresses fills the screen with them otherwise.
_MOST_REFUSED = 10


def reached(hosts: Sequence[str]) -> list[Line]:
    """Return the line that names the hosts outside; nothing where there is no way out."""
    return [named("egress", ", ".join(hosts))] if hosts else []


def asked_for(contacts: "Sequence[Contact]") -> list[Block]:
    """Return a grid of the hosts that a proxy was asked for, let through or refused."""
    if not contacts:
        return []
    grid = Grid(("host outside", "port", "", "times", "sent", "received", "last"))
    refused = sorted((c for c in contacts if c.refused), key=lambda c: c.last, reverse=True)
    shown = [c for c in contacts if not c.refused] + refused[:_MOST_REFUSED]
    for c in shown:
        said = "refused" if c.refused else "let through"
        said += f", leads to {c.leads_to}" if c.leads_to else ""
        grid.rows.append((c.host, c.port, said, c.times, _size(c.sent), _size(c.received), c.last))
    more = len(contacts) - len(shown)
    rest = (
        [Line(f"and {more} more that were refused; all: sandbox show NAME -o json")] if more else []
    )
    return [grid, *rest]


def _size(count: int) -> str:
    return f"{count / 1_000_000:,.1f} MB" if count >= 100_000 else f"{count / 1000:,.1f} kB"
