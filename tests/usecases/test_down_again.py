"""`down` again, twice at once, and after one that was cut off: what is gone is success."""

import threading

import pytest

from sandbox.core.anatomy import container_name
from sandbox.core.errors import Unavailable
from sandbox.core.objects import INSTALLATION, ROLE, SANDBOX, Container
from sandbox.core.ports import Context
from sandbox.usecases.leases import FreezeRequest, ResumeRequest, extend, freeze, resume
from sandbox.usecases.reaping import ReapRequest, reap
from sandbox.usecases.sandboxes import DownRequest, DownResult, down
from tests.fakes import FakeEngine, Trap, unavailable
from tests.usecases.asking_up import chain_holds, codes, make
from tests.usecases.leasing import MORE, NAME, owed

pytestmark = pytest.mark.usefixtures("snapshot")
DOWN = DownRequest(name=NAME, reason="done", keep=False)
SECONDS = 20


def test_the_second_of_two_waits_for_the_first(ctx: Context) -> None:
    made = make(ctx)
    ended: list[DownResult] = []
    second = threading.Thread(target=lambda: ended.append(down(ctx, DOWN)))
    with ctx.files.alone_with(f"keep-{made.sandbox.id}") as alone:  # as a removal under way
        assert alone
        second.start()
        second.join(0.3)
        assert not ended
    second.join(SECONDS)
    assert [result.already for result in ended] == [None]


def test_two_at_once_are_one_removal_and_two_successes(ctx: Context) -> None:
    make(ctx)
    start = threading.Barrier(2)
    ended: list[DownResult] = []

    def end() -> None:
        start.wait(SECONDS)
        ended.append(down(ctx, DOWN))

    threads = [threading.Thread(target=end) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert sorted(result.already or "" for result in ended) == ["", "destroyed"]
    assert codes(ctx, NAME).count("sandbox.removing") == 1
    assert chain_holds(ctx)


def test_what_never_ran_is_gone_already(ctx: Context, engine: FakeEngine) -> None:
    engine.trap = Trap(unavailable(), method="connect")
    with pytest.raises(Unavailable):
        make(ctx)
    engine.trap = None
    gone = down(ctx, DOWN)
    assert (gone.already, gone.removed, gone.kept) == ("failed", (), None)
    assert gone.not_kept


def test_nothing_is_noted_of_what_is_gone(ctx: Context, engine: FakeEngine) -> None:
    its = make(ctx).sandbox.id
    engine.trap = Trap(unavailable(), method="put")
    with pytest.raises(Unavailable):
        extend(ctx, MORE)
    engine.trap = None
    assert owed(ctx)
    down(ctx, DOWN)
    assert not owed(ctx)
    with ctx.registry.reading() as tx:
        assert not [key for key in (f"guards {its}", f"keep {its}") if tx.noted(key)]


def test_a_keeper_that_was_left_is_not_started_and_goes(ctx: Context, engine: FakeEngine) -> None:
    its = make(ctx).sandbox.id
    keeper = container_name(its, "keep")
    labels = {INSTALLATION: ctx.registry.installation(), SANDBOX: its, ROLE: "keep"}
    box = Container(keeper, "base", labels, "1:1", ("/bin/true",), 16, 0.1, 8)
    engine.create_container(box)
    freeze(ctx, FreezeRequest(name=NAME, reason="odd"))
    resume(ctx, ResumeRequest(name=NAME))
    assert ("start", keeper) not in engine.calls
    ctx.files.belongs_to(ctx.registry.installation())
    done = reap(ctx, ReapRequest(apply=True)).chores
    assert [(c.kind, c.outcome) for c in done] == [("remove-keeper", "done")]
    assert ("container", keeper) not in engine.listing()
    assert codes(ctx, NAME)[-1] == "sandbox.keeper-removed"
    engine.create_container(box)
    down(ctx, DOWN)
    assert ("container", keeper) not in engine.listing()
