"""What masks mean: which column may use which, and the numbers behind a keyed token.

A token is HMAC-SHA256 (RFC 2104) of the value's UTF-8 text under the source's key, in hex, cut
to TOKEN_DIGITS. Of n different values, two share a token of d hex digits with odds of at most
n² / (2 · 16^d) (birthday bound). For n = 20 million and d = 20 that is 1.7 · 10⁻¹⁰, below one
in a billion; 19 digits would not do (2.6 · 10⁻⁹). Equal values get equal tokens, so tables join.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from sandbox.core.errors import InvalidInput
from sandbox.core.source import Column, DataClass, Mask, Method, Source

TOKEN_DIGITS = 20
KEY_BYTES = 32
MAIL_DOMAIN = "masked.invalid"
REDACTED = "[redacted]"

# Three characters tell the region of a postcode; more would tell most of a short name or number.
LONGEST_PERSONAL_START = 3
_BLOCK_BYTES = 64
_PREFIX = re.compile(r"[A-Za-z0-9_-]*")

_ALL: frozenset[Method] = frozenset(
    {"keep", "drop", "null", "hmac", "mail", "generalise", "redact"}
)
_HIDING = _ALL - {"keep"}
_EMPTYING: frozenset[Method] = frozenset({"drop", "null"})
ALLOWED: Mapping[DataClass, frozenset[Method]] = {
    "public": _ALL,
    "internal": _ALL,
    "personal": _HIDING,
    "contact": _HIDING,
    "special-care": _EMPTYING,
    "my-number": _EMPTYING,
}


def problems(source: Source) -> list[str]:
    """Return what is wrong with the masks of `source`, each naming its `table.column`."""
    return [
        *_same_but_for_case(source.tables, "table"),
        *(p for name, table in source.tables.items() for p in _in_table(name, table.columns)),
    ]


def described(mask: Mask) -> str:
    """Return `mask` as one reads it in a manifest: `hmac`, `generalise to year`."""
    if mask.to:
        return f"{mask.method} to {mask.to}"
    return f"{mask.method} to first {mask.first}" if mask.first else mask.method


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


def _in_table(name: str, columns: Mapping[str, Column]) -> Iterator[str]:
    yield from _same_but_for_case(columns, f"{name}: column")
    if all(column.mask.method == "drop" for column in columns.values()):
        yield f"{name}: every column is dropped, so nothing is left; take the table off the list"
    for column, rule in columns.items():
        for problem in (*_class_problems(rule), *_argument_problems(rule)):
            yield f"{name}.{column}: {problem}"


def _class_problems(rule: Column) -> Iterator[str]:
    allowed = ALLOWED[rule.data_class]
    if rule.mask.method not in allowed:
        yield (
            f"a {rule.data_class} column may not use the mask {rule.mask.method}; "
            f"allowed: {', '.join(sorted(allowed))}"
        )
    long = (rule.mask.first or 0) > LONGEST_PERSONAL_START
    if long and rule.data_class in ("personal", "contact"):
        yield (
            f"a {rule.data_class} column keeps at most its first {LONGEST_PERSONAL_START} "
            f"characters, not {rule.mask.first}"
        )


def _argument_problems(rule: Column) -> Iterator[str]:
    mask = rule.mask
    if mask.prefix and mask.method != "hmac":
        yield f"the mask {mask.method} takes no prefix; only hmac does"
    if not _PREFIX.fullmatch(mask.prefix):
        yield "the prefix of a mask is made of letters, digits, - and _"
    given = [n for n, value in (("to", mask.to), ("first", mask.first)) if value is not None]
    if mask.method == "generalise" and len(given) != 1:
        yield "the mask generalise takes either to (year or month) or first (a number)"
    if mask.method != "generalise" and given:
        yield f"the mask {mask.method} takes no {' or '.join(given)}; only generalise does"


def _same_but_for_case(names: Iterable[str], kind: str) -> Iterator[str]:
    # A snapshot's names ignore case (DuckDB), so two such names would be one there.
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            yield f"{kind} {name} and {other} differ in case only; give one of them a view"
