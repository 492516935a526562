"""What a mask's values look like, and how often one equals its source by chance.

A masked column is proven by these, since detectors cannot tell an invented name from a real one.
Patterns are whole matches, for RE2 and Python alike.
"""

import math
import re
from collections.abc import Iterable, Mapping

from sandbox.core.masking import MAIL_DOMAIN, REDACTED, TOKEN_DIGITS, form_of
from sandbox.core.names import (
    CITIES,
    FAMILIES,
    GIVEN,
    LATIN_FAMILIES,
    LATIN_GIVEN,
    LATIN_STREETS,
    LATIN_TOWNS,
    PREFECTURES,
    TOWNS,
    hiragana,
)
from sandbox.core.source import Form, Method, PartMask
from sandbox.core.text import any_of

# Equalities may lie so many standard deviations above what chance makes of them.
_DEVIATIONS = 6
_TOKEN = f"[0-9a-f]{{{TOKEN_DIGITS}}}"
_PHONE = "[79]0-0[0-9]{3}-[0-9]{4}"
# Whole numbers that a permutation draws from, by the width of the type.
_DRAWS = {"SMALLINT": 2**15, "INTEGER": 2**31, "BIGINT": 2**31}


def form(mask: PartMask) -> str | None:
    """Return the pattern that every value of a mask has; None where it has none of its own."""
    if mask.method == "hmac":
        return re.escape(mask.prefix) + _TOKEN
    if mask.method == "redact":
        return re.escape(REDACTED)
    if mask.method == "fake-mail":
        return f"{_TOKEN}@{re.escape(MAIL_DOMAIN)}"
    return _FORMS.get((mask.method, form_of(mask)))


def chance(mask: PartMask, type_: str) -> float:
    """Return the odds that a masked value equals its source by chance."""
    if mask.method == "integer-hmac":
        return 1 / _DRAWS[type_.removeprefix("U")]
    names, latin = len(FAMILIES) * len(GIVEN), len(LATIN_FAMILIES) * len(LATIN_GIVEN)
    blocks = 6 * 30 * 20
    drawn: Mapping[tuple[Method, bool], int] = {
        ("fake-name", False): names,
        ("fake-name", True): latin,
        ("fake-kana", False): names,
        ("fake-address", False): len(PREFECTURES) * len(CITIES) * len(TOWNS) * blocks,
        ("fake-address", True): 200 * len(LATIN_STREETS) * len(LATIN_TOWNS),
        ("fake-phone", False): 2 * 1000 * 10_000,
    }
    number = drawn.get((mask.method, mask.form == "latin"))
    return 1 / number if number else 0.0


def most_equal(odds: float, values: int, squares: int) -> int:
    """Return how many of `values` may equal their source by chance, with `odds` for each.

    `squares` is the sum of the squares of how often each different value is there: equal values
    get equal masks, so that chance strikes all of them or none.
    """
    return math.ceil(values * odds + _DEVIATIONS * math.sqrt(squares * odds))


def _words(*parts: Iterable[str], between: str = "") -> str:
    return between.join(f"(?:{any_of(part)})" for part in parts)


_KANA = [f.kana for f in FAMILIES], [g.kana for g in GIVEN]
_FORMS: dict[tuple[Method, Form | None], str] = {
    ("fake-name", "japanese"): _words(
        [f.kanji for f in FAMILIES], [g.kanji for g in GIVEN], between=" "
    ),
    ("fake-name", "latin"): _words(LATIN_GIVEN, LATIN_FAMILIES, between=" "),
    ("fake-kana", "katakana"): _words(*_KANA, between=" "),
    ("fake-kana", "hiragana"): _words(
        *([hiragana(kana) for kana in part] for part in _KANA), between=" "
    ),
    ("fake-address", "japanese"): _words(PREFECTURES, CITIES, TOWNS)
    + "[0-9]{1,2}-[0-9]{1,2}-[0-9]{1,2}",
    ("fake-address", "latin"): "[0-9]{1,3} "
    + _words(LATIN_STREETS, LATIN_TOWNS, between=" Street, "),
    ("fake-phone", "national"): f"0{_PHONE}",
    ("fake-phone", "international"): rf"\+81-{_PHONE}",
}
