"""The doctor on a wall clock that does not show the time that has really passed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from sandbox.core.clock import Reading
from sandbox.core.ports import Context
from sandbox.usecases.homes import Check, DoctorRequest, doctor
from tests.fakes import Clock


def clock_line(ctx: Context, clock: Clock, **ahead: float) -> Check:
    def reading() -> Reading:
        return clock.reading().model_copy(update={"ahead": timedelta(**ahead)})

    (found,) = [
        c
        for c in doctor(replace(ctx, reading=reading), DoctorRequest()).checks
        if c.name == "clock"
    ]
    return found


def test_a_clock_that_is_right(ctx: Context, clock: Clock) -> None:
    found = clock_line(ctx, clock)
    assert (found.status, found.said, found.fix) == ("ok", "2026-11-23 12:00 UTC", "")


@pytest.mark.parametrize(
    ("hours", "words", "meaning"),
    [
        (30, "it shows 2026-11-24 18:00 UTC, 30 h ahead of", "believed after the next start"),
        (-2, "it shows 2026-11-23 10:00 UTC, 2 h behind", "nothing ends early"),
    ],
)
def test_a_clock_that_was_set(
    ctx: Context, clock: Clock, hours: float, words: str, meaning: str
) -> None:
    found = clock_line(ctx, clock, hours=hours)
    assert found.status == "warn"
    assert words in found.said
    assert "leases go by 2026-11-23 12:00 UTC" in found.said
    assert meaning in found.fix
