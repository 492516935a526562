"""The reaper's schedule: on record, about this home, and gone with it."""

from pathlib import Path

import pytest

from sandbox.core.errors import Unavailable
from sandbox.core.ports import Context
from sandbox.usecases.homes import UninstallRequest, uninstall
from sandbox.usecases.scheduling import ScheduleRequest, schedule
from tests.usecases.asking_up import chain_holds, codes, events


@pytest.fixture
def cron(home: Path) -> Path:
    """Make the machine one that has cron; return where its files are."""
    machine = home / "machine"
    (machine / "etc/cron.d").mkdir(parents=True)
    (machine / "bin").mkdir()
    (machine / "bin/cron").write_text("#!/bin/sh\n")
    (machine / "bin/cron").chmod(0o755)
    return machine / "etc/cron.d"


def test_a_home_schedules_its_own_reaper(ctx: Context, home: Path, cron: Path) -> None:
    done = schedule(ctx, ScheduleRequest(install=True))
    (file,) = cron.iterdir()
    assert file.name == f"sandbox-reap-{ctx.registry.installation()}"
    assert f"-m sandbox --home {home} reap --apply" in file.read_text()
    assert done.command[-5:] == ("sandbox", "--home", str(home), "reap", "--apply")
    assert events(ctx)[-1].details["files"] == [str(file)]
    assert schedule(ctx, ScheduleRequest(install=False)).done[0].how == "cron"
    assert schedule(ctx, ScheduleRequest(install=False)).done == ()
    assert not list(cron.iterdir())
    assert codes(ctx) == ["reaper.scheduled", "reaper.unscheduled"]
    assert chain_holds(ctx)


def test_uninstall_takes_the_schedule_with_it(ctx: Context, cron: Path) -> None:
    schedule(ctx, ScheduleRequest(install=True))
    uninstall(ctx, UninstallRequest())
    assert not list(cron.iterdir())


def test_what_cannot_be_scheduled_is_not_on_record(ctx: Context) -> None:
    with pytest.raises(Unavailable, match="Neither systemd nor a cron"):
        schedule(ctx, ScheduleRequest(install=True))
    assert codes(ctx) == []
