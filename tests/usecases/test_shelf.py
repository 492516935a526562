"""Data as marketers meet it: tables, what they mean, what is masked, and what is not there."""

from pathlib import Path
from typing import Any

import pytest

from sandbox.cli import render
from sandbox.core.errors import InvalidInput, NotFound
from sandbox.core.ports import Context
from sandbox.core.snapshot import Snapshot
from sandbox.usecases.shelf import (
    ListTablesRequest,
    ShowTableRequest,
    TableShownResult,
    list_tables,
    show,
)
from sandbox.usecases.snapshots import (
    BuildSnapshotRequest,
    RemoveSnapshotRequest,
    build,
    remove,
)
from tests.fakes import Clock, FakeReader
from tests.usecases.asking_up import events


def shown(ctx: Context, table: str = "customers") -> TableShownResult:
    return show(ctx, ShowTableRequest(table=table))


def edited(home: Path, old: str, new: str) -> None:
    file = home / "sources/core.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_tables_are_listed_before_there_is_a_snapshot(ctx: Context) -> None:
    found = list_tables(ctx, ListTablesRequest()).tables
    assert [t.name for t in found] == ["core.customers", "core.purchases", "core.consents"]
    assert found[0].meaning == "One row per customer"
    assert (found[0].rows, found[0].snapshot, found[0].age) == (None, "", None)


def test_a_list_tells_rows_owner_and_age(ctx: Context, snapshot: Snapshot, clock: Clock) -> None:
    clock.advance(hours=4)
    first = list_tables(ctx, ListTablesRequest()).tables[0]
    assert (first.rows, first.snapshot) == (10, snapshot.id)
    assert first.owners
    assert first.owners.extract == "it-data"
    assert first.age
    assert first.age.age_minutes == 300


def test_a_table_tells_meaning_mask_and_examples(
    ctx: Context, reader: FakeReader, capsys: pytest.CaptureFixture[str]
) -> None:
    reader.examples = {"mail": ("a@masked.invalid", "b@masked.invalid"), "prefecture": ("富山県",)}
    build(ctx, BuildSnapshotRequest(source="core"))
    found = shown(ctx)
    columns = {c.name: c for c in found.columns}
    assert columns["mail"].examples == ("a@masked.invalid", "b@masked.invalid")
    assert columns["mail"].mask.startswith("an invented address at masked.invalid")
    assert columns["postcode"].meaning == "First three digits, about one district"
    assert columns["prefecture"].mask == "as it is"
    assert found.not_copied == ("kana",)
    render.show(found, "table")
    out = capsys.readouterr().out
    assert "富山県" in out
    assert "not there kana" in out
    assert "it-data extracts, it-data masks" in out


def test_examples_are_in_no_event_and_go_with_the_snapshot(
    ctx: Context, reader: FakeReader
) -> None:
    reader.examples = {"prefecture": ("富山県",)}
    made = build(ctx, BuildSnapshotRequest(source="core")).snapshot
    assert "富山県" in made.model_dump_json()
    told = events(ctx, made.id)[-1].details["manifest"]
    assert "examples" not in str(told)
    assert "富山県" not in str(told)
    gone = remove(ctx, RemoveSnapshotRequest(id=made.id)).snapshot
    assert "富山県" not in gone.model_dump_json()
    with ctx.registry.reading() as tx:
        assert "富山県" not in str([s.model_dump_json() for s in tx.snapshots()])


def test_what_is_seen_follows_the_rules_of_the_build_and_means_what_the_file_says_today(
    ctx: Context, snapshot: Snapshot, home: Path
) -> None:
    edited(home, "mail: {class: contact, mask: fake-mail}",
           "mail: {class: contact, mask: drop, meaning: Where offers go}")  # fmt: skip
    mail = next(c for c in shown(ctx).columns if c.name == "mail")
    assert mail.mask.startswith("an invented address")
    assert mail.meaning == "Where offers go"
    build(ctx, BuildSnapshotRequest(source="core"))
    assert shown(ctx).not_copied == ("kana", "mail")


@pytest.mark.parametrize("name", ["customers", "core.customers"])
def test_a_table_is_found_by_either_name(ctx: Context, name: str) -> None:
    assert shown(ctx, name).table.name == "core.customers"


@pytest.mark.parametrize(
    ("name", "near"), [("customer", "core.customers"), ("core.consent", "core.consents")]
)
def test_a_typing_error_is_forgiven(ctx: Context, name: str, near: str) -> None:
    with pytest.raises(NotFound, match=rf"Did you mean {near}\?"):
        shown(ctx, name)


def test_a_name_that_two_sources_have_must_be_whole(ctx: Context, home: Path) -> None:
    text = (home / "sources/core.yaml").read_text().replace("name: core", "name: other")
    (home / "sources/other.yaml").write_text(text)
    with pytest.raises(InvalidInput) as raised:
        shown(ctx)
    assert "core.customers, other.customers" in raised.value.hint
    assert shown(ctx, "other.customers").table.name == "other.customers"


@pytest.mark.parametrize("gone", [True, False])
def test_a_source_without_a_file_that_can_be_read_shows_what_there_is(
    ctx: Context, snapshot: Snapshot, home: Path, gone: bool
) -> None:
    file = home / "sources/core.yaml"
    file.unlink() if gone else file.write_text("kind: Sauce\n")
    found: Any = list_tables(ctx, ListTablesRequest())
    assert found.tables[0].name == "core.customers"
    assert found.tables[0].owners is None
    assert bool(found.faults) is not gone
    assert shown(ctx).table.rows == 10
