"""Detectors over the columns of a DuckDB table: one pass of SQL each, checks on candidates only.

Values come to Python where a check digit or a length must be judged, and no further: what goes out
are counts.
"""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from sandbox.core.detecting import (
    BLANKS,
    FOLD_FROM,
    FOLD_TO,
    INVISIBLE,
    Detector,
    Found,
    asked,
    kind_of,
)
from sandbox.core.detectors import DETECTORS
from sandbox.drivers.sources.connection import literal, quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Enough to tell chance from a rule; beyond it a column that has failed is not read to its end.
MOST_CHECKED = 20_000
# Up to this many different values are counted first, and each is looked at once.
FEW = 50_000
_BATCH = 2048
_FOLDABLE = "[！-～\u3000‐-―−]"
_WIDE_WORDS = "[０-９Ａ-Ｚａ-ｚ]"
# One set of characters, none of them ASCII but the hyphen of a range.
_WIDE = re.compile(r"\[[^\x00-,.-\x7f][^\x00-,.-\x7f]*\]")


def scanned(
    con: "DuckDBPyConnection", table: str, columns: Mapping[str, str]
) -> dict[str, tuple[int, Mapping[str, Found]]]:
    """Return for each column how many values it has and what each detector found in them.

    `table` is quoted SQL, `columns` has DuckDB's types; columns of types that tell nothing are
    left out. `suspicions` of core/detecting.py says what the counts mean. Counts of `passed` are
    lower bounds after MOST_CHECKED candidates.
    """
    return {
        name: _column(con, table, name, detectors)
        for name, type_ in columns.items()
        if (detectors := _for(name, type_))
    }


def readable(column: str, type_: str) -> tuple[str, str]:
    """Return the SQL of a column as detectors can read it, and the type that it then has.

    `column` is quoted SQL.
    """
    decoded = "coalesce(TRY(decode({0})), CAST({0} AS VARCHAR))"
    if type_ == "BLOB":
        return decoded.format(column), "VARCHAR"
    if type_ == "BLOB[]":
        return f"list_transform({column}, lambda part: {decoded.format('part')})", "VARCHAR[]"
    if "BLOB" in type_:
        return _deep(column), "VARCHAR"
    decimal = type_.startswith("DECIMAL") and "[" not in type_ and kind_of(type_) == "other"
    if type_ in ("DOUBLE", "FLOAT") or decimal:
        # A number that was typed into a column for fractions is still that number.
        whole = f"{column} = trunc({column}) AND abs({column}) < 1e18"
        return f"CASE WHEN {whole} THEN CAST({column} AS BIGINT) END", "BIGINT"
    return column, type_


def _deep(column: str) -> str:
    """Return the SQL of a nested value as text, twice: as it is, and with its bytes as letters.

    Bytes stand there as `\\xE5`, in quotes with two backslashes, beside texts as they are.
    """
    text = f"CAST({column} AS VARCHAR)"
    marked = rf"regexp_replace({text}, '\\+x([0-9A-F]{{2}})', chr(1) || '\1', 'g')"
    alone = rf"regexp_replace({marked}, '[^ -\[\]-~\x01]+', ' ', 'g')"
    letters = rf"TRY(decode(CAST(replace({alone}, chr(1), '\x') AS BLOB)))"
    return f"CASE WHEN {column} IS NOT NULL THEN concat({text}, ' ', {letters}) END"


def different_values(con: "DuckDBPyConnection", table: str, column: str) -> int:
    """Return roughly how many different values a column has, 1 at least; both are quoted SQL."""
    found = con.execute(f"SELECT approx_count_distinct({column}) FROM {table}").fetchone()  # noqa: S608
    assert found is not None
    return max(int(found[0]), 1)


def _for(column: str, type_: str) -> list[Detector]:
    kind = kind_of(type_)
    found = list(asked(DETECTORS, kind))
    # A day alone says nothing; the column's name must.
    return [d for d in found if d.fits(column)] if kind == "date" else found


def _column(
    con: "DuckDBPyConnection", table: str, column: str, detectors: list[Detector]
) -> tuple[int, Mapping[str, Found]]:
    values = _values(con, table, column)
    counts = _counts(detectors, column)
    signs = ", ".join(f"{_sign(sign)} AS s{n}" for sign, n in _signs(detectors).items())
    rows = con.execute(
        f"SELECT sum(n), {', '.join(sql for _, _, sql in counts)} "  # noqa: S608 (by literal)
        f"FROM (SELECT n, v, {signs} FROM {values})"
    ).fetchone()
    assert rows is not None
    found: dict[str, dict[str, int]] = {}
    for (detector, part, _), count in zip(counts, rows[1:], strict=True):
        if count:
            found.setdefault(detector.id, {})[part] = int(count)
    for detector in detectors:
        if "strong" in found.get(detector.id, {}):
            found[detector.id] |= _judged(con, values, detector, found[detector.id]["strong"])
    return int(rows[0] or 0), {name: Found(**parts) for name, parts in found.items()}


