"""The audit chain: every event holds the hash of the one before it."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from pydantic import AwareDatetime, Field

from sandbox.core.values import Value

FIRST = "0" * 64


class NewEvent(Value):
    """Something that happened, before it is chained.

    `code` is fixed vocabulary (`sandbox.ready`), success and failure distinct. `identity` says
    how the actor was known. Times are UTC.
    """

    code: str
    at: AwareDatetime
    actor: str
    identity: str
    subject: str
    reason: str = ""
    details: dict[str, Any] = Field(default_factory=dict)


class AuditEvent(Value):
    """A stored event: `body` is the very text that was hashed."""

    seq: int
    prev: str
    hash: str
    body: str

    def read(self) -> NewEvent:
        """Return the event that `body` holds."""
        return NewEvent.model_validate_json(self.body)


class Head(Value):
    """The last event, as the registry notes it beside the chain."""

    seq: int
    hash: str


class Break(Value):
    """The first event at which the chain does not hold, and why."""

    seq: int
    why: str


def chained(event: NewEvent, last: AuditEvent | None) -> AuditEvent:
    """Return `event` as the successor of `last` (None: the first of the chain)."""
    seq, prev = (last.seq + 1, last.hash) if last else (1, FIRST)
    body = json.dumps(
        event.model_dump(mode="json"), ensure_ascii=False, sort_keys=True, separators=(",", ":")
    )
    return AuditEvent(seq=seq, prev=prev, hash=link(seq, prev, body), body=body)


def link(seq: int, prev: str, body: str) -> str:
    """Return the hash of one event: SHA-256 over number, previous hash and the stored bytes."""
    return hashlib.sha256(f"{seq}\n{prev}\n{body}".encode()).hexdigest()


def first_break(
    rows: Iterable[tuple[int, str, str, str]], head: Head | None
) -> tuple[int, Break | None]:
    """Return how many `(seq, prev, hash, body)` rows hold, and the first break if there is one.

    The chain alone does not show that its end was cut off: it must end at `head`.
    """
    expected, count = FIRST, 0
    for seq, prev, digest, body in rows:
        if seq > count + 1:
            return count, Break(seq=count + 1, why=f"event {count + 1} is missing")
        if seq <= count:
            return count, Break(seq=seq, why="its number is out of order")
        if prev != expected:
            return count, Break(seq=seq, why="it does not follow the event before it")
        if digest != link(seq, prev, body):
            return count, Break(seq=seq, why="its text is not the text that was hashed")
        expected, count = digest, seq
    if head is None:
        return count, Break(seq=count + 1, why="the registry's note of its last event is gone")
    if (count, expected) != (head.seq, head.hash):
        why = f"the chain ends at event {count}, the registry wrote {head.seq}"
        return count, Break(seq=count + 1, why=why)
    return count, None
