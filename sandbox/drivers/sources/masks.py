"""Masks as SQL: one expression per column of the stream, keyed in this connection's memory only."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NoReturn

from sandbox.core.detecting import FOLD_FROM, FOLD_TO
from sandbox.core.errors import InvalidInput
from sandbox.core.masking import (
    DATES,
    INVENTING,
    MAIL_DOMAIN,
    REDACTED,
    SHIFT_DAYS,
    TOKEN_DIGITS,
    form_of,
    secrets_of,
    steps,
)
from sandbox.core.names import PREFECTURES
from sandbox.core.source import KEPT, Column, Mask, PartMask
from sandbox.core.text import clean
from sandbox.drivers.sources.connection import literal, quoted
from sandbox.drivers.sources.fakes import FAKES, defined

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_INEXACT = ("DOUBLE", "FLOAT")
_SIGNED = ("SMALLINT", "INTEGER", "BIGINT")
_UNSIGNED = ("USMALLINT", "UINTEGER", "UBIGINT")
_NUMBERS = ("TINYINT", "UTINYINT", *_SIGNED, *_UNSIGNED, "HUGEINT", *_INEXACT)
# The whole numbers that a signed type holds from 0 on; a permutation stays within its range.
_RANGES = {
    "SMALLINT": (128, 256),
    "INTEGER": (2**15, 2**16),
    "BIGINT": (2**31, 2**32),
}
_ROUNDS = 6
# HMAC-SHA256 (RFC 2104) of a text, in hex; of a labelled text for everything but plain tokens.
_MACROS = (
    "digest(text) AS sha256(getvariable('outer_pad') || "
    "unhex(sha256(getvariable('inner_pad') || encode(text))))",
    f"token(text) AS left(digest(text), {TOKEN_DIGITS})",
    "labelled(label, text) AS digest(label || chr(31) || text)",
    # 32 bits of a digest, the n-th of eight, as a number below `size`.
    "drawn(hex, n, size) AS CAST('0x' || substr(hex, 1 + 8 * n, 8) AS BIGINT) % size",
    # A Feistel network over high · low values: a permutation, so no two values become one. Each
    # round is SHA-256 of 32 key bytes and a short text of fixed form: one block, so no HMAC.
    "round_of(n, half) AS CAST('0x' || left(sha256(getvariable('integer_key') || "
    "encode(n || ':' || half)), 8) AS BIGINT)",
    "permuted(value, high, low) AS list_reduce(CAST([value, "
    + ", ".join(str(n) for n in range(_ROUNDS))
    + "] AS BIGINT[]), lambda state, n: CASE WHEN n % 2 = 0 "
    "THEN (state // low + round_of(n, state % low)) % high * low + state % low "
    "ELSE state // low * low + (state % low + round_of(n, state // low)) % low END)",
    # Small values of a wide type stay small, so that keys of both widths join; what would fall
    # among them is turned once more.
    "permuted_large(value) AS CASE WHEN permuted(value, 2147483648, 4294967296) >= 2147483648 "
    "THEN permuted(value, 2147483648, 4294967296) ELSE permuted("
    "permuted(value, 2147483648, 4294967296), 2147483648, 4294967296) END",
    "permuted_wide(value) AS CASE WHEN value < 2147483648 "
    "THEN permuted(value, 32768, 65536) ELSE permuted_large(value) END",
)


def set_key(con: "DuckDBPyConnection", key: bytes) -> None:
    """Define the macros of the masks; the key lives in this connection's memory only.

    Raises InvalidInput for a key of another length: without a whole key nothing is masked.
    """
    for name, secret in secrets_of(key).items():
        con.execute(f"SET VARIABLE {name} = ?", [secret])
    for macro in (*_MACROS, _narrow(), *defined()):
        con.execute(f"CREATE TEMPORARY MACRO {macro}")


def _narrow() -> str:
    # １２３ and 123 are one district; two would be smaller groups than they look. To see that a
    # text is ASCII costs a fraction of reading it.
    return (
        "narrow(text) AS CASE WHEN strlen(text) = length(text) THEN text "
        f"ELSE translate(text, {literal(FOLD_FROM)}, {literal(FOLD_TO)}) END"
    )


def expression(
    table: str, column: str, types: Mapping[str, str], columns: Mapping[str, Column]
) -> str:
    """Return the SQL of a listed column as the snapshot may hold it.

    `types` are those of the live table. Raises InvalidInput where the mask does not fit the type.
    """
    mask, kind = columns[column].mask, types[column]
    subject = f"{table}.{column}"
    _check_type(subject, kind, mask)
    for by in {m.by for m in (mask, *(part.mask for part in mask.paths)) if m.by}:
        check_exact(f"{table}.{by}", "mask by it", types[by])
    value = quoted(column)
    return _whole(mask, value, kind) or _masked(mask, value, f"CAST({value} AS VARCHAR)")


def _whole(mask: Mask, value: str, kind: str) -> str:
    """Return the SQL of what depends on the column's type, "" for everything else."""
    match mask.method:
        case "keep" | "preserve":
            return value
        case "null":
            # An ENUM type would carry the labels of the column that is being emptied.
            return f"CAST(NULL AS {'VARCHAR' if kind.startswith('ENUM') else kind})"
        case "integer-hmac":
            return _permuted(value, kind)
        case "shift-dates":
            return _shifted(mask, value, kind)
        case "json":
            document = f"CAST({value} AS VARCHAR)"
            tree = _tree({steps(part.path): part.mask for part in mask.paths})
            built = _rebuilt(tree, f"CAST({document} AS JSON)", 0)
            return f"CASE WHEN json_valid({document}) THEN {built} END"
        case "generalise" if mask.to in ("year", "month"):
            return _dated(mask, value, kind)
        case "generalise" if not (mask.to or mask.first):
            return _banded(mask, value, kind)
    return ""


