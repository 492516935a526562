"""Invented names, readings, addresses and phone numbers, each drawn by the bytes of a digest.

A Japanese mobile number is 070, 080 or 090 and eight digits of which the first is not 0 (Ministry
of Internal Affairs and Communications, numbering plan: `070CDEFGHJK`, C other than 0). So 070-0 and
090-0 are nobody's. 080-0 is not used: 0800 are toll-free numbers that exist, and so is 0600.
"""

from collections.abc import Iterable, Iterator

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
from sandbox.core.source import Form, Method
from sandbox.drivers.sources.connection import literal

# By mask and form: the label under which digests are made, and the macro. A name and its reading
# share a label, so that drawn from one subject they belong together.
FAKES: dict[tuple[Method, Form | None], tuple[str, str]] = {
    ("fake-name", "japanese"): ("name", "fake_name"),
    ("fake-name", "latin"): ("name", "fake_latin_name"),
    ("fake-kana", "katakana"): ("name", "fake_kana"),
    ("fake-kana", "hiragana"): ("name", "fake_hiragana"),
    ("fake-address", "japanese"): ("address", "fake_address"),
    ("fake-address", "latin"): ("address", "fake_latin_address"),
    ("fake-phone", "national"): ("phone", "fake_phone"),
    ("fake-phone", "international"): ("phone", "fake_phone_abroad"),
}
_PREFIXES = ("70", "90")


def defined() -> Iterator[str]:
    """Yield the macros, each `name(hex) AS expression`; they need the macro `drawn`."""
    names = (f.kanji for f in FAMILIES), (g.kanji for g in GIVEN)
    yield f"fake_name(hex) AS {_full(*names)}"
    readings = (f.kana for f in FAMILIES), (g.kana for g in GIVEN)
    yield f"fake_kana(hex) AS {_full(*readings)}"
    soft = (hiragana(f.kana) for f in FAMILIES), (hiragana(g.kana) for g in GIVEN)
    yield f"fake_hiragana(hex) AS {_full(*soft)}"
    yield f"fake_latin_name(hex) AS {_one(LATIN_GIVEN, 0)} || ' ' || {_one(LATIN_FAMILIES, 1)}"
    yield (
        f"fake_address(hex) AS {_one(PREFECTURES, 0)} || {_one(CITIES, 1)} || {_one(TOWNS, 2)} || "
        f"{_number(3, 6)} || '-' || {_number(4, 30)} || '-' || {_number(5, 20)}"
    )
    yield (
        f"fake_latin_address(hex) AS {_number(0, 200)} || ' ' || {_one(LATIN_STREETS, 1)} || "
        f"' Street, ' || {_one(LATIN_TOWNS, 2)}"
    )
    rest = "'-' || lpad(CAST(drawn(hex, {}, {}) AS VARCHAR), {}, '0')"
    tail = rest.format(1, 1000, 4) + " || " + rest.format(2, 10_000, 4)
    yield f"fake_phone(hex) AS '0' || {_one(_PREFIXES, 0)} || {tail}"
    yield f"fake_phone_abroad(hex) AS '+81-' || {_one(_PREFIXES, 0)} || {tail}"


def _full(families: Iterable[str], given: Iterable[str]) -> str:
    return f"{_one(families, 0)} || ' ' || {_one(given, 1)}"


def _one(words: Iterable[str], draw: int) -> str:
    listed = [literal(word) for word in words]
    return f"([{', '.join(listed)}])[1 + drawn(hex, {draw}, {len(listed)})]"


def _number(draw: int, most: int) -> str:
    return f"CAST(1 + drawn(hex, {draw}, {most}) AS VARCHAR)"
