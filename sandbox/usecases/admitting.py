"""Whether a sandbox that stands still may run again: by quotas, by the disk, by its own limit."""

from sandbox.core.disk import over_limit
from sandbox.core.errors import Conflict
from sandbox.core.judged import StartKind
from sandbox.core.lifecycle import Sandbox
from sandbox.core.ports import Context, Transaction
from sandbox.usecases.disk import check_floor
from sandbox.usecases.recording import record
from sandbox.usecases.wishes import decide_start, raise_denial


def admit_start(context: Context, wanted: Sandbox, kind: StartKind) -> None:
    """Raise Unavailable below the disk's floor, Denied (on record) where quotas leave no room."""
    check_floor(context, wanted.name)
    with context.registry.writing() as tx:
        decision = decide_start(context, tx, wanted, kind)
        if decision.verdict == "deny":
            said = decision.model_dump(mode="json")
            record(context, tx, "sandbox.start-denied", wanted.name, id=wanted.id, decision=said)
    raise_denial(wanted.name, decision)


def admit_within(context: Context, tx: Transaction, wanted: Sandbox, kind: StartKind) -> None:
    """Raise Denied if quotas leave no room any more, in the transaction in which it starts."""
    raise_denial(wanted.name, decide_start(context, tx, wanted, kind))


def refuse_overfull(wanted: Sandbox) -> None:
    """Raise Conflict if it holds more than it may: the reaper would freeze it again at once."""
    if full := over_limit(wanted):
        raise Conflict(
            f"It would be frozen again: {full}.",
            subject=wanted.name,
            hint=f"Give it room to clean up: {wanted.resume_command}",
            details={"disk_mb": wanted.disk_mb, "used_mb": wanted.used_mb},
        )
