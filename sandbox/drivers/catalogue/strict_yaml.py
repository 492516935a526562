"""YAML without surprises: what is read is what a person sees, and every error has a place.

Only four kinds of plain word mean something: `true` and `false`, `null` (also `~` and nothing at
all), whole numbers, and numbers with a point. Every other plain word is a text. A plain word that
YAML 1.1 or 1.2 would read as something else (22:00 is 1320 there, `no` is false, 2026-04-01 a
date) is refused: its author must quote it. So are duplicate keys, keys that are no text, anchors,
aliases, tags, merge keys, directives, and characters that nobody sees. The parser's events are read
directly; nothing of YAML's own construction of objects is used.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import yaml

from sandbox.core.errors import InvalidInput
from sandbox.core.text import clean

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32

Path = tuple[str | int, ...]
Position = tuple[int, int]

# libyaml reads a policy file sixteen times faster; both give the same events.
PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS: Mapping[str, Any] = {"true": True, "false": False, "null": None, "~": None, "": None}
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]{0,17})\.[0-9]{1,18}")
# What YAML 1.2 or the full YAML 1.1 reads as no text, beyond what PyYAML's own resolver knows.
_ALSO_AMBIGUOUS = re.compile(
    r"[yYnN]|[-+]?[0-9][0-9_]*|0o[0-7]+|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
    r"|[0-9]+(:[0-9]+)+.*"
)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f\ufeff\ufffe\uffff\ud800-\udfff]")
# What is read otherwise than it is shown: YAML ends a line at U+2028 too, so that a comment goes on
# as a rule; others turn the order round, or have no width. Whoever means one writes it out, in
# quotes, where it is seen: "\\u200b".
_UNSEEN = re.compile(
    "[\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufff9-\ufffb"
    "\U000e0001-\U000e007f]|\r(?!\n)"
)
# Signs of YAML's own as Japanese keyboards type them: to YAML they are letters.
_FULL_WIDTH = re.compile("[：｛｝［］＃－\u3000]")
_PLAIN_WORDS: Mapping[str, str] = {
    "mapping values are not allowed": "a colon stands where none can; put the text in quotes, "
    "or begin a new line",
    "could not find expected ':'": "a colon is missing after a key",
    "found unexpected end of stream": "a quote is opened and not closed",
    "did not find expected key": "this line does not fit the lines above; look at its indentation",
    "did not find expected '-'": "this line does not fit the list above; look at its indentation",
    "did not find expected ',' or": "a list or group in brackets is not closed, or lacks a comma",
    "did not find expected node content": "a value is missing here, before this character",
    "cannot start any token": "a text cannot begin with this character; put it in quotes "
    "(a tab cannot indent: use spaces)",
}


@dataclass(frozen=True)
class Document:
    """A file as plain objects, and where each key and each item of a list stands (from 1)."""

    content: Any
    positions: Mapping[Path, Position]

    def reached(self, path: Path) -> Path:
        """Return `path` without the parts that the file does not have."""
        reached: Path = ()
        for part in path:
            if (*reached, part) in self.positions:
                reached = (*reached, part)
        return reached

    def position(self, path: Path) -> Position:
        """Return where `path` stands, or the nearest of its parents that the file has."""
        return self.positions.get(self.reached(path), (1, 1))


def load(file: str, raw: bytes, parser: Any = PARSER) -> Document:
    """Return what `raw` says; raises InvalidInput naming `file`, line and column otherwise.

    `parser` is one of PyYAML's two, of which a machine may have only the slow one.
    """
    return _Reader(file).read(_decoded(file, raw), parser)


def refuse(file: str, position: Position, problem: str, hint: str = "", more: int = 0) -> NoReturn:
    """Raise InvalidInput for what is wrong at `position`; `more` counts further problems."""
    line, column = position
    rest = f" ({more} more {'problem' if more == 1 else 'problems'} in this file)" if more else ""
    raise InvalidInput(
        f"{file}:{line}:{column}: {problem}{rest}",
        subject=file,
        hint=hint or f"Correct line {line} and try again.",
        details={"file": file, "line": line, "column": column, "problems": more + 1},
    )


def _decoded(file: str, raw: bytes) -> str:
    if len(raw) > MAX_BYTES:
        refuse(
            file, (1, 1), "the file is larger than 1 MiB.", "Split it, or remove what is not used."
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8-sig", errors="replace")
        refuse(file, _end_of(before), "this is not UTF-8 text.", "Save the file as UTF-8.")
    if found := _CONTROL.search(text):
        refuse(
            file,
            _end_of(text[: found.start()]),
            f"a control character, {found[0]!a}, stands here.",
            "Delete it.",
        )
    if found := _UNSEEN.search(text):
        what = f"a character that cannot be seen, {found[0]!a}, stands here."
        if found[0] == "\r":
            what = "a line ends here without a line feed, which not every program shows."
        refuse(file, _end_of(text[: found.start()]), what, "Delete it.")
    return text


def _end_of(text: str) -> Position:
    return text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1


def _place(mark: Any) -> Position:
    return mark.line + 1, mark.column + 1


class _Reader:
    """Builds one document from the parser's events.

    Each method takes the event that begins its part, and reads on to the one that ends it.
    `path` is where in the document it is.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self._positions: dict[Path, Position] = {}

    def read(self, text: str, parser: Any) -> Document:
        """Return the one document in `text`; whatever else it is, is refused with its place."""
        try:
            content = self._document(yaml.parse(text, Loader=parser))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            said = _plain(error.problem or "this is not YAML")
            self._refuse(mark, said, _full_width(text, mark.line) if mark else "")
        except (yaml.YAMLError, ValueError, OverflowError):
            refuse(self._file, (1, 1), "this is not YAML.")
        return Document(content, self._positions)

    def _refuse(self, mark: Any, problem: str, hint: str = "") -> NoReturn:
        refuse(self._file, _place(mark) if mark else (1, 1), problem, hint)

    def _document(self, events: Iterator[Any]) -> Any:
        next(events)  # the stream begins
        start = next(events)
        if isinstance(start, yaml.StreamEndEvent):
            self._refuse(start.start_mark, "the file is empty.", "Write its content.")
        if start.version or start.tags:
            self._refuse(start.start_mark, "directives (%YAML, %TAG) are not used here.")
        content = self._value(next(events), events, ())
        next(events)  # the document ends
        if not isinstance(end := next(events), yaml.StreamEndEvent):
            self._refuse(end.start_mark, "a file holds one document; a second one starts here.")
        return content

    def _value(self, event: Any, events: Iterator[Any], path: Path) -> Any:
        self._admit(event, len(path))
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(events, path)
        return self._mapping(events, path)

    def _admit(self, event: Any, depth: int) -> None:
        """Refuse what one event can bring in: anchors, aliases, tags, too deep a nesting."""
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent) or event.anchor:
            self._refuse(
                mark,
                "anchors (&) and aliases (*) are not used here.",
                "Write the value out, or put a text that begins so in quotes.",
            )
        if event.tag:
            self._refuse(
                mark, "tags (!) are not used here.", "Put a text that begins so in quotes."
            )
        if depth > MAX_DEPTH:
            self._refuse(mark, f"more than {MAX_DEPTH} levels are nested here.")

    def _list(self, events: Iterator[Any], path: Path) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            here = (*path, len(items))
            self._positions[here] = _place(event.start_mark)
            items.append(self._value(event, events, here))
        return items

    def _mapping(self, events: Iterator[Any], path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self._key(event, len(path))
            here = (*path, key)
            if key in found:
                first = self._positions[here][0]
                self._refuse(
                    event.start_mark,
                    f"the key `{clean(key)}` is here a second time; the first is in line {first}.",
                    "Keep one of them.",
                )
            self._positions[here] = _place(event.start_mark)
            found[key] = self._value(next(events), events, here)
        return found

    def _key(self, event: Any, depth: int) -> str:
        """Return a key of a mapping: a plain text, and nothing that YAML could read otherwise."""
        self._admit(event, depth)
        if not isinstance(event, yaml.ScalarEvent):
            self._refuse(event.start_mark, "a key must be a text, not a list or a group.")
        key = self._scalar(event)
        if not isinstance(key, str):
            self._refuse(
                event.start_mark,
                "a key must be a text.",
                f'If it is meant as one, put it in quotes: "{clean(event.value)}"',
            )
        return key

    def _scalar(self, event: Any) -> Any:
        """Return a single value: a quoted text as it stands, a plain word by the module's rules."""
        text: str = event.value
        if event.style:
            if found := _CONTROL.search(text):
                self._refuse(event.start_mark, f"the text holds a control character, {found[0]!a}.")
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _INTEGER.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
        if _is_ambiguous(text):
            self._refuse(
                event.start_mark,
                f"`{clean(text)}` is not in quotes, and YAML could read it as something else.",
                f'Put it in quotes: "{clean(text)}"; or write numbers plainly (1000, 0.5), '
                "yes as true and no as false.",
            )
        return text


def _is_ambiguous(text: str) -> bool:
    resolvers = yaml.SafeLoader.yaml_implicit_resolvers
    known = any(regexp.match(text) for _, regexp in resolvers.get(text[0], ()))
    return known or _ALSO_AMBIGUOUS.fullmatch(text) is not None


def _plain(problem: str) -> str:
    for technical, plain in _PLAIN_WORDS.items():
        if technical in problem:
            return f"{plain}."
    return f"{clean(problem)}."


def _full_width(text: str, line: int) -> str:
    """Return the hint that a full-width sign stands in `line` (from 0) or the one before, or ""."""
    lines = text.split("\n")
    # What lacks a colon is noticed one line later.
    for number in (line, line - 1):
        if 0 <= number < len(lines) and (found := _FULL_WIDTH.search(lines[number])):
            sign = "a full-width blank" if found[0] == "\u3000" else found[0]
            return f"In line {number + 1} stands {sign}; YAML reads the plain sign only."
    return ""
