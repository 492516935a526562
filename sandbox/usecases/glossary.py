"""Words of the other department, explained."""

from sandbox.core.errors import NotFound
from sandbox.core.glossary import Glossary, Term
from sandbox.core.ports import Context
from sandbox.core.text import clean
from sandbox.core.values import Request, Result
from sandbox.usecases.desk import answers


class ExplainResult(Result):
    """The words that are meant. `asked` is empty where all are listed; `exact` says that it is a
    name of the one word found, not merely like one."""

    asked: str
    exact: bool
    terms: tuple[Term, ...]


class ExplainRequest(Request[ExplainResult]):
    """Ask what `term` means, in either language; empty for all words."""

    term: str = ""


@answers(ExplainRequest)
def explain(context: Context, request: ExplainRequest) -> ExplainResult:
    """Return what is meant; raises NotFound with the nearest words."""
    glossary = context.catalogue.glossary()
    asked = request.term.strip()
    if not asked:
        return ExplainResult(asked="", exact=True, terms=glossary.terms)
    found = glossary.meant_by(asked)
    if not found:
        raise _unknown(context, glossary, asked)
    return ExplainResult(asked=asked, exact=found[0].is_called(asked), terms=found)


def _unknown(context: Context, glossary: Glossary, asked: str) -> NotFound:
    near = ", ".join(glossary.nearest(asked))
    hint = "All words: sandbox explain"
    if any(rule.id == asked.lower() for rule in context.catalogue.policies().rules):
        hint = f"It is a rule: sandbox policy explain {asked.lower()}"
    return NotFound(
        "The glossary does not have this word." + (f" Did you mean {near}?" if near else ""),
        subject=clean(asked),
        hint=hint,
    )
