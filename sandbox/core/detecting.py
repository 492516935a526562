"""Detectors: what tells that a column holds personal data, in counts and never in values.

A detector is a set of regular expressions that Python and DuckDB (RE2) read alike, so a column is
counted in one pass of SQL; only values that `check` must judge come to Python. What a count means
(`suspicions`) is decided in one place, for the draft of a source file and for the gate.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal
from urllib.parse import unquote

from sandbox.core.source import DataClass, Mask
from sandbox.core.values import Value

# How a column's values reach a detector; `other` (booleans, blobs, fractions) reaches none.
Kind = Literal["text", "integer", "date", "other"]

# Full-width letters, digits and signs as people type them in Japan, and the dashes of all kinds.
FOLD_FROM = "".join(map(chr, range(0xFF01, 0xFF5F))) + "\u3000‐‑‒–—―−"
FOLD_TO = "".join(map(chr, range(0x21, 0x7F))) + " -------"
_FOLD = str.maketrans(FOLD_FROM, FOLD_TO)
# What shows nothing, so that a text with it reads like one without; and blanks of other widths.
INVISIBLE = (
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    "\ufe00-\ufe0f\ufeff\U000e0001-\U000e01ef]"
)
BLANKS = "[\u00a0\u2000-\u200a\u202f\u205f]"
# A letter as JSON writes it, however often a document was put into another.
ESCAPED = r"\\+u([0-9a-fA-F]{4})"
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

# Of values of a form that many a number has, this share must be there before it tells anything:
# in any column, and in a column whose name says the same.
COMMON_SHARE = 0.3
NAMED_SHARE = 0.02
# A check digit holds by chance too; this many times as often is no chance.
EXCESS = 3.0


@dataclass(frozen=True)
class Detector:
    """One kind of personal data.

    `sign` is a cheap pattern that every match of `strong` and `common` needs. A single match of
    `strong` is a finding; of `common` only a large share of the column is; of `named` a small share
    where the column's name fits `hint` and not `unlike`. `check` judges what `strong` matched; of
    other digits it passes the share `chance`. Patterns read folded text. `version` rises whenever
    any of these changes.
    """

    id: str
    version: int
    finds: str
    data_class: DataClass
    mask: Mask
    sign: str
    strong: str
    hint: str
    unlike: str = ""
    common: str = ""
    named: str = ""
    check: Callable[[str], bool] | None = None
    chance: float = 0.0
    kinds: frozenset[Kind] = frozenset({"text"})

    def fits(self, column: str) -> bool:
        """Say whether a column's name says that it holds this."""
        words = in_words(column)
        likely = bool(_compiled(self.hint).search(words))
        return likely and not (self.unlike and _compiled(self.unlike).search(words))

    def holds(self, folded: str) -> bool:
        """Say whether some match of `strong` in a folded value passes the check."""
        if self.check is None:
            return bool(_compiled(self.strong).search(folded))
        return any(self.check(text) for text in _matches(_compiled(self.strong), folded))


class Found(Value):
    """How many values of a column a detector matched: `passed` of `strong` passed its check."""

    strong: int = 0
    passed: int = 0
    common: int = 0
    named: int = 0


class Suspicion(Value):
    """A detector's finding in a column: a count and the reason, never a value."""

    detector: str
    version: int
    count: int
    because: Literal["values", "share", "name"]


def folded(text: str) -> str:
    """Return `text` with full-width letters, digits and dashes as plain ones, nothing invisible,
    and what JSON or an address on the web writes as numbers in letters."""
    if text.isascii() and "%" not in text and "\\u" not in text:
        return text
    plain = _without_escapes(_without_percents(text))
    return re.sub(BLANKS, " ", re.sub(INVISIBLE, "", plain)).translate(_FOLD)


