"""A claim: `up` served by the warm pool, or not, and what becomes of it then."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.core.anatomy import container_name
from sandbox.core.errors import Conflict, Denied, Unavailable
from sandbox.core.ports import Context
from sandbox.core.snapshot import Snapshot
from sandbox.drivers.home import HomeFolder
from sandbox.usecases.line import StopLineRequest, stop_line
from sandbox.usecases.planning import PlanRequest, plan
from sandbox.usecases.reaping import ReapRequest, reap
from sandbox.usecases.sandboxes import DownRequest, down
from tests.fakes import Clock, FakeEngine, FakeGateway, Said, Trap, unavailable
from tests.usecases.asking_up import chain_holds, codes, events, journal, make, state, wish
from tests.usecases.leasing import ends, lease_file
from tests.usecases.pools import TEMPLATE, pooled, reaped

NAME = "spring-coupon"
FILL = ("fill-pool", TEMPLATE)


def lab_words(engine: FakeEngine, id: str) -> list[bytes]:
    """Return what the lab of that sandbox was told on stdin, in order."""
    return [said or b"" for name, _, said in engine.asked if name == container_name(id, "lab")]


def test_up_claims_it_and_makes_nothing(
    warm: Context, engine: FakeEngine, gateway: FakeGateway, clock: Clock, said: Said
) -> None:
    (one,) = pooled(warm)
    clock.advance(hours=1)
    engine.forget_calls()
    made = make(warm)
    view = made.sandbox
    assert (made.pool, made.created, view.state) == ("claimed", True, "ready")
    assert (view.id, view.name, view.owner) == (one.id, NAME, "anna")
    assert view.purpose == wish().purpose
    assert view.created == clock.moment
    assert view.minutes_left == 180
    assert made.decision.verdict == "allow"
    assert made.decision.document["owner_totals"]["sandboxes"] == 1
    assert made.decision.document["home_totals"]["sandboxes"] == 1
    assert {call for call, _ in engine.changes()} == {"put", "run"}
    assert set(gateway.routes) == {NAME}
    assert ends(engine, one.id) == int(clock.moment.timestamp()) + 3 * 3600
    assert codes(warm, NAME) == ["sandbox.requested", "sandbox.ready"]
    assert [e.details["claimed"] for e in events(warm, NAME)] == [True, True]
    assert not [line for line in said.steps if line.startswith("pool:")]
    assert chain_holds(warm)
    assert make(warm).sandbox.id == one.id  # asked again, it is the same one
    assert not make(warm).created


def test_passwords_and_links_of_before_the_claim_are_worthless(
    warm: Context, engine: FakeEngine, gateway: FakeGateway
) -> None:
    (one,) = pooled(warm)
    old = json.loads(lease_file(engine, one.id, "lab.json"))["password"]
    make(warm)
    new = json.loads(lease_file(engine, one.id, "lab.json"))["password"]
    told = lab_words(engine, one.id)
    assert old != new
    assert old.encode() in told[0]
    assert new.encode() in told[-1]
    assert old.encode() not in told[-1]
    assert gateway.routes[NAME].secret not in (old, warm.keys.derive(f"link {one.id}"))
    down(warm, DownRequest(name=NAME))
    assert reaped(warm) == [FILL]
    make(warm)
    assert json.loads(lease_file(engine, one_id(warm), "lab.json"))["password"] not in (old, new)


def one_id(ctx: Context) -> str:
    with ctx.registry.reading() as tx:
        found = tx.sandbox(NAME)
    assert found is not None
    return found.id


def test_an_empty_pool_is_said_and_filled_again(warm: Context, said: Said) -> None:
    make(warm)
    cold = make(warm, "second")
    assert (cold.pool, cold.created) == ("none is left", True)
    assert "pool: none is left" in said.steps
    assert reaped(warm) == [FILL]
    assert make(warm, "third").pool == "claimed"


def test_a_template_that_is_not_pooled_is_not_spoken_of(
    ctx: Context, snapshot: Snapshot, said: Said
) -> None:
    assert make(ctx).pool == ""
    assert not [line for line in said.steps if line.startswith("pool:")]


def test_other_parameters_are_made_anew(warm: Context) -> None:
    made = make(warm, parameters={"bins": "4"})
    assert made.pool == "parameters differ"
    assert len(pooled(warm)) == 1
    assert make(warm, "second").pool == "claimed"


def test_one_that_stopped_is_passed_over_and_replaced(
    warm: Context, engine: FakeEngine, said: Said
) -> None:
    (old,) = pooled(warm)
    engine.containers[container_name(old.id, "lab")].running = False
    assert make(warm).pool == "it does not run"
    assert reaped(warm) == [("retire", old.name), FILL]
    (new,) = pooled(warm)
    assert new.id != old.id


def test_policy_is_asked_at_the_claim(warm: Context) -> None:
    with pytest.raises(Denied):
        make(warm, purpose="x")
    assert state(warm) == "denied"
    assert len(pooled(warm)) == 1
    assert reaped(warm) == []
    assert make(warm, "second").pool == "claimed"


def test_a_taken_name_leaves_the_pool_as_it_is(warm: Context) -> None:
    make(warm)
    assert reaped(warm) == [FILL]
    with pytest.raises(Conflict, match="runs already"):
        make(warm, ttl="4h")
    assert len(pooled(warm)) == 1


@pytest.mark.parametrize("after", [False, True], ids=["not done", "done, answer lost"])
@pytest.mark.parametrize("error", [unavailable, KeyboardInterrupt])
def test_a_claim_that_fails_is_unmade(
    warm: Context, engine: FakeEngine, gateway: FakeGateway, error: Any, after: bool
) -> None:
    (one,) = pooled(warm)
    engine.trap = Trap(error(), method="put", after=after)
    with pytest.raises((Unavailable, KeyboardInterrupt)):
        make(warm)
    engine.forget_calls()
    assert state(warm) == "failed"
    assert not [name for _, name in engine.listing() if one.id in name]
    assert (gateway.routes, pooled(warm), journal(warm, one.id)) == ({}, [], [])
    assert reaped(warm) == [FILL]
    assert make(warm).pool == "claimed"
    assert chain_holds(warm)


def test_a_gateway_that_is_gone_is_no_reason_to_claim_in_vain(
    warm: Context, engine: FakeEngine
) -> None:
    engine.remove("container", warm.gateway.container)
    assert make(warm).sandbox.state == "ready"


def test_one_that_somebody_works_on_is_not_claimed(warm: Context, home: Path) -> None:
    (one,) = pooled(warm)
    with HomeFolder(home).alone_with(one.id):
        assert make(warm).pool == "none is left"
    assert make(warm, "second").pool == "claimed"


def test_while_it_is_claimed_it_is_held(warm: Context, home: Path, engine: FakeEngine) -> None:
    (one,) = pooled(warm)
    put, free = engine.put, []

    def watch(container: str, folder: str, files: Any) -> None:
        with HomeFolder(home).alone_with(one.id) as alone:
            free.append(alone)
        assert reap(warm, ReapRequest()).chores[0].kind.value == "fill-pool"
        put(container, folder, files)

    engine.put = watch  # type: ignore[method-assign]
    make(warm)
    assert free == [False]


def test_the_line_is_stopped_during_a_claim(warm: Context, engine: FakeEngine) -> None:
    put = engine.put

    def stop(container: str, folder: str, files: Any) -> None:
        put(container, folder, files)
        stop_line(warm, StopLineRequest(reason="A mask is wrong"))

    engine.put = stop  # type: ignore[method-assign]
    with pytest.raises(Conflict, match="stopped the line"):
        make(warm)
    assert (state(warm), pooled(warm)) == ("failed", [])


def test_a_gateway_that_lost_its_network_is_joined_again(
    warm: Context, engine: FakeEngine, gateway: FakeGateway
) -> None:
    (one,) = pooled(warm)
    assert gateway.container in engine.endpoints[f"sandbox-{one.id}"]
    engine.endpoints[f"sandbox-{one.id}"].discard(gateway.container)
    assert make(warm).pool == "claimed"
    assert gateway.container in engine.endpoints[f"sandbox-{one.id}"]


def test_plan_tells_whether_the_pool_would_serve(warm: Context, engine: FakeEngine) -> None:
    engine.forget_calls()
    served = plan(warm, PlanRequest(wish=wish()))
    assert (served.pool, served.answer) == ("claimed", "made")
    assert served.decision.document["home_totals"]["sandboxes"] == 1
    assert engine.changes() == []
    assert len(pooled(warm)) == 1
    other = plan(warm, PlanRequest(wish=wish(parameters={"bins": "4"})))
    assert other.pool == "parameters differ"
    make(warm, parameters={"bins": "4"})  # what takes long says nothing of a claim
    assert plan(warm, PlanRequest(wish=wish("second"))).forecast.seconds is None
    assert (
        plan(warm, PlanRequest(wish=wish("x", parameters={"bins": "4"}))).forecast.seconds
        is not None
    )
    make(warm, "second")
    assert plan(warm, PlanRequest(wish=wish("third"))).pool == "none is left"


def test_who_removes_it_by_its_old_name_does_not_remove_the_claimants(
    warm: Context, engine: FakeEngine
) -> None:
    (one,) = pooled(warm)
    late = replace(warm, registry=_Late(warm.registry, lambda: make(warm)))
    with pytest.raises(Conflict):
        down(late, DownRequest(name=one.name))
    assert state(warm) == "ready"
    assert engine.containers[container_name(one.id, "tool")].running


class _Late:
    """A registry that, after its first reading, lets somebody else go first."""

    def __init__(self, real: Any, meanwhile: Callable[[], object]) -> None:
        self._real, self._then = real, [meanwhile]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    @contextmanager
    def reading(self) -> Iterator[Any]:
        with self._real.reading() as tx:
            yield tx
        if self._then:
            self._then.pop()()
