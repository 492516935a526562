"""Where a build must stop: logins that write, sources that fail, masks that cannot be, Ctrl-C.

See conftest.py.
"""

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

import pytest

from sandbox.core.errors import Conflict, Denied, InvalidInput, Unavailable
from sandbox.drivers.sources.mixing import rough_of
from sandbox.drivers.sources.reader import CoreReader
from tests.docker.source_samples import KEY, NAP, SHIPPED, Told, build, changed, source_of

pytestmark = pytest.mark.docker


@pytest.mark.parametrize(
    ("there", "back", "could", "undo"),
    [
        ("ALTER ROLE core_reader SUPERUSER", "ALTER ROLE core_reader NOSUPERUSER",
         "SUPERUSER", "ALTER ROLE core_reader NOSUPERUSER;"),
        ("ALTER ROLE core_reader BYPASSRLS", "ALTER ROLE core_reader NOBYPASSRLS",
         "BYPASSRLS", "ALTER ROLE core_reader NOBYPASSRLS;"),
        ("GRANT INSERT, DELETE ON purchases TO core_reader",
         "REVOKE INSERT, DELETE ON purchases FROM core_reader", "DELETE, INSERT on table",
         "REVOKE DELETE, INSERT ON TABLE public.purchases FROM core_reader;"),
        ("GRANT TRUNCATE ON consents TO PUBLIC", "REVOKE TRUNCATE ON consents FROM PUBLIC",
         "TRUNCATE on table", "REVOKE TRUNCATE ON TABLE public.consents FROM PUBLIC;"),
        ("GRANT UPDATE (note) ON customers TO core_reader",
         "REVOKE UPDATE (note) ON customers FROM core_reader", "UPDATE on table",
         "REVOKE UPDATE (note) ON TABLE public.customers FROM core_reader;"),
        ("GRANT CREATE ON SCHEMA public TO PUBLIC", "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
         "CREATE on schema", "REVOKE CREATE ON SCHEMA public FROM PUBLIC;"),
        ("GRANT CREATE ON DATABASE core TO core_reader",
         "REVOKE CREATE ON DATABASE core FROM core_reader",
         "CREATE on database", "REVOKE CREATE ON DATABASE core FROM core_reader;"),
        ("GRANT pg_write_all_data TO core_reader", "REVOKE pg_write_all_data FROM core_reader",
         "pg_write_all_data", "REVOKE pg_write_all_data FROM core_reader;"),
        ("GRANT pg_execute_server_program TO core_reader",
         "REVOKE pg_execute_server_program FROM core_reader",
         "pg_execute_server_program", "REVOKE pg_execute_server_program FROM core_reader;"),
        ("ALTER TABLE consents OWNER TO core_reader", "ALTER TABLE consents OWNER TO postgres; "
         "GRANT SELECT ON consents TO core_reader",
         "table consents", "REASSIGN OWNED BY core_reader TO CURRENT_USER;"),
        # What it could become counts, though NOINHERIT makes it no right of its own yet.
        ("CREATE ROLE clerk; GRANT UPDATE ON customers TO clerk; GRANT clerk TO core_reader; "
         "ALTER ROLE core_reader NOINHERIT",
         "ALTER ROLE core_reader INHERIT; REVOKE UPDATE ON customers FROM clerk; DROP ROLE clerk",
         "UPDATE on table", "REVOKE UPDATE ON TABLE public.customers FROM clerk;"),
        ("CREATE SEQUENCE counter; GRANT USAGE ON SEQUENCE counter TO core_reader",
         "DROP SEQUENCE counter", "USAGE on sequence",
         "REVOKE USAGE ON SEQUENCE public.counter FROM core_reader;"),
    ],
)  # fmt: skip
def test_login_that_could_write_is_denied(
    demo_core: Any, tmp_path: Path, there: str, back: str, could: str, undo: str
) -> None:
    source = source_of(demo_core)
    with changed(demo_core, there, back):
        for attempt in (
            lambda: CoreReader(Path()).columns(source, demo_core.password),
            lambda: build(demo_core, tmp_path / "x.duckdb"),
        ):
            with pytest.raises(Denied) as caught:
                attempt()
            assert could in caught.value.message
            assert undo in caught.value.hint
            assert undo in caught.value.details["undo"]
    assert list(tmp_path.iterdir()) == []
    assert "customers" in CoreReader(Path()).columns(source, demo_core.password)


