"""What the registry's tests save, append and check."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.core.audit import NewEvent, first_break
from sandbox.core.lease import Lease
from sandbox.core.lifecycle import Sandbox, Spec, Steps
from sandbox.core.phases import Ready
from sandbox.core.snapshot import Manifest, Snapshot, SnapshotState
from sandbox.drivers.registry.store import SqlRegistry

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def a_sandbox(id: str = "a1", **changes: Any) -> Sandbox:
    spec = Spec(
        template="segment-rfm",
        template_version="1.0.0",
        template_digest="d" * 64,
        image="segment-rfm:1",
        parameters={"segments": 5, "ratio": 0.5, "strict": True, "title": "春のクーポン"},
        purpose="Which lapsed customers react to a coupon?",
        ttl_minutes=4320,
        steps=Steps(extract="it-data", transform="it-data", analyse="anna"),
        snapshot="core@2026-11-23.1",
    )
    values = {
        "id": id,
        "name": "spring-coupon",
        "phase": Ready(since=NOON),
        "lease": Lease(owner="anna", ttl=timedelta(hours=72), started=NOON),
        "spec": spec,
        "decision": {"outcome": "allow", "rules": 12},
        "created": NOON,
        "memory_mb": 512,
        "cpus": 1.5,
    }
    return Sandbox.model_validate(values | changes)


def a_snapshot(id: str = "core@2026-11-23.1", **changes: Any) -> Snapshot:
    values = {
        "id": id,
        "source": "core",
        "state": SnapshotState.READY,
        "volume": "v",
        "created": NOON,
        "built_by": "it",
    }
    return Snapshot.model_validate(values | changes)


def a_manifest(**changes: Any) -> Manifest:
    values = {
        "source": "core",
        "data_as_of": NOON,
        "built_at": NOON,
        "tool_version": "0.1.0",
        "rules_digest": "r" * 64,
        "key_id": "k",
        "tables": (),
        "bytes": 0,
        "file_digest": "f" * 64,
    }
    return Manifest.model_validate(values | changes)


def an_event(subject: str = "a1", **changes: Any) -> NewEvent:
    values = {
        "code": "sandbox.ready",
        "at": NOON,
        "actor": "anna",
        "identity": "os-user",
        "subject": subject,
        "reason": "新しいクーポン [/x] \x1b[31m \x00",
        "details": {"ttl": "72h", "nested": {"b": 1, "a": [1.5, None, True]}},
    }
    return NewEvent.model_validate(values | changes)


def append(registry: SqlRegistry, count: int, subject: str = "a1", filling: str = "") -> None:
    """Append events, each in a transaction of its own, numbered from 0."""
    for number in range(count):
        with registry.writing() as transaction:
            transaction.record(an_event(subject, details={"number": number, "filling": filling}))


def verified(registry: SqlRegistry) -> tuple[int, int | None]:
    """Return how many events hold and the number of the first that does not."""
    with registry.reading() as transaction:
        count, broken = first_break(transaction.chain(), transaction.head())
    return count, broken.seq if broken else None
