"""Drafts on disk: written whole and never over another file, read by nobody, and sound."""

from pathlib import Path

import pytest

from sandbox.core.errors import Conflict, InvalidInput, Unavailable
from sandbox.core.source import Source
from sandbox.drivers.catalogue.home import HomeCatalogue
from sandbox.drivers.home import HomeFolder
from sandbox.drivers.sources.connection import SOURCE, in_memory, live_types
from tests.contract.catalogue_samples import SETTINGS, write
from tests.contract.catalogue_samples import SOURCE as TEXT
from tests.reading import load_as


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write(tmp_path / "sandbox.yaml", SETTINGS)
    write(tmp_path / "sources/core.yaml", TEXT)
    return tmp_path


def test_a_file_is_added_whole_and_never_over_another(home: Path) -> None:
    files = HomeFolder(home)
    files.add("sources/new.yaml", "氏名\n")
    assert (home / "sources/new.yaml").read_text("utf-8") == "氏名\n"
    with pytest.raises(Conflict):
        files.add("sources/new.yaml", "other")
    assert (home / "sources/new.yaml").read_text("utf-8") == "氏名\n"
    with pytest.raises(Unavailable):
        files.add("nowhere/new.yaml", "x")
    assert sorted(p.name for p in (home / "sources").iterdir()) == ["core.yaml", "new.yaml"]


def test_a_draft_is_no_source(home: Path) -> None:
    write(home / "sources/core.r1.draft.yaml", "not: [a, source")
    assert HomeCatalogue(home).sources() == ["core"]


def test_a_source_is_amended_on_paper_only(home: Path) -> None:
    wanted = {"customers": {"mail": "mail: {class: contact}", "kana": "kana: {class: personal}"}}
    made = HomeCatalogue(home).amended_source("core", wanted, ["A draft."])
    assert made.startswith("# A draft.\napiVersion")
    columns = load_as(Source, "f", made.encode()).tables["customers"].columns
    assert [(name, c.mask.method) for name, c in columns.items()] == [
        ("customer_id", "keep"), ("mail", "null"), ("kana", "null"),
    ]  # fmt: skip
    assert (home / "sources/core.yaml").read_text() == TEXT


def test_what_would_be_no_source_is_refused(home: Path) -> None:
    wanted = {"customers": {"mail": "mail: {class: contact, mask: keep}"}}
    with pytest.raises(InvalidInput, match="may not use the mask keep"):
        HomeCatalogue(home).amended_source("core", wanted, [])


def test_types_of_a_live_source_tell_no_label() -> None:
    con = in_memory()
    con.execute(f"ATTACH ':memory:' AS {SOURCE}")
    con.execute(
        f"CREATE TABLE {SOURCE}.t (a ENUM('it''s', '佐藤'), b ENUM('x')[], c DECIMAL(9,2), "
        "d STRUCT(e ENUM('secret'), f INTEGER))"
    )
    assert live_types(con, "main") == {
        ("t", "a"): "ENUM",
        ("t", "b"): "ENUM[]",
        ("t", "c"): "DECIMAL(9,2)",
        ("t", "d"): "STRUCT(e ENUM, f INTEGER)",
    }
