"""What masks mean: which column may use which, and the numbers behind a keyed token.

A token is HMAC-SHA256 (RFC 2104) of the value's UTF-8 text under the source's key, in hex, cut
to TOKEN_DIGITS. Of n different values, two share a token of d hex digits with odds of at most
n² / (2 · 16^d) (birthday bound). For n = 20 million and d = 20 that is 1.7 · 10⁻¹⁰, below one
in a billion; 19 digits would not do (2.6 · 10⁻⁹). Equal values get equal tokens, so tables join.
"""

import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import get_args

from sandbox.core.errors import InvalidInput
from sandbox.core.source import (
    CLASSES,
    HIDDEN,
    Column,
    DataClass,
    Form,
    Mask,
    Method,
    Part,
    PartMask,
    Source,
)

TOKEN_DIGITS = 20
KEY_BYTES = 32
MAIL_DOMAIN = "masked.invalid"
REDACTED = "[redacted]"

# Three characters tell the region of a postcode; more would tell most of a short name or number.
LONGEST_PERSONAL_START = 3
_BLOCK_BYTES = 64
_PREFIX = re.compile(r"[A-Za-z0-9_-]*")

_ALL: frozenset[Method] = frozenset(get_args(Method))
_PERSONAL = _ALL - {"keep"}
_HIDING = _PERSONAL - {"preserve"}
_EMPTYING: frozenset[Method] = frozenset({"drop", "null"})
ALLOWED: Mapping[DataClass, frozenset[Method]] = {
    "public": _ALL,
    "internal": _ALL,
    "quasi-identifier": _HIDING,
    "personal": _PERSONAL,
    "contact": _HIDING,
    "special-care": _EMPTYING,
    "my-number": _EMPTYING,
    "credential": _EMPTYING,
}
# The masks that make something up.
INVENTING: frozenset[Method] = frozenset(
    {"fake-name", "fake-kana", "fake-address", "fake-phone", "fake-mail"}
)
# The forms of what is invented; the first is what one gets unasked.
FORMS: Mapping[Method, tuple[Form, ...]] = {
    "fake-name": ("japanese", "latin"),
    "fake-kana": ("katakana", "hiragana"),
    "fake-address": ("japanese", "latin"),
    "fake-phone": ("national", "international"),
}
_TAKES: Mapping[str, frozenset[Method]] = {
    "prefix": frozenset({"hmac"}),
    **dict.fromkeys(("to", "first", "band", "floor", "ceiling"), frozenset({"generalise"})),
    "form": frozenset(FORMS),
    "by": INVENTING | {"shift-dates"},
    "days": frozenset({"shift-dates"}),
    "reason": frozenset({"preserve"}),
    "paths": frozenset({"json"}),
}
# What DuckDB can do to one value of a JSON document, which has no type of its own.
PART_METHODS: frozenset[Method] = INVENTING | {
    "keep",
    "null",
    "hmac",
    "generalise",
    "redact",
    "preserve",
}
# The types of DuckDB that masks of dates can change.
DATES = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")
SHORTEST_REASON = 20
SHIFT_DAYS = 183
# Either `.name`, `."any name"` or `[*]`, one after the other.
_STEP = r'\.([^.\[\]"\s$*]+)|\."([^"\\]+)"|\[(\*)\]'
_PATH = re.compile(rf"\$(?:{_STEP})+")


def problems(source: Source) -> list[str]:
    """Return what is wrong with the masks of `source`, each naming its `table.column`."""
    return [
        *_same_but_for_case(source.tables, "table"),
        *(p for name, table in source.tables.items() for p in _in_table(name, table.columns)),
    ]


def form_of(mask: PartMask) -> Form | None:
    """Return the form of what a mask invents, asked for or not; None where it has none."""
    return mask.form or next(iter(FORMS.get(mask.method, ())), None)


