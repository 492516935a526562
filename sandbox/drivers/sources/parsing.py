"""What a file's bytes say: a table of text cells, or texts by the place where they stand."""

import csv
import io
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import PurePath
from typing import IO, Any

from sandbox.core.crossing import Format

PARQUET = b"PAR1"
_ENCODINGS = ("utf-8-sig", "cp932", "euc_jp")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_MARKS = ",;\t|"
# In bytes: who writes longer rows writes no table and no text.
LONGEST_ROW = 1 << 23
_TABLES = frozenset({".csv", ".tsv"})
_DOCUMENTS = frozenset({".json", ".jsonl", ".ndjson", ".ipynb", ".geojson"})
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f]")
# A document of more places than this is read as one.
_MOST_PLACES = 500
_EVERYWHERE = "(all)"
_KEYS = "(keys)"
LINES = "line"

Cell = str | None


@dataclass(frozen=True)
class Grid:
    """Rows of equally many cells under names that differ, whatever their capitals."""

    columns: tuple[str, ...]
    rows: Iterable[Sequence[Cell]]


@dataclass(frozen=True)
class CsvRows:
    """The rows of a CSV text but for the first, read anew each time: lists would take ten times
    the text's own memory."""

    text: str
    mark: str

    def __iter__(self) -> Iterator[Sequence[Cell]]:
        """Yield the cells of each row that is not empty; raises csv.Error."""
        return islice(_cells(self.text, self.mark), 1, None)


@dataclass(frozen=True)
class Parsed:
    """A file as it was read: `grid` if it has rows under names, else `texts` by their place."""

    format: Format
    grid: Grid | None = None
    texts: dict[str, list[str]] = field(default_factory=dict)


def parsed(name: str, content: bytes) -> Parsed:
    """Return what a file says. Nothing is guessed: what is no text has the format `unknown`.

    A CSV file of uneven lines, or with a quote that is never closed, is a text; a document with a
    key twice in one JSON object is unknown.
    """
    text = _decoded(content)
    if text is None:
        return Parsed("unknown")
    ending = PurePath(name).suffix.lower()
    if ending in _DOCUMENTS or text.lstrip()[:1] in ("{", "["):
        try:
            document = _document(text)
        except _Hidden:
            return Parsed("unknown")
        if document is not None:
            return _of_document(document)
    grid = _grid(text, sure=ending in _TABLES)
    if grid is not None:
        return Parsed("csv", grid)
    return Parsed("text", texts={LINES: text.splitlines()})


def write_csv(rows: Iterable[Sequence[Cell]], file: IO[bytes]) -> None:
    """Write rows as CSV in UTF-8: commas, lines end in LF, empty cells for None."""
    out = io.TextIOWrapper(file, "utf-8", "replace", newline="")
    csv.writer(out, lineterminator="\n").writerows(rows)
    out.detach()


def as_csv(rows: Iterable[Sequence[Cell]]) -> bytes:
    """Return what `write_csv` writes."""
    file = io.BytesIO()
    write_csv(rows, file)
    return file.getvalue()


def _decoded(content: bytes) -> str | None:
    """Return a file's text, None if it has none."""
    encodings = ("utf-16",) if content[:2] in _UTF_16 else _ENCODINGS
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return None if _CONTROLS.search(text) else text
    return None


def _grid(text: str, *, sure: bool) -> Grid | None:
    """Return a text's table; without being `sure`, only one of several columns is one."""
    if "\r" in text:  # some programs still end lines by it alone
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    first = text[: text.find("\n")] if "\n" in text else text
    mark = max(_MARKS, key=first.count)
    if not sure and mark not in first:
        return None
    try:
        heading = next(_cells(text, mark), [])
        even = all(len(row) == len(heading) for row in CsvRows(text, mark))
    except csv.Error:
        return None
    return Grid(different(heading), CsvRows(text, mark)) if heading and even else None


def _cells(text: str, mark: str) -> Iterator[list[str]]:
    csv.field_size_limit(LONGEST_ROW)
    return filter(None, csv.reader(_lines(text), delimiter=mark, strict=True))


def _lines(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield text[start:end]
        start = end


def different(names: Iterable[str]) -> tuple[str, ...]:
    """Return names that are not empty and differ, whatever their capitals."""
    seen: Counter[str] = Counter()
    found: list[str] = []
    for number, name in enumerate(names):
        wanted = name.strip() or f"column{number}"
        made = wanted
        while seen[made.lower()]:
            made = f"{wanted}_{seen[wanted.lower()]}"
            seen[wanted.lower()] += 1
        seen[made.lower()] += 1
        found.append(made)
    return tuple(found)


def _document(text: str) -> Any:
    """Return a JSON document, or a list of those that stand on a line each; None if it is none."""
    try:
        return json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        pass
    lines = (line for line in text.splitlines() if line.strip())
    try:
        return [json.loads(line, object_pairs_hook=_once) for line in lines] or None
    except (ValueError, RecursionError):
        return None


class _Hidden(Exception):
    """A document has a key twice: of its two values a reader sees one."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Hidden
    return found


def _of_document(document: Any) -> Parsed:
    if isinstance(document, list) and document and all(map(_is_flat, document)):
        columns = tuple(dict.fromkeys(key for one in document for key in one))
        if len({c.lower() for c in columns}) == len(columns) and all(columns):
            rows = (tuple(_cell(one.get(key)) for key in columns) for one in document)
            return Parsed("json", Grid(columns, tuple(rows)))
    texts: dict[str, list[str]] = defaultdict(list)
    for place, said in _leaves(document):
        known = place in texts or len(texts) < _MOST_PLACES
        texts[place if known else _EVERYWHERE].append(said)
    return Parsed("json", texts=dict(texts))


def _is_flat(one: Any) -> bool:
    return isinstance(one, dict) and not any(isinstance(v, dict | list) for v in one.values())


def _leaves(document: Any) -> Iterator[tuple[str, str]]:
    """Yield every value of a document under the last key that leads to it, and every key."""
    waiting: list[tuple[str, Any]] = [(LINES, document)]
    while waiting:
        place, found = waiting.pop()
        if isinstance(found, dict):
            yield from ((_KEYS, key) for key in found)
            waiting.extend((key or LINES, value) for key, value in found.items())
        elif isinstance(found, list):
            waiting.extend((place, value) for value in found)
        elif found is not None:
            yield place, _cell(found) or ""


def _cell(value: Any) -> Cell:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)
