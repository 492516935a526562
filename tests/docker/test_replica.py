"""Core data as PostgreSQL: one standby that sandboxes share, which nobody can write."""

import json
import os
import signal
import time
from typing import Any

import pytest

from sandbox.core.objects import Ran
from tests.docker.cluster_trial import SQL, Trial, rows_of
from tests.docker.conftest import Home
from tests.docker.slim import SPEAKING, add_speaking

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]
PYTHON = ("/opt/venv/bin/python", "-c")
UP = ("--template", SPEAKING, "--purpose", "Does a tool that speaks PostgreSQL find its data?")
# As a tool does it that knows PostgreSQL alone: libpq, by the name of a service.
READ = """
import duckdb, sandbox_kit, sys
db = duckdb.connect(config=sandbox_kit.OFFLINE)
db.execute("LOAD " + sandbox_kit.literal(str(sandbox_kit.postgres_extension())))
db.execute("ATTACH 'service=replica' AS r (TYPE postgres)")
print(db.sql(f"SELECT * FROM postgres_query('r', {sandbox_kit.literal(sys.argv[1])})").fetchall())
"""
COUNTS = "SELECT " + ", ".join(
    f"(SELECT count(*) FROM core.{t}) AS {t}" for t in ("consents", "customers", "purchases")
)
KEYS = (
    "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid "
    "WHERE c.relname = 'customers' AND i.indisunique"
)
# Logs in with another sandbox's login, from here.
ENTER = """
import json, sys, sandbox_lab
try:
    with sandbox_lab.Lab(json.loads(sys.argv[1])):
        print("let in")
except sandbox_lab.Refused as error:
    print(error.code)
"""


@pytest.fixture(scope="module")
def speaking(slim_home: Home) -> Home:
    """A demo home with a template whose tool speaks PostgreSQL."""
    add_speaking(slim_home.folder)
    slim_home.run("template", "build", SPEAKING)
    return slim_home


def inside(home: Home, name: str, program: str, *words: str) -> str:
    return home.run("exec", name, "--", *PYTHON, program, *words).strip()


def server_of(home: Home) -> Any:
    (snapshot,) = home.json("snapshot", "list")["snapshots"]
    return home.client.containers.get(f"{snapshot['volume']}-server")


def names(home: Home) -> set[str]:
    return {line for line in home.listing() if "-server" in line or "-filler" in line}


def test_two_sandboxes_share_one_standby_apart(speaking: Home) -> None:
    planned = speaking.json("plan", "one", *UP)
    assert planned["postgres"]["kind"] == "shared", "the engine's disk clones files: see the other"
    assert not planned["postgres"]["filled"]
    made = speaking.json("up", "one", *UP)["sandbox"]
    assert made["postgres"] == "shared"
    began = time.monotonic()
    other = speaking.json("up", "two", *UP)["sandbox"]
    print(f"\nsecond sandbox on a filled replica: {time.monotonic() - began:.2f} s")
    try:
        manifest = speaking.json("snapshot", "show", made["snapshot"])["snapshot"]["manifest"]
        rows = {table["name"]: table["rows"] for table in manifest["tables"]}
        expected = tuple(rows[t] for t in ("consents", "customers", "purchases"))
        assert inside(speaking, "one", READ, COUNTS) == str([expected])
        assert inside(speaking, "two", READ, COUNTS) == str([expected])
        unique = [k for k in manifest["gate"]["relations"]["unique"] if k["table"] == "customers"]
        assert unique
        assert inside(speaking, "one", READ, KEYS) == f"[({len(unique)},)]"
        _nobody_writes(speaking)
        _logins_are_bound(speaking)
        _attacks_hold(speaking)
    finally:
        speaking.run("down", "one", "--no-keep", code=None)
        assert server_of(speaking).status == "running"
        speaking.run("down", "two", "--no-keep", code=None)
    assert not names(speaking)
    gone = speaking.json("show", "two")["certificate"]["gone"]
    assert {"kind": "endpoint", "name": f"shared replica on sandbox-{other['id']}"} in gone


