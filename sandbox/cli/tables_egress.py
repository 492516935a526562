"""What people see of the way out: the hosts of a sandbox, and what its proxy did for them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sandbox.cli.blocks import Block, Grid, Line, fine_size, named
from sandbox.core.text import as_written

if TYPE_CHECKING:
    from sandbox.core.egress import Asked, Contact
    from sandbox.usecases.inside import LogsResult
    from sandbox.usecases.sandboxes import ShowResult

# Who tries many names or addresses fills the screen with them otherwise.
_MOST_REFUSED = 10


def reached(hosts: Sequence[str]) -> list[Line]:
    """Return the line that names the hosts outside; nothing where there is no way out."""
    return [named("egress", ", ".join(map(as_written, hosts)))] if hosts else []


def asked_for(result: "ShowResult") -> list[Block]:
    """Return a grid of the hosts that a proxy was asked for, let through or refused."""
    own = [contact for contact in result.contacts if not contact.verifying]
    attacks = sum(contact.times for contact in result.contacts if contact.verifying)
    shown = [*_grid(own), *_left_out(attacks)]
    if result.contacts_whole:
        return shown
    older = "older requests are gone from the proxy's log: hosts may be missing"
    return [*shown, Line(older)]


def requests(result: "LogsResult") -> list[Block]:
    """Return a grid of what a proxy was asked for, request by request; nothing without a proxy."""
    grid = Grid(("when", "method", "host outside", "port", "", "sent", "received"))
    for one in result.requests:
        when = f"{one.at.astimezone():%Y-%m-%d %H:%M:%S}"
        sizes = (fine_size(one.sent), fine_size(one.received))
        verdict = _verdict(one) + (f", {one.times:,} alike" if one.times > 1 else "")
        grid.rows.append((when, one.method, as_written(one.host), one.port, verdict, *sizes))
    return [*([grid] if grid.rows else []), *_left_out(result.left_out)]


def _left_out(attacks: int) -> list[Block]:
    if not attacks:
        return []
    why = "refused while verify ran, its attacks and whatever else was asked for then"
    return [Line(f"left out: {attacks:,} requests {why}; all: sandbox show NAME -o json")]


def _grid(contacts: "Sequence[Contact]") -> list[Block]:
    if not contacts:
        return []
    grid = Grid(("host outside", "port", "", "times", "sent", "received", "last"))
    refused = sorted((c for c in contacts if c.refused), key=lambda c: c.last, reverse=True)
    shown = [c for c in contacts if not c.refused] + refused[:_MOST_REFUSED]
    for c in shown:
        counts = (c.times, fine_size(c.sent), fine_size(c.received), c.last)
        grid.rows.append((as_written(c.host), c.port, _verdict(c), *counts))
    more = len(contacts) - len(shown)
    rest = (
        [Line(f"and {more} more that were refused; all: sandbox show NAME -o json")] if more else []
    )
    return [grid, *rest]


def _verdict(seen: "Contact | Asked") -> str:
    told = {
        "": "let through",
        "rule": "refused by rule",
        "name": "refused, name not found",
        "address": f"refused, leads to {seen.leads_to}",
    }
    return told[seen.why]