def _masked(mask: PartMask, value: str, text: str) -> str:
    """Return the SQL of a mask that reads its value as text."""
    subject = f"CAST({quoted(mask.by)} AS VARCHAR)" if mask.by else text
    match mask.method:
        case "keep" | "preserve":
            return text
        case "null":
            return "NULL"
        case "hmac":
            return f"{literal(mask.prefix)} || token({text})"
        case "redact":
            return f"CASE WHEN {value} IS NOT NULL THEN {literal(REDACTED)} END"
        case "generalise" if mask.to == "prefecture":
            pattern = literal(f"^(?:{'|'.join(PREFECTURES)})")
            return f"nullif(regexp_extract({text}, {pattern}), '')"
        case "generalise":
            return f"narrow(left({text}, {mask.first}))"
        case "fake-mail":
            made = f"token({subject}) || {literal('@' + MAIL_DOMAIN)}"
        case _:
            label, macro = FAKES[mask.method, form_of(mask)]
            made = f"{macro}(labelled('{label}', {subject}))"
    return f"CASE WHEN {value} IS NOT NULL THEN {made} END" if mask.by else made


def _permuted(value: str, kind: str) -> str:
    """Return a keyed permutation of the type's whole numbers: what is negative stays negative."""
    signed = kind.removeprefix("U") if kind in _UNSIGNED else kind
    high, low = _RANGES[signed]
    size = high * low
    wide = signed == "BIGINT"

    def turned(what: str) -> str:
        exact = f"CAST({what} AS BIGINT)"
        return f"permuted_wide({exact})" if wide else f"permuted({exact}, {high}, {low})"

    if kind in _UNSIGNED:
        huge = f"CAST({value} AS HUGEINT)"
        rest = f"{size} + {turned(f'{huge} - {size}')}"
        made = f"CASE WHEN {value} < {size} THEN {turned(value)} ELSE {rest} END"
    else:
        made = (
            f"CASE WHEN {value} >= 0 THEN {turned(value)} ELSE -1 - {turned(f'-1 - {value}')} END"
        )
    return f"CAST({made} AS {kind})"


def _shifted(mask: Mask, value: str, kind: str) -> str:
    assert mask.by is not None
    days = mask.days or SHIFT_DAYS
    digest = f"labelled('shift', CAST({quoted(mask.by)} AS VARCHAR))"
    # Never by nothing: from -days to -1, or from 1 to days.
    drawn = f"drawn({digest}, 0, {2 * days}) - {days}"
    by = f"(CASE WHEN {drawn} >= 0 THEN {drawn} + 1 ELSE {drawn} END)"
    moved = f"CAST({value} + to_days(CAST({by} AS INTEGER)) AS {kind})"
    return f"CASE WHEN isfinite({value}) THEN {moved} ELSE {value} END"


def _dated(mask: Mask, value: str, kind: str) -> str:
    for bound, beyond in ((mask.floor, "<"), (mask.ceiling, ">")):
        if bound is not None:
            january = f"make_date({bound}, 1, 1)"
            value = f"CASE WHEN {value} {beyond} {january} THEN {january} ELSE {value} END"
    return f"CAST(date_trunc({literal(mask.to or '')}, {value}) AS {kind})"


