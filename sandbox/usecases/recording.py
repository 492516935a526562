"""Audit events as the use cases write them: who and when come from the context."""

from typing import Any

from sandbox.core.audit import NewEvent
from sandbox.core.clock import Reading
from sandbox.core.ports import Context, Registry, Transaction

_CLOCK = "clock"


def last_reading(registry: Registry) -> Reading | None:
    """Return the clocks' reading at the last event, or None before the first."""
    with registry.reading() as tx:
        noted = tx.noted(_CLOCK)
    return None if noted is None else Reading.model_validate_json(noted)


def record(
    context: Context, tx: Transaction, code: str, subject: str, *, reason: str = "", **details: Any
) -> None:
    """Append an event to the chain, in the transaction of the change that it tells of.

    The clocks' reading is kept with it: from there time goes on, whatever the wall clock is set to.
    """
    tx.note(_CLOCK, context.reading().model_dump_json())
    tx.record(
        NewEvent(
            code=code,
            at=context.now(),
            actor=context.actor.name,
            identity=context.actor.identity,
            subject=subject,
            reason=reason,
            details=details,
        )
    )
