"""The closed set of operators that rules may use, and the sentences that each one can say.

An operator knows three things: which types it can judge, whether a value holds, and how to tell
a person in English and Japanese that it does not. Nothing here guesses: a value of another type
is never converted, it is reported.
"""

import fnmatch
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from sandbox.core.judged import ASKED, WORDS
from sandbox.core.moments import read_moment
from sandbox.core.states import state_of
from sandbox.core.text import as_written, clean, shortened

Language = Literal["en", "ja"]
LANGUAGES: tuple[Language, ...] = ("en", "ja")

_SHOWN = 80
_KINDS: Mapping[str, tuple[str, str]] = {
    "text": ("a text", "文字列"),
    "number": ("a number", "数値"),
    "boolean": ("true or false", "真偽値"),
    "list": ("a list", "リスト"),
    "group": ("a group of fields", "項目の集まり"),
    "moment": ("a date, or a time with its zone", "日付またはタイムゾーン付きの日時"),
    "nothing": ("empty", "空"),
    "unknown": ("of an unknown type", "不明な型"),
}


def kind(value: Any) -> str:
    """Return what `value` is to a rule; true is no number, and NaN is nothing known."""
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "unknown" if math.isnan(value) else "number"
    if isinstance(value, list | tuple):
        return "list"
    if isinstance(value, Mapping):
        return "group"
    return "nothing" if value is None else "unknown"


def kind_name(name: str, language: Language) -> str:
    """Return a kind in words: `a number`, `数値`."""
    return _KINDS[name][LANGUAGES.index(language)]


@dataclass(frozen=True, slots=True)
class Operator:
    """How one operator judges.

    Given what the rule expects, `accepts` names the kinds of value it can judge and `words` are
    the sentences (en, ja) for a value that does not hold, with {field}, {actual}, {expected}. Some
    texts are moments: `compares` says whether a text is one that can be compared with `expected`.
    """

    accepts: Callable[[Any], tuple[str, ...]]
    holds: Callable[[Any, Any], bool]
    words: Callable[[Any], tuple[str, str]]
    compares: Callable[[Any, Any], bool] | None = None

    def says(self, language: Language, field: str, actual: Any, expected: Any) -> str:
        """Return the sentence for a value that does not hold."""
        if state := state_of(field, actual):
            return state.en if language == "en" else state.ja
        text = self.words(expected)[LANGUAGES.index(language)]
        said = as_written(shown(actual)) if field == "host" else shown(actual)
        return text.format(field=_topic(field, language), actual=said, expected=shown(expected))


