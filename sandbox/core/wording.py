"""Masks in plain words, for people who read data and not source files. Pure."""

from collections.abc import Callable, Iterator, Mapping

from sandbox.core.masking import MAIL_DOMAIN, REDACTED, SHIFT_DAYS
from sandbox.core.source import Form, Mask, Method, PartMask

_SAME = "the same for the same value, so tables join"
_FORMS: Mapping[Form, str] = {
    "latin": " in Latin script",
    "hiragana": " in hiragana",
    "international": " with +81",
}
_WORDS: Mapping[Method, str] = {
    "keep": "as it is",
    "drop": "not there",
    "null": "always empty",
    "redact": f"{REDACTED} in place of any text",
    "preserve": "free text, as it is",
    "hmac": f"a token, {_SAME}",
    "integer-hmac": f"another number, {_SAME}",
    "fake-name": "an invented name",
    "fake-kana": "an invented reading",
    "fake-address": "an invented address",
    "fake-phone": "an invented number, which nobody has",
    "fake-mail": f"an invented address at {MAIL_DOMAIN}, which reaches nobody",
}


def in_words(mask: PartMask) -> str:
    """Return what a mask leaves, as one tells it to a marketer."""
    made = _MADE.get(mask.method)
    words = made(mask) if made else _WORDS[mask.method] + _FORMS.get(mask.form or "national", "")
    if mask.by and mask.method != "shift-dates":
        words += f", the same for the same {mask.by}"
    return words


def _generalised(mask: PartMask) -> str:
    return ", ".join(_coarser(mask))


def _coarser(mask: PartMask) -> Iterator[str]:
    if mask.to in ("year", "month"):
        yield f"the {mask.to} alone, as its first day"
    elif mask.to:
        yield f"the {mask.to} alone"
    elif mask.first:
        yield "the first character" if mask.first == 1 else f"the first {mask.first} characters"
    elif mask.band:
        yield f"in steps of {mask.band:,}"
    else:
        yield "as it is"
    # Years are written without a comma.
    number = str if mask.to else "{:,}".format
    if mask.floor is not None:
        yield f"no less than {number(mask.floor)}"
    if mask.ceiling is not None:
        yield f"no more than {number(mask.ceiling)}"


def _shifted(mask: PartMask) -> str:
    return f"moved by up to {mask.days or SHIFT_DAYS} days, alike for one {mask.by}"


def _parts(mask: PartMask) -> str:
    paths = mask.paths if isinstance(mask, Mask) else ()
    listed = "; ".join(f"{part.path}: {in_words(part.mask)}" for part in paths)
    return f"parts of a document: {listed}"


_MADE: Mapping[Method, Callable[[PartMask], str]] = {
    "generalise": _generalised,
    "shift-dates": _shifted,
    "json": _parts,
}
