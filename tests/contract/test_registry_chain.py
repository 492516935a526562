"""The audit chain in the real registry: what it keeps, and what it betrays."""

import hashlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.core.audit import first_break
from sandbox.drivers.registry.store import FILE, SqlRegistry
from tests.contract.registry_samples import an_event, append, verified


def test_the_stored_bytes_are_what_was_hashed(registry: SqlRegistry, tmp_path: Path) -> None:
    with registry.writing() as transaction:
        stored = transaction.record(an_event())
    with sqlite3.connect(tmp_path / FILE) as raw:
        seq, prev, digest, body = raw.execute(
            "SELECT seq, prev, hash, CAST(body AS BLOB) FROM event"
        ).fetchone()
    raw.close()
    assert (seq, prev, digest) == (1, "0" * 64, stored.hash)
    assert hashlib.sha256(b"1\n" + b"0" * 64 + b"\n" + body).hexdigest() == digest
    assert "新しいクーポン".encode() in body
    with registry.reading() as transaction:
        assert [event.read() for event in transaction.events()] == [an_event()]


def test_events_of_a_subject_and_the_last_ones(registry: SqlRegistry) -> None:
    with registry.writing() as transaction:
        for subject in ("a", "b", "a", "b", "a"):
            transaction.record(an_event(subject))
    with registry.reading() as transaction:
        assert [e.seq for e in transaction.events()] == [1, 2, 3, 4, 5]
        assert [e.seq for e in transaction.events(last=2)] == [4, 5]
        assert [e.seq for e in transaction.events(subject="a")] == [1, 3, 5]
        assert [e.seq for e in transaction.events(subject="a", last=2)] == [3, 5]
        assert transaction.events(subject="c") == []
        assert transaction.events(last=0) == []


def test_the_chain_is_read_in_order_however_long(registry: SqlRegistry) -> None:
    with registry.writing() as transaction:
        for _ in range(2500):
            transaction.record(an_event())
        assert first_break(transaction.chain(), transaction.head()) == (2500, None)


def test_the_database_refuses_a_fork(registry: SqlRegistry, tmp_path: Path) -> None:
    append(registry, 2)
    raw = sqlite3.connect(tmp_path / FILE)
    with pytest.raises(sqlite3.IntegrityError, match=r"event\.prev"):
        raw.execute("INSERT INTO event SELECT 3, prev, 'other', body FROM event WHERE seq = 2")
    raw.close()


def _rehash(raw: sqlite3.Connection) -> None:
    ((prev, body),) = raw.execute(
        "SELECT prev, replace(body, 'anna', 'eve') FROM event WHERE seq=5"
    )
    digest = hashlib.sha256(f"5\n{prev}\n{body}".encode()).hexdigest()
    raw.execute("UPDATE event SET body = ?, hash = ? WHERE seq = 5", (body, digest))


_MAKE_ROOM = (
    "UPDATE event SET seq = -seq WHERE seq >= 5; UPDATE event SET seq = 1 - seq WHERE seq < 0;"
)
_FORGED = "SELECT {seq}, '{prev}', 'forged', body FROM event WHERE seq = 4"


@pytest.mark.parametrize(
    ("tampering", "broken"),
    [
        ("UPDATE event SET body = replace(body, 'anna', 'eve') WHERE seq = 5", 5),
        ("UPDATE event SET body = body || ' ' WHERE seq = 1", 1),
        ("UPDATE event SET hash = 'x' WHERE seq = 10", 10),
        ("DELETE FROM event WHERE seq = 5", 5),
        ("DELETE FROM event WHERE seq = 1", 1),
        ("DELETE FROM event WHERE seq BETWEEN 3 AND 9", 3),
        (
            "UPDATE event SET seq = 99 WHERE seq = 5; UPDATE event SET seq = 5 WHERE seq = 6;"
            "UPDATE event SET seq = 6 WHERE seq = 99",
            5,
        ),
        (_MAKE_ROOM + "INSERT INTO event " + _FORGED.format(seq=5, prev="forged"), 5),
        ("INSERT INTO event " + _FORGED.format(seq=11, prev="forged"), 11),
        ("INSERT INTO event " + _FORGED.format(seq=0, prev="forged"), 0),
        ("DROP INDEX event_subject; UPDATE event SET body = CAST(x'ff' AS TEXT) WHERE seq = 5", 5),
        ("UPDATE event SET body = CAST(body AS BLOB) WHERE seq = 5", 5),
        (_rehash, 6),
        ("DELETE FROM event WHERE seq = 10", 10),
        ("DELETE FROM event", 1),
        ("DELETE FROM meta WHERE key = 'head'", 11),
    ],
)
def test_tampering_is_found_at_its_event(
    registry: SqlRegistry,
    tmp_path: Path,
    tampering: str | Callable[[sqlite3.Connection], None],
    broken: int,
) -> None:
    append(registry, 10)
    assert verified(registry) == (10, None)
    raw = sqlite3.connect(tmp_path / FILE)
    if isinstance(tampering, str):
        raw.executescript(tampering)
    else:
        tampering(raw)
    raw.commit()
    raw.close()
    assert verified(registry)[1] == broken
