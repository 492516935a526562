"""Text in columns: how wide things are on a terminal, where lines break, what is cut. Pure.

Without a width (a pipe, a file) nothing is cut or folded, and no line ends in blanks.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

GAP = 2
# A column narrower than this tells nothing; a table of such columns is shown record by record.
_NARROW = 9
# Up to this a column stays whole as long as a wider one can give way: dates, names, states.
_WHOLE = 20
# In a pipe a very long cell must not push every other row to the right.
_LONGEST_PAD = 200
_ELLIPSIS = "…"
# Kinsoku: these do not begin a line in Japanese.
_CLOSING = frozenset("、。，．」』）】〉》・：；？！ーぁぃぅぇぉっゃゅょァィゥェォッャュョ々")


@dataclass(frozen=True)
class Columns:
    """A table as lines; `cut` says whether an ellipsis stands for text somewhere."""

    header: list[str]
    lines: list[str]
    cut: bool = False


def width_of(text: str) -> int:
    """Return how many cells of a terminal `text` takes: wide characters take two."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def shortened(text: str, width: int) -> str:
    """Return `text` in at most `width` cells; an ellipsis stands for what was cut."""
    return text if width_of(text) <= width else _first(text, width - 1) + _ELLIPSIS


def _first(text: str, width: int) -> str:
    taken = used = 0
    for char in text:
        used += _cells(char)
        if used > width:
            break
        taken += 1
    return text[:taken]


def folded(text: str, width: int, *, whole: bool = False) -> list[str]:
    """Return `text` as lines of at most `width` cells, broken between words where there are any.

    With `whole`, a word longer than a line stays in one piece (a link must remain one).
    """
    # Less than one wide character would never get anywhere.
    width = max(width, 2)
    lines, line = [], ""
    for piece in _pieces(text):
        if line and width_of((line + piece).rstrip()) > width:
            lines.append(line.rstrip())
            line, piece = "", piece.lstrip()
        line += piece
        while not whole and width_of(line.rstrip()) > width:
            head = _head(line, width)
            lines.append(head)
            line = line[len(head) :]
    return [*lines, line.rstrip()]


def _head(word: str, width: int) -> str:
    """Return what fits of a word that is longer than a line: up to a hyphen, if one is near."""
    head = _first(word, width)
    hyphen = head.rfind("-") + 1
    return head[:hyphen] if hyphen > width // 2 else head


def _pieces(text: str) -> Iterator[str]:
    """Yield the parts between which a line may break: after a blank, and beside wide letters."""
    start = 0
    for at in range(1, len(text)):
        before, here = text[at - 1], text[at]
        after_blank = before == " " and here != " "
        beside_wide = here not in _CLOSING and here != " " and 2 in (_cells(before), _cells(here))
        if after_blank or beside_wide:
            yield text[start:at]
            start = at
    yield text[start:]


def in_columns(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int | None,
    cut: frozenset[str],
    *,
    whole: bool = False,
) -> Columns:
    """Return header and rows as lines of at most `width` cells.

    Where they do not fit, the columns in `cut` give way first and end in an ellipsis, then
    the widest of the others, which are folded. With too many columns, each row becomes a record;
    with `whole` also where a word, however long, would be broken.
    """
    natural = [max(map(width_of, column)) for column in zip(header, *rows, strict=True)]
    if width is None:
        natural = [min(n, _LONGEST_PAD) for n in natural]
        return Columns([_line(header, natural)], [_line(row, natural) for row in rows])
    room = width - GAP * (len(header) - 1)
    words = [
        _unbroken(column, room if whole else _WHOLE) for column in zip(header, *rows, strict=True)
    ]
    floors: tuple[list[int], ...]
    if whole:
        floors = ([n if n <= _WHOLE else w for n, w in zip(natural, words, strict=True)], words)
    else:
        floors = _floors(header, natural, words, cut)
    tried = (_given(natural, each, room) for each in floors)
    widths = next((each for each in tried if sum(each) <= room), None)
    if widths is None:
        return Columns([], [line for row in rows for line in _record(header, row, width)])
    short = [name in cut for name in header]
    head, *body = (list(_folded_row(row, widths, short)) for row in (header, *rows))
    lost = any(n > w and s for n, w, s in zip(natural, widths, short, strict=True))
    return Columns(head, [line for lines in body for line in lines], cut=lost)


def _floors(
    header: Sequence[str], natural: list[int], words: list[int], cut: frozenset[str]
) -> tuple[list[int], ...]:
    """Return below which widths the columns do not go, the most patient choice first."""
    patient = [
        _NARROW if name in cut and n > _WHOLE else n
        for name, n in zip(header, natural, strict=True)
    ]
    whole = [n if n <= _WHOLE else _NARROW for n in natural]
    return patient, whole, words, [_NARROW] * len(natural)


def _unbroken(column: Sequence[str], longest: int) -> int:
    """Return the width below which a word of the column would be broken: a version, a date.

    Words longer than `longest` (paths, digests) do not count.
    """
    widths = (width_of(piece.rstrip()) for text in column for piece in _pieces(text))
    return max((n for n in widths if _NARROW < n <= longest), default=_NARROW)


def _given(natural: list[int], floors: list[int], room: int) -> list[int]:
    """Return the widths of columns: the widest are lowered together until `room` is enough.

    None goes below its floor, so what is returned may still be too wide.
    """
    common = max(natural, default=0)
    widths = natural
    while sum(widths) > room and common > _NARROW:
        common -= 1
        widths = [min(n, max(common, f)) for n, f in zip(natural, floors, strict=True)]
    for number, width in enumerate(widths):
        if common <= width < natural[number] and sum(widths) < room:
            widths[number] += 1
    return widths


def _folded_row(row: Sequence[str], widths: list[int], short: list[bool]) -> Iterator[str]:
    cells = [
        [shortened(text, width)] if cut else folded(text, width)
        for text, width, cut in zip(row, widths, short, strict=True)
    ]
    for number in range(max(map(len, cells), default=0)):
        yield _line([c[number] if number < len(c) else "" for c in cells], widths)


def _record(header: Sequence[str], row: Sequence[str], width: int) -> Iterator[str]:
    lead = min(max(map(width_of, header)), width // 3)
    for name, text in zip(header, row, strict=True):
        for number, line in enumerate(folded(text, width - lead - GAP)):
            yield _line(["" if number else shortened(name, lead), line], [lead, 0])
    yield ""


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (text + " " * (w - width_of(text)) for text, w in zip(cells, widths, strict=True))
    return (" " * GAP).join(padded).rstrip()
