"""Moments as rules and documents write them (ISO 8601): a date, or a time with date and zone."""

from datetime import date, datetime, timedelta
from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator


def read_moment(text: str) -> date | datetime | None:
    """Return the date, or the date and time with its zone, that `text` is; None for anything else.

    A time without a zone is none: nobody could tell when that is.
    """
    try:
        return date.fromisoformat(text) if len(text) == 10 else _aware(text)
    except ValueError:
        return None


def checked_moment(text: str) -> str:
    """Return `text`; raises ValueError unless it is a moment."""
    if read_moment(text) is None:
        raise ValueError(
            'must be a date, as "2026-04-01", or a time with its zone, as '
            '"2026-04-01T09:00:00+09:00"'
        )
    return text


def end_of_day(day: date) -> datetime:
    """Return the first moment after `day`, by the clock on the wall: no zone is said yet.

    Raises OverflowError for the last day of all.
    """
    after = day + timedelta(days=1)
    return datetime(after.year, after.month, after.day)


def _written(value: Any) -> Any:
    # Pydantic alone would take "20270401" for seconds since 1970.
    if not isinstance(value, str):
        return value
    try:
        if len(value) > len("2026-04-01"):
            return datetime.fromisoformat(value)
    except ValueError:
        pass
    raise ValueError('must be a time with its zone, as in "2026-04-01T09:00:00+09:00"')


# A time with its zone, as a person writes it in a file.
Instant = Annotated[AwareDatetime, BeforeValidator(_written)]


def _aware(text: str) -> datetime | None:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else None