def _without_percents(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return text


def _without_escapes(text: str) -> str:
    if "\\u" not in text:
        return text
    found = re.sub(ESCAPED, lambda match: chr(int(match[1], 16)), text)
    try:
        # Two halves are one character.
        return found.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        return text


def in_words(column: str, between: str = r"[_\-.\s]+") -> str:
    """Return a column's name in lower case, with a space for each `between` and at a capital.

    `customerMail` and `CUSTOMER-MAIL` read like `customer mail`.
    """
    return re.sub(between, " ", _CAPITAL.sub(" ", folded(column))).lower()


def kind_of(type_: str) -> Kind:
    """Return how values of a DuckDB type reach the detectors; nested types are read as text."""
    name = type_.upper()
    if name.startswith(("DATE", "TIMESTAMP")) and "[" not in name:
        return "date"
    if name in ("SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UINTEGER", "UBIGINT", "UHUGEINT"):
        return "integer"
    if re.fullmatch(r"DECIMAL\(\d+,0\)", name):
        return "integer"
    plain = ("BOOLEAN", "BLOB", "BIT", "DOUBLE", "FLOAT", "TIME", "INTERVAL", "UUID", "DECIMAL")
    small = ("TINYINT", "UTINYINT", "USMALLINT")
    return "other" if name.startswith((*plain, *small)) and "[" not in name else "text"


def asked(detectors: Iterable[Detector], kind: Kind) -> Iterator[Detector]:
    """Yield the detectors that columns of `kind` are shown to."""
    return (detector for detector in detectors if kind in detector.kinds)


def counted(
    detectors: Iterable[Detector], values: Iterable[str | None], kind: Kind = "text"
) -> tuple[int, Mapping[str, Found]]:
    """Return how many values there are (NULL is none) and what each detector found in them."""
    here = list(asked(detectors, kind))
    totals = {detector.id: Counter[str]() for detector in here}
    values_seen = 0
    for value in values:
        if value is None:
            continue
        values_seen += 1
        text = folded(value)
        for detector in here:
            totals[detector.id].update(_hits(detector, text, kind))
    return values_seen, {name: Found(**parts) for name, parts in totals.items() if parts}


def sure_of(detectors: Iterable[Detector], texts: Iterable[str]) -> dict[str, int]:
    """Return how many of some texts, such as names, each detector is sure of, if of any."""
    _, found = counted(detectors, texts)
    return {name: counts.passed for name, counts in found.items() if counts.passed}


def suspicions(
    detectors: Iterable[Detector], column: str, values: int, found: Mapping[str, Found]
) -> tuple[Suspicion, ...]:
    """Return what the counts of a column with `values` values mean, strongest reason first."""
    return tuple(
        Suspicion(detector=detector.id, version=detector.version, count=count, because=because)
        for detector in detectors
        if detector.id in found
        for count, because in _meant(detector, column, values, found[detector.id])
    )


def _meant(
    detector: Detector, column: str, values: int, found: Found
) -> Iterator[tuple[int, Literal["values", "share", "name"]]]:
    if found.passed > EXCESS * detector.chance * found.strong:
        yield found.passed, "values"
        return
    if found.common >= max(COMMON_SHARE * values, 3):
        yield found.common, "share"
        return
    likely = max(found.common, found.named)
    if likely > NAMED_SHARE * values and detector.fits(column):
        yield likely, "name"


def _hits(detector: Detector, text: str, kind: Kind) -> Iterator[str]:
    """Yield the fields of `Found` that count a folded value."""
    if kind == "date":
        yield "named"
        return
    if _compiled(detector.sign).search(text):
        if _compiled(detector.strong).search(text):
            yield "strong"
            if detector.holds(text):
                yield "passed"
        if detector.common and _compiled(detector.common).search(text):
            yield "common"
    if detector.named and _compiled(detector.named).search(text):
        yield "named"


def _matches(pattern: re.Pattern[str], text: str) -> Iterator[str]:
    match = pattern.search(text)
    while match:
        yield match.group()
        # The sign between two numbers ends one and begins the next.
        match = pattern.search(text, max(match.end() - 1, match.start() + 1))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
