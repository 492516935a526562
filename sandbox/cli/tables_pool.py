"""What people see of the warm pool."""

from collections.abc import Mapping

from sandbox.cli.blocks import Line, named
from sandbox.core.pool import CLAIMED


def listed(pooled: Mapping[str, int]) -> list[Line]:
    """Return the line of `list` that tells how many wait in the pool, if any do."""
    counts = ", ".join(f"{count} {template}" for template, count in sorted(pooled.items()))
    return [named("pool", f"{counts} made ahead, ready to be claimed")] if counts else []


def foreseen(pool: str) -> list[Line]:
    """Return the line of `plan` that tells whether the pool would serve; none without a pool."""
    if not pool:
        return []
    return [named("pool", "one is ready" if pool == CLAIMED else f"made anew: {pool}")]
