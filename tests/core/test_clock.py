from datetime import datetime, timedelta

import pytest

from sandbox.core.clock import Reading, guard_text, remembered, trusted
from tests.phases import NOON

HOUR = timedelta(hours=1)
LAST = Reading(wall=NOON, uptime=1000.0, boot="a")


def reading(wall: datetime, passed: timedelta, boot: str = "a") -> Reading:
    return Reading(wall=wall, uptime=1000.0 + passed.total_seconds(), boot=boot)


@pytest.mark.parametrize(
    ("wall", "passed", "now"),
    [
        (NOON + HOUR, HOUR, NOON + HOUR),  # nothing was set
        (NOON + HOUR + timedelta(seconds=90), HOUR, NOON + HOUR + timedelta(seconds=90)),
        (NOON + 500 * HOUR, HOUR, NOON + HOUR),  # set forward
        (NOON - 500 * HOUR, HOUR, NOON + HOUR),  # set back
        (NOON, 5 * HOUR, NOON + 5 * HOUR),
    ],
)
def test_within_a_boot_only_passed_time_counts(
    wall: datetime, passed: timedelta, now: datetime
) -> None:
    time = trusted(reading(wall, passed), LAST)
    assert time.now == now
    assert time.ahead == wall - now
    assert bool(time.ahead) == (wall != now)


@pytest.mark.parametrize(
    ("wall", "now"),
    [(NOON + 90 * HOUR, NOON + 90 * HOUR), (NOON - HOUR, NOON)],
)
def test_across_a_boot_time_never_goes_back(wall: datetime, now: datetime) -> None:
    after = Reading(wall=wall, uptime=5.0, boot="b")
    assert trusted(after, LAST).now == now


def test_the_first_reading_is_believed() -> None:
    assert trusted(LAST, None).now == NOON


def test_a_clock_set_forward_stays_disbelieved() -> None:
    """What is remembered is the trusted time, so that asking twice is no way round."""
    wrong = reading(NOON + 500 * HOUR, HOUR)
    kept = remembered(wrong, trusted(wrong, LAST))
    assert trusted(reading(NOON + 501 * HOUR, 2 * HOUR), kept).now == NOON + 2 * HOUR


def test_what_the_guards_read() -> None:
    assert guard_text(NOON + HOUR, LAST) == "1795438800 1795435200000 1000000 a\n"
