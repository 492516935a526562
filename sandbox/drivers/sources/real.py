"""Real values of a source's hidden columns, a sample to be looked for in what was made of them.

They live in the memory of the process that reads, and nowhere else.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from sandbox.core.detecting import folded, kind_of
from sandbox.core.masking import steps
from sandbox.core.source import KEPT, OPEN, Column, Table
from sandbox.drivers.sources.connection import quoted
from sandbox.drivers.sources.scan import readable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Rows of a table that are drawn, and values of a column that are looked for.
_ROWS = 2000
_VALUES = 60
# Shorter values stand elsewhere by chance: in letters, in Japanese script, in digits alone.
_SHORTEST, _SHORTEST_JAPANESE, _SHORTEST_NUMBER = 6, 4, 9
# Such a value is told apart inside a longer text; any other must be a whole value.
_TELLING = re.compile(r"(?=.*[0-9@]).{8,}|.{14,}|[^\x00-\x7f]{7,}", re.DOTALL)


def real_values(
    con: "DuckDBPyConnection", live: str, condition: str, table: Table, types: dict[str, str]
) -> list[str]:
    """Return values, folded, that stand once in a random sample of a live table's hidden columns.

    What stands more often is a word of the trade, not one person's. Dates and true fractions are
    left out: they are equal by chance. Columns without a type are ones that cannot be read.
    """
    # What is left out of open classes is of no use; the same may stand in what is kept.
    shown = {c: readable(quoted(c), types[c]) for c in table.columns if c in types}
    hidden = {
        column: rule
        for column, rule in table.columns.items()
        if column in shown
        and rule.data_class not in OPEN
        and rule.mask.method not in KEPT
        and sought(shown[column][1])
    }
    if not hidden:
        return []
    texts = ", ".join(f"CAST({shown[column][0]} AS VARCHAR)" for column in hidden)
    rows = con.execute(
        f"SELECT {texts} FROM {live} WHERE {condition} "  # noqa: S608
        f"USING SAMPLE reservoir({_ROWS} ROWS)"
    ).fetchall()
    found: list[str] = []
    # Without a row there is no column either.
    for rule, values in zip(hidden.values(), zip(*rows, strict=True), strict=False):
        found += list(_rare(v for value in values if value for v in _leaves(rule, value)))
    return list(dict.fromkeys(found))


def sought(type_: str) -> Literal["text", "integer"] | None:
    """Return how the values of a column are looked for; None for dates, fractions and the like."""
    kind = "text" if type_ == "UUID" else kind_of(type_)
    return kind if kind in ("text", "integer") else None


def telling(value: str) -> bool:
    """Say whether a value is told apart inside a longer text."""
    return bool(_TELLING.fullmatch(value))


def _rare(values: Iterator[str]) -> list[str]:
    counts = Counter(folded(value).strip() for value in values)
    once = (value for value, count in counts.items() if count == 1 and _long_enough(value))
    return list(islice(once, _VALUES))


def _long_enough(value: str) -> bool:
    if value.isdigit():
        return len(value) >= _SHORTEST_NUMBER
    least = _SHORTEST if value.isascii() else _SHORTEST_JAPANESE
    return least <= len(value) <= 200


def _leaves(rule: Column, value: str) -> Iterator[str]:
    """Yield a value; of a JSON document each text in it that is not at a path that is kept."""
    if rule.mask.method != "json":
        yield value
        return
    kept = {steps(part.path) for part in rule.mask.paths if part.mask.method in KEPT}
    try:
        document = json.loads(value)
    except (ValueError, RecursionError):  # nested too deep for Python: as one text then
        yield value
        return
    yield from (text for path, text in _walk(document, ()) if path not in kept)


def _walk(
    document: Any, path: tuple[str | None, ...]
) -> Iterator[tuple[tuple[str | None, ...], str]]:
    """Yield path and text of each leaf; a loop, since a document may be nested to any depth."""
    nodes = [(document, path)]
    while nodes:
        node, path = nodes.pop()
        if isinstance(node, dict):
            nodes += [(below, (*path, key)) for key, below in reversed(node.items())]
        elif isinstance(node, list):
            nodes += [(below, (*path, None)) for below in reversed(node)]
        elif isinstance(node, str | int) and not isinstance(node, bool):
            yield path, str(node)
