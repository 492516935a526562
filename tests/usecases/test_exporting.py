"""export: what leaves a sandbox, what needs a yes, what never leaves."""

import base64
import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from sandbox.core.asks import AskState, Sighted
from sandbox.core.crossing import Seen
from sandbox.core.errors import Conflict, Denied, InvalidInput, NotFound, Unavailable
from sandbox.core.ports import Actor, Context
from sandbox.core.snapshot import Snapshot
from sandbox.usecases.asks import RequestShowRequest, show_ask
from sandbox.usecases.deciding import RequestAcceptRequest, RequestRefuseRequest, accept, refuse
from sandbox.usecases.exporting import ExportRequest, export
from sandbox.usecases.sandboxes import DownRequest, down
from tests.fakes import Clock, FakeBorder, FakeEngine, Said, ran_saying
from tests.usecases.asking_up import codes, events, make

NAME = "spring-coupon"
PURPOSE = "Budget per segment for the October meeting"
TABLE = ExportRequest(name=NAME, what="lab.segments", purpose=PURPOSE)
CONTENT = b"segment,customers\nloyal,600\n"


def inside(engine: FakeEngine, content: bytes = CONTENT, name: str = "segments.csv") -> None:
    answer = {"name": name, "content": base64.b64encode(content).decode()}
    engine.programs["sandbox_export"] = ran_saying(answer)


@pytest.fixture(autouse=True)
def _made(ctx: Context, engine: FakeEngine, snapshot: Snapshot) -> None:
    make(ctx)
    inside(engine)


def came_out(said: Said) -> list[bytes]:
    return [chunk for stream, chunk in said.passed if stream == "file"]


def ken(ctx: Context) -> Context:
    return replace(ctx, actor=Actor("ken", "operating-system user"))


def test_an_aggregate_leaves_and_is_on_record(ctx: Context, said: Said) -> None:
    result = export(ctx, TABLE)
    assert came_out(said) == [CONTENT]
    assert (result.rows, result.request, result.decision.verdict) == (6, "", "allow")
    told = events(ctx)[-1]
    assert (told.code, told.actor, told.reason) == ("sandbox.exported", "anna", PURPOSE)
    assert told.details["digest"] == hashlib.sha256(CONTENT).hexdigest() == result.sha256
    assert (told.details["what"], told.details["rows"]) == ("lab.segments", 6)
    assert told.details["decision"]["document"]["smallest_group"] == 600


@pytest.mark.parametrize(
    ("what", "question"),
    [
        ("segments", {"table": "segments"}),
        ("lab.segments", {"table": "segments"}),
        ("lab.public.segments", {"table": "segments"}),
        ("/work/a/x.csv", {"file": "/work/a/x.csv"}),
    ],
)
def test_what_is_asked_inside(
    ctx: Context, engine: FakeEngine, what: str, question: dict[str, str]
) -> None:
    export(ctx, TABLE.model_copy(update={"what": what}))
    asked = json.loads(engine.asked[-1][2] or b"")
    assert asked.pop("limit") == 32 << 20
    assert asked == question


@pytest.mark.parametrize(
    "what", ["/etc/passwd", "/work", "/work/../etc/passwd", "/workers/x", "core.customers"]
)
def test_what_is_no_table_of_the_lab_and_no_file_below_work(
    ctx: Context, engine: FakeEngine, what: str
) -> None:
    engine.forget_calls()
    with pytest.raises(InvalidInput):
        export(ctx, TABLE.model_copy(update={"what": what}))
    assert engine.calls == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"error": "The lab has no such table.", "kind": "missing"}, NotFound),
        ({"error": "It is larger than 32 MiB."}, InvalidInput),
        ({"name": "x"}, Unavailable),
        ({"name": "x", "content": "no base64!"}, Unavailable),
        ({"name": "x", "content": 7}, Unavailable),
    ],
)
def test_what_the_inside_may_answer(
    ctx: Context, engine: FakeEngine, said: Said, answer: object, error: type[Exception]
) -> None:
    engine.programs["sandbox_export"] = ran_saying(answer)
    with pytest.raises(error):
        export(ctx, TABLE)
    assert came_out(said) == []
    assert "sandbox.exported" not in codes(ctx)


def test_nothing_leaves_what_was_made_anew_meanwhile(
    ctx: Context, engine: FakeEngine, said: Said, border: FakeBorder
) -> None:
    """While its answer was looked at, the name became another sandbox's."""
    look = border.look

    def slowly(*args: Any, **more: Any) -> Seen:
        down(ctx, DownRequest(name=NAME))
        make(ctx)
        return look(*args, **more)

    border.look = slowly  # type: ignore[method-assign]
    with pytest.raises(Conflict, match="taken away just now"):
        export(ctx, TABLE)
    assert came_out(said) == []


def test_nothing_leaves_what_has_ended(ctx: Context) -> None:
    down(ctx, DownRequest(name=NAME))
    with pytest.raises(Conflict, match="destroyed"):
        export(ctx, TABLE)


def test_identities_never_leave(ctx: Context, border: FakeBorder, said: Said) -> None:
    mails = Sighted(column="mail", detector="mail", data_class="contact", count=3)
    border.seen = border.seen.model_copy(update={"found": (mails,), "rows": 5000})
    with pytest.raises(Denied, match=r"found mail \(mail\)") as raised:
        export(ctx, TABLE)
    assert raised.value.details["decision"]["verdict"] == "deny"
    assert came_out(said) == []
    assert codes(ctx)[-1] == "sandbox.export-denied"
    assert "ask.made" not in codes(ctx)