def _nobody_writes(home: Home) -> None:
    """Neither the login nor, from the server's own container, its superuser."""
    server = server_of(home)
    for sql in (
        "INSERT INTO core.consents SELECT * FROM core.consents LIMIT 1",
        "CREATE TEMP TABLE t (x int)",
        "CREATE ROLE x SUPERUSER",
        "BEGIN READ WRITE",
    ):
        ran = server.exec_run([*SQL, "-c", sql], user="10002:10002")
        assert ran.exit_code, sql
        assert b"ERROR" in ran.output, ran.output
    assert server.attrs["HostConfig"]["Sysctls"] == {"net.ipv4.ip_forward": "0"}


def _logins_are_bound(home: Home) -> None:
    """A login is good only from the network of the sandbox that it was given."""
    (own, foreign) = (
        json.loads(home.run("exec", name, "--", "cat", "/run/sandbox/replica.json"))
        for name in ("one", "two")
    )
    stolen = foreign | {"host": own["host"]}
    assert inside(home, "one", ENTER, json.dumps(own)) == "let in"
    assert inside(home, "one", ENTER, json.dumps(stolen)) == "28000"


def _attacks_hold(home: Home) -> None:
    said = home.json("verify", "one")
    fallen = [check for check in said["checks"] if not check["held"]]
    assert not fallen
    about = [check["name"] for check in said["checks"] if check["about"] == "replica"]
    assert {"insert", "promote it", "COPY to a program", "log in as superuser"} <= set(about)


def test_stopped_and_lost_it_comes_back(speaking: Home) -> None:
    speaking.run("up", "lost", *UP)
    try:
        speaking.run("freeze", "lost", "--reason", "A look at it")
        server_of(speaking).remove(force=True)
        speaking.run("resume", "lost")
        assert inside(speaking, "lost", READ, "SELECT 1 AS one") == "[(1,)]"
        server_of(speaking).remove(force=True)
        assert speaking.reaped() == ["mend-replica"]
        assert inside(speaking, "lost", READ, "SELECT 1 AS one") == "[(1,)]"
    finally:
        speaking.run("down", "lost", "--no-keep", code=None)
    assert not names(speaking)


def test_a_reset_follows_to_newer_data(speaking: Home) -> None:
    old = speaking.json("up", "followed", *UP)["replica"]
    newest = speaking.json("snapshot", "build", "core")["snapshot"]
    try:
        speaking.run("reset", "followed", "--latest")
        assert inside(speaking, "followed", READ, "SELECT 1 AS one") == "[(1,)]"
        assert {f"{newest['volume']}-server"} == {
            line.split()[-1] for line in names(speaking) if line.startswith("container")
        }
    finally:
        speaking.run("down", "followed", "--no-keep", code=None)
        speaking.run("snapshot", "rm", newest["id"])
    assert not names(speaking)
    assert f"volume {old['volume']}-postgres" in speaking.listing()


def kill_while_filling(home: Home) -> None:
    process = home.start("up", "cut-off", *UP)
    try:
        limit = time.monotonic() + 60
        while not names(home):
            assert time.monotonic() < limit
            time.sleep(0.05)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    home.settle()


def test_killed_while_it_is_filled_nothing_of_it_stays(speaking: Home) -> None:
    for _ in range(3):
        newest = speaking.json("snapshot", "build", "core")["snapshot"]
        before = speaking.listing()
        kill_while_filling(speaking)
        # On a busy machine it may have been filled by the time of the kill; then it stays.
        if not speaking.json("plan", "cut-off", *UP)["postgres"]["filled"]:
            break
    assert {line for line in speaking.listing() if newest["volume"] in line} == {
        line for line in before if newest["volume"] in line
    }
    speaking.run("snapshot", "rm", newest["id"])
    assert not [line for line in speaking.listing() if newest["volume"] in line]


def test_every_type_arrives_as_it_should(speaking: Home, run_id: str) -> None:
    """Types that a source may have, and names that need quotes, in a cluster of the test's own."""
    with Trial(speaking, run_id) as trial:
        told = trial.fill(TYPES)
        assert told.code == 0, told.out
        trial.stand_by()
        found = trial.ask(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
            "WHERE attrelid = 'core.\"all ''types'' 表\"'::regclass AND attnum > 0"
        )
        assert dict(line.split("|") for line in found) == {n: t for n, _, t, _ in KINDS}
        for name, _, _, value in KINDS:
            quoted = name.replace('"', '""')
            (said,) = trial.ask(f'SELECT "{quoted}"::text FROM core."all \'types\' 表"')
            assert said == value, name
        assert trial.ask("SELECT count(*) FROM core.empty") == ["0"]
        assert trial.ask("SELECT count(*) FROM pg_indexes WHERE schemaname = 'core'") == ["1"]


