"""What a connection that failed means: refused by the server, or not answered at all."""

from pathlib import Path

import pytest

from sandbox.core.errors import InvalidInput, Unavailable
from sandbox.core.source import Source
from sandbox.drivers.catalogue.new_home import demo_source
from sandbox.drivers.sources.connection import connected
from sandbox.drivers.sources.failures import login_error, reading_error
from sandbox.drivers.sources.gate import Known
from sandbox.drivers.sources.kinds import dialect_of
from sandbox.drivers.sources.stream import Meter
from sandbox.drivers.sources.worker import judged
from tests.reading import load_as

SOURCE = load_as(Source, "sources/core.yaml", demo_source(5432).encode())
WHERE = dialect_of(SOURCE, Path()).place()
CALLED = 'IO Error: Unable to connect to Postgres at "dbname=core": '
AT = 'connection to server at "127.0.0.1", port 5432 failed: '


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            'FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "x", database "y"',
            "pg_hba.conf",
        ),
        ('FATAL:  database "nothing" does not exist', 'database "nothing" does not exist'),
        ('FATAL:  role "nobody" does not exist', 'role "nobody" does not exist'),
        ('FATAL:  permission denied for database "core"', "permission denied"),
        ('FATAL:  role "x" is not permitted to log in', "not permitted to log in"),
        ('FATAL:  データベース"x"は存在しません', "存在しません"),
    ],
)
def test_a_server_that_answered_and_refused_is_told_as_that(said: str, words: str) -> None:
    error = login_error(SOURCE.name, WHERE, CALLED + AT + said, "secret")
    assert error.message.startswith("The source refuses the connection")
    assert words in error.message
    for place in ("database", "user", "pg_hba.conf"):
        assert place in error.hint
    assert "running" not in error.hint


def test_a_schema_that_is_not_there_is_told_as_that() -> None:
    said = (
        'Failed to prepare query "SELECT 1": ERROR:  schema "nope" does not exist\nLINE 1: SELECT'
    )
    error = reading_error(SOURCE.name, WHERE, ValueError(said))
    assert isinstance(error, InvalidInput)
    assert "schema" in error.message
    assert "schema" in error.hint


@pytest.mark.parametrize(
    "said",
    [
        "Connection refused\n\tIs the server running on that host and accepting connections?",
        "timeout expired",
        "server closed the connection unexpectedly",
        # It answered, but no login of anybody would help: it is not ready.
        "FATAL:  the database system is starting up",
        "FATAL:  the database system is shutting down",
        "FATAL:  sorry, too many clients already",
    ],
)
def test_a_server_that_does_not_serve_is_told_as_that(said: str) -> None:
    error = login_error(SOURCE.name, WHERE, CALLED + AT + said, "secret")
    assert error.message.startswith("The source does not answer")
    assert "running and reachable" in error.hint


def test_a_wrong_password_is_told_without_it() -> None:
    said = CALLED + AT + 'FATAL:  password authentication failed for user "core_reader"'
    error = login_error(SOURCE.name, WHERE, said, "secret")
    assert "user or password is wrong" in error.message
    leaking = CALLED + AT + 'FATAL:  database "secret" does not exist'
    assert "secret" not in login_error(SOURCE.name, WHERE, leaking, "secret").message


def test_a_gate_that_fails_is_not_told_as_the_sources_fault(tmp_path: Path) -> None:
    broken = tmp_path / "core.duckdb"
    broken.write_bytes(b"no database at all" * 1000)
    with pytest.raises(Unavailable, match="leak gate failed") as raised:
        judged(connected(), broken, SOURCE, Known(), Meter(lambda *_: None))
    assert raised.value.subject == "core"
    assert "Nothing was published" in raised.value.hint
