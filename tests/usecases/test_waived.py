"""Waivers where they count: one judge heeds them wherever something is asked for."""

import base64
from datetime import timedelta
from pathlib import Path

import pytest

from sandbox.core.asks import Sighted
from sandbox.core.errors import Denied
from sandbox.core.ports import Context
from sandbox.usecases.exporting import ExportRequest, export
from sandbox.usecases.homes import InitRequest, init
from sandbox.usecases.importing import ImportRequest, import_csv
from sandbox.usecases.leases import FreezeRequest, ResumeRequest, extend, freeze, resume
from sandbox.usecases.planning import PlanRequest, plan
from sandbox.usecases.reaping import ReapRequest, reap
from sandbox.usecases.sandboxes import ShowRequest, show
from sandbox.usecases.snapshots import build
from sandbox.usecases.waiving import (
    WaiverListRequest,
    list_waivers,
)
from tests.fakes import NOON, Clock, FakeBorder, FakeEngine, FakeReader, ran_saying
from tests.usecases.asking_up import cap, make, state, wish
from tests.usecases.exempting import (
    LONG,
    WEEK,
    given,
    refused_by,
    rewrite,
)
from tests.usecases.leasing import MORE, NAME
from tests.usecases.test_protecting import BIRTH, BUILD, judged


@pytest.mark.usefixtures("snapshot")
def test_no_hint_where_another_rule_denies_that_nobody_waives(ctx: Context) -> None:
    with pytest.raises(Denied) as caught:
        make(ctx, ttl=LONG, purpose="Coupons")
    assert caught.value.hint == ""


@pytest.mark.usefixtures("snapshot")
def test_the_hint_is_for_what_is_not_waived_yet(ctx: Context) -> None:
    given(ctx)
    with pytest.raises(Denied) as caught:
        make(ctx, ttl=LONG, egress=("api.example.com",))
    assert caught.value.hint.startswith("An exemption: sandbox waiver request egress-approved ")
    assert "ttl-max" not in caught.value.hint


@pytest.mark.usefixtures("snapshot")
@pytest.mark.parametrize(("late", "made"), [(timedelta(seconds=-1), True), (timedelta(), False)])
def test_it_ends_between_plan_and_up_to_the_second(
    ctx: Context, clock: Clock, late: timedelta, made: bool
) -> None:
    given(ctx)
    planned = plan(ctx, PlanRequest(wish=wish(ttl=LONG)))
    assert (planned.answer, planned.decision.waivers) == ("made", ("r1",))
    clock.moment = NOON + timedelta(days=3) + late
    if made:
        assert make(ctx, ttl=LONG).decision.waivers == ("r1",)
    else:
        assert refused_by(lambda: make(ctx, ttl=LONG)) == ["ttl-max"]
        assert list_waivers(ctx, WaiverListRequest()).waivers == ()


@pytest.mark.usefixtures("snapshot")
def test_more_time_by_a_waiver(ctx: Context, home: Path) -> None:
    rewrite(home, "whole-time-max", "max: 336", "max: 4")
    make(ctx)
    assert refused_by(lambda: extend(ctx, MORE)) == ["whole-time-max"]
    given(ctx, "whole-time-max")
    assert extend(ctx, MORE).decision.waivers == ("r1",)


@pytest.mark.usefixtures("snapshot")
def test_a_quota_is_waived_at_start_and_in_the_forecast(ctx: Context, home: Path) -> None:
    cap(home, "memory-per-owner", 1000)
    make(ctx)
    freeze(ctx, FreezeRequest(name=NAME, reason="Too many queries"))
    make(ctx, "second")
    assert refused_by(lambda: resume(ctx, ResumeRequest(name=NAME))) == ["memory-per-owner"]
    given(ctx, "memory-per-owner")
    resume(ctx, ResumeRequest(name=NAME))
    assert state(ctx) == "ready"
    given(ctx, "memory-per-owner", subject="third")
    quotas = {q.what: q for q in plan(ctx, PlanRequest(wish=wish("third"))).quotas}
    assert (quotas["memory_mb"].fits, quotas["memory_mb"].of) == (True, "home")
    found = plan(ctx, PlanRequest(wish=wish("third")))
    mine = next(q for q in found.quotas if (q.of, q.what) == ("owner", "memory_mb"))
    assert (found.answer, mine.allowed, mine.fits) == ("made", None, True)