def test_nothing_leaves_beside_a_raw_like_replica(
    ctx: Context, snapshot: Snapshot, said: Said
) -> None:
    assert snapshot.manifest is not None
    raw = snapshot.manifest.model_copy(update={"label": "raw-like"})
    with ctx.registry.writing() as tx:
        tx.save_snapshot(snapshot.model_copy(update={"manifest": raw}))
    with pytest.raises(Denied, match="the replica is raw-like"):
        export(ctx, TABLE)
    assert came_out(said) == []


def many(border: FakeBorder) -> None:
    border.seen = border.seen.model_copy(update={"rows": 1001})


def test_what_needs_a_yes_leaves_after_it_and_once(
    ctx: Context, border: FakeBorder, said: Said
) -> None:
    many(border)
    for _ in range(2):
        with pytest.raises(Denied, match="waits for a yes of data-owner: request r1") as raised:
            export(ctx, TABLE)
    assert "duties are not separated" in raised.value.hint
    assert raised.value.details["decision"]["verdict"] == "needs-approval"
    assert came_out(said) == []
    accept(ken(ctx), RequestAcceptRequest(id="r1", reason="Sums only"))
    result = export(ctx, TABLE)
    assert (result.request, came_out(said)) == ("r1", [CONTENT])
    assert codes(ctx)[-2:] == ["ask.used", "sandbox.exported"]
    assert events(ctx)[-1].details["request"] == "r1"
    assert show_ask(ctx, RequestShowRequest(id="r1")).view.state is AskState.USED
    with pytest.raises(Denied, match="request r2"):
        export(ctx, TABLE)


def test_a_yes_is_for_these_bytes_and_these_rules(
    ctx: Context, engine: FakeEngine, border: FakeBorder
) -> None:
    many(border)
    with pytest.raises(Denied, match="request r1"):
        export(ctx, TABLE)
    accept(ken(ctx), RequestAcceptRequest(id="r1", reason="Sums only"))
    inside(engine, CONTENT + b"new,700\n")
    with pytest.raises(Denied, match="request r2"):
        export(ctx, TABLE)
    inside(engine)
    border.seen = border.seen.model_copy(update={"smallest_group": 1})
    with pytest.raises(Denied, match="request r3"):
        export(ctx, TABLE)


def test_a_yes_is_for_its_purpose_and_a_no_for_every_one(ctx: Context, border: FakeBorder) -> None:
    many(border)
    other = TABLE.model_copy(update={"purpose": "A list to be sold to somebody else"})
    with pytest.raises(Denied, match="request r1"):
        export(ctx, TABLE)
    with pytest.raises(Denied, match="request r1"):
        export(ctx, other)
    accept(ken(ctx), RequestAcceptRequest(id="r1", reason="Sums only"))
    with pytest.raises(Denied, match="request r2"):
        export(ctx, other)
    refuse(ken(ctx), RequestRefuseRequest(id="r2", reason="Not for sale"))
    with pytest.raises(Denied, match="Not for sale"):
        export(ctx, TABLE.model_copy(update={"purpose": "A list that somebody else will have"}))
    assert export(ctx, TABLE).request == "r1"


def test_a_no_is_told_with_its_reason(ctx: Context, border: FakeBorder) -> None:
    many(border)
    with pytest.raises(Denied):
        export(ctx, TABLE)
    refuse(ken(ctx), RequestRefuseRequest(id="r1", reason="Aggregate by month"))
    with pytest.raises(Denied, match="ken refused this: Aggregate by month"):
        export(ctx, TABLE)
    assert codes(ctx).count("ask.made") == 1


def test_a_yes_lapses(ctx: Context, border: FakeBorder, clock: Clock, said: Said) -> None:
    make(ctx, "long", ttl="168h")
    many(border)
    long = TABLE.model_copy(update={"name": "long"})
    with pytest.raises(Denied):
        export(ctx, long)
    clock.advance(hours=1)
    accept(ken(ctx), RequestAcceptRequest(id="r1", reason="Sums only"))
    with ctx.registry.writing() as tx:
        ask = tx.ask("r1")
        assert ask is not None
        tx.save_ask(ask.model_copy(update={"due": clock()}))
    with pytest.raises(Denied, match="request r2"):
        export(ctx, long)
    assert came_out(said) == []


def test_what_is_no_table_is_read_by_somebody(ctx: Context, border: FakeBorder, said: Said) -> None:
    text = {"format": "text", "tabular": False, "smallest_group": 0}
    border.seen = border.seen.model_copy(update=text)
    with pytest.raises(Denied, match="request r1") as raised:
        export(ctx, TABLE.model_copy(update={"what": "/work/notes.txt"}))
    rules = [f["rule"] for f in raised.value.details["decision"]["findings"]]
    assert rules == ["export-no-table"]


def test_what_nobody_can_read_never_leaves(ctx: Context, border: FakeBorder) -> None:
    unknown = {"format": "unknown", "tabular": False, "smallest_group": 0}
    border.seen = border.seen.model_copy(update=unknown)
    with pytest.raises(Denied, match="the format is unknown"):
        export(ctx, TABLE)


def test_no_purpose_no_export(ctx: Context, said: Said) -> None:
    with pytest.raises(Denied, match="purpose is 0"):
        export(ctx, TABLE.model_copy(update={"purpose": " "}))
    assert came_out(said) == []
