"""What `plan`, `show` and `snapshot show` say of PostgreSQL."""

from datetime import UTC, datetime

import pytest

from sandbox.cli.blocks import Line
from sandbox.cli.tables_replica import foreseen, held
from sandbox.core.replica import PostgresCopy, PostgresForecast
from sandbox.core.snapshot import Snapshot, SnapshotState

WHEN = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("forecast", "expected"),
    [
        (
            PostgresForecast(kind="clone", filled=True, seconds=0.5, bytes=108_000_000),
            "a standby of its own, cloned on the disk; ready in about 0.5 s, shares 108 MB",
        ),
        (
            PostgresForecast(kind="shared", filled=False, seconds=12, bytes=900_000_000),
            "one standby that the snapshot's sandboxes share; "
            "to be filled first: about 12 s and 900 MB, once for the snapshot",
        ),
        (
            PostgresForecast(kind=None, filled=False, seconds=4, bytes=20_000_000),
            "its own standby or a shared one; tried when the first is made; "
            "to be filled first: about 4 s and 20 MB, once for the snapshot",
        ),
    ],
)
def test_plan_says_which_and_what_it_costs(forecast: PostgresForecast, expected: str) -> None:
    (line,) = foreseen(forecast)
    assert isinstance(line, Line)
    assert line.text == expected


def test_nothing_is_said_where_there_is_none() -> None:
    bare = Snapshot(
        id="core@2026-11-23.1",
        source="core",
        state=SnapshotState.READY,
        volume="v",
        created=WHEN,
        built_by="anna",
    )
    assert foreseen(None) == held(bare) == []
    copy = PostgresCopy(volume="v-postgres", bytes=108_000_000, seconds=3.5, filled=WHEN)
    (line,) = held(bare.model_copy(update={"postgres": copy}))
    assert isinstance(line, Line)
    assert line.text == "108 MB more, filled in 3.5 s"