@pytest.mark.usefixtures("snapshot")
def test_a_host_outside_by_a_waiver(ctx: Context) -> None:
    assert refused_by(lambda: make(ctx, egress=("api.example.com",))) == ["egress-approved"]
    given(ctx, "egress-approved")
    assert make(ctx, egress=("api.example.com",)).decision.waivers == ("r1",)


@pytest.mark.usefixtures("snapshot")
def test_a_picture_leaves_by_a_waiver(ctx: Context, engine: FakeEngine, border: FakeBorder) -> None:
    make(ctx)
    answer = {"name": "chart.png", "content": base64.b64encode(b"png").decode()}
    engine.programs["sandbox_export"] = ran_saying(answer)
    border.seen = border.seen.model_copy(update={"format": "unknown"})
    wanted = ExportRequest(name=NAME, what="/work/chart.png", purpose="A chart for the meeting")
    assert refused_by(lambda: export(ctx, wanted)) == ["export-readable"]
    given(ctx, "export-readable")
    assert export(ctx, wanted).decision.waivers == ("r1",)


@pytest.mark.usefixtures("snapshot")
def test_a_file_comes_in_by_a_waiver(
    ctx: Context, home: Path, engine: FakeEngine, border: FakeBorder
) -> None:
    make(ctx)
    rewrite(home, "import-no-identities", "exceptions: never", WEEK, "exits")
    mails = Sighted(column="mail", detector="mail", data_class="contact", count=3)
    border.seen = border.seen.model_copy(update={"found": (mails,)})
    engine.programs["sandbox_import"] = ran_saying(
        {"table": "staff", "rows": 1, "columns": [["mail", "text"]]}
    )
    wanted = ImportRequest(name=NAME, file="staff.csv", content=b"mail\na@example.com\n")
    assert refused_by(lambda: import_csv(ctx, wanted)) == ["import-no-identities"]
    given(ctx, "import-no-identities")
    assert import_csv(ctx, wanted).decision.waivers == ("r1",)


@pytest.mark.usefixtures("snapshot")
def test_one_that_nobody_uses_is_left_alone_by_a_waiver(
    ctx: Context, home: Path, clock: Clock
) -> None:
    init(ctx, InitRequest(folder=str(home)))
    make(ctx, ttl="120h")
    file = home / "policies/idle.yaml"
    file.write_text(file.read_text("utf-8").replace("exceptions: never", WEEK, 1), "utf-8")
    given(ctx, "idle-told", until="2d")

    def idle() -> list[str]:
        return [c.kind.value for c in reap(ctx, ReapRequest()).chores if "idle" in c.kind]

    clock.advance(hours=30)
    assert idle() == []
    clock.advance(hours=18)
    assert idle() == ["warn-idle"]
    reap(ctx, ReapRequest(apply=True))
    given(ctx, "idle-told")
    shown = show(ctx, ShowRequest(name=NAME)).idle
    assert shown
    assert shown.waivers == ("r2",)


def test_small_groups_are_published_by_a_waiver(
    ctx: Context, home: Path, reader: FakeReader
) -> None:
    rewrite(home, "k-min", "mode: warn", "mode: enforce")
    rewrite(home, "k-min", "exceptions: never", WEEK)
    reader.gate = judged(BIRTH)
    assert refused_by(lambda: build(ctx, BUILD)) == ["k-min"]
    given(ctx, "k-min", subject="core")
    manifest = build(ctx, BUILD).snapshot.manifest
    assert manifest
    assert manifest.decision
    assert manifest.decision["results"]["k-min"] == "waived"


@pytest.mark.usefixtures("snapshot")
def test_a_rule_made_stricter_heeds_it_no_more(ctx: Context, home: Path) -> None:
    given(ctx)
    rewrite(home, "ttl-max", "exceptions: {max_days: 14, approver_role: it}", "exceptions: never")
    assert refused_by(lambda: make(ctx, ttl=LONG)) == ["ttl-max"]
