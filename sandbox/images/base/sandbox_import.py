"""Loads a CSV into the lab: a JSON line {"table", "size"}, then `size` bytes of CSV, on stdin.

With "match": {"source", "table", "column", "at"} it counts the rows whose column number `at` has a
value of that column of a replica. Out: {"table", "rows", "columns": [[name, type], ...], "notes",
"matched"} or {"error", "kind"}; the kind is "taken" when there is a table of that name.
"""

import codecs
import csv
import json
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
import sandbox_kit
from sandbox_kit import Refused

CHUNK = 1 << 20
LONGEST_NAME = 63  # bytes; PostgreSQL cuts off the rest without a word
LONGEST_CELL = 1 << 17
MARKS = ",;\t|"
FOREIGN = {"cp932": "Shift_JIS (CP932)", "euc_jp": "EUC-JP"}


def main() -> None:
    """Read the file from stdin, load it, print the answer. The exit code is 0 in both cases."""
    sandbox_kit.reply(load, broken="The file does not fit into /tmp")


def load(stream: BinaryIO) -> dict[str, Any]:
    """Return what became of the file in `stream`. Raises Refused or duckdb.Error."""
    asked = json.loads(stream.readline())
    table = str(asked["table"])
    check_name("table", table)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "import.csv"
        receive(stream, int(asked["size"]), file)
        check_encoding(file)
        connection = sandbox_kit.connect()
        made = create(connection, table, file)
        if "match" in asked:
            made["matched"] = matched(connection, table, made["columns"], asked["match"])
        return made


def receive(stream: BinaryIO, size: int, file: Path) -> None:
    """Write exactly `size` bytes of `stream` to `file`; raises Refused if fewer, or none, come."""
    if size <= 0:
        raise Refused("The file is empty.")
    with file.open("wb") as out:
        while size > 0:
            chunk = stream.read(min(CHUNK, size))
            if not chunk:
                raise Refused("The file ended before all of it arrived.")
            out.write(chunk)
            size -= len(chunk)


def check_encoding(file: Path) -> None:
    """Raise Refused when `file` is not UTF-8, with the encoding that it seems to have."""
    if decodes(file, "utf-8"):
        return
    with file.open("rb") as start:
        if start.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            seems = "UTF-16"
        else:
            seems = " or ".join(name for code, name in FOREIGN.items() if decodes(file, code))
    guess = f"; it seems to be {seems}" if seems else ""
    raise Refused(f"The file is not UTF-8{guess}. Save it as CSV UTF-8 and import it again.")


def decodes(file: Path, encoding: str) -> bool:
    """Say whether all of `file` is valid in `encoding`."""
    try:
        with file.open(encoding=encoding) as text:
            while text.read(CHUNK):
                pass
    except UnicodeDecodeError:
        return False
    return True


def create(connection: duckdb.DuckDBPyConnection, table: str, file: Path) -> dict[str, Any]:
    """Create `lab.TABLE` from `file` and return its shape. Raises Refused or duckdb.Error."""
    if not connection.execute("FROM duckdb_databases() WHERE database_name = 'lab'").fetchall():
        raise Refused("This sandbox has no lab to import into.")
    mark = find_mark(file)
    heading = check_cells(file, mark)
    fixed = """quote = '"', escape = '"', sample_size = -1"""
    options = f"{sandbox_kit.literal(str(file))}, delim = {sandbox_kit.literal(mark)}, {fixed}"
    sniffed = connection.sql(f"FROM sniff_csv({options})").project("HasHeader").fetchone()
    if not sniffed or not sniffed[0]:
        raise Refused("The first line must name the columns, but it looks like values.")
    source = f"read_csv({options}, header = true)"
    names = connection.sql(f"FROM {source}").columns
    for name in names:
        check_name("column", name)
    target = sandbox_kit.identifier("lab", "public", table)
    try:
        connection.execute(f"CREATE TABLE {target} AS FROM {source}")
    except duckdb.Error as error:
        if "already exists" not in str(error):
            raise
        raise Refused("The lab has a table of that name already.", "taken") from None
    return shape(connection, table, target) | {"notes": renamed(heading, names)}


