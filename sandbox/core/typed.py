"""The types that a column of a file may be given: CSV and Excel know texts only. Pure."""

import re
from collections.abc import Iterator, Mapping

from sandbox.core.connection import Csv, Excel
from sandbox.core.source import Source

TEXT = "VARCHAR"
_SAME: Mapping[str, str] = {
    "TEXT": TEXT,
    "STRING": TEXT,
    "BOOL": "BOOLEAN",
    "INT": "INTEGER",
    "TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE",
}
WHOLE = ("SMALLINT", "INTEGER", "BIGINT", "UBIGINT")
_PLAIN = (
    TEXT,
    "BOOLEAN",
    *WHOLE,
    "DOUBLE",
    "DATE",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMP WITH TIME ZONE",
    "JSON",
    "UUID",
)
_DECIMAL = re.compile(r"(?:DECIMAL|NUMERIC) ?\((\d{1,2}), ?(\d{1,2})\)")


def file_type(written: str) -> str:
    """Return DuckDB's name of a type as people write it, VARCHAR for none; "" if it is unknown."""
    name = " ".join(written.upper().split())
    exact = _DECIMAL.fullmatch(name)
    if exact:
        digits, fraction = int(exact[1]), int(exact[2])
        return f"DECIMAL({digits},{fraction})" if fraction <= digits <= 38 and digits else ""
    name = _SAME.get(name, name) or TEXT
    return name if name in _PLAIN else ""


def type_problems(source: Source) -> Iterator[str]:
    """Yield each type that a source of files gives a column and that there is not."""
    if not isinstance(source.connection, Csv | Excel):
        return
    for name, table in source.tables.items():
        for column, rule in table.columns.items():
            if not file_type(rule.type):
                known = ", ".join((*_PLAIN, "DECIMAL(p,s)"))
                yield f"{name}.{column}: there is no type {rule.type}; there are {known}"
