"""A home with a warm pool, as tests of the use cases want it."""

from dataclasses import replace
from pathlib import Path

from sandbox.core.lifecycle import Sandbox
from sandbox.core.phases import State
from sandbox.core.ports import Context
from sandbox.usecases.homes import InitRequest, init
from sandbox.usecases.reaping import ReapRequest, reap

TEMPLATE = "segment-rfm"


def with_pool(ctx: Context, **counts: int) -> Context:
    """Return the context with a pool; underscores in names stand for hyphens."""
    pool = {name.replace("_", "-"): count for name, count in counts.items()}
    return replace(ctx, settings=ctx.settings.model_copy(update={"pool": pool}))


def reaped(ctx: Context) -> list[tuple[str, str]]:
    """Reap; return (kind, subject) of what was done. Nothing may fail."""
    done = reap(ctx, ReapRequest(apply=True)).chores
    assert {chore.outcome for chore in done} <= {"done"}, done
    return [(chore.kind.value, chore.subject) for chore in done]


def pooled(ctx: Context) -> list[Sandbox]:
    with ctx.registry.reading() as tx:
        return tx.sandboxes([State.POOLED])


def filled(ctx: Context, home: Path) -> Context:
    """Make a home that keeps one sandbox ready; return its context."""
    warm = with_pool(ctx, segment_rfm=1)
    init(warm, InitRequest(folder=str(home)))
    assert reaped(warm) == [("fill-pool", TEMPLATE)]
    return warm