def shape(connection: duckdb.DuckDBPyConnection, table: str, target: str) -> dict[str, Any]:
    """Return the name, the number of rows and the columns of a table of the lab."""
    stored = connection.sql(f"FROM {target}")
    found = stored.aggregate("count(*)").fetchone()
    kinds = zip(stored.columns, stored.types, strict=True)
    return {
        "table": table,
        "rows": found[0] if found else 0,
        "columns": [[name, str(kind)] for name, kind in kinds],
    }


def matched(
    connection: duckdb.DuckDBPyConnection, table: str, columns: list[Any], match: dict[str, Any]
) -> int:
    """Return how many rows of a table have a value that a column of a replica has, too."""
    own = sandbox_kit.identifier("lab", "public", table)
    column = sandbox_kit.identifier(str(columns[int(match["at"])][0]))
    theirs = sandbox_kit.identifier(str(match["source"]), "main", str(match["table"]))
    their_column = sandbox_kit.identifier(str(match["column"]))
    found = connection.execute(
        f"SELECT count(*) FROM {own} WHERE CAST({column} AS VARCHAR) IN "  # noqa: S608 (quoted)
        f"(SELECT CAST({their_column} AS VARCHAR) FROM {theirs})"
    ).fetchone()
    return int(found[0]) if found else 0


def find_mark(file: Path) -> str:
    """Return what stands between the cells: the mark that is most often in the first line."""
    with file.open(encoding="utf-8-sig") as text:
        first = text.readline(LONGEST_CELL)
    return max(MARKS, key=first.count)


def check_cells(file: Path, mark: str) -> list[str]:
    """Return the cells of the first line. Raises Refused, with the line, unless every line has as
    many and every quote is closed."""
    heading: list[str] = []
    csv.field_size_limit(LONGEST_CELL)
    with file.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, delimiter=mark, strict=True)
        line = 1
        try:
            for cells in reader:
                heading = heading or cells
                if cells and len(cells) != len(heading):
                    raise Refused(
                        f"Line {line} has {counted(len(cells), 'cell')}, but the first line names "
                        f"{counted(len(heading), 'column')}."
                    )
                line = reader.line_num + 1
        except csv.Error as error:
            raise Refused(f"Line {line}: {wrong(str(error))}") from None
    return heading


def counted(count: int, what: str) -> str:
    """Return a count with its noun."""
    return f"{count} {what}" + ("" if count == 1 else "s")


def wrong(said: str) -> str:
    """Return in plain words what Python's reader of CSV complains about."""
    if "end of data" in said:
        return 'a quote (") is opened and never closed.'
    if "field larger" in said:
        return f"a cell has more than {LONGEST_CELL:,} characters; perhaps a quote is not closed."
    if "expected after" in said:
        return 'a quote (") ends in the middle of a cell; inside a cell write "" for a quote.'
    return said + "."


def renamed(heading: list[str], names: list[str]) -> list[str]:
    """Return one sentence for every column that is not named as the file's first line says."""
    return [
        f"Column {number} has no heading; it is named {name}."
        if not said.strip()
        else f'Column {number}, "{said[:LONGEST_NAME]}", is named {name}.'
        for number, (said, name) in enumerate(zip(heading, names, strict=False), 1)
        if said != name
    ]


def check_name(what: str, name: str) -> None:
    """Raise Refused when PostgreSQL could not keep `name` as it is."""
    if not name or "\0" in name or len(name.encode()) > LONGEST_NAME:
        raise Refused(f"The {what} name is empty or longer than {LONGEST_NAME} bytes: {name[:80]}")


if __name__ == "__main__":
    main()
