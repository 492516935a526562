"""The inbox: what ends soon, what waits for whom, and the count that `up` and `list` print."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.core.ports import Context
from sandbox.core.snapshot import Snapshot
from sandbox.usecases.inbox import InboxRequest, InboxResult, inbox
from sandbox.usecases.sandboxes import ListRequest, list_sandboxes
from tests.fakes import Clock
from tests.usecases.approving_up import NAME, As, no, people, want_approval, yes
from tests.usecases.asking_up import make

pytestmark = pytest.mark.usefixtures("snapshot")
Seen = Callable[..., str]


def of(context: Context) -> InboxResult:
    return inbox(context, InboxRequest())


@pytest.fixture
def by(ctx: Context, home: Path) -> As:
    want_approval(home)
    return people(ctx, home)


def test_nothing_is_said_of_nothing(ctx: Context) -> None:
    assert of(ctx).count == 0
    assert list_sandboxes(ctx, ListRequest()).inbox == 0


def test_what_waits_is_whose_who_can_answer_and_whose_who_asked(by: As, snapshot: Snapshot) -> None:
    made = make(by("anna"), ttl="3h")
    assert made.inbox == 1
    mine = of(by("anna"))
    assert [(a.request, a.roles, a.whose) for a in mine.waiting] == [
        ("r1", ("it",), ("bert", "ken"))
    ]
    # She is of IT herself, and nobody answers themselves.
    assert not mine.decide
    (asked,) = of(by("ken")).decide
    assert (asked.kind, asked.subject, asked.asked_by) == ("create", NAME, "anna")
    assert of(by("lea")).count == of(by("mia")).count == 0
    assert list_sandboxes(by("ken"), ListRequest()).inbox == 1
    assert list_sandboxes(by("lea"), ListRequest()).inbox == 0


def test_what_was_answered_waits_for_nobody(by: As, snapshot: Snapshot) -> None:
    make(by("anna"), ttl="48h")
    yes(by("ken"))
    assert of(by("ken")).count == 0
    assert [a.roles for a in of(by("anna")).waiting] == [("legal",)]
    assert [a.request for a in of(by("lea")).decide] == ["r1"]
    no(by("lea"))
    assert of(by("anna")).count == of(by("lea")).count == 0


def test_what_lapsed_waits_for_nobody(by: As, snapshot: Snapshot, clock: Clock) -> None:
    make(by("anna"), ttl="3h")
    clock.advance(days=8)
    assert of(by("ken")).count == of(by("anna")).count == 0


def test_what_one_asked_and_can_answer_is_one_thing(ctx: Context, home: Path) -> None:
    want_approval(home)
    made = make(ctx, ttl="3h")
    found = of(ctx)
    assert (len(found.decide), len(found.waiting), found.count, made.inbox) == (1, 1, 1, 1)


def test_an_end_that_is_near_is_the_owners(ctx: Context, clock: Clock, home: Path) -> None:
    assert make(ctx, ttl="30h").inbox == 0
    clock.advance(hours=7)
    assert [s.name for s in of(ctx).ending] == [NAME]
    assert list_sandboxes(ctx, ListRequest()).inbox == 1
    other = people(ctx, home)
    assert of(other("ken")).count == 0


def test_what_is_over_can_be_restored_until_its_grace_ends(ctx: Context, clock: Clock) -> None:
    make(ctx, ttl="3h")
    clock.advance(hours=4)
    assert [s.state for s in of(ctx).ending] == ["expired"]


def test_people_see_what_to_do(ctx: Context, clock: Clock, home: Path) -> None:
    from sandbox.cli.tables import blocks

    want_approval(home)
    make(ctx, ttl="2h")
    make(ctx, "other", ttl="3h")
    clock.advance(hours=1.5)
    text = "\n".join(str(block) for block in blocks(of(ctx)))
    for words in ("sandbox extend spring-coupon", "sandbox approve r1"):
        assert words in text
    text = "\n".join(str(block) for block in blocks(list_sandboxes(ctx, ListRequest())))
    assert "2 things for you: sandbox inbox" in text
