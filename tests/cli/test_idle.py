"""What people read of use and of idle sandboxes."""

from sandbox.core.ports import Context
from sandbox.core.snapshot import Snapshot
from sandbox.usecases.idling import note_command
from sandbox.usecases.leases import FreezeRequest, freeze
from sandbox.usecases.reaping import ReapRequest, reap
from sandbox.usecases.sandboxes import ListRequest, ShowRequest, list_sandboxes, show
from tests.cli.conftest import Seen
from tests.fakes import NOON, Clock
from tests.usecases.asking_up import make
from tests.usecases.leasing import NAME, on_record


def test_last_use_and_idle_time_are_shown(
    ctx: Context, snapshot: Snapshot, clock: Clock, seen: Seen
) -> None:
    make(ctx, ttl="72h")
    ctx.files.belongs_to(ctx.registry.installation())
    assert "last used" not in seen(show(ctx, ShowRequest(name=NAME)))
    note_command(ctx, on_record(ctx))
    clock.advance(hours=26)
    reap(ctx, ReapRequest(apply=True))
    shown = seen(show(ctx, ShowRequest(name=NAME)))
    assert "warning   idle 26 h\n" in shown
    assert "  warn    idle-" in shown
    assert "fix: " in shown
    assert "idle      unless it is used: it runs on; this rule only warns\n" in shown
    assert f"last used {NOON.astimezone():%a %d %b %H:%M}\n" in shown
    assert " 46 h, idle 26 h " in seen(list_sandboxes(ctx, ListRequest()))


def test_a_frozen_one_says_how_it_comes_back(ctx: Context, snapshot: Snapshot, seen: Seen) -> None:
    make(ctx)
    freeze(ctx, FreezeRequest(name=NAME, reason="Too many queries"))
    shown = seen(show(ctx, ShowRequest(name=NAME)))
    assert f"resume    IT starts it again: sandbox resume {NAME}\n" in shown
