"""What a screen is made of: lines and grids, before anybody knows how wide it is."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeAlias

from sandbox.core.text import clean


@dataclass(frozen=True)
class Line:
    """One line of text: an emphasised label, then the rest, folded unless it is kept `raw`."""

    text: str
    label: str = ""
    style: str = ""
    label_style: str = "bold"
    raw: bool = False


@dataclass(frozen=True)
class Grid:
    """Rows under column names; where they do not fit, cells of `cut` end in an ellipsis.

    With `whole`, each row becomes a record rather than that a word is broken.
    """

    columns: Sequence[str]
    rows: list[Sequence[Any]] = field(default_factory=list)
    cut: frozenset[str] = frozenset()
    whole: bool = False


def named(label: str, text: str, style: str = "") -> Line:
    """Return a line whose label stands in a column of its own; `text` is cleaned."""
    return Line(clean(text), label=f"{label:<10}", style=style)


def typed(label: str, command: str) -> Line:
    """Return a line with a command for people to copy: however narrow, it stays in one piece."""
    return replace(named(label, command), raw=True)


def dry_run(command: str) -> Line:
    """Return the line under what would be done; `command` does it."""
    return Line(f"A dry run: nothing was changed. Do it: {command} --apply")


def size(count: float) -> str:
    """Return a number of bytes as people read it."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def fine_size(count: int) -> str:
    """Return a number of bytes to a tenth, for what is rather small."""
    return f"{count / 1_000_000:,.1f} MB" if count >= 100_000 else f"{count / 1000:,.1f} kB"


def amount(rows: int | None, count: int) -> str:
    """Return how much there is: so many rows, where it has any, of so many bytes."""
    return size(count) if rows is None else f"{counted(rows)}, {size(count)}"


def counted(count: int, one: str = "row", more: str = "") -> str:
    """Return so many of what is called `one`; many are `more`, by default with an s."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def cell(value: object) -> str:
    """Return a value as one clean table cell; times as people here read them."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M")
    return clean(str(value))


def weekday(moment: datetime) -> str:
    """Return a moment near now as people here read it, with its day of the week."""
    return moment.astimezone().strftime("%a %d %b %H:%M")


Block: TypeAlias = Line | Grid
