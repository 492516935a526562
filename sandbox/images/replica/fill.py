"""Fills a fresh PostgreSQL cluster from a snapshot's DuckDB file, freezes and stops it.

In: one JSON object on stdin, {"source", "unique": [[table, [column, ...]], ...], "indexed": the
same, "logins": {name: password}}. The snapshot's file is /replica/SOURCE/SOURCE.duckdb, the cluster
will be /data/pg: one database `replica` with one schema named like the source. Out: a JSON object a
line, {"table", "rows"} for each table, then {"bytes"}; or {"error"}, which names places, never
values, and exit code 1.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import sandbox_kit

OURS = Path(__file__).parent
BIN = Path("/usr/lib/postgresql/15/bin")
SEED = Path("/lab")
CLUSTER = Path("/data/pg")
SOCKET = "/tmp"  # noqa: S108 - a tmpfs of the container's own
CONFIG = OURS / "postgresql.conf"
# It can be made anew at any time, so it need not survive a power cut while it is filled.
FILLING = {
    "wal_level": "minimal",
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_wal_size": "1GB",
    "maintenance_work_mem": "128MB",
}
# Beside the server, which takes about as much while it makes indexes.
MEMORY = "256MiB"
LONGEST_NAME = 63
TEXT, WHOLE, DOCUMENT = "VARCHAR", "DECIMAL(38,0)", "JSON"
NAMED = ("STRUCT", "MAP", "UNION")


class Failed(Exception):
    """What went wrong, in words without values."""


def main() -> int:
    """Fill, freeze and stop; return the exit code."""
    try:
        fill(json.loads(sys.stdin.buffer.readline()))
    except Failed as error:
        say(error=str(error))
        return 1
    return 0


def say(**what: Any) -> None:
    """Print one JSON line."""
    print(json.dumps(what, ensure_ascii=False), flush=True)


def fill(order: dict[str, Any]) -> None:
    """Make the cluster; raises Failed."""
    fresh()
    with server(**FILLING):
        psql("lab", OURS / "filling.sql", order["source"])
        load(order)
        ask("replica", "".join(logins(order["logins"])))
        psql("replica", OURS / "filled.sql", order["source"])
    # Half of a small cluster would be the used log of changes.
    run(BIN / "pg_resetwal", "-D", CLUSTER)
    # A standby starts only from a log that was written for one.
    with server():
        ask("replica", "CHECKPOINT;")
    (CLUSTER / "standby.signal").touch(0o600)
    run(BIN / "initdb", "--sync-only", "-D", CLUSTER)
    say(bytes=sum(f.lstat().st_size for f in CLUSTER.rglob("*") if f.is_file()))


def fresh() -> None:
    """Put a copy of the lab's empty cluster in place of whatever is there."""
    shutil.rmtree(CLUSTER, ignore_errors=True)
    run("/bin/cp", "-a", SEED, CLUSTER)
    CLUSTER.chmod(0o700)


@contextmanager
def server(**settings: str) -> Iterator[None]:
    """Have the cluster's server run, reached by its socket only, with some settings of its own."""
    settings |= {"config_file": str(CONFIG), "listen_addresses": ""}
    words = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
    command = (BIN / "pg_ctl", "-D", CLUSTER, "-w", "-s")
    run(*command, "-o", words, "-l", f"{SOCKET}/log", "start")
    try:
        yield
    finally:
        run(*command, "-t", "600", "-m", "fast", "stop")


def load(order: dict[str, Any]) -> None:
    """Copy every table of the snapshot, then make its indexes."""
    source = str(order["source"])
    connection = connected(source)
    wanted = {"UNIQUE INDEX": order["unique"], "INDEX": order["indexed"]}
    for table, columns in tables(connection).items():
        into = identifier("pg", source, table)
        chosen = ", ".join(expression(name, kind) for name, kind in columns)
        copied = attempt(
            f"the table {table}",
            connection,
            f"CREATE TABLE {into} AS SELECT {chosen} FROM {identifier('snapshot', table)}",  # noqa: S608
        )
        say(table=table, rows=copied)
    connection.close()
    for kind, keys in wanted.items():
        for table, columns in keys:
            index(kind, identifier(source, table), ", ".join(map(identifier, columns)))


def index(kind: str, table: str, columns: str) -> None:
    """Make an index; what cannot have one, as texts that are too long, goes without."""
    try:
        ask("replica", f"CREATE {kind} ON {table} ({columns});")
    except Failed:
        if kind != "INDEX":
            index("INDEX", table, columns)