def test_wrong_password_says_where_and_never_what(demo_core: Any, tmp_path: Path) -> None:
    password = "geheim'\"\\ 秘密"
    with pytest.raises(Unavailable) as caught:
        CoreReader(Path()).copy(source_of(demo_core), password, KEY, tmp_path / "x.duckdb", Told())
    error = caught.value
    place = f"{demo_core.user}@{demo_core.host}:{demo_core.port}/{demo_core.database}"
    assert place in error.subject
    told = [error.message, error.subject, error.hint, repr(error.details)]
    told += traceback.format_exception(error)
    cause = error.__context__
    told += [str(cause), repr(cause)]
    assert not [text for text in told if "geheim" in text or "秘密" in text]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"host": "nowhere.invalid"}, "could not|not known|resolve"),
        ({"database": "nothing"}, "refuses the connection: .*nothing"),
        ({"user": "nobody"}, "refuses"),
    ],
)
def test_source_that_is_not_there_is_unavailable(
    demo_core: Any, change: dict[str, Any], says: str
) -> None:
    with pytest.raises(Unavailable, match=says) as caught:
        CoreReader(Path()).columns(source_of(demo_core, **change), demo_core.password)
    assert next(iter(change.values())) in caught.value.subject
    assert caught.value.hint


@pytest.mark.parametrize("listens", [False, True])
def test_port_that_refuses_or_never_answers_is_unavailable_soon(
    demo_core: Any, listens: bool
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if listens:
            silent.listen()
        source = source_of(demo_core, host="127.0.0.1", port=silent.getsockname()[1])
        started = time.monotonic()
        with pytest.raises(Unavailable, match="timeout expired" if listens else "refused"):
            CoreReader(Path()).columns(source, "pw")
        assert time.monotonic() - started < 9


def test_table_that_may_not_be_read_is_named_as_such(demo_core: Any, tmp_path: Path) -> None:
    with (
        changed(
            demo_core,
            "REVOKE SELECT ON consents FROM core_reader",
            "GRANT SELECT ON consents TO core_reader",
        ),
    ):
        for attempt in (
            lambda: CoreReader(Path()).columns(source_of(demo_core), demo_core.password),
            lambda: build(demo_core, tmp_path / "x.duckdb"),
        ):
            with pytest.raises(Unavailable, match="may not read") as caught:
                attempt()
            assert caught.value.details["hidden"] == ["consents"]
            assert 'GRANT SELECT ON "public"."consents" TO "core_reader";' in caught.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dropped", [True, False])
def test_a_right_on_the_columns_that_are_copied_is_enough(
    demo_core: Any, tmp_path: Path, dropped: bool
) -> None:
    """Not on the whole table, by which rows of a table once counted are asked for by their place.

    With or without the dropped columns: a right on each column is none on the table.
    """
    rules = source_of(demo_core).tables["customers"].columns
    copied = ", ".join(c for c, rule in rules.items() if dropped or rule.mask.method != "drop")
    with changed(
        demo_core,
        "ANALYZE customers; REVOKE SELECT ON customers FROM core_reader; "
        f"GRANT SELECT ({copied}) ON customers TO core_reader",
        f"REVOKE SELECT ({copied}) ON customers FROM core_reader; "
        "GRANT SELECT ON customers TO core_reader",
    ):
        built = build(demo_core, tmp_path / "x.duckdb")
    assert {t.name: t.rows for t in built.tables}["customers"] == 23_570


def interrupt_at(phase: str, told: Told) -> None:
    """Send Ctrl-C to this process as soon as `told` speaks of `phase`; gives up after a minute."""
    until = time.monotonic() + 60
    while time.monotonic() < until and not (told.rows and phase in told.rows[-1][0]):
        time.sleep(0.05)
    time.sleep(0.3)
    told.interrupted = time.monotonic()
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(
    ("volatility", "phase"),
    # The server must evaluate a volatile column to count rows, a stable one only to copy them.
    [("VOLATILE", "counting its rows"), ("STABLE", "slow: ")],
)
def test_interrupt_ends_the_build_at_once_and_leaves_nothing(
    demo_core: Any, tmp_path: Path, volatility: str, phase: str
) -> None:
    keep = {"class": "public", "mask": "keep"}
    source = source_of(demo_core, {"slow": {"id": keep, "pad": keep}})
    told = Told()
    with changed(demo_core, NAP.format(volatility), "DROP VIEW slow; DROP FUNCTION nap"):
        watcher = threading.Thread(target=interrupt_at, args=(phase, told))
        watcher.start()
        try:
            with pytest.raises(KeyboardInterrupt):
                CoreReader(Path()).copy(
                    source, demo_core.password, KEY, tmp_path / "x.duckdb", told
                )
            ended = time.monotonic()
        finally:
            watcher.join()
        assert ended - told.interrupted < 4
        # The core system works for nobody any more: no query of ours goes on there.
        sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'core_reader'"
        until = time.monotonic() + 5
        while demo_core.psql(sessions).strip() != "0" and time.monotonic() < until:
            time.sleep(0.1)
        assert demo_core.psql(sessions).strip() == "0"
    assert phase in told.rows[-1][0]
    assert list(tmp_path.iterdir()) == []


def test_source_that_goes_away_is_unavailable_and_leaves_nothing(
    demo_core: Any, tmp_path: Path
) -> None:
    keep = {"class": "public", "mask": "keep"}
    source = source_of(demo_core, {"slow": {"id": keep, "pad": keep}})
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'core_reader'"
    with changed(demo_core, NAP.format("STABLE"), "DROP VIEW slow; DROP FUNCTION nap"):
        timer = threading.Timer(2.0, demo_core.psql, [end])
        timer.start()
        try:
            with pytest.raises(Unavailable, match="stopped answering") as caught:
                build(demo_core, tmp_path / "x.duckdb", source)
        finally:
            timer.join()
    assert caught.value.subject.startswith("core (core_reader@")
    assert list(tmp_path.iterdir()) == []


KILLED = """
import sys
from pathlib import Path
from sandbox.core.source import Source
from sandbox.drivers.sources.reader import CoreReader
class Quiet:
    def say(self, *told): print(*told, flush=True)
source = Source.model_validate_json(sys.argv[1])
CoreReader(Path()).copy(source, sys.argv[2], bytes(32), Path(sys.argv[3]), Quiet())
"""


def test_build_whose_command_is_killed_leaves_nothing(demo_core: Any, tmp_path: Path) -> None:
    keep = {"class": "public", "mask": "keep"}
    source = source_of(demo_core, {"slow": {"id": keep, "pad": keep}})
    target = tmp_path / "x.duckdb"
    with changed(demo_core, NAP.format("STABLE"), "DROP VIEW slow; DROP FUNCTION nap"):
        build = subprocess.Popen(
            [sys.executable, "-c", KILLED, source.model_dump_json(by_alias=True),
             demo_core.password, str(target)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(SHIPPED.parents[2])},
        )  # fmt: skip
        with build:
            assert build.stdout is not None
            while b"slow: " not in build.stdout.readline():
                pass
            assert rough_of(target).exists()
            build.kill()
        until = time.monotonic() + 5
        while list(tmp_path.iterdir()) and time.monotonic() < until:
            time.sleep(0.05)
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_said_and_leaves_nothing(demo_core: Any, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(Unavailable, match="disk is full") as caught:
            build(demo_core, tmp_path / "x.duckdb")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "snapshot rm" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_file_that_exists_is_not_touched(demo_core: Any, tmp_path: Path) -> None:
    target = tmp_path / "x.duckdb"
    target.write_text("mine")
    with pytest.raises(Conflict):
        build(demo_core, target)
    assert target.read_text() == "mine"


def test_key_that_is_no_key_builds_nothing(demo_core: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        build(demo_core, tmp_path / "x.duckdb", key=b"")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("column", "mask", "says"),
    [
        ("note text", {"method": "generalise", "to": "year"}, "needs a date"),
        ("note numeric", {"method": "hmac"}, "needs exact values"),
        ("note float8", "mail", "needs exact values"),
    ],
)
def test_mask_that_does_not_fit_the_live_type_is_refused(
    demo_core: Any, tmp_path: Path, column: str, mask: Any, says: str
) -> None:
    source = source_of(demo_core, {"odd": {"note": {"class": "internal", "mask": mask}}})
    with (
        changed(
            demo_core,
            f"CREATE TABLE odd ({column}); GRANT SELECT ON odd TO core_reader",
            "DROP TABLE odd",
        ),
        pytest.raises(InvalidInput, match=says) as caught,
    ):
        build(demo_core, tmp_path / "x.duckdb", source)
    assert caught.value.subject == "odd.note"
    assert list(tmp_path.iterdir()) == []
