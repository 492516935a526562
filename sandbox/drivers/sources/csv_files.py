"""CSV files as a source."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.core.connection import Csv, CsvFile
from sandbox.core.errors import InvalidInput, SandboxError
from sandbox.core.source import Source
from sandbox.core.text import clean
from sandbox.drivers.sources.connection import literal, quoted
from sandbox.drivers.sources.decoding import Decoded, DecodingFiles, NotReadable
from sandbox.drivers.sources.views import FilesDialect, converted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# A quoted cell may hold many lines; a header that is longer than this is none.
_LONGEST_HEADER = 1 << 20
_LINE = re.compile(r"CSV Error on Line: (\d+)")


class CsvDialect(FilesDialect):
    """Reads CSV as RFC 4180 has it: every column is text, unless its rule states a type."""

    def __init__(self, source: Source, at: Csv, home: Path) -> None:
        super().__init__(source, home, (one.file for one in at.files.values()))
        self._at, self._decoding = at, DecodingFiles()

    def _selects(self, con: "DuckDBPyConnection", files: Mapping[str, Path]) -> dict[str, str]:
        con.register_filesystem(self._decoding)
        return {t: self._select(t, one, files[one.file]) for t, one in self._at.files.items()}

    def _select(self, table: str, one: CsvFile, file: Path) -> str:
        encoding = one.encoding or self._at.encoding
        mark = one.delimiter or self._at.delimiter
        header = self._at.header if one.header is None else one.header
        first = self._first(file, encoding, mark)
        names = first if header else self._named(table, len(first))
        self._check(table, names)
        columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
        made = ", ".join(
            f"{converted(quoted(name), self._type(table, name))} AS {quoted(name)}"
            for name in names
        )
        address = literal(self._decoding.add(file, encoding))
        return (
            f"SELECT {made} FROM read_csv({address}, auto_detect=false, columns={{{columns}}}, "  # noqa: S608
            f"header={header}, delim={literal(mark)}, quote='\"', escape='\"', strict_mode=true, "
            "compression='none')"
        )

    def _first(self, file: Path, encoding: str, mark: str) -> list[str]:
        """Return the cells of the first line; raises ValueError where it cannot be read."""
        with Decoded(file, encoding) as decoded:
            begin = io.StringIO(decoded.read(_LONGEST_HEADER).decode(errors="ignore"), newline="")
        try:
            return next(csv.reader(begin, delimiter=mark, strict=True), [])
        except csv.Error:
            raise ValueError("no CSV") from None

    def _named(self, table: str, count: int) -> list[str]:
        """Return the names of the columns of a file without a header: those that are listed."""
        return list(self._rules(table)) or [f"column{n}" for n in range(1, count + 1)]

    def _check(self, table: str, names: Sequence[str]) -> None:
        if names and all(names) and len({name.lower() for name in names}) == len(names):
            return
        raise InvalidInput(
            "The header of the file must name every column, each once."
            if names
            else "The file is empty: it has no header.",
            subject=clean(f"{self._name}: {self._at.files[table].file}"),
            hint="Correct the file's first line. A file without one needs header: false.",
        )

    def failure(self, error: Exception) -> SandboxError:
        """Return what an error of DuckDB or of the decoding means, with the line."""
        failed, line = self._decoding.failed, _LINE.search(str(error))
        failed = error if isinstance(error, NotReadable) else failed
        if failed is not None:
            return InvalidInput(
                f"{clean(failed.problem)}.", subject=self._subject, hint=failed.hint
            )
        if "maximum line size" in str(error).lower():
            return InvalidInput(
                "A line of a CSV file is longer than 2 MB.",
                subject=self._subject,
                hint="Have its longest column left out of the export, or cut there.",
            )
        if line or "CSV Parser" in str(error):
            where = f"Line {int(line[1]):,}" if line else "Some line"
            return InvalidInput(
                f"{where} of a CSV file has other columns than its header, a quote too many, or "
                "another end than the lines before.",
                subject=self._subject,
                hint=f"Look at that line; check delimiter and header in sources/{self._name}.yaml.",
            )
        return super().failure(error)