def test_no_login_keeps_a_shared_server_busy_for_long(speaking: Home, run_id: str) -> None:
    """Also one that sets its own limit aside, as any login can."""
    with Trial(speaking, run_id) as trial:
        assert trial.fill(("CREATE TABLE empty (a INTEGER)",)).code == 0
        trial.stand_by(longest="1 second")
        assert trial.as_reader("SELECT count(*) FROM core.empty").code == 0
        began = time.monotonic()
        ran = trial.as_reader("SET statement_timeout = 0; SELECT pg_sleep(120)")
        assert ran.code
        assert b"terminating connection" in ran.err
        assert time.monotonic() - began < 60


# Name, DuckDB's expression, PostgreSQL's type, and the value as PostgreSQL says it.
KINDS = (
    ("yes", "true", "boolean", "true"),
    ("tiny", "1::TINYINT", "smallint", "1"),
    ("whole", "9223372036854775807", "bigint", "9223372036854775807"),
    ("huge", "-5::HUGEINT", "numeric(38,0)", "-5"),
    ("exact", "1234567.89::DECIMAL(12,2)", "numeric(12,2)", "1234567.89"),
    ("nan", "'NaN'::DOUBLE", "double precision", "NaN"),
    ("endless", "'-infinity'::DOUBLE", "double precision", "-Infinity"),
    ("text 表 \"q\"", "'日本語 🎌 ｆｕｌｌ \"q\" ''x'''", "character varying",
     "日本語 🎌 ｆｕｌｌ \"q\" 'x'"),
    ("zero byte", "'a' || chr(0) || 'b'", "character varying", "ab"),
    ("bytes", "'\\xAA\\x00'::BLOB", "bytea", "\\xaa00"),
    ("day", "DATE '2026-11-23'", "date", "2026-11-23"),
    ("never", "'infinity'::DATE", "date", "infinity"),
    ("at", "TIMESTAMP '2026-11-23 10:00:00.123456'", "timestamp without time zone",
     "2026-11-23 10:00:00.123456"),
    ("there", "TIMESTAMPTZ '2026-11-23 10:00:00+09'", "timestamp with time zone",
     "2026-11-23 01:00:00+00"),
    ("id", "'c9a646d3-9c61-4cb7-bfcd-ee2522c8f633'::UUID", "uuid",
     "c9a646d3-9c61-4cb7-bfcd-ee2522c8f633"),
    ("mood", "'ok'::mood", "character varying", "ok"),
    ("many", "[1, 2, NULL]", "integer[]", "{1,2,NULL}"),
    ("words", "['a', 'b,\"c', NULL]", "character varying[]", '{a,"b,\\"c",NULL}'),
    ("nested", "[[1, 2], [3]]", "json", "[[1,2],[3]]"),
    ("parts", "{'a': 1, 'b': 'x'}", "json", '{"a":1,"b":"x"}'),
    ("document", "'{\"a\": 1}'::JSON", "json", '{"a": 1}'),
    ("nothing", "NULL::INTEGER", "integer", ""),
)  # fmt: skip
TYPES = (
    "CREATE TYPE mood AS ENUM ('sad', 'ok')",
    "CREATE TABLE \"all 'types' 表\" AS SELECT "
    + ", ".join(f'{sql} AS "{name.replace(chr(34), chr(34) * 2)}"' for name, sql, _, _ in KINDS),
    'CREATE TABLE empty (a INTEGER, "user" VARCHAR)',
)


def test_a_value_that_postgresql_cannot_hold_is_told_by_its_place(
    speaking: Home, run_id: str
) -> None:
    too_large = "'170141183460469231731687303715884105727'::HUGEINT"
    with Trial(speaking, run_id) as trial:
        told: Ran = trial.fill((f"CREATE TABLE t AS SELECT {too_large} AS x",))
        assert told.code == 1
        assert rows_of(told) == {}
        assert b"the table t cannot be copied" in told.out
        assert b"17014118" not in told.out + told.err