def described(mask: PartMask) -> str:
    """Return `mask` as one reads it in a manifest: `hmac`, `generalise to year`."""
    words: list[str] = [mask.method]
    words += [f"to {mask.to}"] if mask.to else []
    words += [f"to first {mask.first}"] if mask.first else []
    words += [f"to bands of {mask.band}"] if mask.band else []
    words += [f"from {mask.floor}"] if mask.floor is not None else []
    words += [f"up to {mask.ceiling}"] if mask.ceiling is not None else []
    words += [f"({mask.form})"] if mask.form else []
    words += [f"by {mask.by}"] if mask.by else []
    words += [f"because: {mask.reason}"] if mask.reason else []
    if isinstance(mask, Mask) and mask.paths:
        words.append("; ".join(f"{part.path} {described(part.mask)}" for part in mask.paths))
    return " ".join(words)


def steps(path: str) -> tuple[str | None, ...]:
    """Return the keys along a JSON path, None for `[*]`: `$.a[*].b` is ("a", None, "b").

    Raises ValueError for what is no such path.
    """
    if not _PATH.fullmatch(path):
        raise ValueError(path)
    return tuple(plain or quoted or None for plain, quoted, _ in re.findall(_STEP, path))


def pads(key: bytes) -> tuple[bytes, bytes]:
    """Return the inner and the outer pad of HMAC-SHA256 under `key` (64 bytes each).

    Raises InvalidInput unless the key has 32 bytes: a short or empty key must never mask.
    """
    if len(key) != KEY_BYTES:
        raise InvalidInput(
            f"A masking key has {KEY_BYTES} bytes; this one has {len(key)}.",
            subject="masking key",
            hint="Restore the home's keys from their backup; see: sandbox doctor",
        )
    block = key.ljust(_BLOCK_BYTES, b"\0")
    return bytes(b ^ 0x36 for b in block), bytes(b ^ 0x5C for b in block)


def secrets_of(key: bytes) -> Mapping[str, bytes]:
    """Return everything secret that masks are made with, by name: none may be in a snapshot.

    `inner_pad` and `outer_pad` for HMAC; `integer_key` (32 bytes) for the permutation of
    integers, derived so that one tells nothing of the other. Raises InvalidInput as `pads` does.
    """
    inner, outer = pads(key)
    return {
        "inner_pad": inner,
        "outer_pad": outer,
        "integer_key": hmac.new(key, b"mask integer-hmac", "sha256").digest(),
    }


def _in_table(name: str, columns: Mapping[str, Column]) -> Iterator[str]:
    yield from _same_but_for_case(columns, f"{name}: column")
    if all(column.mask.method == "drop" for column in columns.values()):
        yield f"{name}: every column is dropped, so nothing is left; take the table off the list"
    for column, rule in columns.items():
        for problem in _column_problems(rule, columns):
            yield f"{name}.{column}: {problem}"


def _column_problems(rule: Column, columns: Mapping[str, Column]) -> Iterator[str]:
    yield from _class_problems(rule.data_class, rule.mask)
    yield from _argument_problems(rule.mask)
    for part in rule.mask.paths:
        problems = (*_part_problems(part, rule), *_argument_problems(part.mask))
        yield from (f"{part.path}: {problem}" for problem in problems)
    yield from _same_but_for_case((part.path for part in rule.mask.paths), "path")
    yield from _overlaps(rule.mask.paths)
    by = {mask.by for mask in (rule.mask, *(p.mask for p in rule.mask.paths)) if mask.by}
    yield from (f"by names {b}, which is no listed column of the table" for b in by - set(columns))


def _class_problems(data_class: DataClass, mask: PartMask) -> Iterator[str]:
    allowed = ALLOWED[data_class]
    if mask.method not in allowed:
        yield (
            f"a {data_class} column may not use the mask {mask.method}; "
            f"allowed: {', '.join(sorted(allowed))}"
        )
    if data_class not in HIDDEN:
        return
    if (mask.first or 0) > LONGEST_PERSONAL_START:
        yield (
            f"a {data_class} column keeps at most its first {LONGEST_PERSONAL_START} "
            f"characters, not {mask.first}"
        )
    bounded = mask.floor is not None or mask.ceiling is not None
    if bounded and not (mask.to or mask.band) and data_class != "quasi-identifier":
        yield f"a {data_class} column needs to or band; floor and ceiling hide only the ends"


