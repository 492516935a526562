"""`reap --install`: have the reaper run when nobody asks it, and take that away again."""

import sys

from sandbox.core.ports import Context
from sandbox.core.schedule import EVERY_MINUTES, Scheduled
from sandbox.core.values import Request, Result
from sandbox.usecases.desk import answers
from sandbox.usecases.recording import record


class ScheduleResult(Result):
    """What was written (`installed`) or taken away, and what is run every `minutes`."""

    installed: bool
    minutes: int
    command: tuple[str, ...]
    done: tuple[Scheduled, ...]


class ScheduleRequest(Request[ScheduleResult]):
    """Ask that the reaper runs by itself, or, without `install`, that it does no longer."""

    install: bool


@answers(ScheduleRequest)
def schedule(context: Context, request: ScheduleRequest) -> ScheduleResult:
    """Install or take away the schedule of this home's reaper; both are repeatable.

    Raises Unavailable where nothing on this machine could run it.
    """
    installation = context.registry.installation()
    home = context.files.access().path
    command = (sys.executable, "-m", "sandbox", "--home", home, "reap", "--apply")
    if request.install:
        done: tuple[Scheduled, ...] = (context.schedule.install(_name(context), command),)
    else:
        done = unschedule(context)
    if done:
        with context.registry.writing() as tx:
            code = "reaper.scheduled" if request.install else "reaper.unscheduled"
            files = [file.path for each in done for file in each.files]
            record(context, tx, code, installation, files=files)
    return ScheduleResult(
        installed=request.install, minutes=EVERY_MINUTES, command=command, done=done
    )


def unschedule(context: Context) -> tuple[Scheduled, ...]:
    """Take away the schedule of this home's reaper, if there is one; return what went."""
    return context.schedule.uninstall(_name(context))


def _name(context: Context) -> str:
    return f"sandbox-reap-{context.registry.installation()}"
