from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sandbox.core.errors import Denied, InvalidInput
from sandbox.core.lease import (
    LONGEST,
    Lease,
    LeaseLimits,
    Left,
    Warned,
    parse_ttl,
    spoken,
    ttl_text,
)
from tests.phases import NOON


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("1m", 1),
        ("90m", 90),
        ("72h", 72 * 60),
        ("3d", 3 * 1440),
        ("1w", 7 * 1440),
        ("1d12h", 36 * 60),
        ("1w 2d 3h 4m", ((7 + 2) * 24 + 3) * 60 + 4),
        ("12h 1d", 36 * 60),
        ("  72 H ", 72 * 60),
        ("0h5m", 5),
        ("3650d", 3650 * 1440),
        ("７２ｈ", 72 * 60),
    ],
)
def test_durations_as_people_write_them(text: str, minutes: int) -> None:
    assert parse_ttl(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "72",
        "h",
        "forever",
        "-5h",
        "+5h",
        "1.5h",
        "1,5h",
        "5s",
        "5y",
        "h5",
        "5h later",
        "5hh",
        "1h1h",
        "1h30",
        "22:00",
        "1e3h",
        "72h\x1b[31m",
        "None",
        "9" * 90_000,
    ],
)
def test_nonsense_is_refused_with_examples(text: str) -> None:
    with pytest.raises(InvalidInput, match="not a duration") as caught:
        parse_ttl(text)
    assert "72h" in caught.value.hint
    assert "\x1b" not in caught.value.subject


@pytest.mark.parametrize("text", ["0m", "0h", "０ｄ", "0d0h", "0000h"])
def test_no_time_at_all_is_told_as_that(text: str) -> None:
    with pytest.raises(InvalidInput, match="is nothing") as caught:
        parse_ttl(text)
    assert "72h" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "3651d",
        "100000d",
        "3650d1m",
        "99999999d",
        "99999999d1h",
        "9" * 400 + "h",
        "1h" + "9" * 90_000 + "d",
    ],
)
def test_too_long_is_told_as_that(text: str) -> None:
    with pytest.raises(InvalidInput, match="longer than ten years") as caught:
        parse_ttl(text)
    assert "3650d" in caught.value.hint
    assert len(caught.value.subject) < 60


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(0), "under 1 min"),
        (timedelta(seconds=59), "under 1 min"),
        (timedelta(minutes=-7), "under 1 min"),
        (timedelta(minutes=4, seconds=59), "4 min"),
        (timedelta(minutes=59), "59 min"),
        (timedelta(hours=1), "1 h"),
        (timedelta(hours=71, minutes=59), "71 h 59 min"),
        (timedelta(hours=99, minutes=59), "99 h 59 min"),
        (timedelta(hours=100), "4 d 4 h"),
        (timedelta(days=5), "5 d"),
        (LONGEST, "3650 d"),
    ],
)
def test_spoken(span: timedelta, text: str) -> None:
    assert spoken(span) == text


@pytest.mark.parametrize(
    ("minutes", "text"),
    [(1, "1m"), (59, "59m"), (60, "1h"), (90, "90m"), (72 * 60, "72h"), (3650 * 1440, "87600h")],
)
def test_ttl_text_is_read_back(minutes: int, text: str) -> None:
    span = timedelta(minutes=minutes)
    assert ttl_text(span) == text
    assert parse_ttl(text) == span


def test_the_deadline_counts_from_the_start() -> None:
    lease = Lease(owner="anna", ttl=timedelta(hours=72))
    assert lease.deadline is None
    started = lease.model_copy(update={"started": NOON})
    assert started.deadline == datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
    assert Lease.model_validate_json(started.model_dump_json()) == started


DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def a_lease(ttl: timedelta = 3 * DAY, **limits: Any) -> Lease:
    return Lease(owner="anna", ttl=ttl, started=NOON, limits=LeaseLimits(**limits))


def extend(lease: Lease, span: timedelta, now: datetime = NOON + HOUR) -> Lease:
    return lease.extended(span, by="anna", reason="holiday", now=now)


def test_an_extension_moves_the_end_and_is_kept() -> None:
    lease = extend(a_lease(), DAY)
    assert lease.deadline == NOON + 4 * DAY
    assert lease.moves[0].by == "anna"
    assert lease.grace_ends == NOON + 7 * DAY
    assert Lease.model_validate_json(lease.model_dump_json()) == lease


@pytest.mark.parametrize(
    ("limits", "asked", "message", "hint", "extensions", "minutes"),
    [
        ({"extension": DAY}, 2 * DAY, "2 d more is beyond", "--ttl 24h", 3, 1440),
        ({"longest": 4 * DAY}, DAY + HOUR, "1 d 1 h more", "--ttl 24h", 3, 1440),
        ({"longest": 3 * DAY}, HOUR, "cannot be extended any more", "new sandbox", 0, 0),
        ({"extensions": 0}, HOUR, "allows 0 extensions", "new sandbox", 0, 0),
    ],
)
def test_beyond_the_limits_is_denied_and_never_cut(
    limits: dict[str, Any],
    asked: timedelta,
    message: str,
    hint: str,
    extensions: int,
    minutes: int,
) -> None:
    lease = a_lease(**limits)
    with pytest.raises(Denied) as denied:
        extend(lease, asked)
    said = denied.value
    assert message.replace("1 d 1 h", "25 h").replace("2 d more", "48 h more") in said.message
    assert hint in said.hint
    assert said.details == {"extensions_left": extensions, "minutes_left_to_ask": minutes}
    assert lease.moves == ()


