"""A phase for every state, as tests need them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from sandbox.core.phases import Phase, State

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
_CERTIFICATE = {
    "sandbox": "a1",
    "name": "spring-coupon",
    "owner": "anna",
    "at": NOON,
    "by": "anna",
    "why": "done",
    "gone": ({"kind": "volume", "name": "sandbox-a1-work"},),
}
PATTERN = {
    "template": "d" * 64,
    "snapshot": "core@2026-11-23.1",
    "rules": "r" * 64,
    "parameters": {"bins": 5},
    "parts": {"tool": {"image": "segment-rfm:1", "memory_mb": 512, "cpus": 1.0, "pids": 128}},
    "version": "0.1.0",
}
_OWN: dict[State, dict[str, Any]] = {
    State.AWAITING_APPROVAL: {"until": NOON + timedelta(days=7), "roles": ("it",)},
    State.POOLED: {"pattern": PATTERN},
    State.FROZEN: {"by": "it", "reason": "looked odd"},
    State.REMOVING: {"by": "anna", "why": "done"},
    State.DESTROYED: {"certificate": _CERTIFICATE},
    State.FAILED: {"why": "The engine went away."},
}
_ADAPTER: TypeAdapter[Phase] = TypeAdapter(Phase)


def phase(state: State, since: datetime = NOON) -> Phase:
    """Return a phase of `state` with everything that belongs to it."""
    return _ADAPTER.validate_python({"state": state, "since": since, **_OWN.get(state, {})})
