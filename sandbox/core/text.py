"""Text that people type or that comes from outside: cleaning, names, suggestions."""

import difflib
import re
import unicodedata
from collections.abc import Iterable
from itertools import pairwise

from sandbox.core.errors import InvalidInput

# A DNS label (RFC 1123): the sandbox's name is the first label of its URL.
# Labels with `--` in third place are reserved for encoded names (RFC 5891 §4.2.3.1).
_LABEL = re.compile(r"(?!..--)[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
# Bidirectional controls change how a line reads without changing what it holds (Unicode UAX #9).
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Controls; halves of a character that no terminal can encode; separators that break a line.
_UNSAFE = frozenset({"Cc", "Cs", "Zl", "Zp"})
# Spreadsheets in Japanese take the full-width signs for the plain ones.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def clean(text: str, *, keep_newlines: bool = False) -> str:
    """Return `text` without control, escape and bidirectional characters.

    What people, files, databases and containers say reaches a terminal only through this.
    Each such character becomes U+FFFD, so that it stays visible that something was there.
    """
    if text.isprintable():  # most text is; none of the characters below are
        return text
    allowed = "\n\t" if keep_newlines else ""
    return "".join(
        c if c in allowed or not (unicodedata.category(c) in _UNSAFE or c in _BIDI) else "\ufffd"
        for c in text
    )


def shortened(text: str, most: int) -> str:
    """Return `text` in at most so many characters; what was cut off is told by `…`."""
    return text if len(text) <= most else text[: most - 1] + "…"


def spreadsheet_safe(cell: str) -> str:
    """Return `cell` such that a spreadsheet shows it instead of running it (OWASP CSV injection).

    Numbers stay numbers: `-3.5` starts no formula.
    """
    if cell[:1].isalnum():  # most cells begin so, and nothing that begins so is a formula
        return cell
    seen = "".join(c for c in cell if unicodedata.category(c) != "Cf").strip()
    starts = cell.startswith(_FORMULA_STARTS) or seen.startswith(_FORMULA_STARTS)
    return "'" + cell if starts and not _NUMBER.fullmatch(cell) else cell


def closest(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean X?` for the known word nearest to `word`, or nothing."""
    return closest_in_both(word, known)[0]


def closest_in_both(word: str, known: Iterable[str]) -> tuple[str, str]:
    """Return `closest` in English and Japanese."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return (f" Did you mean {found[0]}?", f"もしかして: {found[0]}") if found else ("", "")


def any_of(words: Iterable[str]) -> str:
    """Return the pattern of any of `words`, the longest first: engines take the first that fits."""
    return "|".join(sorted({re.escape(word) for word in words}, key=lambda w: (-len(w), w)))


def check_name(name: str) -> str:
    """Return `name` if it is a DNS label of at most 40 characters.

    Raises InvalidInput with a proposal otherwise.
    """
    if _LABEL.fullmatch(name):
        return name
    plain = unicodedata.normalize("NFKC", name).lower()
    proposal = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-")
    hint = f"For example: {proposal}" if proposal else "For example: spring-coupon"
    raise InvalidInput(
        "A name is lower-case letters, digits and hyphens, at most 40, "
        "and starts and ends with a letter or digit.",
        subject=clean(name),
        hint=hint,
    )


def count_words(sentence: str) -> int:
    """Return how many different words `sentence` says.

    Written Japanese and Chinese put no spaces between words: two such letters count as one
    word, about what they average. Repeating a word says nothing new and counts once; a letter
    that comes again beside another one is no repetition.
    """
    folded = unicodedata.normalize("NFKC", sentence).lower()
    dense = "".join(c if _is_dense(c) else " " for c in folded).split()
    letters = {part[0] for part in dense}
    letters |= {a + b for part in dense for a, b in pairwise(part) if a != b}
    spaced = "".join(" " if _is_dense(c) else c for c in folded)
    words = {w for w in re.findall(r"[^\W\d_]+", spaced) if len(w) > 1 or w in {"a", "i"}}
    return len(words) + len(letters) // 2


def _is_dense(char: str) -> bool:
    return unicodedata.name(char, "").startswith(("CJK ", "HIRAGANA ", "KATAKANA ", "HANGUL "))


def as_written(host: str) -> str:
    """Return a host name in ASCII as people read it: with what its encoded labels (xn--) mean."""
    try:
        written = clean(host.encode("ascii").decode("idna"))
    except UnicodeError:
        return host
    return host if written == host else f"{written} ({host})"
