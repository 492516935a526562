"""Audit events as the use cases write them: who and when come from the context."""

from typing import Any

from sandbox.core.audit import NewEvent
from sandbox.core.ports import Context, Transaction


def record(
    context: Context, tx: Transaction, code: str, subject: str, *, reason: str = "", **details: Any
) -> None:
    """Append an event to the chain, in the transaction of the change that it tells of."""
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
