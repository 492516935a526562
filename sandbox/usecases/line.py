"""The line: stopped, nothing is started until it is lifted, and who stopped it says why."""

from contextlib import suppress
from functools import partial
from typing import Any

from pydantic import AwareDatetime

from sandbox.core.errors import Conflict, InvalidInput, SandboxError, Unavailable
from sandbox.core.lifecycle import Sandbox
from sandbox.core.phases import Action, Frozen, State
from sandbox.core.ports import Context, Transaction
from sandbox.core.values import Request, Result, Value
from sandbox.usecases.desk import answers
from sandbox.usecases.recording import record
from sandbox.usecases.starting import stop_all
from sandbox.usecases.together import few_at_once

_KEY = "line"


class Stopped(Value):
    """The line as it was stopped: by whom, when and why."""

    by: str
    at: AwareDatetime
    reason: str


class LineResult(Result):
    """Whether the line is stopped now, and the sandboxes that are frozen."""

    stopped: Stopped | None
    frozen: tuple[str, ...]


class StopLineRequest(Request[LineResult]):
    """Freeze everything that runs, and let nothing start until the line is lifted."""

    reason: str


class LiftLineRequest(Request[LineResult]):
    """Let sandboxes be started again; those that are frozen stay so until they are resumed."""

    reason: str = ""


@answers(StopLineRequest)
def stop_line(context: Context, request: StopLineRequest) -> LineResult:
    """Stop the line. Asked again, it stops what a first time could not.

    Raises InvalidInput without a reason, Unavailable naming the sandboxes that could not be
    stopped; all others are.
    """
    reason = why(request.reason)
    with context.registry.writing() as tx:
        stopped = stopped_line(tx) or _stop(context, tx, reason)
        for sandbox in tx.sandboxes([State.READY]):
            # A lease that ends between two looks at the clock must not keep the line from stopping.
            with suppress(Conflict):
                freeze_in(context, tx, sandbox, f"the line was stopped: {stopped.reason}")
        frozen = tx.sandboxes([State.FROZEN])
    left = _stop_each(context, frozen)
    if left:
        raise Unavailable(
            f"The line is stopped and all are recorded as frozen, but for {len(left)} of "
            f"{len(frozen)} the engine did not confirm it: they may still run.",
            subject=", ".join(left),
            hint="Once the engine is back, this stops them: sandbox reap --apply\n"
            "See: sandbox doctor",
            details={"not_stopped": left},
        )
    return LineResult(stopped=stopped, frozen=tuple(s.name for s in frozen))


@answers(LiftLineRequest)
def lift_line(context: Context, request: LiftLineRequest) -> LineResult:
    """Lift the line; raises Conflict if it is not stopped."""
    with context.registry.writing() as tx:
        stopped = stopped_line(tx)
        if stopped is None:
            raise Conflict("The line is not stopped.", subject="the line", hint="See: sandbox list")
        tx.forget(_KEY)
        record(context, tx, "line.lifted", "line", reason=request.reason, stopped_by=stopped.by)
        frozen = tx.sandboxes([State.FROZEN])
    return LineResult(stopped=None, frozen=tuple(s.name for s in frozen if _held(context, s)))


def stopped_line(tx: Transaction) -> Stopped | None:
    """Return who stopped the line and why, or None while it runs."""
    noted = tx.noted(_KEY)
    return None if noted is None else Stopped.model_validate_json(noted)


def check_line(tx: Transaction, subject: str) -> None:
    """Raise Conflict with who and why while the line is stopped: `subject` cannot be started."""
    stopped = stopped_line(tx)
    if stopped is None:
        return
    raise Conflict(
        f"{stopped.by} has stopped the line: {stopped.reason}",
        subject=subject,
        hint="Nothing is started until IT lifts it: sandbox stop-the-line --lift",
        details={"line": stopped.model_dump(mode="json")},
    )


def why(reason: str) -> str:
    """Return the reason somebody gave, without outer blanks; raises InvalidInput if it is none."""
    if not reason.strip():
        raise InvalidInput(
            "There is no reason.", subject="--reason", hint='Say why: --reason "campaign runs on"'
        )
    return reason.strip()


def freeze_in(
    context: Context, tx: Transaction, sandbox: Sandbox, reason: str, **details: Any
) -> Sandbox:
    """Write that `sandbox` is frozen, with `details`; raises Conflict if its state forbids it."""
    now = context.now()
    phase = Frozen(since=now, by=context.actor.name, reason=reason)
    frozen = sandbox.moved(Action.FREEZE, phase, now)
    tx.save_sandbox(frozen)
    record(context, tx, "sandbox.frozen", sandbox.name, reason=reason, id=sandbox.id, **details)
    return frozen


def _stop(context: Context, tx: Transaction, reason: str) -> Stopped:
    stopped = Stopped(by=context.actor.name, at=context.now(), reason=reason)
    tx.note(_KEY, stopped.model_dump_json())
    record(context, tx, "line.stopped", "line", reason=reason)
    return stopped


def _held(context: Context, sandbox: Sandbox) -> bool:
    """Say whether its lease still runs: what is over is for the reaper."""
    return sandbox.state_at(context.now()) is not State.EXPIRED


def _stop_each(context: Context, sandboxes: list[Sandbox]) -> list[str]:
    """Stop all of them, a few at once; return the names of those that could not be stopped."""
    left: list[str] = []
    stops = few_at_once(partial(_stopped_one, context), sandboxes)
    for done, (sandbox, stopped) in enumerate(stops, start=1):
        left += [] if stopped else [sandbox.name]
        said = f"Stopped {done - len(left)} of {len(sandboxes)} sandboxes"
        context.progress.say("line", said, done, len(sandboxes))
    return left


def _stopped_one(context: Context, sandbox: Sandbox) -> bool:
    try:
        stop_all(context, sandbox)
    except SandboxError:
        return False
    return True
