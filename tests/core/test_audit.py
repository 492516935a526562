import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from pydantic import ValidationError

from sandbox.core.audit import FIRST, AuditEvent, Head, NewEvent, chained, first_break, link
from tests.phases import NOON

Row = tuple[int, str, str, str]


def an_event(**changes: Any) -> NewEvent:
    values: dict[str, Any] = {
        "code": "sandbox.ready",
        "at": NOON,
        "actor": "anna",
        "identity": "os-user",
        "subject": "spring-coupon",
        "reason": '春のクーポン "50% off [/coupon]"\n',
        "details": {"b": [1, 2.5, None], "a": {"z": True}},
    }
    return NewEvent.model_validate(values | changes)


def a_chain(count: int) -> list[Row]:
    rows: list[Row] = []
    last: AuditEvent | None = None
    for number in range(count):
        last = chained(an_event(details={"number": number}), last)
        rows.append((last.seq, last.prev, last.hash, last.body))
    return rows


def head_of(rows: list[Row]) -> Head:
    return Head(seq=rows[-1][0], hash=rows[-1][2])


def test_the_first_event_follows_nothing() -> None:
    first = chained(an_event(), None)
    assert (first.seq, first.prev) == (1, FIRST)
    second = chained(an_event(), first)
    assert (second.seq, second.prev) == (2, first.hash)
    assert second.hash != first.hash


def test_the_hash_is_what_anybody_can_recompute() -> None:
    event = chained(an_event(), None)
    text = f"1\n{'0' * 64}\n{event.body}"
    assert event.hash == hashlib.sha256(text.encode("utf-8")).hexdigest()
    assert event.hash == link(1, FIRST, event.body)


def test_the_body_reads_back_and_is_written_one_way_only() -> None:
    event = chained(an_event(), None)
    assert event.read() == an_event()
    again = chained(an_event(details={"a": {"z": True}, "b": [1, 2.5, None]}), None)
    assert again == event
    assert list(json.loads(event.body)) == sorted(json.loads(event.body))
    assert "春のクーポン" in event.body
    assert "\n" not in event.body


@pytest.mark.parametrize(
    "changes",
    [{"at": datetime(2026, 11, 23)}, {"at": None}, {"why": "an unknown field"}, {"actor": 7}],
)
def test_an_event_must_be_whole(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        an_event(**changes)


@pytest.mark.parametrize("count", [1, 50])
def test_an_untouched_chain_holds(count: int) -> None:
    rows = a_chain(count)
    assert first_break(iter(rows), head_of(rows)) == (count, None)


def _edit(position: int, column: int, value: Any) -> Callable[[list[Row]], list[Row]]:
    def tamper(rows: list[Row]) -> list[Row]:
        row: list[Any] = list(rows[position])
        row[column] = value
        return [*rows[:position], (row[0], row[1], row[2], row[3]), *rows[position + 1 :]]

    return tamper


def _rewritten(rows: list[Row]) -> list[Row]:
    seq, prev, _, body = rows[3]
    body = body.replace("anna", "eve")
    return [*rows[:3], (seq, prev, link(seq, prev, body), body), *rows[4:]]


def _swapped(rows: list[Row]) -> list[Row]:
    one, two = rows[3], rows[4]
    return [*rows[:3], (4, *two[1:]), (5, *one[1:]), *rows[5:]]


@pytest.mark.parametrize(
    ("tamper", "holding", "seq", "why"),
    [
        (_edit(3, 3, "{}"), 3, 4, "not the text that was hashed"),
        (_edit(3, 3, None), 3, 4, "not the text that was hashed"),
        (_edit(3, 2, "0" * 64), 3, 4, "not the text that was hashed"),
        (_edit(3, 1, FIRST), 3, 4, "does not follow"),
        (_edit(0, 1, "f" * 64), 0, 1, "does not follow"),
        (_edit(0, 0, 0), 0, 0, "out of order"),
        (_rewritten, 4, 5, "does not follow"),
        (_swapped, 3, 4, "does not follow"),
        (lambda rows: rows[1:], 0, 1, "event 1 is missing"),
        (lambda rows: rows[:3] + rows[4:], 3, 4, "event 4 is missing"),
        (lambda rows: rows[:5] + rows[4:], 5, 5, "out of order"),
        (lambda rows: [rows[1], rows[0], *rows[2:]], 0, 1, "event 1 is missing"),
        (lambda rows: rows[:6], 6, 7, "ends at event 6, the registry wrote 8"),
        (lambda rows: [], 0, 1, "ends at event 0, the registry wrote 8"),
        (lambda rows: [*rows, a_chain(9)[8]], 9, 10, "ends at event 9, the registry wrote 8"),
    ],
)
def test_the_first_break_is_named(
    tamper: Callable[[list[Row]], list[Row]], holding: int, seq: int, why: str
) -> None:
    rows = a_chain(8)
    count, broken = first_break(tamper(rows), head_of(rows))
    assert broken is not None
    assert (count, broken.seq) == (holding, seq)
    assert why in broken.why


def test_without_a_head_nothing_holds() -> None:
    count, broken = first_break(a_chain(3), None)
    assert count == 3
    assert broken is not None
    assert "last event is gone" in broken.why


def test_the_number_is_part_of_the_hash() -> None:
    assert link(1, FIRST, "{}") != link(2, FIRST, "{}")
    assert link(1, FIRST, "{}") != link(1, "1" * 64, "{}")
