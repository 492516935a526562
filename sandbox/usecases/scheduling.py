"""`reap --install`, `serve --install`: have our commands run when nobody asks for them."""

import sys

from pydantic import AwareDatetime

from sandbox.core.ports import Context
from sandbox.core.schedule import EVERY_MINUTES, Daemon, Scheduled
from sandbox.core.values import Request, Result, Value
from sandbox.usecases.desk import answers
from sandbox.usecases.recording import record

_LAST_RUN = "last reap"


class ScheduleResult(Result):
    """What was written (`installed`) or taken away, and what is run every `minutes`, or, where
    these are 0, all the time."""

    installed: bool
    minutes: int
    command: tuple[str, ...]
    done: tuple[Scheduled, ...]


class ScheduleRequest(Request[ScheduleResult]):
    """Ask that the reaper runs by itself, or, without `install`, that it does no longer."""

    install: bool


class ServeInstallRequest(Request[ScheduleResult]):
    """Ask that this home is served by itself as `account`, or, without `install`, no longer.

    `runtime` is the folder of its socket, under /run. Without an account it is the home's owner.
    """

    install: bool
    runtime: str
    account: str = ""


@answers(ServeInstallRequest)
def serve_always(context: Context, request: ServeInstallRequest) -> ScheduleResult:
    """Install or take away the service of this home; both are repeatable.

    Raises Unavailable where nothing on this machine could run it.
    """
    access = context.files.access()
    name = f"{request.runtime}-{context.registry.installation()}"
    socket = f"/run/{request.runtime}/home.sock"
    command = (sys.executable, "-m", "sandbox", "--home", access.path, "serve", "--socket", socket)
    if request.install:
        daemon = Daemon(
            command=command,
            account=request.account or access.owner,
            home=access.path,
            runtime=request.runtime,
        )
        done: tuple[Scheduled, ...] = (context.schedule.keep(name, daemon),)
    else:
        done = context.schedule.uninstall(name)
    _note(context, done, "service.installed" if request.install else "service.uninstalled")
    return ScheduleResult(installed=request.install, minutes=0, command=command, done=done)


@answers(ScheduleRequest)
def schedule(context: Context, request: ScheduleRequest) -> ScheduleResult:
    """Install or take away the schedule of this home's reaper; both are repeatable.

    Raises Unavailable where nothing on this machine could run it.
    """
    home = context.files.access().path
    command = (sys.executable, "-m", "sandbox", "--home", home, "reap", "--apply")
    if request.install:
        done: tuple[Scheduled, ...] = (context.schedule.install(_name(context), command),)
    else:
        done = unschedule(context)
    _note(context, done, "reaper.scheduled" if request.install else "reaper.unscheduled")
    return ScheduleResult(
        installed=request.install, minutes=EVERY_MINUTES, command=command, done=done
    )


def _note(context: Context, done: tuple[Scheduled, ...], code: str) -> None:
    files = [file.path for each in done for file in each.files]
    if done:
        with context.registry.writing() as tx:
            record(context, tx, code, context.registry.installation(), files=files)


def unschedule(context: Context) -> tuple[Scheduled, ...]:
    """Take away the schedule of this home's reaper, if there is one; return what went."""
    return context.schedule.uninstall(_name(context))


class LastRun(Value):
    """When the reaper last acted, and how many of its chores failed then."""

    at: AwareDatetime
    failed: int


def note_run(context: Context, failed: int) -> None:
    """Note that the reaper has acted just now: whoever looks can tell that it does at all."""
    run = LastRun(at=context.now(), failed=failed)
    with context.registry.writing() as tx:
        tx.note(_LAST_RUN, run.model_dump_json())


def last_run(context: Context) -> LastRun | None:
    """Return when the reaper last acted, None if it never did."""
    with context.registry.reading() as tx:
        noted = tx.noted(_LAST_RUN)
    return LastRun.model_validate_json(noted) if noted else None


def _name(context: Context) -> str:
    return f"sandbox-reap-{context.registry.installation()}"