def _banded(mask: Mask, value: str, kind: str) -> str:
    """Return the lowest number of the band that a number lies in, within floor and ceiling."""
    # Whole numbers get room, so that the ends of their type do not overflow.
    whole = kind in _NUMBERS and kind not in _INEXACT
    made = f"CAST({value} AS HUGEINT)" if whole else value
    if mask.floor is not None:
        made = f"greatest({made}, {mask.floor})"
    if mask.ceiling is not None:
        made = f"least({made}, {mask.ceiling})"
    if mask.band is not None:
        made = f"({made}) - ((({made}) % {mask.band} + {mask.band}) % {mask.band})"
    # Both functions pass over NULL, which must stay what it is.
    return f"CASE WHEN {value} IS NOT NULL THEN CAST({made} AS {kind}) END"


Tree = dict[str | None, "Tree | PartMask"]


def _tree(masks: Mapping[tuple[str | None, ...], PartMask]) -> Tree:
    """Return the masks by their first step, then by the second, and so on."""
    found: Tree = {}
    for first in dict.fromkeys(path[0] for path in masks):
        below = {path[1:]: mask for path, mask in masks.items() if path[0] == first}
        found[first] = below[()] if () in below else _tree(below)
    return found


def _rebuilt(tree: Tree | PartMask, value: str, depth: int) -> str:
    """Return a JSON document that holds the listed places of `value` and nothing else of it."""
    if isinstance(tree, PartMask):
        text = f"({value} ->> '$')"
        made = value if tree.method in KEPT else _masked(tree, text, text)
        # What lies deeper was not listed, and would not be masked.
        plain = f"json_type({value}) NOT IN ('OBJECT', 'ARRAY', 'NULL')"
        return f"CASE WHEN {plain} THEN to_json({made}) END"
    if None in tree:
        name = f"part_{depth}"
        below = _rebuilt(tree[None], name, depth + 1)
        made = f"to_json(list_transform(json_extract({value}, '$[*]'), lambda {name}: {below}))"
        return f"CASE WHEN json_type({value}) = 'ARRAY' THEN {made} END"
    pairs = ", ".join(
        f"{literal(key or '')}, {_rebuilt(below, _at(value, key or ''), depth)}"
        for key, below in tree.items()
    )
    return f"CASE WHEN json_type({value}) = 'OBJECT' THEN json_object({pairs}) END"


def listed_only(mask: Mask, document: str) -> str:
    """Return the SQL of a stored JSON document with nothing but what the mask lists."""
    kept = PartMask(method="keep")
    return _rebuilt(_tree({steps(part.path): kept for part in mask.paths}), document, 0)


def _at(value: str, key: str) -> str:
    step = literal(f'$."{key}"')
    return f"json_extract({value}, {step})"


def _check_type(subject: str, kind: str, mask: Mask) -> None:
    if mask.to in ("year", "month") and kind not in DATES:
        refuse_type(
            subject, f"mask generalise to {mask.to}", "a date", kind, "Use first instead of to"
        )
    if mask.method == "shift-dates" and kind not in DATES:
        refuse_type(subject, "mask shift-dates", "a date", kind, "Use generalise")
    if mask.method == "integer-hmac" and kind not in (*_SIGNED, *_UNSIGNED):
        refuse_type(
            subject, "mask integer-hmac", "whole numbers of 16 to 64 bits", kind, "Use hmac"
        )
    numbers = mask.band or not (mask.to or mask.first)
    if mask.method == "generalise" and numbers and not kind.startswith((*_NUMBERS, "DECIMAL")):
        refuse_type(subject, "mask generalise to bands", "a number", kind, "Use to or first")
    if mask.method == "json" and kind not in ("JSON", "VARCHAR"):
        refuse_type(subject, "mask json", "JSON or text", kind, "Use keep")
    if mask.method == "hmac" or mask.method in INVENTING:
        check_exact(subject, f"mask {mask.method}", kind)


def check_exact(subject: str, mask: str, kind: str) -> None:
    """Raise InvalidInput for a column whose values arrive rounded; `mask` is what needs them."""
    if kind in _INEXACT:
        # Rounded, different values would get one token: rows would join that do not belong.
        raise InvalidInput(
            f"The {mask} needs exact values; this column arrives as {kind}.",
            subject=clean(subject),
            hint="Give the source a view with the column as text or numeric(p, s), or drop it.",
        )


def refuse_type(subject: str, mask: str, needs: str, kind: str, instead: str) -> NoReturn:
    """Raise InvalidInput: what `mask` names does not fit the type `kind` of its column."""
    raise InvalidInput(
        f"The {mask} needs {needs}; this column is {clean(kind)}.",
        subject=clean(subject),
        hint=f"{instead}, or something else.",
    )
