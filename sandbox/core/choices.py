"""The values worth trying for one field so that a request passes: few, and the nearest is one.

What a condition wants of a field changes only where one of its values stands: at a number, just
below and just above it; at a text that it names. So nothing between has to be tried. Pure.
"""

import difflib
import fnmatch
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from itertools import combinations
from typing import Any, NamedTuple

from sandbox.core.moments import read_moment
from sandbox.core.operators import kind
from sandbox.core.rules import Condition

# Stands for a text that only somebody can write.
ANY_TEXT = "…"
_OTHER, _FILLED = ("some other text", "別の文字列"), ("filled in", "記入する")
_ANOTHER = ("another value", "別の値")
# More items of a list than this are not tried in all their combinations.
_MOST_ITEMS = 8
_MONTH = timedelta(days=30)
_OF_TEXTS = ("equals", "not_equals", "one_of", "none_of", "present", "matches")
_LISTS = ("one_of", "none_of", "contains_any", "contains_all", "within")


class Choice(NamedTuple):
    """A value to try, how far it lies from what there is, and what to call it (en, ja).

    Without words the value speaks for itself.
    """

    value: Any
    distance: float
    words: tuple[str, str] | None = None


def choices(leaves: Iterable[Condition], actual: Any, possible: Iterable[str] = ()) -> list[Choice]:
    """Return what to try in place of `actual` (None: nothing), for which `leaves` are tested.

    `possible` are all texts that can stand there, where those are few.
    """
    leaves, possible = list(leaves), sorted(possible)
    named = [value for leaf in leaves for value in _named(leaf)]
    found = [
        *_numbers(named, actual),
        *(Choice(flag, 1.0) for flag in (True, False) if _about("boolean", named, actual)),
        *_texts(leaves, named, actual, possible),
        *_lists(leaves, named, actual),
        *_empty(leaves, actual),
    ]
    return [choice for choice in found if not _equal(choice.value, actual)]


def _named(leaf: Condition) -> tuple[Any, ...]:
    """Return the values that a condition compares with, one by one."""
    expected = getattr(leaf, leaf.operator)
    if leaf.operator in ("present", "longer_than", "matches"):
        return ()
    return tuple(expected) if leaf.operator in _LISTS else (expected,)


def _distinct(values: Iterable[Any]) -> list[Any]:
    """Return each value once; true is not 1."""
    return list({(kind(value), value): value for value in values}.values())


def _about(wanted: str, named: Sequence[Any], actual: Any) -> bool:
    return any(kind(value) == wanted for value in named) or kind(actual) == wanted


def _equal(one: Any, other: Any) -> bool:
    return kind(one) == kind(other) and bool(one == other)


def _numbers(named: Sequence[Any], actual: Any) -> Iterator[Choice]:
    """Yield each number with its neighbours, and how far it is in parts of what there is."""
    own = actual if kind(actual) == "number" and math.isfinite(actual) else None
    for value in _distinct(v for v in named if kind(v) == "number" and math.isfinite(v)):
        for near in (value, value - 1, value + 1):
            whole = int(near) if float(near).is_integer() else near
            far = 1.0 if own is None else abs(whole - own) / max(abs(own), 1)
            yield Choice(whole, far)


def _texts(
    leaves: Sequence[Condition], named: Sequence[Any], actual: Any, possible: Sequence[str]
) -> Iterator[Choice]:
    own = actual if isinstance(actual, str) else ""
    texts = [value for value in named if isinstance(value, str)]
    for text in dict.fromkeys([*texts, *_moments(leaves)]):
        yield Choice(text, _unlike(own, text))
    for leaf in leaves:
        if leaf.matches is not None:
            yield from _alike(leaf.matches, leaves)
        if leaf.longer_than is not None and kind(actual) != "list":
            yield from _lengths(own, leaf.longer_than)
    if possible:
        yield from _others([text for text in possible if text not in (*texts, own)])
    elif kind(actual) in ("text", "nothing") and any(one.operator in _OF_TEXTS for one in leaves):
        yield Choice(ANY_TEXT, 1.0, _OTHER if own.strip() else _FILLED)


