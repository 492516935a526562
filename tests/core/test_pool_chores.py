"""What the reaper has to do for the warm pool: records, objects and a moment in, chores out."""

import pytest

from sandbox.core.lease import Lease
from sandbox.core.lifecycle import Sandbox
from sandbox.core.objects import Owned
from sandbox.core.phases import Pooled, State
from sandbox.core.pool import LIFETIME, MARGIN, Pool, Want
from sandbox.core.reaping import Seen, chores
from tests.core.reaped import GATEWAY, HOUR, PARTS, whole
from tests.core.test_lifecycle import a_sandbox
from tests.phases import NOON, PATTERN, phase

MADE = Pooled.model_validate({"since": NOON, "pattern": PATTERN})
ONE = a_sandbox(name="pool-a1", phase=MADE, lease=Lease(owner="", ttl=LIFETIME))


def seen(
    objects: list[Owned], count: int = 1, *, one: Sandbox = ONE, trouble: str = "", **more: object
) -> Seen:
    want = Want("segment-rfm", count, None if trouble else MADE.pattern, trouble)
    look = {"now": NOON, "sandboxes": [one], "objects": objects, "journals": {one.id: PARTS}}
    return Seen(**(look | {"pool": Pool((want,), (one,))} | more))  # type: ignore[arg-type]


def found(look: Seen) -> list[tuple[str, str]]:
    return [(chore.kind.value, chore.why) for chore in chores(look, HOUR)]


FILL = ("fill-pool", "0 of 1 are pooled")


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        (seen(whole()), []),
        (seen(whole(), 2), [("fill-pool", "1 of 2 are pooled")]),
        (seen(whole(), 3), [("fill-pool", "1 of 3 are pooled")] * 2),
        (seen(whole(), 0), [("retire", "its template is not pooled any more")]),
        (seen(whole(lacking="-work")), [("lost", "the engine lacks volume sandbox-a1-work"), FILL]),
        (
            seen(whole(running=False)),
            [("retire", "it waits in the pool, but sandbox-a1-tool does not run"), FILL],
        ),
        (
            seen(whole(), now=NOON + LIFETIME - MARGIN),
            [("retire", "it is older than 23 h"), FILL],
        ),
        (seen(whole(), 2, line_stopped=True), []),
        (seen(whole(), 0, line_stopped=True), [("retire", "its template is not pooled any more")]),
        (seen(whole(), 2, floor="3 MB are free"), [("retire", "3 MB are free")]),
        (seen(whole(), 2, busy=frozenset({"a1"})), [("fill-pool", "1 of 2 are pooled")]),
        (seen(whole(running=False), busy=frozenset({"a1"})), []),
        (seen(whole(), 2, trouble="There is no such template."),
         [("fill-pool", "There is no such template.")]),
        (seen(whole(), pool=None), []),
    ],
)  # fmt: skip
def test_the_pool_is_kept(look: Seen, expected: list[tuple[str, str]]) -> None:
    assert found(look) == expected


def test_one_that_is_made_for_the_pool_counts_and_is_settled_when_its_maker_is_gone() -> None:
    making = ONE.model_copy(update={"phase": phase(State.PROVISIONING)})
    assert found(seen(whole(), one=making, busy=frozenset({"a1"}))) == []
    assert found(seen(whole(), one=making)) == [
        ("settle", "the process that made it is gone"),
        FILL,
    ]


def test_a_claimed_one_is_nobody_elses_business() -> None:
    lease = Lease(owner="anna", ttl=HOUR, started=NOON)
    mine = ONE.model_copy(update={"phase": phase(State.READY), "lease": lease, "claim": "b2"})
    assert found(seen([*whole(), GATEWAY], one=mine)) == [FILL]
