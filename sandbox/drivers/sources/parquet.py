"""Parquet files as a source."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.core.connection import Parquet
from sandbox.core.source import Source
from sandbox.drivers.sources.connection import literal
from sandbox.drivers.sources.views import FilesDialect

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class ParquetDialect(FilesDialect):
    """Reads Parquet, whose columns have types of their own."""

    def __init__(self, source: Source, at: Parquet, home: Path) -> None:
        super().__init__(source, home, at.files.values())
        self._at = at

    def _selects(self, con: "DuckDBPyConnection", files: Mapping[str, Path]) -> dict[str, str]:
        places = {table: literal(str(files[file])) for table, file in self._at.files.items()}
        return {
            table: f"SELECT * FROM read_parquet({place}, hive_partitioning=false)"  # noqa: S608
            for table, place in places.items()
        }
