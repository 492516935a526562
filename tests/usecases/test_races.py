"""Several at once on one registry: one name, one last slot, one removal."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.core.errors import Conflict, Denied, SandboxError
from sandbox.core.phases import LIVE
from sandbox.core.ports import Context
from sandbox.usecases.homes import InitRequest, init
from sandbox.usecases.provisioning import UpResult
from sandbox.usecases.reaping import ReapRequest, reap
from sandbox.usecases.sandboxes import DownRequest, down
from tests.fakes import Clock, FakeEngine
from tests.usecases.asking_up import cap, chain_holds, codes, events, make
from tests.usecases.racing import SECONDS, eight_make

pytestmark = pytest.mark.usefixtures("snapshot")
MOST = 5  # sandboxes-per-owner in policies/baseline.yaml


def race(count: int, act: Callable[[int], object]) -> list[object]:
    """Let so many threads do `act` at once; return what each got or raised."""
    start = threading.Barrier(count)
    outcomes: list[object] = [None] * count

    def run(number: int) -> None:
        start.wait(SECONDS)
        try:
            outcomes[number] = act(number)
        except SandboxError as error:
            outcomes[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    return outcomes


def live(ctx: Context) -> list[str]:
    with ctx.registry.reading() as tx:
        return [s.name for s in tx.sandboxes(LIVE)]


def test_one_name_is_made_once(ctx: Context, engine: FakeEngine) -> None:
    make(ctx, "first")  # images and gateway are there
    outcomes = race(4, lambda _: make(ctx))
    made = [o for o in outcomes if not isinstance(o, SandboxError)]
    assert sum(o.created for o in made) == 1  # type: ignore[attr-defined]
    assert all(isinstance(o, Conflict) for o in outcomes if o not in made)
    assert live(ctx) == ["first", "spring-coupon"]
    assert codes(ctx, "spring-coupon").count("sandbox.ready") == 1
    assert chain_holds(ctx)


def test_down_and_reap_of_one_sandbox_certify_it_once(
    ctx: Context, engine: FakeEngine, clock: Clock, home: Path
) -> None:
    init(ctx, InitRequest(folder=str(home)))
    before = engine.listing()
    for _ in range(5):
        make(ctx)
        clock.advance(hours=4 + 72)

        def end(number: int) -> Any:
            if number % 2:
                return reap(ctx, ReapRequest(apply=True))
            return down(ctx, DownRequest(name="spring-coupon"))

        race(4, end)
        reap(ctx, ReapRequest(apply=True))
        assert live(ctx) == []
        certificates = [e for e in events(ctx) if e.code == "sandbox.destroyed"]
        assert len({e.details["id"] for e in certificates}) == len(certificates)
        assert set(engine.listing()) - set(before) <= {("container", ctx.gateway.container)}
    assert chain_holds(ctx)


def _wins(make_mine: Callable[[], UpResult]) -> str:
    try:
        make_mine()
    except Denied as error:
        return ",".join(f["rule"] for f in error.details["decision"]["findings"])
    except SandboxError as error:
        return repr(error)
    return "won"


@pytest.mark.parametrize(
    ("rule", "most"),
    [("sandboxes-per-owner", MOST), ("disk-per-owner", MOST * 3072), ("cpus-in-home", MOST * 1.5)],
)
def test_eight_processes_race_for_the_last_slot(
    ctx: Context, home: Path, rule: str, most: float
) -> None:
    cap(home, "sandboxes-per-owner", 100)
    cap(home, rule, most)
    for number in range(MOST - 1):
        make(ctx, f"held-{number}")
    said = eight_make(ctx, home, _wins)
    assert said.count("won") == 1, said
    assert set(said) == {"won", rule}, said
    assert len(live(ctx)) == MOST
    assert chain_holds(ctx)
