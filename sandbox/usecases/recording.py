"""Audit events as the use cases write them: who and when come from the context."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from sandbox.core.audit import NewEvent
from sandbox.core.clock import Reading
from sandbox.core.errors import Conflict, SandboxError
from sandbox.core.lifecycle import Sandbox
from sandbox.core.phases import Action, Failed, State
from sandbox.core.ports import Actor, Context, Registry, Transaction
from sandbox.core.rules import note_of
from sandbox.core.snapshot import Snapshot
from sandbox.core.text import clean

_CLOCK = "clock"


def why_it_ended(error: BaseException) -> str:
    """Return the reason that the record keeps of what `error` ended."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted (Ctrl-C)"
    return clean(error.message) if isinstance(error, SandboxError) else type(error).__name__


def now_of(tx: Transaction, sandbox: Sandbox) -> Sandbox | None:
    """Return the record as it is in this transaction; None if another has its name."""
    current = tx.sandbox(sandbox.name)
    return current if current and current.id == sandbox.id else None


def still(tx: Transaction, sandbox: Sandbox) -> Sandbox:
    """Return the record as it is in this transaction; raises Conflict if another has its name."""
    if current := now_of(tx, sandbox):
        return current
    raise Conflict("The sandbox was taken away just now.", subject=sandbox.name)


def check_same_data(tx: Transaction, sandbox: Sandbox) -> None:
    """Raise Conflict if the sandbox is not the one looked at, or sees another snapshot by now."""
    if still(tx, sandbox).snapshots != sandbox.snapshots:
        raise Conflict("The sandbox was reset just now.", subject=sandbox.name, hint="Try again.")


def snapshots_of(context: Context, sandbox: Sandbox) -> tuple[Snapshot | None, ...]:
    """Return the snapshots that a sandbox saw before a reset, and last the one that it sees."""
    with context.registry.reading() as tx:
        return tuple(map(tx.snapshot, (*sandbox.former, sandbox.spec.snapshot)))


def committed(context: Context, sandbox: Sandbox, state: State) -> bool:
    """Say whether `state` was committed: what ends us right after it comes too late."""
    with context.registry.reading() as tx:
        current = now_of(tx, sandbox)
    return current is not None and current.state is state


def write_failed(context: Context, tx: Transaction, current: Sandbox, why: str) -> None:
    """Write that `current` was never ready; everything that was made of it must be gone."""
    now = context.now()
    tx.save_sandbox(current.moved(Action.FAIL, Failed(since=now, why=why), now))
    tx.forget_journal(current.id)
    record(context, tx, "sandbox.failed", current.name, reason=why, id=current.id)


def as_reaper(context: Context) -> Context:
    """Return `context` with the reaper as actor, for what it decides by itself."""
    by = context.actor
    return replace(context, actor=Actor("system", f"the reaper, run by {by.name}"))


def last_reading(registry: Registry) -> Reading | None:
    """Return the clocks' reading at the last event, or None before the first."""
    with registry.reading() as tx:
        noted = tx.noted(_CLOCK)
    return None if noted is None else Reading.model_validate_json(noted)


def about(tx: Transaction, name: str) -> Iterator[tuple[int, NewEvent]]:
    """Yield the events about that subject with their numbers, the newest first, and then those
    about snapshots of a source of that name."""
    yield from ((event.seq, event.read()) for event in reversed(tx.events(subject=name)))
    # Few of all that was recorded name it, so few are read.
    named = (event for event in reversed(tx.events()) if f'"{name}@' in event.body)
    read = ((event.seq, event.read()) for event in named)
    yield from (each for each in read if each[1].subject.startswith(f"{name}@"))


def record(
    context: Context, tx: Transaction, code: str, subject: str, *, reason: str = "", **details: Any
) -> None:
    """Append an event to the chain, in the transaction of the change that it tells of.

    The clocks' reading is kept with it: from there time goes on, whatever the wall clock is set to.
    With a decision, the rules that it was made by are kept too, once.
    """
    if isinstance(decision := details.get("decision"), Mapping):
        _keep_rules(context, tx, str(decision.get("policy_digest", "")))
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


def _keep_rules(context: Context, tx: Transaction, digest: str) -> None:
    """Keep the rules with this digest, so that what they decided can be judged again.

    They are those of the files, unless somebody edited these just now: then `policy explain` says
    that the rules of that decision are not kept.
    """
    if not digest or tx.noted(note_of(digest)) is not None:
        return
    policies = context.catalogue.policies()
    if policies.digest() == digest:
        tx.note(note_of(digest), policies.canonical())
