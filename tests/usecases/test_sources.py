"""Sources: what their files say, what the live ones say against it, and drafts of new files."""

from pathlib import Path
from typing import Any

import pytest

from sandbox.cli import render, tables_sources
from sandbox.core.errors import Conflict, Denied, InvalidInput, NotFound, Unavailable
from sandbox.core.ports import Context
from sandbox.core.survey import Survey
from sandbox.usecases.drafting import DraftResult, DraftSourceRequest, draft
from sandbox.usecases.snapshots import BuildSnapshotRequest, build
from sandbox.usecases.sources import (
    CheckSourceRequest,
    ListSourcesRequest,
    ShowSourceRequest,
    check,
    list_sources,
    show,
)
from tests.core.surveys import column, survey
from tests.fakes import Clock, FakeReader, Said
from tests.usecases.asking_up import codes, events

CHECK = CheckSourceRequest(name="core")
SERVER: dict[str, Any] = {
    "type": "postgres",
    "host": "db.example.com",
    "database": "shop",
    "user": "shop_reader",
    "password": {"env": "SHOP"},
}
SHOP = survey(
    ("people", (column("id"), column("mail", mail=1000), column("pan", card=5))),
    ("cards", (column("pan", card=900),)),
    unique=("people.id",),
)


def test_a_list_tells_place_classes_and_the_newest_data(ctx: Context, clock: Clock) -> None:
    (line,) = list_sources(ctx, ListSourcesRequest()).sources
    assert (line.name, line.type, line.place) == (
        "core", "postgres", "core_reader@127.0.0.1:5432/core",
    )  # fmt: skip
    assert (line.tables, line.snapshot, line.age) == (3, "", None)
    assert line.classes == ("internal", "personal", "contact")
    made = build(ctx, BuildSnapshotRequest(source="core")).snapshot
    clock.advance(hours=2)
    (line,) = list_sources(ctx, ListSourcesRequest()).sources
    assert line.snapshot == made.id
    assert line.age is not None
    assert line.age.age_minutes == 180


def test_a_source_whose_file_is_wrong_is_listed_with_what_is_wrong(
    ctx: Context, home: Path
) -> None:
    (home / "sources/bad.yaml").write_text("apiVersion: sandbox.source/v1\nkind: Sauce\n")
    bad, core = list_sources(ctx, ListSourcesRequest()).sources
    assert (bad.name, core.name) == ("bad", "core")
    assert "sources/bad.yaml:" in bad.fault
    assert not core.fault


def test_show_tells_every_column_and_no_password(ctx: Context) -> None:
    found = show(ctx, ShowSourceRequest(name="core"))
    assert [t.name for t in found.tables] == ["customers", "purchases", "consents"]
    mail = next(c for c in found.tables[0].columns if c.name == "mail")
    assert (mail.data_class, mail.mask) == ("contact", "fake-mail")
    assert found.password == "file .sandbox/secrets/core-password"
    assert "not-in-any-output" not in found.model_dump_json()
    with pytest.raises(NotFound, match="Did you mean core"):
        show(ctx, ShowSourceRequest(name="cores"))


def test_a_source_that_is_as_its_file_says_is_clean(ctx: Context, reader: FakeReader) -> None:
    listed = reader.columns(ctx.catalogue.source("core"), "")
    reader.live = listed | {"payroll": {"salary": "INTEGER"}}
    found = check(ctx, CHECK)
    assert found.clean
    assert found.unlisted == ("payroll",)
    assert (found.tables, found.columns) == (3, 20)
    assert render.exit_code(found) == 0
    assert codes(ctx) == []


def test_check_tells_columns_that_came_went_and_changed(ctx: Context, reader: FakeReader) -> None:
    build(ctx, BuildSnapshotRequest(source="core"))
    live = reader.columns(ctx.catalogue.source("core"), "")
    live["customers"]["line_id"] = "VARCHAR"
    del live["purchases"]["amount"]
    live["consents"]["sms"] = "INTEGER"
    reader.live = live
    found = check(ctx, CHECK)
    assert not found.clean
    assert found.drift.new == ("customers.line_id",)
    assert found.drift.missing == ("purchases.amount",)
    assert found.drift.retyped == ("consents.sms was VARCHAR, is INTEGER",)
    assert render.exit_code(found) == 4


def test_what_is_retyped_stops_a_build_until_the_file_says_so(
    ctx: Context, reader: FakeReader, home: Path
) -> None:
    assert build(ctx, BuildSnapshotRequest(source="core")).snapshot.state == "ready"
    live = reader.columns(ctx.catalogue.source("core"), "")
    live["consents"]["sms"] = "INTEGER"
    reader.live = live
    with pytest.raises(InvalidInput, match=r"consents\.sms was VARCHAR, is INTEGER") as raised:
        build(ctx, BuildSnapshotRequest(source="core"))
    assert raised.value.details["retyped"] == ["consents.sms was VARCHAR, is INTEGER"]
    file = home / "sources/core.yaml"
    stated = "sms: {class: internal, type: INTEGER"
    file.write_text(file.read_text().replace("sms: {class: internal", stated))
    assert check(ctx, CHECK).clean
    made = build(ctx, BuildSnapshotRequest(source="core")).snapshot
    assert made.manifest
    assert made.manifest.types["consents"]["sms"] == "INTEGER"
    assert "types" not in events(ctx, made.id)[-1].details["manifest"]
    # An attestation of before there were types must still be that of its manifest.
    assert made.attestation
    assert b'"types"' not in made.attestation.content()