def connected(source: str) -> duckdb.DuckDBPyConnection:
    """Return DuckDB with the snapshot attached read-only and the cluster as `pg`."""
    own = {"memory_limit": MEMORY, "temp_directory": "", "preserve_insertion_order": "false"}
    connection = duckdb.connect(config=sandbox_kit.OFFLINE | own)
    connection.execute(f"LOAD {literal(str(sandbox_kit.postgres_extension()))}")
    # PostgreSQL knows no zero byte in a text.
    connection.execute("SET pg_null_byte_replacement = ''")
    file = f"/replica/{source}/{source}.duckdb"
    login = f"host={SOCKET} user=postgres dbname=replica"
    connection.execute(f"ATTACH {literal(file)} AS snapshot (READ_ONLY)")
    connection.execute(f"ATTACH {literal(login)} AS pg (TYPE postgres)")
    return connection


def tables(connection: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[str, Any]]]:
    """Return name and type of every column of every table; raises Failed for too long a name."""
    found: dict[str, list[tuple[str, Any]]] = {}
    names = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = 'snapshot' ORDER BY 1"
    ).fetchall()
    for (table,) in names:
        told = connection.sql(f"SELECT * FROM {identifier('snapshot', table)} LIMIT 0")  # noqa: S608
        found[table] = list(zip(told.columns, told.types, strict=True))
        for name in (table, *told.columns):
            if len(name.encode()) > LONGEST_NAME:
                raise Failed(f"a name is longer than PostgreSQL's {LONGEST_NAME} bytes: {name}")
    return found


def expression(name: str, kind: Any) -> str:
    """Return what is selected of a column: itself, or cast to what PostgreSQL has."""
    own = identifier(name)
    to = target(kind)
    if to is None:
        return own
    if to == DOCUMENT:
        return f"to_json({own}) AS {own}"
    return f"CAST({own} AS {to}) AS {own}"


def target(kind: Any) -> str | None:
    """Return the type that a column is cast to on its way, None if it can go as it is.

    Lists of values become arrays; what is nested deeper, or has named parts, becomes JSON.
    """
    word = str(kind.id).upper()
    if word in ("LIST", "ARRAY"):
        child = dict(kind.children)["child"]
        inner = target(child)
        if inner == DOCUMENT or str(child.id).upper() in ("LIST", "ARRAY"):
            return DOCUMENT
        return f"{inner or child}[]" if inner or word == "ARRAY" else None
    if word in NAMED:
        return DOCUMENT
    return {"ENUM": TEXT, "HUGEINT": WHOLE, "UHUGEINT": WHOLE, "BIT": TEXT}.get(word)


def attempt(what: str, connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    """Run one statement and return how many rows it wrote.

    Raises Failed naming `what`, without the values that an error may tell.
    """
    try:
        return int((connection.execute(sql).fetchone() or [0])[0])
    except duckdb.Error as error:
        raise Failed(f"{what} cannot be copied ({type(error).__name__})") from None


def logins(passwords: dict[str, str]) -> Iterator[str]:
    """Yield the statement that makes each login; psql is given them on stdin."""
    for name, password in passwords.items():
        yield (
            f"CREATE ROLE {identifier(name)} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE "
            f"NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 8 IN ROLE reader "
            f"PASSWORD {literal(password)};\n"
        )


def identifier(*parts: str) -> str:
    """Return a name quoted for SQL."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def literal(text: str) -> str:
    """Return a text as an SQL literal; it holds no backslash escapes."""
    return "'" + text.replace("'", "''") + "'"


def psql(database: str, file: Path, schema: str) -> None:
    """Run a file of ours."""
    command = f"\\set schema {literal(schema)}\n" + file.read_text("utf-8")
    ask(database, command)


def ask(database: str, sql: str) -> None:
    """Run statements as the superuser; raises Failed with the server's code alone."""
    options = ("-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=sqlstate")
    where = ("-h", SOCKET, "-U", "postgres", "-d", database)
    run(BIN / "psql", *options, *where, stdin=sql)


def run(*command: object, stdin: str = "") -> None:
    """Run a program; raises Failed with its name and the last line that it said."""
    words = [str(word) for word in command]
    ran = subprocess.run(words, input=stdin.encode(), capture_output=True)  # noqa: S603
    if ran.returncode:
        said = ran.stderr.decode(errors="replace").strip().splitlines() or ["no word"]
        raise Failed(f"{Path(words[0]).name} failed ({ran.returncode}): {said[-1][:200]}")


if __name__ == "__main__":
    sys.exit(main())
