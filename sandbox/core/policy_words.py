"""What a rule wants, said in words: one phrase per operator, in English and Japanese. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.core.operators import LANGUAGES, Language, in_words, shown
from sandbox.core.rules import Condition
from sandbox.core.states import state_of
from sandbox.core.template import Words

# Operator to its phrases (en, ja), with {field} and {value}.
_PHRASES: Mapping[str, tuple[str, str]] = {
    "equals": ("{field} is {value}", "{field}が {value}"),
    "not_equals": ("{field} is not {value}", "{field}が {value} 以外"),
    "min": ("{field} is at least {value}", "{field}が {value} 以上"),
    "max": ("{field} is at most {value}", "{field}が {value} 以下"),
    "one_of": ("{field} is one of: {value}", "{field}が次のいずれか: {value}"),
    "none_of": ("{field} is none of: {value}", "{field}が次のいずれでもない: {value}"),
    "contains_any": (
        "{field} contains at least one of: {value}",
        "{field}が次のいずれかを含む: {value}",
    ),
    "contains_all": ("{field} contains all of: {value}", "{field}が次のすべてを含む: {value}"),
    "longer_than": ("{field} is longer than {value}", "{field}が {value} より長い"),
    "matches": ("{field} looks like {value}", "{field}が {value} の形"),
    "before": ("{field} is before {value}", "{field}が {value} より前"),
    "after": ("{field} is after {value}", "{field}が {value} より後"),
}
_GIVEN = ("{field} is given", "{field}が指定されている")
_LEFT_OUT = ("{field} is left out", "{field}がない")
_NOTHING = (
    "{field} is on the list of allowed ones, which is empty",
    "{field}が許可一覧にある（一覧はまだ空）",
)
_WINDOW = ("{field} is from {begin} to {end}", "{field}が {begin} から {end} まで")
_JOINTS: Mapping[Language, Mapping[str, str]] = {
    "en": {"any": "; or ", "all": "; and ", "not": "not: {}"},
    "ja": {"any": "、または ", "all": "、かつ ", "not": "次に当てはまらない: {}"},
}


def wanted(condition: Condition) -> Words:
    """Return what `condition` wants, as a phrase."""
    en, ja = (_said(condition, language) for language in LANGUAGES)
    return Words(en=en, ja=ja)


def _said(condition: Condition, language: Language) -> str:
    for joint, inner in condition.inner().items():
        if inner:
            phrases = [_said(one, language) for one in inner]
            word = _JOINTS[language][joint]
            return word.format(*phrases) if joint == "not" else word.join(phrases)
    operator, field = condition.operator, in_words(condition.field or "", language)
    expected = getattr(condition, operator)
    if operator in ("equals", "not_equals") and isinstance(expected, bool):
        state = state_of(condition.field or "", expected is (operator == "equals"))
        if state:
            return state.en if language == "en" else state.ja_inside
    spaced = f"{field} " if language == "ja" and field.isascii() else field
    phrase = _SPECIAL.get(operator, _plain)(operator, expected)[LANGUAGES.index(language)]
    begin, end = expected if operator == "within" else ("", "")
    return phrase.format(field=spaced, value=shown(expected), begin=begin, end=end)


def _plain(operator: str, expected: Any) -> tuple[str, str]:
    return _PHRASES[operator]


_SPECIAL: Mapping[str, Callable[[str, Any], tuple[str, str]]] = {
    "present": lambda _, expected: _GIVEN if expected else _LEFT_OUT,
    "one_of": lambda operator, expected: _PHRASES[operator] if expected else _NOTHING,
    "longer_than": lambda operator, expected: _PHRASES[operator] if expected else _GIVEN,
    "within": lambda _, expected: _WINDOW,
}