def _values(con: "DuckDBPyConnection", table: str, column: str) -> str:
    """Return the SQL of a column's folded values `v`, each with how often it is there, `n`."""
    text = f"CAST({quoted(column)} AS VARCHAR)"
    there = f"FROM {table} WHERE {quoted(column)} IS NOT NULL"
    few = different_values(con, table, quoted(column)) <= FEW
    plain = (
        f"SELECT {text} AS v, count(*) AS n {there} GROUP BY ALL"
        if few
        else f"SELECT {text} AS v, 1 AS n {there}"
    )
    return f"(SELECT n, {plainer()} AS v FROM ({plain}))"  # noqa: S608


def plainer() -> str:
    """Return the SQL of the text `v` as `folded` returns it.

    What has nothing to change, which is most, is only looked at: that costs a fiftieth.
    """
    # The fewer characters, the quicker: most Japanese texts have full-width signs alone.
    signs = [pair for pair in zip(FOLD_FROM, FOLD_TO, strict=True) if not pair[1].isalnum()]
    some = (literal("".join(side)) for side in zip(*signs, strict=True))
    spelled = r"regexp_matches(v, '%[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}')"
    odd = f"(strlen(v) <> length(v) AND regexp_matches(v, {literal(f'{INVISIBLE}|{BLANKS}')}))"
    return (
        rf"CASE WHEN {spelled} OR {odd} "
        f"THEN translate({_opened()}, {literal(FOLD_FROM)}, {literal(FOLD_TO)}) "
        f"WHEN {_sign(_WIDE_WORDS)} "
        f"THEN translate(v, {literal(FOLD_FROM)}, {literal(FOLD_TO)}) "
        f"WHEN {_sign(_FOLDABLE)} THEN translate(v, {', '.join(some)}) ELSE v END"
    )


def _opened() -> str:
    """Return the SQL of the text `v` without escapes of JSON, percents and what is invisible."""
    plain = "coalesce(TRY(url_decode(v)), v)"
    escaped = f"replace(replace({plain}, '\\', '\\\\'), '\"', '\\\"')"
    for sign, letter in ((10, "n"), (13, "r"), (9, "t")):
        escaped = f"replace({escaped}, chr({sign}), '\\{letter}')"
    # Every backslash is two by now: what is left single makes a letter.
    letters = rf"regexp_replace({escaped}, '(?:\\\\)+(u[0-9a-fA-F]{{4}})', '\\\1', 'g')"
    said = f"TRY(json_extract_string('\"' || {letters} || '\"', '$'))"
    opened = f"CASE WHEN contains({plain}, '\\u') THEN coalesce({said}, {plain}) ELSE {plain} END"
    visible = f"regexp_replace({opened}, {literal(INVISIBLE)}, '', 'g')"
    return f"regexp_replace({visible}, {literal(BLANKS)}, ' ', 'g')"


def _sign(pattern: str) -> str:
    found = f"regexp_matches(v, {literal(pattern)})"
    # Most values are ASCII, and to see that costs a tenth of a search.
    return f"(strlen(v) <> length(v) AND {found})" if _WIDE.fullmatch(pattern) else found


def _counts(detectors: list[Detector], column: str) -> list[tuple[Detector, str, str]]:
    signs = _signs(detectors)
    return [
        (detector, part, _count(pattern, None if part == "named" else signs[detector.sign]))
        for detector in detectors
        for part, pattern in _patterns(detector, column)
    ]


def _count(pattern: str, sign: int | None) -> str:
    # CASE looks for the pattern only where the sign is; AND, and FILTER, look everywhere.
    found = f"CASE WHEN regexp_matches(v, {literal(pattern)}) THEN n END"
    return f"sum({found})" if sign is None else f"sum(CASE WHEN s{sign} THEN {found} END)"


def _patterns(detector: Detector, column: str) -> Iterator[tuple[str, str]]:
    yield "strong", detector.strong
    if detector.common:
        yield "common", detector.common
    if detector.named and detector.fits(column):
        yield "named", detector.named


def _signs(detectors: list[Detector]) -> dict[str, int]:
    """Return a number for each sign: several detectors share one, which is looked for once."""
    return {sign: n for n, sign in enumerate(dict.fromkeys(d.sign for d in detectors))}


def _judged(
    con: "DuckDBPyConnection", values: str, detector: Detector, strong: int
) -> dict[str, int]:
    if detector.check is None:
        return {"passed": strong}
    here = f"{_sign(detector.sign)} AND regexp_matches(v, {literal(detector.strong)})"
    con.execute(f"SELECT n, v FROM {values} WHERE {here}")  # noqa: S608
    seen = passed = 0
    while batch := con.fetchmany(_BATCH):
        seen += sum(n for n, _ in batch)
        passed += sum(n for n, value in batch if detector.holds(value))
        if seen >= MOST_CHECKED and passed:
            break
    return {"strong": seen, "passed": passed}
