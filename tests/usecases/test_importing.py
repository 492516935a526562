"""import: what is looked at, refused, masked, loaded, and on record."""

import hashlib
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from sandbox.core.asks import AskState, MatchAsk, Sighted
from sandbox.core.crossing import Seen
from sandbox.core.errors import Conflict, Denied, InvalidInput, Unavailable
from sandbox.core.ports import Actor, Context
from sandbox.core.snapshot import Snapshot
from sandbox.usecases.asks import RequestShowRequest, show_ask
from sandbox.usecases.deciding import RequestAcceptRequest, accept
from sandbox.usecases.importing import IMPORT_LIMIT, ImportRequest, import_csv
from tests.fakes import FakeBorder, FakeEngine, ran_saying
from tests.usecases.asking_up import codes, events, make

pytestmark = pytest.mark.usefixtures("snapshot")
NAME = "spring-coupon"
NO_WORD = "the program inside could not load it"


@pytest.mark.parametrize(
    ("file", "table", "expected"),
    [
        ("budgets.csv", "", "budgets"),
        ("Budget 2026 (final).csv", "", "budget_2026_final"),
        ("x.csv", "my_table", "my_table"),
        ("../../etc/passwd.csv", "", "passwd"),
        ("2026.csv", "", "t_2026"),
        ("!!.csv", "", "imported"),
        ("予算.csv", "", "予算"),
        ("予算 2026.csv", "", "予算_2026"),
        ("\u4e88\u7b97" * 30 + ".csv", "", "予算" * 10 + "予"),
        ("x.csv", "予算", "予算"),
        ("x.csv", "Bad", None),
        ("x.csv", "a; DROP TABLE b", None),
        ("x.csv", 'a"b', None),
        ("x.csv", "t" * 64, None),
        ("x.csv", "t" * 63, "t" * 63),
        ("x.csv", "a\n", None),
    ],
)
def test_table_names(
    ctx: Context, engine: FakeEngine, file: str, table: str, expected: str | None
) -> None:
    make(ctx)
    engine.programs["sandbox_import"] = ran_saying(
        {"table": "x", "rows": 2, "columns": [["a", "text"]]}
    )
    request = ImportRequest(name=NAME, file=file, content=b"a\n1\n2\n", table=table)
    if expected is None:
        with pytest.raises(InvalidInput, match="not a name for a table"):
            import_csv(ctx, request)
        assert "lab.imported" not in codes(ctx)
        return
    result = import_csv(ctx, request)
    assert result.table == expected
    assert bool(result.notes) == (expected in ("t_2026", "imported", "予算" * 10 + "予"))
    question, _, content = (engine.asked[-1][2] or b"").partition(b"\n")
    assert json.loads(question) == {"table": expected, "size": 6}
    assert content == b"a\n1\n2\n"
    told = events(ctx)[-1]
    assert (told.code, told.details["table"], told.details["rows"]) == ("lab.imported", expected, 2)


def test_a_file_above_the_bound_never_reaches_the_engine(ctx: Context, engine: FakeEngine) -> None:
    make(ctx)
    engine.forget_calls()
    content = bytes(IMPORT_LIMIT + 1)
    with pytest.raises(InvalidInput, match="64 MiB"):
        import_csv(ctx, ImportRequest(name=NAME, file="big.csv", content=content))
    assert engine.calls == []


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("Line 3 has 4 cells, but the first line names 1 column.", ""),
        ("The file is empty.", ""),
        ('Line 2: a quote (") is opened and never closed.', ""),
        ("Could not convert '090-1234-5678' to INT32", NO_WORD),
        ("The column name is empty or longer than 63 bytes: 花子", NO_WORD),
    ],
)
def test_an_import_that_fails_is_told_and_on_record_without_a_value(
    ctx: Context, engine: FakeEngine, words: str, reason: str
) -> None:
    make(ctx)
    engine.programs["sandbox_import"] = ran_saying({"error": words})
    with pytest.raises(InvalidInput, match=re.escape(words)):
        import_csv(ctx, ImportRequest(name=NAME, file="x.csv", content=b"a"))
    assert codes(ctx)[-2:] == ["lab.importing", "lab.import-failed"]
    told = events(ctx)[-1]
    assert (told.reason, told.details) == (reason or words, {"table": "x", "file": "x.csv"})


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"table": "x", "rows": 1},
        {"table": "x", "rows": -1, "columns": []},
        {"table": "x", "rows": 1, "columns": [["a"]]},
        {"table": "x", "rows": 1, "columns": [], "notes": 7},
        {"table": "x", "rows": 1, "columns": [], "more": "x"},
    ],
)
def test_what_the_inside_says_is_not_believed(
    ctx: Context, loads: FakeEngine, border: FakeBorder, answer: object
) -> None:
    """The file is on record before it goes in, whatever a forged program says of it then."""
    loads.programs["sandbox_import"] = ran_saying(answer)
    with pytest.raises(Unavailable, match="makes no sense"):
        import_csv(ctx, FILE)
    told, failed = events(ctx)[-2:]
    assert (told.code, told.details["file"]) == ("lab.importing", "loyal.csv")
    assert told.details["sha256"] == hashlib.sha256(FILE.content).hexdigest()
    assert (failed.code, failed.details["file"]) == ("lab.import-failed", "loyal.csv")


