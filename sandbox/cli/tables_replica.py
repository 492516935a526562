"""What people see of the PostgreSQL replica."""

from typing import TYPE_CHECKING

from sandbox.cli.blocks import Block, named, size

if TYPE_CHECKING:
    from sandbox.core.replica import PostgresForecast
    from sandbox.core.snapshot import Snapshot
    from sandbox.usecases.views import SandboxView

_KINDS = {
    "clone": "a standby of its own, cloned on the disk",
    "shared": "one standby that the snapshot's sandboxes share",
    None: "its own standby or a shared one; tried when the first is made",
}


def foreseen(forecast: "PostgresForecast | None") -> list[Block]:
    """Return by what a new sandbox would read PostgreSQL, and what that costs."""
    if forecast is None:
        return []
    seconds, taken = f"about {forecast.seconds:g} s", size(forecast.bytes)
    if forecast.filled:
        cost = f"ready in {seconds}, shares {taken}"
    else:
        cost = f"to be filled first: {seconds} and {taken}, once for the snapshot"
    return [named("postgres", f"{_KINDS[forecast.kind]}; {cost}")]


def lent(view: "SandboxView", snapshot: "Snapshot | None") -> list[Block]:
    """Return by what a sandbox reads PostgreSQL."""
    if view.postgres is None:
        return []
    shared = snapshot.postgres if snapshot else None
    of = f", of {size(shared.bytes)} filled in {shared.seconds:g} s" if shared else ""
    return [named("postgres", _KINDS[view.postgres] + of)]


def held(snapshot: "Snapshot") -> list[Block]:
    """Return what a snapshot takes as PostgreSQL, once a sandbox needed that."""
    copy = snapshot.postgres
    if copy is None:
        return []
    return [named("postgres", f"{size(copy.bytes)} more, filled in {copy.seconds:g} s")]
