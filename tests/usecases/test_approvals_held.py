"""What a yes is worth once rules, days or the pool have moved on: neither more nor less."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.core.asks import AskState
from sandbox.core.errors import Denied, SandboxError
from sandbox.core.keeping import NEVER_READY
from sandbox.core.pool import NONE_LEFT
from sandbox.core.ports import Context, HomeFiles
from sandbox.core.snapshot import Snapshot
from sandbox.usecases.planning import PlanRequest, plan
from sandbox.usecases.resetting import ResetRequest, reset
from sandbox.usecases.sandboxes import DownRequest, ShowRequest, down, show
from tests.fakes import Clock, FakeEngine, Trap, unavailable
from tests.usecases.approving_up import NAME, RULES, As, asked, people, want_approval, yes
from tests.usecases.asking_up import cap, codes, events, make, state, wish
from tests.usecases.pools import pooled, with_pool
from tests.usecases.test_resetting import newer

pytestmark = pytest.mark.usefixtures("snapshot", "approving")
BY_LEGAL = RULES.replace("approval: [it]", "approval: [legal]")


@pytest.fixture
def approving(home: Path) -> None:
    want_approval(home)


@pytest.fixture
def by(ctx: Context, home: Path) -> As:
    return people(ctx, home)


class Late:
    """The home's files; whoever is to work on a sandbox comes after another command was done."""

    def __init__(self, files: HomeFiles, other: Callable[[], object]) -> None:
        self._files, self._other = files, other

    def __getattr__(self, name: str) -> Any:
        return getattr(self._files, name)

    @contextmanager
    def working_on(self, name: str) -> Iterator[None]:
        self._other()
        with self._files.working_on(name):
            yield


def half_made(by: As, engine: FakeEngine) -> None:
    """Have ken say yes to a sandbox of mia whose making then fails: the yes stands."""
    make(by("mia"))
    engine.trap = Trap(unavailable(), method="create_network")
    with pytest.raises(SandboxError) as failed:
        yes(by("ken"))
    engine.trap = None
    assert "with --snapshot core@2026-11-23.1 if" in failed.value.hint


def test_a_yes_is_for_the_data_that_it_was_given_for(
    by: As, engine: FakeEngine, snapshot: Snapshot
) -> None:
    half_made(by, engine)
    newer(by("ken"))
    assert plan(by("mia"), PlanRequest(wish=wish())).answer == "waits"
    assert make(by("mia"), snapshot=snapshot.id).sandbox.state == "ready"


def test_the_last_rule_that_lacked_a_yes_goes_and_somebody_can_still_answer(
    by: As, home: Path
) -> None:
    make(by("mia"), ttl="30h")
    yes(by("ken"))
    want_approval(home, RULES.replace("max: 24", "max: 100"))
    assert yes(by("ken")).sandbox.state == "ready"


def test_a_rule_that_asks_others_by_now_wants_their_yes(by: As, home: Path) -> None:
    make(by("mia"), ttl="30h")
    yes(by("ken"))
    want_approval(home, BY_LEGAL.replace("approval: [legal]", "approval: [sales, legal]", 1))
    half = yes(by("lea"))
    assert half.sandbox.state == "ready"
    assert [a.rules for a in asked(by("mia"))[0].yeses] == [(), ("long-by-it", "longer-by-legal")]


def test_who_may_not_answer_changes_nothing(by: As, home: Path) -> None:
    make(by("mia"), ttl="30h")
    before = asked(by("mia"))
    want_approval(home, BY_LEGAL)
    for name in ("mia", "ken"):
        with pytest.raises(Denied):
            yes(by(name))
    assert asked(by("mia")) == before
    assert codes(by("mia"), NAME)[2:] == ["answer.denied", "answer.denied"]
    assert yes(by("lea")).sandbox.state == "ready"


def test_a_yes_that_stands_is_worth_nothing_to_a_rule_that_asks_others(
    by: As, engine: FakeEngine, home: Path
) -> None:
    half_made(by, engine)
    want_approval(home, BY_LEGAL)
    again = make(by("mia"))
    assert again.waits is not None
    assert again.waits.words == "legal"


def test_a_rule_that_asks_more_people_by_now_takes_the_yes_it_has(
    by: As, engine: FakeEngine, home: Path
) -> None:
    half_made(by, engine)
    want_approval(home, RULES.replace("approval: [it]", "approval: [legal, it]"))
    assert make(by("mia")).sandbox.state == "ready"


def test_a_reset_wants_the_yes_of_those_whom_the_rule_asks_today(by: As, home: Path) -> None:
    make(by("mia"))
    yes(by("ken"))
    want_approval(home, BY_LEGAL)
    with pytest.raises(Denied, match="By now it wants a yes of legal"):
        reset(by("mia"), ResetRequest(name=NAME))


def test_a_yes_that_the_pool_serves_is_used(warm: Context, engine: FakeEngine) -> None:
    make(warm)
    engine.trap = Trap(unavailable(), method="create_network")
    with pytest.raises(SandboxError):
        yes(warm)
    engine.trap = None
    done = make(warm)
    assert (done.pool, done.sandbox.request, len(pooled(warm))) == ("claimed", "r1", 0)
    assert asked(warm)[0].state is AskState.USED
    down(warm, DownRequest(name=NAME))
    assert make(warm).waits


def test_what_waited_too_long_holds_nothing(ctx: Context, home: Path, clock: Clock) -> None:
    cap(home, "sandboxes-per-owner", 1)
    make(ctx)
    clock.advance(days=7)
    assert make(ctx, "summer-sale", ttl="1h").sandbox.state == "ready"
    assert state(ctx) == "awaiting-approval"  # until the reaper comes by
    shown = show(ctx, ShowRequest(name=NAME))
    assert (shown.waits, shown.sandbox.waits_for) == (None, ())
    assert shown.sandbox.reason == "nobody said yes until 2026-11-30 12:00 UTC"


def test_down_that_waited_for_the_yes_keeps_what_is_there_by_then(ctx: Context) -> None:
    make(ctx)
    late = replace(ctx, files=Late(ctx.files, lambda: yes(ctx)))
    assert down(late, DownRequest(name=NAME)).not_kept != NEVER_READY
    assert state(ctx) == "destroyed"


def test_of_what_only_waited_nothing_is_certified_as_gone(ctx: Context) -> None:
    make(ctx)
    down(ctx, DownRequest(name=NAME))
    told = events(ctx, NAME)[-1]
    assert (told.code, told.details["certificate"]["gone"]) == ("sandbox.destroyed", [])


def test_of_what_waits_nothing_is_said_of_the_pool(ctx: Context) -> None:
    empty = with_pool(ctx, segment_rfm=1)
    assert make(empty).pool == ""
    assert make(empty, "summer-sale", ttl="1h").pool == NONE_LEFT