def test_a_column_that_was_renamed_is_told(ctx: Context, engine: FakeEngine) -> None:
    make(ctx)
    note = "Column 2 is named a_1.\x1b"
    engine.programs["sandbox_import"] = ran_saying(
        {"table": "x", "rows": 1, "columns": [], "notes": [note]}
    )
    result = import_csv(ctx, ImportRequest(name=NAME, file="x.csv", content=b"a,a\n1,2\n"))
    assert result.notes == ("Column 2 is named a_1.\ufffd",)


def test_a_table_that_is_there_already_is_a_conflict(ctx: Context, engine: FakeEngine) -> None:
    make(ctx)
    engine.programs["sandbox_import"] = ran_saying({"error": "taken", "kind": "taken"})
    with pytest.raises(Conflict) as raised:
        import_csv(ctx, ImportRequest(name=NAME, file="bom.csv", content=b"a\n1\n"))
    assert raised.value.subject == NAME
    assert f"sandbox sql {NAME} 'DROP TABLE lab.bom'" in raised.value.hint
    assert "--table OTHER" in raised.value.hint
    assert events(ctx)[-1].reason == "The lab has a table bom already."


FOUND = Seen(
    format="csv",
    tabular=True,
    rows=60,
    columns=("Mail", "Budget"),
    smallest_group=1,
    found=(Sighted(column="Mail", detector="mail", data_class="contact", count=60),),
)
FILE = ImportRequest(name=NAME, file="loyal.csv", content=b"Mail,Budget\nx,1\n")
MATCH = FILE.model_copy(update={"match": "core.customers.mail=Mail"})


@pytest.fixture
def loads(ctx: Context, engine: FakeEngine, border: FakeBorder) -> FakeEngine:
    """A running sandbox in which every file is loaded, and 42 rows match."""
    make(ctx)
    border.seen = FOUND.model_copy(update={"found": ()})
    loaded = {"table": "x", "rows": 60, "columns": [["Mail", "VARCHAR"]], "matched": 42}
    engine.programs["sandbox_import"] = ran_saying(loaded)
    return engine


def test_real_identities_never_reach_the_sandbox(
    ctx: Context, loads: FakeEngine, border: FakeBorder
) -> None:
    border.seen = FOUND
    loads.forget_calls()
    with pytest.raises(Denied, match=r"found Mail \(mail\)") as raised:
        import_csv(ctx, FILE)
    assert loads.calls == []
    (finding,) = raised.value.details["decision"]["findings"]
    assert (finding["rule"], finding["actual"]) == ("import-no-identities", 60)
    assert "--match" in finding["fix"]["en"]
    told = events(ctx)[-1]
    assert (told.code, told.details["decision"]["verdict"]) == ("lab.import-denied", "deny")
    assert "x,1" not in told.model_dump_json()


def test_what_singles_out_only_together_is_told(
    ctx: Context, loads: FakeEngine, border: FakeBorder
) -> None:
    zip_code = Sighted(column="Zip", detector="postcode", data_class="quasi-identifier", count=3)
    border.seen = FOUND.model_copy(update={"found": (zip_code,)})
    result = import_csv(ctx, FILE)
    assert result.decision.verdict == "warn"
    assert result.decision.findings[0].rule == "import-quasi-identifiers"


@pytest.mark.parametrize(
    ("content", "words"), [(b"PK\x03\x04", "Excel file"), (b"a\0b", "no text")]
)
def test_a_file_that_nobody_can_read_stays_outside(
    ctx: Context, loads: FakeEngine, border: FakeBorder, content: bytes, words: str
) -> None:
    border.seen = FOUND.model_copy(update={"format": "unknown", "found": ()})
    loads.forget_calls()
    with pytest.raises(InvalidInput, match=words):
        import_csv(ctx, FILE.model_copy(update={"content": content}))
    assert loads.calls == []


