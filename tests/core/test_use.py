"""What counts as use, as tables: what was known, what gateway and lab tell, what follows."""

from datetime import datetime, timedelta

import pytest

from sandbox.core.use import IdleWarned, LabReading, Use
from tests.phases import NOON

MINUTE = timedelta(minutes=1)


def lab(ms: float, minutes: float = 0) -> LabReading:
    return LabReading(at=NOON + minutes * MINUTE, ms=ms)


def at(minutes: float | None) -> datetime | None:
    return None if minutes is None else NOON + minutes * MINUTE


@pytest.mark.parametrize(
    ("known", "gateway", "lab_ms", "expected"),
    [
        # (last, lab reading), what the gateway says (minutes), what the lab says, last after it
        ((None, None), None, None, None),
        ((None, None), 5, None, 5),
        ((2, None), 5, None, 5),
        ((7, None), 5, None, 7),
        ((7, None), None, None, 7),
        # The clock of the engine's machine may be ahead of ours.
        ((None, None), 99, None, 30),
        # The first reading of a lab tells nothing, the second does.
        ((None, None), None, 40.5, None),
        ((None, lab(40.5)), None, 40.5, None),
        ((None, lab(40.5)), None, 40.6, 30),
        # A lab that began anew counts from nothing.
        ((None, lab(40.5)), None, 3.0, None),
        ((-9, lab(40.5)), None, None, -9),
        # What worked in the lab is the use that is known since the last reading.
        ((None, lab(40.5)), 12, 99.0, 12),
        ((12, lab(40.5)), None, 99.0, 12),
        # Known use from before the last reading does not explain it.
        ((-9, lab(40.5)), None, 99.0, 30),
        ((-9, lab(40.5)), -9, 99.0, 30),
    ],
)
def test_what_counts_as_use(
    known: tuple[float | None, LabReading | None],
    gateway: float | None,
    lab_ms: float | None,
    expected: float | None,
) -> None:
    before = Use(last=at(known[0]), lab=known[1])
    after = before.told(at(gateway), lab_ms, NOON + 30 * MINUTE)
    assert after.last == at(expected)
    assert after.lab == (before.lab if lab_ms is None else lab(lab_ms, 30))


@pytest.mark.parametrize(
    ("kept", "known", "news"),
    [
        (Use(), Use(), False),
        (Use(), Use(last=NOON), True),
        (Use(), Use(lab=lab(0)), True),
        (Use(lab=lab(1)), Use(lab=lab(1, 30)), False),
        (Use(lab=lab(1)), Use(lab=lab(2, 30)), True),
        (Use(last=at(-1), lab=lab(1)), Use(last=at(-1), lab=lab(1, 30)), False),
        # The reading after a use must be kept: what the lab does later is use of its own.
        (Use(last=at(1), lab=lab(1)), Use(last=at(1), lab=lab(1, 30)), True),
    ],
)
def test_what_is_worth_writing_down(kept: Use, known: Use, news: bool) -> None:
    assert known.is_news(kept) is news


def test_a_later_moment_stays_and_a_warning_too() -> None:
    use = Use(last=NOON, warned=IdleWarned(at=NOON, rules=("a",)))
    assert use.with_last(None) == use
    assert use.with_last(NOON - MINUTE) == use
    assert use.with_last(NOON + MINUTE) == use.model_copy(update={"last": NOON + MINUTE})


def test_work_in_the_lab_long_after_a_command_is_seen() -> None:
    known = Use(last=at(10), lab=lab(1)).told(None, 1, NOON + 15 * MINUTE)
    assert known.last == at(10)
    assert known.told(None, 2, NOON + 90 * MINUTE).last == at(90)
