from datetime import UTC, datetime, timedelta

import pytest

from sandbox.core.errors import InvalidInput
from sandbox.core.lease import LONGEST, Lease, parse_ttl, spoken, ttl_text

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


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
        (timedelta(0), "0 min"),
        (timedelta(seconds=59), "0 min"),
        (timedelta(minutes=-7), "0 min"),
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
