"""Which dialect reads which source."""

from pathlib import Path

from sandbox.core.connection import Csv, Excel, MySql, Parquet, Postgres, Sqlite
from sandbox.core.source import Source
from sandbox.drivers.sources.dialect import Dialect


def dialect_of(source: Source, home: Path) -> Dialect:
    """Return the dialect of a source, whose files lie below `home`. Opens nothing.

    Each is imported only where it is used.
    """
    match source.connection:
        case Postgres() as at:
            from sandbox.drivers.sources.postgres import PostgresDialect

            return PostgresDialect(source, at)
        case MySql() as at:
            from sandbox.drivers.sources.mysql import MySqlDialect

            return MySqlDialect(source, at)
        case Sqlite() as at:
            from sandbox.drivers.sources.sqlite import SqliteDialect

            return SqliteDialect(source, at, home)
        case Csv() as at:
            from sandbox.drivers.sources.csv_files import CsvDialect

            return CsvDialect(source, at, home)
        case Parquet() as at:
            from sandbox.drivers.sources.parquet import ParquetDialect

            return ParquetDialect(source, at, home)
        case Excel() as at:
            from sandbox.drivers.sources.excel import ExcelDialect

            return ExcelDialect(source, at, home)
