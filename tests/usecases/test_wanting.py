"""Data that a source does not give yet: asked for, and drafted by a yes without being in force."""

from pathlib import Path
from typing import Any

import pytest

from sandbox.core.asks import DataAsk
from sandbox.core.errors import Conflict, InvalidInput
from sandbox.core.ports import Context
from sandbox.core.source import Source
from sandbox.usecases.asks import RequestResult, RequestShowRequest, show_ask
from sandbox.usecases.deciding import RequestAcceptRequest, RequestRefuseRequest, accept, refuse
from sandbox.usecases.wanting import WantColumnsRequest, want
from tests.core.surveys import column, survey
from tests.fakes import Clock, FakeReader
from tests.reading import load_as
from tests.usecases.asking_up import codes, events

WHY = "Which readings are wrong on labels?"
YES = RequestAcceptRequest(id="r1", reason="Labels are ours")
DRAFT = "sources/core.r1.draft.yaml"


def asked(ctx: Context, **changes: Any) -> RequestResult:
    values = {"purpose": WHY, "table": "customers", "columns": ("kana",), "due": "2026-12-31"}
    return want(ctx, WantColumnsRequest.model_validate(values | changes))


@pytest.fixture(autouse=True)
def _live(ctx: Context, reader: FakeReader) -> None:
    """The source as its file has it, with a column and a table that the file does not list."""
    listed = {
        name: [column(c) for c in table.columns]
        for name, table in ctx.catalogue.source("core").tables.items()
    }
    people = {c.name: c for c in listed["customers"]}
    people |= {"kana": column("kana", name_kana=900), "line_id": column("line_id")}
    shops = (column("shop", "INTEGER"), column("manager's mail", mail=1000), column("customer"))
    reader.sight = survey(
        ("customers", tuple(people.values())),
        *((n, tuple(columns)) for n, columns in listed.items() if n != "customers"),
        ("shops", shops),
        unique=("customers.customer_id", "shops.shop"),
        references=(("shops.customer", "customers.customer_id"),),
    )


def drafted(home: Path) -> Source:
    return load_as(Source, DRAFT, (home / DRAFT).read_bytes())


