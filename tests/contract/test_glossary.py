"""The shipped words: in both languages, each of use to somebody, and their commands are ours."""

import re
from pathlib import Path

import pytest

from sandbox.core.glossary import Glossary, Term
from sandbox.drivers.catalogue.home import GLOSSARY
from tests.reading import load_as
from tests.test_docs import problem

WORDS = load_as(Glossary, "glossary.yaml", GLOSSARY.read_bytes())
_JAPANESE = re.compile(r"[぀-ヿ一-鿿]")
# What the words of one department to the other have to hold at the least.
WANTED = {
    "replica", "mask", "guardrail", "cookie", "load-time", "rollback", "waiver", "data-class",
    "personal-data", "segment", "a-b-test", "kpi", "container", "runbook",
}  # fmt: skip


def test_the_words_that_every_department_stumbles_over_are_there() -> None:
    assert {term.id for term in WORDS.terms} >= WANTED
    assert {term.of for term in WORDS.terms} == {"here", "it", "marketing", "statistics", "law"}


def test_the_file_is_inside_the_package() -> None:
    assert GLOSSARY.parent == Path(__file__).parents[2] / "sandbox"


@pytest.mark.parametrize("term", WORDS.terms, ids=lambda term: term.id)
def test_each_word_is_told_in_both_languages(term: Term) -> None:
    for words in (term.means, *([term.example] if term.example else [])):
        assert not _JAPANESE.search(words.en), words.en
        assert _JAPANESE.search(words.ja), words.ja
        assert words.en.endswith((".", "?", ")"))
    assert term.means.ja.endswith(("。", "。）"))
    assert len(term.means.en) < 260
    assert (problem(term.command) if term.command else "") == ""


@pytest.mark.parametrize("term", WORDS.terms, ids=lambda term: term.id)
def test_each_name_finds_its_word_alone(term: Term) -> None:
    for name in term.names():
        assert WORDS.meant_by(name) == (term,)