def test_a_login_that_could_write_is_a_finding(ctx: Context, reader: FakeReader) -> None:
    told = {"could": ["INSERT on table customers"], "undo": ["REVOKE INSERT …;"]}
    denied = Denied("The source's login could write.", subject="core", details=told)
    found = check(_failing(ctx, reader, denied), CHECK)
    assert not found.clean
    assert found.login == ("INSERT on table customers",)
    assert found.undo == ("REVOKE INSERT …;",)
    assert render.exit_code(found) == 4
    with pytest.raises(Unavailable):
        check(_failing(ctx, reader, Unavailable("Gone.")), CHECK)


def test_a_listed_table_that_the_login_may_not_read_is_a_finding(
    ctx: Context, reader: FakeReader
) -> None:
    told = {"hidden": ["consents"], "grant": ["GRANT SELECT ON public.consents TO core_reader;"]}
    found = check(_failing(ctx, reader, Unavailable("May not read.", details=told)), CHECK)
    assert (found.clean, found.hidden, render.exit_code(found)) == (False, ("consents",), 4)
    shown = "\n".join(str(block) for block in tables_sources.SHOWN["SourceCheckResult"](found))
    assert "MAY NOT READ what the file lists" in shown
    assert "GRANT SELECT ON public.consents TO core_reader;" in shown


def _failing(ctx: Context, reader: FakeReader, error: Exception) -> Context:
    from dataclasses import replace

    class Failing(FakeReader):
        def columns(self, *_: Any) -> Any:
            raise error

    return replace(ctx, reader=Failing())


def drafting(ctx: Context, reader: FakeReader, found: Survey = SHOP, **changes: Any) -> DraftResult:
    reader.sight = found
    asked = {"name": "shop", "connection": {**SERVER, "password": {"file": "pw"}}} | changes
    return draft(ctx, DraftSourceRequest.model_validate(asked))


@pytest.fixture(autouse=True)
def _password(home: Path) -> None:
    (home / "pw").write_text("hunter2\n")
    (home / "pw").chmod(0o600)


def test_a_draft_is_a_source_file_that_loads(ctx: Context, reader: FakeReader, home: Path) -> None:
    made = drafting(ctx, reader, tables=("people",), extract="db-team")
    assert made.file == "sources/shop.yaml"
    source = ctx.catalogue.source("shop")
    assert source.tables["people"].columns["mail"].mask.method == "fake-mail"
    assert (source.owners.extract, source.owners.transform) == ("db-team", "anna")
    assert "cards" not in source.tables
    text = (home / made.file).read_text()
    assert "# Left out, table cards: every column is dropped" in text
    assert "hunter2" not in text
    assert (home / made.file).stat().st_mode & 0o777 == 0o644
    assert sorted(p.name for p in (home / "sources").iterdir()) == ["core.yaml", "shop.yaml"]
    assert reader.surveyed is not None
    assert reader.surveyed[1:] == ("hunter2", ("people",))
    told = events(ctx, "shop")[-1]
    assert told.code == "source.drafted"
    assert told.details["tables"] == ["people"]
    assert [t.left_out[:23] for t in made.tables] == ["", "every column is dropped"]


def test_a_draft_never_replaces_a_file(ctx: Context, reader: FakeReader, home: Path) -> None:
    before = (home / "sources/core.yaml").read_bytes()
    with pytest.raises(Conflict, match="never replaces"):
        drafting(ctx, reader, name="core")
    assert reader.surveyed is None
    (home / "sources/shop.yaml").mkdir()
    with pytest.raises(Conflict):
        drafting(ctx, reader)
    assert (home / "sources/core.yaml").read_bytes() == before
    assert codes(ctx) == []


def test_a_draft_beside_changes_nothing_in_the_home(
    ctx: Context, reader: FakeReader, home: Path, said: Said
) -> None:
    made = drafting(ctx, reader, name="core", connection={}, beside=True)
    assert made.file == ""
    ((stream, text),) = said.passed
    assert stream == "file"
    assert b"\nmetadata: {name: core}\n" in text
    assert b"port: 5432" in text
    assert [p.name for p in (home / "sources").iterdir()] == ["core.yaml"]
    assert codes(ctx, "core") == ["source.drafted"]


@pytest.mark.parametrize(
    ("connection", "message"),
    [
        ({}, "No type"),
        ({"type": "postgre"}, "Did you mean postgres"),
        ({k: v for k, v in SERVER.items() if k != "host"}, "--host is missing"),
        ({**SERVER, "encoding": "utf-8"}, "--encoding is not for this type"),
        ({**SERVER, "password": {}}, "--password-env, -file or -secret "),
        ({k: v for k, v in SERVER.items() if k != "password"}, "-file or -secret is missing"),
        ({"type": "sqlite", "file": "../x.db"}, "--file FILE .*below the home"),
        ({"type": "csv", "file": "x.csv"}, "^--file TABLE=FILE is missing"),
    ],
)
def test_a_connection_that_is_wrong_is_told_by_its_option(
    ctx: Context, reader: FakeReader, connection: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        drafting(ctx, reader, connection=connection)
    assert reader.surveyed is None


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (survey(), "no table to read"),
        (survey(("cards", (column("pan", card=900),))), r"no table to list \(cards: every column"),
    ],
)
def test_without_a_table_there_is_no_draft(
    ctx: Context, reader: FakeReader, home: Path, found: Survey, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        drafting(ctx, reader, found)
    assert not (home / "sources/shop.yaml").exists()
