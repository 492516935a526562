"""What the tests of leases ask for and look at."""

from datetime import timedelta

from sandbox.core.anatomy import container_name
from sandbox.core.lifecycle import Sandbox
from sandbox.core.ports import Context
from sandbox.usecases.leases import ExtendRequest, RestoreRequest
from sandbox.usecases.starting import guards_owed
from tests.fakes import Clock, FakeEngine

NAME = "spring-coupon"
MORE = ExtendRequest(name=NAME, ttl="2h", reason="The campaign runs on")
BACK = RestoreRequest(name=NAME, ttl="2h", reason="Forgot the chart")
HOUR = timedelta(hours=1)


def on_record(ctx: Context) -> Sandbox:
    with ctx.registry.reading() as tx:
        found = tx.sandbox(NAME)
    assert found is not None
    return found


def lease_file(engine: FakeEngine, id: str, name: str) -> bytes:
    return engine.read(container_name(id, "lease"), f"/run/sandbox/{name}")


def ends(engine: FakeEngine, id: str) -> int:
    """Return the end that the guards of that sandbox know, in unix seconds."""
    return int(lease_file(engine, id, "deadline").split()[0])


def guards_end(ctx: Context, engine: FakeEngine) -> int:
    """Return the end that the guards of the sandbox know, in unix seconds."""
    return ends(engine, on_record(ctx).id)


def running(ctx: Context, engine: FakeEngine) -> set[str]:
    mine = on_record(ctx).id
    names = [name for name, box in engine.containers.items() if box.running and mine in name]
    return {name.removeprefix(f"sandbox-{mine}-") for name in names}


def owed(ctx: Context) -> bool:
    with ctx.registry.reading() as tx:
        return guards_owed(tx, on_record(ctx))


def expire(ctx: Context, engine: FakeEngine, clock: Clock, **after: float) -> None:
    """Let the lease of three hours end, as its guards would."""
    clock.advance(hours=3)
    clock.advance(**after)
    for part in ("tool", "lab"):
        engine.stop(container_name(on_record(ctx).id, part), 0)
