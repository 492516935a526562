"""What people see of the glossary."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sandbox.cli.blocks import Block, Grid, Line, named
from sandbox.core.text import clean

if TYPE_CHECKING:
    from sandbox.core.glossary import Term, Whose
    from sandbox.core.template import Words
    from sandbox.usecases.glossary import ExplainResult

_WHOSE: "Mapping[Whose, str]" = {
    "here": "this tool / このツール",
    "it": "IT / IT部門",
    "marketing": "marketing / マーケティング",
    "statistics": "statistics / 統計",
    "law": "law / 法務",
}


def _explained(result: "ExplainResult") -> list[Block]:
    if len(result.terms) > 1:
        return _several(result)
    (term,) = result.terms
    guessed = [] if result.exact else [Line(f'Nearest to "{clean(result.asked)}":', style="dim")]
    return [*guessed, *_card(term)]


def _card(term: "Term") -> list[Line]:
    also = [named("also", ", ".join(term.also))] if term.also else []
    see = [named("see", ", ".join(term.see))] if term.see else []
    return [
        named("word", f"{term.name.en} / {term.name.ja}"),
        named("of", _WHOSE[term.of]),
        *also,
        *_both("means", term.means),
        *(_both("example", term.example) if term.example else []),
        *see,
        *([named("here", term.command)] if term.command else []),
    ]


def _both(label: str, words: "Words") -> list[Line]:
    return [named(label, words.en), named("", words.ja)]


def _several(result: "ExplainResult") -> list[Block]:
    # Whoever asks in Japanese reads Japanese.
    english = result.asked.isascii()
    means = "means" if english else "意味"
    grid = Grid(("word", "ことば", "of", means), cut=frozenset({means}))
    for term in result.terms:
        en, _, ja = _WHOSE[term.of].partition(" / ")
        whose, said = (en, term.means.en) if english else (ja, term.means.ja)
        grid.rows.append((term.name.en, term.name.ja, whose, said))
    return [grid, Line("One of them: sandbox explain WORD", style="dim")]


SHOWN: dict[str, Callable[[Any], list[Block]]] = {"ExplainResult": _explained}
