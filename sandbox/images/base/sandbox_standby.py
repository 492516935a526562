"""Attacks on the PostgreSQL replica from its login: writing, promoting, looking at who else reads.

Whatever the lab's role is refused is tried here too: the server may serve other sandboxes.
"""

import json
from functools import partial
from pathlib import Path
from typing import Any

from sandbox_lab import Lab
from sandbox_sql import NO_RIGHT, TRIES, Try, attempt, attributes, enter
from sandbox_verify import Attack, Outcome

LOGIN = Path("/run/sandbox/replica.json")
# Refused since nothing can be written here, whoever asks.
STANDBY = frozenset({"25006", "0A000"})
# What its login is meant to be: one of those that may read the snapshot.
MEANT = "reader"
TABLES = """
SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1 LIMIT 1
"""
ALWAYS = (
    Try("write mode", "SET TRANSACTION READ WRITE"),
    Try("write mode as its default", "SET default_transaction_read_only = off; CREATE TABLE t ()"),
    Try("promote it", "SELECT pg_promote(false)"),
    Try("stop its replay", "SELECT pg_wal_replay_pause()"),
    Try("make a login", "CREATE ROLE sandbox_verify LOGIN"),
    Try("make a large object", "SELECT lo_create(0)"),
    Try("more room for sorting", "SET temp_file_limit = '100GB'"),
    Try("see who else reads", "SELECT * FROM pg_stat_activity"),
    Try("see what others lock", "SELECT * FROM pg_locks"),
    Try("leave others a lock", "SELECT pg_try_advisory_lock(1)"),
    Try("leave others a note", "LISTEN sandbox_verify; NOTIFY sandbox_verify"),
)
WRITES = {
    "insert": "INSERT INTO {0} SELECT * FROM {0} LIMIT 0",
    "delete": "DELETE FROM {0} WHERE false",
    "empty a table": "TRUNCATE {0}",
    "drop a table": "DROP TABLE {0}",
    "change a table": "ALTER TABLE {0} ADD COLUMN sandbox_verify int",
    "lock rows": "SELECT * FROM {0} LIMIT 1 FOR UPDATE",
    "comment on a table": "COMMENT ON TABLE {0} IS 'x'",
}


def attacks() -> list[Attack]:
    """Return the attacks on the replica."""
    login = json.loads(LOGIN.read_text())
    with Lab(login) as replica:
        tables = [row[0] for row in replica.ask(TABLES)]
    writes = [Try(n, sql.format(t)) for t in tables for n, sql in WRITES.items()]
    tries = [each._replace(right=each.right | NO_RIGHT | STANDBY) for each in (*writes, *ALWAYS)]
    tries += [each._replace(right=each.right | STANDBY) for each in TRIES]
    logins = {f"log in as reader_{n}": {"user": f"reader_{n}"} for n in neighbours(login["user"])}
    logins |= {
        "log in as superuser": {"user": "postgres"},
        "log in to replicate": {"replication": "true"},
        "log in to read changes": {"replication": "database"},
        "log in to another database": {"database": "lab"},
    }
    return [
        Attack("replica", "attributes of its login", partial(meant, login)),
        *(Attack("replica", each.name, partial(attempt, login, each)) for each in tries),
        *(Attack("replica", n, partial(enter, login, **who)) for n, who in logins.items()),
    ]


def meant(login: dict[str, Any]) -> Outcome:
    """Ask what the login may beyond reading."""
    held, detail = attributes(login)
    return held or detail == MEANT, detail


def neighbours(own: str) -> list[int]:
    """Return the numbers of the logins before and after the own one."""
    number = int(own.rpartition("_")[2])
    return [each for each in (number - 1, number + 1) if each >= 0]
