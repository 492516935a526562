"""PostgreSQL as a core system, behind the SourceReader port."""

import hashlib
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sandbox.core.errors import Conflict, InvalidInput
from sandbox.core.masking import problems
from sandbox.core.ports import Built, Progress
from sandbox.core.snapshot import TableCopy
from sandbox.core.source import Source, drift
from sandbox.core.text import clean
from sandbox.drivers.sources.connection import SNAPSHOT, literal
from sandbox.drivers.sources.login import check_login
from sandbox.drivers.sources.reading import Reading, watched
from sandbox.drivers.sources.stream import Meter, copy_tables

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS = """
SELECT nspname::text AS schema, relname::text AS relation, attname::text AS attribute
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND attnum > 0 AND NOT attisdropped
  AND nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
ORDER BY nspname, relname, attnum
"""


class PostgresReader:
    """Reads PostgreSQL 12 and later."""

    def columns(self, source: Source, password: str) -> dict[str, list[str]]:
        """Return the columns of every table in the source's schema.

        Raises Denied when the login could write anything there, Unavailable when the source
        cannot be reached.
        """
        reading = Reading(source, password)

        def read() -> dict[str, list[str]]:
            with reading.opened():
                reading.execute("BEGIN")
                check_login(reading, source)
                return _live_columns(reading, source)

        return watched(reading, read, tick=lambda: None)

    def copy(
        self, source: Source, password: str, key: bytes, target: Path, progress: Progress
    ) -> Built:
        """Stream the listed columns, masked with `key`, into a new file `target`.

        All tables are of one state of the source (one repeatable-read transaction), whose start
        is `data_as_of`. On any failure, and on Ctrl-C, the file is gone. Raises Conflict when
        the file exists, InvalidInput when masks or columns do not fit the live source, Denied
        when the login could write, Unavailable when source or disk give out.
        """
        _check_masks(source)
        if target.exists():
            raise Conflict(
                "The snapshot's file exists already.",
                subject=str(target),
                hint="Let the build that writes it end, or remove the file.",
            )
        reading, meter = Reading(source, password), Meter(progress)
        try:
            tables, as_of = watched(
                reading,
                lambda: _copy(reading, source, key, target, meter),
                tick=lambda: meter.show(reading.percent()),
            )
            meter.end()
            return Built(target, tables, as_of, target.stat().st_size, _digest(target))
        except BaseException:
            for file in (target, target.with_name(target.name + ".wal")):
                file.unlink(missing_ok=True)
            raise


def _copy(
    reading: Reading, source: Source, key: bytes, target: Path, meter: Meter
) -> tuple[tuple[TableCopy, ...], datetime]:
    with reading.opened():
        reading.execute(f"ATTACH {literal(str(target))} AS {SNAPSHOT}")
        target.chmod(0o600)
        reading.execute("BEGIN")
        check_login(reading, source)
        _check_columns(source, _live_columns(reading, source))
        as_of = _transaction_time(reading)
        return copy_tables(reading, source, key, meter), as_of


def _live_columns(reading: Reading, source: Source) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for schema, table, column in reading.ask(_COLUMNS):
        if schema == source.connection.db_schema:
            found[table].append(column)
    return dict(found)


def _check_masks(source: Source) -> None:
    wrong = problems(source)
    if wrong:
        raise InvalidInput(
            "The source file's masks do not hold: " + clean("; ".join(wrong)) + ".",
            subject=f"sources/{source.name}.yaml",
            hint="Correct the file; nothing was read from the source.",
            details={"problems": wrong},
        )


def _check_columns(source: Source, live: dict[str, list[str]]) -> None:
    found = drift(source, live)
    if not found:
        return
    parts = [
        f"{words}: {', '.join(names)}"
        for words, names in (
            ("in the source, but not in the file", found.new),
            ("in the file, but not in the source", found.missing),
        )
        if names
    ]
    raise InvalidInput(
        "The source and its file differ. Columns " + clean("; columns ".join(parts)) + ".",
        subject=f"sources/{source.name}.yaml",
        hint=f"Add each new column to sources/{source.name}.yaml with its class and mask "
        "(drop keeps it out), and take away what is gone.",
        details={"new": list(found.new), "missing": list(found.missing)},
    )


def _transaction_time(reading: Reading) -> datetime:
    query = "SELECT (extract(epoch FROM transaction_timestamp()) * 1000000)::bigint AS at"
    return _EPOCH + timedelta(microseconds=reading.ask(query)[0][0])


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
