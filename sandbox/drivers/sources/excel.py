"""A workbook of Excel as a source."""

import html
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.core.connection import Excel, Sheet
from sandbox.core.errors import InvalidInput, SandboxError
from sandbox.core.source import Source
from sandbox.core.text import clean, closest
from sandbox.drivers.sources.connection import literal, load, quoted, types_of
from sandbox.drivers.sources.views import FilesDialect, converted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_WORKBOOK, _MOST_BYTES = "xl/workbook.xml", 1 << 22
_SHEET = re.compile(r"""<(?:\w+:)?sheet\s[^>]*?\bname=("[^"]*"|'[^']*')""")
_FROM_1904 = re.compile(r"""\bdate1904=["'](?:1|true)["']""")
_NUMBER = r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?"
_DAY = 86_400_000


class ExcelDialect(FilesDialect):
    """Reads sheets as texts, as Excel stores them, and makes of them what the rules say.

    A day is stored as the number of days since the end of 1899 (or 1903), a time as part of a day.
    """

    def __init__(self, source: Source, at: Excel, home: Path) -> None:
        super().__init__(source, home, [at.file])
        self._at = at

    def _selects(self, con: "DuckDBPyConnection", files: Mapping[str, Path]) -> dict[str, str]:
        load(con, "excel")
        file = files[self._at.file]
        there, epoch = _workbook(file)
        sheets = self._at.sheets or {name: Sheet(sheet=name) for name in there}
        for sheet in sheets.values():
            self._check(sheet.sheet, there)
        return {
            table: self._select(con, file, table, sheet, epoch) for table, sheet in sheets.items()
        }

    def _select(
        self, con: "DuckDBPyConnection", file: Path, table: str, sheet: Sheet, epoch: str
    ) -> str:
        cells = f", range={literal(sheet.range)}" if sheet.range else ""
        read = (
            f"read_xlsx({literal(str(file))}, sheet={literal(sheet.sheet)}{cells}, header=true, "
            "all_varchar=true, stop_at_empty=false)"
        )
        names = types_of(con, f"FROM {read}")
        made = ", ".join(
            f"{_made(quoted(name), self._type(table, name), epoch)} AS {quoted(name)}"
            for name in names
        )
        # Rows that were only formatted are there too.
        some = " OR ".join(f"{quoted(name)} IS NOT NULL" for name in names)
        return f"SELECT {made} FROM {read} WHERE {some}"  # noqa: S608

    def _check(self, sheet: str, there: list[str]) -> None:
        if sheet not in there:
            raise InvalidInput(
                f"The workbook has no sheet {clean(sheet)}.{closest(sheet, there)}",
                subject=self._subject,
                hint=f"It has: {clean(', '.join(there))[:300]}",
            )

    def failure(self, error: Exception) -> SandboxError:
        """Return what an error means."""
        if "cell data too large" in str(error).lower():
            return InvalidInput(
                "A cell of the workbook is longer than 32,767 bytes, some 10,900 Japanese letters.",
                subject=self._subject,
                hint="Have the sheet saved as CSV (UTF-8), and read that.",
            )
        return super().failure(error)


def _workbook(file: Path) -> tuple[list[str], str]:
    """Return the names of a workbook's sheets, and the day that its days are counted from."""
    try:
        with zipfile.ZipFile(file) as archive, archive.open(_WORKBOOK) as entry:
            text = entry.read(_MOST_BYTES).decode()
    except (zipfile.BadZipFile, KeyError):
        raise ValueError("no workbook") from None
    names = [html.unescape(name[1:-1]) for name in _SHEET.findall(text)]
    return names, "1904-01-01" if _FROM_1904.search(text) else "1899-12-30"


def _made(column: str, type_: str, epoch: str) -> str:
    """Return the SQL of a cell as a column's type wants it."""
    plain = converted(column, type_)
    if type_ not in ("DATE", "TIME", "TIMESTAMP"):
        return plain
    number = f"regexp_full_match({column}, {literal(_NUMBER)})"
    moment = (
        f"(TIMESTAMP {literal(epoch)} + "
        f"to_milliseconds(CAST(round(CAST({column} AS DOUBLE) * {_DAY}) AS BIGINT)))"
    )
    return f"CASE WHEN {number} THEN CAST({moment} AS {type_}) ELSE {plain} END"
