"""Audit: list events, verify the chain."""

from datetime import datetime
from typing import Any

from sandbox.core.audit import Break, Head, first_break
from sandbox.core.ports import Context
from sandbox.core.values import Request, Result, Value
from sandbox.usecases.desk import answers
from sandbox.usecases.duties import duties_in_short


class EventView(Value):
    """One event as people and programs read it."""

    seq: int
    at: datetime
    code: str
    actor: str
    identity: str
    subject: str
    reason: str
    details: dict[str, Any]
    hash: str


class AuditListResult(Result):
    """Events in order."""

    events: tuple[EventView, ...]


class AuditListRequest(Request[AuditListResult]):
    """Ask for events: of one subject, and at most the `last` ones (0: all)."""

    subject: str = ""
    last: int = 50


class AuditVerifyResult(Result):
    """Whether the chain holds.

    `last` is what to keep elsewhere. `warnings` say what this verdict cannot prove.
    """

    events: int
    last: Head | None
    holds: bool
    broken: Break | None
    warnings: tuple[str, ...]


class AuditVerifyRequest(Request[AuditVerifyResult]):
    """Ask whether the record is whole."""


@answers(AuditListRequest)
def list_events(context: Context, request: AuditListRequest) -> AuditListResult:
    """Return events in order."""
    with context.registry.reading() as tx:
        stored = tx.events(subject=request.subject or None, last=request.last or None)
    return AuditListResult(
        events=tuple(EventView(seq=e.seq, hash=e.hash, **e.read().model_dump()) for e in stored)
    )


@answers(AuditVerifyRequest)
def verify(context: Context, request: AuditVerifyRequest) -> AuditVerifyResult:
    """Recompute the whole chain from the stored bytes."""
    with context.registry.reading() as tx:
        head = tx.head()
        count, broken = first_break(tx.chain(), head)
    return AuditVerifyResult(
        events=count,
        last=head,
        holds=broken is None,
        broken=broken,
        warnings=(
            f"{duties_in_short(context)} Whoever owns this home can rewrite the whole chain; keep "
            "a copy of the last hash elsewhere.",
        ),
    )