def shown(value: Any) -> str:
    """Return `value` as a person reads it in a sentence: short, on one line, harmless."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list | tuple):
        text = ", ".join(shown(item) for item in value[:10]) or "[]"
        text += ", …" if len(value) > 10 else ""
    else:
        text = clean(str(value)) or '""'
    return shortened(text, _SHOWN)


def _same(value: Any, expected: Any) -> bool:
    return kind(value) == kind(expected) and bool(value == expected)


def _any_same(value: Any, expected: Any) -> bool:
    return any(_same(value, one) for one in expected)


def _contains_any(value: Any, expected: Any) -> bool:
    _check_items(value, expected)
    return any(_any_same(item, expected) for item in value)


def _contains_all(value: Any, expected: Any) -> bool:
    _check_items(value, expected)
    return all(_any_same(one, value) for one in expected)


def _check_items(value: Any, expected: Any) -> None:
    known = {kind(one) for one in expected}
    for item in value:
        # An item that cannot be compared must not count as "not contained".
        if kind(item) not in known:
            raise TypeError(f"the list holds {kind_name(kind(item), 'en')}")


def _alike(value: Any, expected: Any) -> bool:
    """Say whether a text is a moment like those expected: a date beside dates, a time beside."""
    ends = expected if isinstance(expected, tuple | list) else (expected,)
    return all(type(read_moment(value)) is type(read_moment(end)) for end in ends)


def _is_before(value: Any, expected: Any) -> bool:
    return bool(read_moment(value) < read_moment(expected))  # type: ignore[operator]


def _is_within(value: Any, expected: Any) -> bool:
    begin, end = expected
    return not _is_before(value, begin) and not _is_before(end, value)


def _is_present(value: Any, expected: Any) -> bool:
    given = bool(value.strip()) if isinstance(value, str) else value not in (None, [], (), {})
    return given is expected


def _length(value: Any) -> int:
    return len(value.strip()) if isinstance(value, str) else len(value)


def _own_kind(expected: Any) -> tuple[str, ...]:
    return (kind(expected),)


def _kinds_within(expected: Any) -> tuple[str, ...]:
    return tuple(sorted({kind(one) for one in expected}))


def _always(en: str, ja: str) -> Callable[[Any], tuple[str, str]]:
    return lambda _: (en, ja)


def _choice_words(expected: Any) -> tuple[str, str]:
    if not expected:
        return (
            "{field} is {actual}, none is allowed",
            "{field}は {actual} です。許可されたものはまだありません",
        )
    return (
        "{field} is {actual}, allowed: {expected}",
        "{field}は {actual} です。認められるのは {expected} です",
    )


def _presence_words(expected: Any) -> tuple[str, str]:
    if expected:
        return "{field} is empty", "{field}が指定されていません"
    return "{field} is {actual}, it must be left out", "{field}は {actual} です。指定できません"


def _length_words(expected: Any) -> tuple[str, str]:
    if expected == 0:
        return "{field} is empty", "{field}が指定されていません"
    longer = "{field}は {actual} です。{expected} より長くなければなりません"
    return "{field} is {actual}, it must be longer than {expected}", longer


def _window_words(expected: Any) -> tuple[str, str]:
    begin, end = expected
    return (
        f"{{field}} is {{actual}}, it must be from {begin} to {end}",
        f"{{field}}は {{actual}} です。{begin} から {end} まででなければなりません",
    )


OPERATORS: Mapping[str, Operator] = {
    "equals": Operator(
        _own_kind,
        _same,
        _always(
            "{field} is {actual}, it must be {expected}",
            "{field}は {actual} です。{expected} でなければなりません",
        ),
    ),
    "not_equals": Operator(
        _own_kind,
        lambda value, expected: not _same(value, expected),
        _always(
            "{field} is {actual}, which is not allowed",
            "{field}は {actual} です。この値は認められません",
        ),
    ),
    "min": Operator(
        lambda _: ("number",),
        lambda value, expected: bool(value >= expected),
        _always(
            "{field} is {actual}, at least {expected} is needed",
            "{field}は {actual} です。{expected} 以上が必要です",
        ),
    ),
    "max": Operator(
        lambda _: ("number",),
        lambda value, expected: bool(value <= expected),
        _always(
            "{field} is {actual}, the limit is {expected}",
            "{field}は {actual} です。上限は {expected} です",
        ),
    ),
    "one_of": Operator(
        lambda expected: _kinds_within(expected) or tuple(_KINDS),
        _any_same,
        _choice_words,
    ),
    "none_of": Operator(
        _kinds_within,
        lambda value, expected: not _any_same(value, expected),
        _always(
            "{field} is {actual}, not allowed: {expected}",
            "{field}は {actual} です。認められないのは {expected} です",
        ),
    ),
    "contains_any": Operator(
        lambda _: ("list",),
        _contains_any,
        _always(
            "{field} is {actual}, it must contain at least one of: {expected}",
            "{field}は {actual} です。次のいずれかが必要です: {expected}",
        ),
    ),
    "contains_all": Operator(
        lambda _: ("list",),
        _contains_all,
        _always(
            "{field} is {actual}, it must contain all of: {expected}",
            "{field}は {actual} です。次のすべてが必要です: {expected}",
        ),
    ),
    "present": Operator(
        lambda _: tuple(_KINDS),
        _is_present,
        _presence_words,
    ),
    "longer_than": Operator(
        lambda _: ("text", "list"),
        lambda value, expected: _length(value) > expected,
        _length_words,
    ),
    "matches": Operator(
        lambda _: ("text",),
        lambda value, expected: fnmatch.fnmatchcase(value, expected),
        _always(
            "{field} is {actual}, it must look like {expected}",
            "{field}は {actual} です。{expected} の形でなければなりません",
        ),
    ),
    "before": Operator(
        lambda _: ("text",),
        _is_before,
        _always(
            "{field} is {actual}, it must be before {expected}",
            "{field}は {actual} です。{expected} より前でなければなりません",
        ),
        _alike,
    ),
    "after": Operator(
        lambda _: ("text",),
        lambda value, expected: _is_before(expected, value),
        _always(
            "{field} is {actual}, it must be after {expected}",
            "{field}は {actual} です。{expected} より後でなければなりません",
        ),
        _alike,
    ),
    "within": Operator(
        lambda _: ("text",),
        _is_within,
        _window_words,
        _alike,
    ),
}


class Miss(NamedTuple):
    """A condition that does not hold, or (`unclear`) that cannot be judged at all."""

    field: str
    en: str
    ja: str
    unclear: bool = True
    operator: str = ""
    expected: Any = None
    actual: Any = None
    item: str = ""

    def of(self, item: str) -> "Miss":
        """Return the same about `item` of a list, which is not named twice."""
        if isinstance(self.actual, str) and item.endswith(f" {clean(self.actual)}"):
            return self._replace(item=item)
        return self._replace(item=item, en=f"{item}: {self.en}", ja=f"{item}: {self.ja}")


def lookup(scope: Any, path: str) -> tuple[bool, Any]:
    """Return whether `path` (with dots) is in `scope`, and what stands there."""
    for part in path.split("."):
        if not isinstance(scope, Mapping) or part not in scope:
            return False, None
        scope = scope[part]
    return True, scope


def check(name: str, expected: Any, field: str, scope: Mapping[str, Any]) -> Miss | None:
    """Return None if `field` of `scope` holds under the operator `name`, else what it misses.

    Raises KeyError for an operator that does not exist.
    """
    operator = OPERATORS[name]
    found, actual = lookup(scope, field)
    if not found or actual is None:
        if name != "present":
            return missing(field)
        miss = missing(field)._replace(unclear=False, operator=name, expected=expected)
        return miss if expected else None
    if kind(actual) not in (accepted := operator.accepts(expected)):
        return wrong_kind(field, actual, accepted)
    if operator.compares and not operator.compares(actual, expected):
        return wrong_kind(field, actual, ("moment",))
    if operator.holds(actual, expected):
        return None
    en, ja = (operator.says(language, field, actual, expected) for language in LANGUAGES)
    held_en, held_ja = _held_and_asked(field, actual, scope)
    return Miss(field, en + held_en, ja + held_ja, False, name, expected, actual)


def facts(fields: Sequence[str], scope: Mapping[str, Any], language: Language) -> str:
    """Return what `fields` of `scope` are, as one clause."""
    joint = {"en": " and ", "ja": "、かつ "}[language]
    return joint.join(_fact(field, scope, language) for field in dict.fromkeys(fields))


def _fact(field: str, scope: Mapping[str, Any], language: Language) -> str:
    value = lookup(scope, field)[1]
    if state := state_of(field, value):
        return state.en if language == "en" else state.ja_inside
    each = {"en": "{} is {}", "ja": "{}が {} である"}[language]
    return each.format(_topic(field, language), shown(value))


def _held_and_asked(field: str, actual: Any, scope: Mapping[str, Any]) -> tuple[str, str]:
    """Return how much of a sum is held already and how much this request asks for."""
    _, asked = lookup(scope, ASKED[field]) if field in ASKED else (False, None)
    if kind(asked) != "number" or kind(actual) != "number":
        return "", ""
    held = shown(round(actual - asked, 3))
    return f" ({held} held, {shown(asked)} asked)", f"（使用中 {held}、申請 {shown(asked)}）"


def in_words(field: str, language: Language) -> str:
    """Return what people call `field`, or the field itself."""
    return WORDS[field][LANGUAGES.index(language)] if field in WORDS else field


def _topic(field: str, language: Language) -> str:
    """Return the field at the head of a sentence; Japanese sets words in Latin letters apart."""
    words = in_words(field, language)
    return f"{words} " if language == "ja" and words.isascii() else words


def missing(field: str) -> Miss:
    """Return that `field` is not in the request."""
    en, ja = (_topic(field, language) for language in LANGUAGES)
    kind_en, kind_ja = ("", "") if field in WORDS else ("field ", "項目 ")
    return Miss(
        field,
        f"{kind_en}{en} is missing from the request",
        f"申請に{kind_ja}{ja}がありません",
    )


def wrong_kind(field: str, actual: Any, accepted: tuple[str, ...]) -> Miss:
    """Return that `field` is of a kind that the rule cannot judge."""
    found = kind(actual)
    needed_en = " or ".join(kind_name(one, "en") for one in accepted)
    needed_ja = "か".join(kind_name(one, "ja") for one in accepted)
    en = f"{in_words(field, 'en')} is {kind_name(found, 'en')}, the rule needs {needed_en}"
    ja = f"{_topic(field, 'ja')}は{kind_name(found, 'ja')}ですが、規則には{needed_ja}が必要です"
    return Miss(field, en, ja, actual=actual)