def _part_problems(part: Part, rule: Column) -> Iterator[str]:
    yield from _class_problems(part.data_class, part.mask)
    if not _PATH.fullmatch(part.path):
        yield 'a path is made of .key, ."any key" and [*], as in $.items[*].price'
    if part.mask.method == "generalise" and not (part.mask.first or part.mask.to == "prefecture"):
        yield "inside JSON, where nothing has a type, generalise takes first or to: prefecture"
    if part.mask.method not in PART_METHODS:
        yield (
            f"the mask {part.mask.method} cannot be used inside JSON (to leave a path out, do not "
            f"list it); possible: {', '.join(sorted(PART_METHODS))}"
        )
    if CLASSES.index(part.data_class) > CLASSES.index(rule.data_class):
        yield f"it is {part.data_class}, so the column cannot be only {rule.data_class}"


def _overlaps(parts: Iterable[Part]) -> Iterator[str]:
    paths = [part.path for part in parts if _PATH.fullmatch(part.path)]
    for path in paths:
        if any(steps(other)[: len(steps(path))] == steps(path) for other in paths if other != path):
            yield f"the path {path} holds another listed path; list only the inner ones"


def _argument_problems(mask: PartMask) -> Iterator[str]:
    for argument, methods in _TAKES.items():
        if getattr(mask, argument, None) not in (None, "", ()) and mask.method not in methods:
            yield f"the mask {mask.method} takes no {argument}; only {_either(methods)} does"
    if not _PREFIX.fullmatch(mask.prefix):
        yield "the prefix of a mask is made of letters, digits, - and _"
    forms = FORMS.get(mask.method, ())
    if mask.form and forms and mask.form not in forms:
        yield f"the form of {mask.method} is {' or '.join(forms)}, not {mask.form}"
    if mask.method == "generalise":
        yield from _generalise_problems(mask)
    if mask.method == "shift-dates" and mask.by is None:
        yield "the mask shift-dates needs by: the column of the subject whose dates move together"
    if mask.method == "preserve" and len(mask.reason.strip()) < SHORTEST_REASON:
        yield f"the mask preserve needs a written reason of {SHORTEST_REASON} characters or more"
    if mask.method == "json" and isinstance(mask, Mask) and not mask.paths:
        yield "the mask json needs paths: what of the document is copied, each with class and mask"


def _generalise_problems(mask: PartMask) -> Iterator[str]:
    ways = [name for name in ("to", "first", "band") if getattr(mask, name) is not None]
    bounds = [name for name in ("floor", "ceiling") if getattr(mask, name) is not None]
    if len(ways) > 1 or not ways + bounds:
        yield (
            "the mask generalise takes either to (year, month or prefecture), first (a number), "
            "or band, floor and ceiling (numbers)"
        )
    if bounds and (mask.first or mask.to == "prefecture"):
        yield f"{' and '.join(bounds)} are for numbers and dates, not for texts"
    if mask.floor is not None and mask.ceiling is not None and mask.floor >= mask.ceiling:
        yield f"the floor ({mask.floor}) must be less than the ceiling ({mask.ceiling})"
    if mask.to in ("year", "month") and any(not 1 <= getattr(mask, b) <= 9999 for b in bounds):
        yield "floor and ceiling of a date are years"


def _either(methods: Iterable[Method]) -> str:
    return " or ".join(sorted(methods))


def _same_but_for_case(names: Iterable[str], kind: str) -> Iterator[str]:
    # A snapshot's names ignore case (DuckDB), so two such names would be one there.
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            yield f"{kind} {name} and {other} differ in case only; give one of them a view"