def test_identities_are_matched_after_a_yes_and_once(
    ctx: Context, loads: FakeEngine, border: FakeBorder, snapshot: Snapshot
) -> None:
    border.seen = FOUND
    loads.forget_calls()
    for _ in range(2):  # asking again asks for the same
        with pytest.raises(Denied, match="waits for a yes of data-owner: request r1") as raised:
            import_csv(ctx, MATCH)
    assert raised.value.details["request"] == "r1"
    assert loads.calls == []
    ask = show_ask(ctx, RequestShowRequest(id="r1")).view.ask
    assert (ask.purpose, ask.content.kind) == ("Which lapsed customers react to a coupon?", "match")
    assert isinstance(ask.content, MatchAsk)
    assert ask.content.columns == ("Mail", "Budget")

    accept(replace(ctx, actor=Actor("ken", "x")), RequestAcceptRequest(id="r1", reason="A mailing"))
    result = import_csv(ctx, MATCH)
    assert result.matched is not None
    assert (result.matched.rows, result.matched.unmatched) == (42, 18)
    assert result.matched.request == "r1"
    question, _, content = (loads.asked[-1][2] or b"").partition(b"\n")
    assert content == b"masked " + MATCH.content
    place = {"source": "core", "table": "customers", "column": "mail", "at": 0}
    assert json.loads(question)["match"] == place
    assert codes(ctx)[-2:] == ["ask.used", "lab.imported"]
    told = events(ctx)[-1].details
    assert told["matched"]["rows"] == 42
    went_in = events(ctx)[-3]
    assert went_in.code == "lab.importing"
    assert went_in.details["sha256"] == hashlib.sha256(MATCH.content).hexdigest()
    assert (went_in.details["request"], went_in.details["match"]["column"]) == ("r1", "mail")

    with pytest.raises(Denied, match="request r2"):
        import_csv(ctx, MATCH)


def test_the_mask_is_the_snapshots_own(
    ctx: Context, loads: FakeEngine, border: FakeBorder, snapshot: Snapshot
) -> None:
    with pytest.raises(Denied):
        import_csv(ctx, MATCH)
    column, rule, _, key = border.masked[-1]
    assert (column, rule.mask.method) == ("Mail", "fake-mail")
    assert key == ctx.keys.mask_key("core")
    name, content, forms = border.looked[-1]
    assert (name, content) == ("loyal.csv", b"masked " + MATCH.content)
    assert any("masked" in form for form in forms)


def test_a_yes_for_one_file_lets_no_other_in(
    ctx: Context, loads: FakeEngine, border: FakeBorder
) -> None:
    border.seen = FOUND
    with pytest.raises(Denied):
        import_csv(ctx, MATCH)
    accept(ctx, RequestAcceptRequest(id="r1", reason="A mailing"))
    others: list[dict[str, Any]] = [{"content": b"Mail,Budget\ny,1\n"}, {"table": "other"}]
    for number, other in enumerate(others, start=2):
        with pytest.raises(Denied, match=f"request r{number}"):
            import_csv(ctx, MATCH.model_copy(update=other))


def test_a_yes_is_kept_where_the_file_could_not_be_loaded(
    ctx: Context, loads: FakeEngine, border: FakeBorder
) -> None:
    with pytest.raises(Denied):
        import_csv(ctx, MATCH)
    accept(ctx, RequestAcceptRequest(id="r1", reason="A mailing"))
    loaded, loads.programs["sandbox_import"] = (
        loads.programs["sandbox_import"],
        ran_saying({"error": "x"}),
    )
    with pytest.raises(InvalidInput):
        import_csv(ctx, MATCH)
    loads.programs["sandbox_import"] = loaded
    import_csv(ctx, MATCH)
    assert show_ask(ctx, RequestShowRequest(id="r1")).view.state is AskState.USED


def test_few_people_are_not_matched(ctx: Context, loads: FakeEngine, border: FakeBorder) -> None:
    border.seen, border.identities = FOUND, 49
    with pytest.raises(Denied, match="different identities is 49, at least 50"):
        import_csv(ctx, MATCH)
    assert "ask.made" not in codes(ctx)


@pytest.mark.parametrize(
    ("match", "words"),
    [
        ("customers.mail=Mail", "two columns"),
        ("core.customers.mail", "two columns"),
        ("shop.customers.mail=Mail", "has no replica shop; it has core"),
        ("core.custmers.mail=Mail", "Did you mean customers"),
        ("core.customers.mial=Mail", "Did you mean mail"),
        ("core.customers.prefecture=Mail", "Its mask, keep"),
    ],
)
def test_what_cannot_be_matched(ctx: Context, loads: FakeEngine, match: str, words: str) -> None:
    loads.forget_calls()
    with pytest.raises(InvalidInput, match=words):
        import_csv(ctx, FILE.model_copy(update={"match": match}))
    assert loads.calls == []


def test_another_key_matches_nobody(ctx: Context, loads: FakeEngine, snapshot: Snapshot) -> None:
    assert snapshot.manifest is not None
    other = snapshot.manifest.model_copy(update={"key_id": "0" * 12})
    with ctx.registry.writing() as tx:
        tx.save_snapshot(snapshot.model_copy(update={"manifest": other}))
    with pytest.raises(Conflict, match="not the one") as raised:
        import_csv(ctx, MATCH)
    assert raised.value.hint.endswith(f"sandbox reset {NAME} --latest")