def _others(texts: Sequence[str]) -> Iterator[Choice]:
    """Yield what can stand there and no condition names: of several, none is meant."""
    words = _ANOTHER if len(texts) > 1 else None
    yield from (Choice(text, 1.0, words) for text in texts)


def _unlike(own: str, text: str) -> float:
    """Return how far a text is from what there is: moments by time, others by their letters."""
    one, other = read_moment(own), read_moment(text)
    if one is not None and type(one) is type(other):
        apart = abs(one - other)
        return float(apart / (apart + _MONTH))
    return 1 - difflib.SequenceMatcher(None, own, text).ratio()


def _lengths(own: str, longer_than: int) -> Iterator[Choice]:
    text = own.strip()
    missing = longer_than + 1 - len(text)
    if missing > 0:
        most = f"at least {longer_than + 1} letters", f"{longer_than + 1}文字以上"
        words = most if longer_than else _FILLED
        yield Choice(text + ANY_TEXT * missing, missing / (longer_than + 1), words)
    else:
        words = (f"at most {longer_than} letters", f"{longer_than}文字以下")
        yield Choice(text[:longer_than].strip(), 1 - longer_than / len(text), words)


def _moments(leaves: Iterable[Condition]) -> Iterator[str]:
    """Yield each moment that is compared with, the one just before and the one just after."""
    for leaf in leaves:
        if leaf.operator in ("before", "after", "within"):
            for text in _named(leaf):
                yield text
                # Before the first of all moments, and after the last, there is none.
                for by in (-1, 1):
                    with suppress(OverflowError):
                        yield _moved(text, by)


def _moved(text: str, by: int) -> str:
    """Return the next moment: a day later or earlier for a date, a second for a time."""
    moment = read_moment(text)
    if isinstance(moment, datetime):
        return (moment + timedelta(seconds=by)).isoformat()
    assert isinstance(moment, date)
    return (moment + timedelta(days=by)).isoformat()


def _alike(pattern: str, leaves: Iterable[Condition]) -> Iterator[Choice]:
    """Yield a text of the form of `pattern`: a short one, and ones as long as texts must be."""
    for more in dict.fromkeys((0, *(leaf.longer_than or 0 for leaf in leaves))):
        if (example := _example(pattern, more)) is not None:
            en, ja = f"a text like {pattern}", f"{pattern} の形の文字列"
            if more:
                en, ja = f"{en}, of at least {more + 1} letters", f"{ja}（{more + 1}文字以上）"
            yield Choice(example, 1.0, (en, ja))


def _example(pattern: str, longer_than: int) -> str | None:
    """Return a text of the form of `pattern` that is long enough, None if none is found."""
    sets = re.sub(r"\[([^!\]])[^\]]*\]", r"\1", pattern).replace("?", "x")
    missing = longer_than + 1 - len(sets.replace("*", ""))
    text = sets.replace("*", ANY_TEXT * missing, 1).replace("*", "")
    right = len(text) > longer_than and fnmatch.fnmatchcase(text, pattern)
    return text if right else None


def _lists(leaves: Sequence[Condition], named: Sequence[Any], actual: Any) -> Iterator[Choice]:
    """Yield `actual` with and without the items that are named, in all combinations."""
    asked = [leaf for leaf in leaves if leaf.operator in ("contains_any", "contains_all")]
    if kind(actual) not in ("list", "nothing") or not asked:
        return
    own = list(actual or ())
    items = _distinct(v for leaf in asked for v in _named(leaf))[:_MOST_ITEMS]
    rest = [item for item in own if item not in items]
    for count in range(len(items) + 1):
        for chosen in combinations(items, count):
            kept = [item for item in own if item in rest or item in chosen]
            value = kept + [item for item in chosen if item not in own]
            changed = len(own) - len(kept) + len(value) - len(kept)
            yield Choice(value, changed / max(len(own), 1))


def _empty(leaves: Iterable[Condition], actual: Any) -> Iterator[Choice]:
    """Yield that nothing is said, where that can be asked."""
    if any(leaf.operator in ("present", "longer_than") for leaf in leaves):
        value: Any = {"text": "", "list": []}.get(kind(actual))
        yield Choice(value, 1.0, ("left out", "指定なし"))
