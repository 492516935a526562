"""What a screen is made of: lines and grids, before anybody knows how wide it is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias


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
    """Rows under column names; where they do not fit, cells of `cut` end in an ellipsis."""

    columns: Sequence[str]
    rows: list[Sequence[Any]] = field(default_factory=list)
    cut: frozenset[str] = frozenset()


Block: TypeAlias = Line | Grid
