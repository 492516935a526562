"""The glossary: words that one department uses and another has to guess. Pure."""

import difflib
import re
import unicodedata
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, field_validator

from sandbox.core.template import Words
from sandbox.core.values import Value

# Whose word it is: a department's, or this tool's own.
Whose = Literal["here", "it", "marketing", "statistics", "law"]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]

# From here on one word is taken for another that was mistyped.
_TYPING_ERROR = 0.8
_REMOTE = 0.5
# What people write or leave out at will: spaces, hyphens, middle dots, the long vowel's bar.
_LOOSE = re.compile(r"[\W_ー]+")
_HIRAGANA = {code: code + 0x60 for code in range(ord("ぁ"), ord("ゖ") + 1)}


class _Misplaced(ValueError):
    """What is wrong inside the list, and where: pydantic names only the list."""

    def __init__(self, problem: str, *place: int | str) -> None:
        super().__init__(problem)
        self.place = place


class Term(Value):
    """One word: whose it is, what else people say for it, and what it means to others.

    `see` are ids of words that belong to it, `command` is where to meet it here.
    """

    id: Slug
    name: Words
    of: Whose
    also: tuple[str, ...] = ()
    means: Words
    example: Words | None = None
    see: tuple[str, ...] = ()
    command: str = ""

    def names(self) -> tuple[str, ...]:
        """Return all that it is called, in both languages."""
        return (self.id, self.name.en, self.name.ja, *self.also)

    def is_called(self, word: str) -> bool:
        """Say whether `word` is one of its names, as people write them."""
        return folded(word) in map(folded, self.names())


class Glossary(Value):
    """All words of one file."""

    api_version: Annotated[Literal["sandbox.glossary/v1"], Field(alias="apiVersion")]
    kind: Literal["Glossary"]
    terms: Annotated[tuple[Term, ...], Field(min_length=1)]

    @field_validator("terms")
    @classmethod
    def _plain(cls, terms: tuple[Term, ...]) -> tuple[Term, ...]:
        known: dict[str, str] = {}
        for number, term in enumerate(terms):
            for name in {folded(name) for name in term.names()}:
                if name in known:
                    problem = f"{name} means {known[name]} already"
                    raise _Misplaced(problem, number, "id")
                known[name] = term.id
        for number, term in enumerate(terms):
            for other in term.see:
                if other == term.id or known.get(folded(other)) != other:
                    raise _Misplaced(f"there is no other word {other}", number, "see")
        return terms

    def meant_by(self, word: str) -> tuple[Term, ...]:
        """Return the word that is called `word`; else those that it could mean, the nearest first.

        It could be mistyped, or a part of what is written. Nothing is found for nothing.
        """
        if not (wanted := folded(word)):
            return ()
        called = {folded(name): term for term in self.terms for name in term.names()}
        if wanted in called:
            return (called[wanted],)
        typed = difflib.get_close_matches(wanted, called, n=1, cutoff=_TYPING_ERROR)
        parts = [name for name in called if wanted in name] if _tells(wanted) else []
        return _once(called[name] for name in [*typed, *parts])

    def nearest(self, word: str) -> tuple[str, ...]:
        """Return up to three words that are written somewhat like `word`, in its own script."""
        called = {folded(name): name for term in self.terms for name in term.names()}
        near = difflib.get_close_matches(folded(word), called, n=3, cutoff=_REMOTE)
        return tuple(called[name] for name in near)


def folded(word: str) -> str:
    """Return `word` as it is compared: without case, widths, kinds of kana, blanks and plurals."""
    plain = unicodedata.normalize("NFKC", word).casefold().translate(_HIRAGANA)
    bare = _LOOSE.sub("", plain)
    return bare[:-1] if len(bare) > 3 and bare.isascii() and bare.endswith("s") else bare


def _tells(wanted: str) -> bool:
    """Say whether a part of a word is long enough to be looked for; two kanji are."""
    return len(wanted) >= (3 if wanted.isascii() else 2)


def _once(terms: Iterable[Term]) -> tuple[Term, ...]:
    return tuple({term.id: term for term in terms}.values())