def test_the_budget_is_counted() -> None:
    lease = a_lease(extensions=2)
    for left in (2, 1):
        assert lease.left(NOON).extensions == left
        lease = extend(lease, HOUR)
    assert lease.left(NOON) == Left(extensions=0, span=timedelta())
    with pytest.raises(Denied, match="allows 2 extensions"):
        extend(lease, HOUR)


def test_exactly_what_is_left_is_granted() -> None:
    lease = a_lease(longest=4 * DAY)
    assert extend(lease, lease.left(NOON).span).deadline == NOON + 4 * DAY


def test_a_restore_counts_from_now_and_from_the_budget() -> None:
    late = NOON + 3 * DAY + 5 * HOUR
    lease = a_lease().restored(DAY, by="anna", reason="forgot", now=late)
    assert lease.deadline == late + DAY
    assert lease.left(late).extensions == 2
    with pytest.raises(Denied) as denied:
        a_lease(longest=4 * DAY).restored(DAY, by="anna", reason="forgot", now=late)
    assert "--ttl 19h" in denied.value.hint


def test_credit_takes_nothing_from_the_budget() -> None:
    lease = a_lease(longest=3 * DAY).credited(2 * HOUR, by="it", reason="we froze it", now=NOON)
    assert lease.deadline == NOON + 3 * DAY + 2 * HOUR
    assert lease.left(NOON).extensions == 0  # beyond the longest already: nothing, never negative


def test_nothing_is_left_before_the_start() -> None:
    lease = Lease(owner="anna", ttl=DAY)
    assert lease.left(NOON) == Left(extensions=0, span=timedelta())
    assert lease.due_warning(NOON) is None


def test_each_warning_comes_once_for_each_end() -> None:
    lease = a_lease()
    end = NOON + 3 * DAY
    assert lease.due_warning(end - 25 * HOUR) is None
    first = lease.due_warning(end - DAY)
    assert first == Warned(before=DAY, deadline=end)
    lease = lease.warned_of(first)
    assert lease.due_warning(end - 2 * HOUR) is None
    second = lease.due_warning(end - HOUR)
    assert second == Warned(before=HOUR, deadline=end)
    lease = lease.warned_of(second)
    assert lease.due_warning(end - timedelta(minutes=1)) is None
    assert lease.due_warning(end) is None
    again = extend(lease, DAY, now=end - timedelta(minutes=1))
    assert again.due_warning(end - timedelta(seconds=30)) is None
    assert again.due_warning(end) == Warned(before=DAY, deadline=end + DAY)  # armed again
    assert again.due_warning(end + 23 * HOUR) == Warned(before=HOUR, deadline=end + DAY)


def test_of_two_missed_warnings_only_the_urgent_one_comes() -> None:
    lease = a_lease()
    end = NOON + 3 * DAY
    urgent = lease.due_warning(end - timedelta(minutes=30))
    assert urgent == Warned(before=HOUR, deadline=end)
    assert lease.warned_of(urgent).due_warning(end - timedelta(minutes=20)) is None


def test_a_short_lease_is_not_warned_a_day_before() -> None:
    lease = a_lease(ttl=2 * HOUR)
    assert lease.due_warning(NOON + timedelta(minutes=1)) is None
    assert lease.due_warning(NOON + HOUR) == Warned(before=HOUR, deadline=NOON + 2 * HOUR)


def test_what_is_left_is_in_whole_minutes_so_that_it_can_be_asked_for() -> None:
    late = NOON + 3 * DAY + timedelta(hours=5, seconds=0.5)
    lease = a_lease(longest=4 * DAY)
    left = lease.left(late).span
    assert left == timedelta(hours=18, minutes=59)
    back = lease.restored(left, by="anna", reason="forgot", now=late)
    assert back.deadline is not None
    assert back.deadline <= NOON + 4 * DAY
    assert lease.left(NOON + 4 * DAY - timedelta(seconds=59)) == Left(
        extensions=0, span=timedelta()
    )


def test_a_warning_holds_until_the_end_though_it_was_given() -> None:
    lease = a_lease()
    end = NOON + 3 * DAY
    given = lease.due_warning(end - HOUR)
    assert given is not None
    assert lease.warned_of(given).due_warning(end - HOUR / 2) is None
    assert lease.warned_of(given).warning(end - HOUR / 2) == given
    assert lease.warning(end - 25 * HOUR) is None
    assert lease.warning(end) is None


def test_no_first_lease_is_longer_than_the_longest() -> None:
    limits = LeaseLimits(longest=timedelta(hours=36))
    limits.check_first(timedelta(hours=36))
    with pytest.raises(Denied, match="36 h 1 min is longer than a sandbox may live") as refused:
        limits.check_first(timedelta(hours=36, minutes=1))
    assert refused.value.hint == "At most: --ttl 36h"
    assert refused.value.details == {"most_minutes": 36 * 60}