def test_a_request_is_on_record_and_waits(ctx: Context, clock: Clock) -> None:
    found = asked(ctx, columns=("kana", "kana", "line_id"), since="2026-01-01", analyse="mika")
    ask = found.view.ask
    assert isinstance(ask.content, DataAsk)
    assert ask.content.tables == {"customers": ("kana", "line_id")}
    assert ask.content.since == "2026-01-01"
    assert dict(ask.content.steps) == {
        "extract": "it-data", "transform": "it-data", "analyse": "mika",
    }  # fmt: skip
    assert (ask.id, ask.subject, ask.purpose, ask.roles) == ("r1", "core", WHY, ("data-owner",))
    assert "sources/core.yaml does not list customers.line_id." in found.warnings
    assert codes(ctx) == ["ask.made"]
    assert ask.due.astimezone().date().isoformat() == "2027-01-01"
    clock.moment = ask.due
    assert show_ask(ctx, RequestShowRequest(id="r1")).view.state == "lapsed"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"purpose": " "}, "Without a purpose"),
        ({"columns": ()}, "No column"),
        ({"columns": (" ",)}, "No column"),
        ({"due": "tomorrow"}, "no day"),
        ({"due": "2026-11-22"}, "is over"),
        ({"due": "9999-12-31"}, "No day comes after"),
        ({"since": "1.1.26"}, "no day"),
    ],
)
def test_what_cannot_be_understood_is_refused(
    ctx: Context, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        asked(ctx, **changes)
    assert codes(ctx) == []


def test_today_is_not_over(ctx: Context, clock: Clock) -> None:
    assert asked(ctx, due=clock.moment.astimezone().date().isoformat()).view.state == "waiting"


def test_what_is_there_already_is_told(ctx: Context) -> None:
    with pytest.raises(Conflict, match="already, as it is"):
        asked(ctx, table="purchases", columns=("amount", "quantity"))
    found = asked(ctx, table="purchases", columns=("amount", "purchase_id"))
    assert found.warnings[0] == "amount is there already, as it is."
    masked = asked(ctx, columns=("mail", "kana")).warnings
    there = "mail is there already, masked (fake-mail): sandbox data show core.customers"
    assert [w for w in masked if "already" in w] == [there]


def test_a_table_belongs_to_a_source(ctx: Context, home: Path) -> None:
    text = (home / "sources/core.yaml").read_text().replace("name: core", "name: other")
    (home / "sources/other.yaml").write_text(text)
    with pytest.raises(InvalidInput, match="not clear which source"):
        asked(ctx)
    with pytest.raises(InvalidInput, match="Did you mean other"):
        asked(ctx, table="othr.customers")
    assert asked(ctx, table="other.customers").view.ask.subject == "other"


def test_a_yes_writes_a_draft_and_puts_nothing_into_force(
    ctx: Context, reader: FakeReader, home: Path
) -> None:
    before = ctx.catalogue.source("core")
    asked(ctx, columns=("kana", "line_id"), since="2026-01-01")
    found = accept(ctx, YES)
    assert found.view.state == "accepted"
    assert found.outcome.startswith(f"{DRAFT} was written; it is not in force.")
    assert ctx.catalogue.sources() == ["core"]
    assert ctx.catalogue.source("core") == before
    made = drafted(home)
    assert made.tables["customers"].columns["kana"].mask.method == "fake-kana"
    assert made.tables["customers"].columns["line_id"].mask.method == "null"
    changed = {"kana", "line_id"}
    for name, rule in before.tables["customers"].columns.items():
        assert name in changed or made.tables["customers"].columns[name] == rule
    text = (home / DRAFT).read_text()
    assert "# r1: was personal, drop; name-kana 90 % of 1,000 values" in text
    assert f"# Asked by anna: {WHY}" in text
    assert "# Rows are wanted since 2026-01-01" in text
    assert "# The demo's core system" in text
    assert events(ctx)[-1].code == "ask.accepted"
    assert reader.surveyed is not None
    assert set(reader.surveyed[2]) == {"customers", "purchases", "consents"}


def test_a_mask_that_was_reviewed_stays_and_a_comment_says_what_was_asked_for(
    ctx: Context, home: Path
) -> None:
    asked(ctx, columns=("phone", "prefecture", "kana"))
    accept(ctx, YES)
    before, made = ctx.catalogue.source("core"), drafted(home)
    for name in ("phone", "prefecture"):
        column_before = before.tables["customers"].columns[name]
        assert made.tables["customers"].columns[name] == column_before
    text = (home / DRAFT).read_text()
    assert "# r1: asked for; its mask stays; from what it holds it would be personal, null" in text
    assert "# r1: was personal, drop; name-kana 90 % of 1,000 values" in text


def test_a_new_table_comes_whole_and_joins(ctx: Context, home: Path) -> None:
    asked(ctx, table="core.shops", columns=("customer", "manager's mail"))
    accept(ctx, YES)
    columns = drafted(home).tables["shops"].columns
    assert columns["customer"] == drafted(home).tables["customers"].columns[
        "customer_id"
    ].model_copy(update={"meaning": ""})
    assert columns["manager's mail"].mask.method == "fake-mail"
    assert columns["shop"].mask.method == "drop"
    assert "# r1: as customers.customer_id, which it joins" in (home / DRAFT).read_text()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"columns": ("kanna",)}, "no such column. Did you mean kana"),
        ({"table": "core.shop", "columns": ("a",)}, "no such table"),
    ],
)
def test_what_the_source_has_not_cannot_be_accepted(
    ctx: Context, reader: FakeReader, home: Path, changes: dict[str, Any], message: str
) -> None:
    asked(ctx, **changes)
    if "table" in changes:
        reader.error = InvalidInput("There is no such table in the source.", subject="shop")
    with pytest.raises(InvalidInput, match=message):
        accept(ctx, YES)
    assert show_ask(ctx, RequestShowRequest(id="r1")).view.state == "waiting"
    assert not (home / DRAFT).exists()
    refuse(ctx, RequestRefuseRequest(id="r1", reason="There is none"))
    assert show_ask(ctx, RequestShowRequest(id="r1")).view.state == "refused"


def test_a_yes_that_was_cut_off_is_said_again(ctx: Context, home: Path) -> None:
    asked(ctx)
    (home / DRAFT).write_text("# reviewed meanwhile\n")
    assert "was written before" in accept(ctx, YES).outcome
    assert (home / DRAFT).read_text() == "# reviewed meanwhile\n"
