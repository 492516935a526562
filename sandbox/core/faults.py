"""All that is wrong with what a source file says, in sentences that name the place. Pure."""

from collections.abc import Callable, Iterable, Iterator

from sandbox.core.anonymity import anonymity_problems
from sandbox.core.masking import SHORTEST_REASON, problems
from sandbox.core.relations import reference_problems
from sandbox.core.rows import row_problems
from sandbox.core.source import Column, Source, Table
from sandbox.core.typed import type_problems


def source_faults(source: Source) -> list[str]:
    """Return what is wrong with a source: masks, rows, accepted findings, references, k."""
    none = [] if source.tables else ["tables: none is listed, so nothing could be copied"]
    return [
        *none,
        *problems(source),
        *_of_each(source, row_problems),
        *accept_problems(source),
        *reference_problems(source),
        *_of_each(source, anonymity_problems),
        *type_problems(source),
    ]


def _of_each(source: Source, faults: Callable[[Table], Iterable[str]]) -> Iterator[str]:
    for name, table in source.tables.items():
        yield from (f"{name}: {fault}" for fault in faults(table))


def accept_problems(source: Source) -> Iterator[str]:
    """Yield what is wrong with the findings that a source file accepts."""
    for name, table in source.tables.items():
        for column, rule in table.columns.items():
            if rule.accept:
                yield from (f"{name}.{column}: {fault}" for fault in _accept_faults(rule))


def _accept_faults(rule: Column) -> Iterator[str]:
    # Late: few files accept anything, and the detectors take 10 ms to load.
    from sandbox.core.gate import ACCEPTABLE

    for detector, reason in rule.accept.items():
        if detector not in ACCEPTABLE:
            known = ", ".join(sorted(ACCEPTABLE))
            yield f"accept knows no {detector}; there are: {known}"
        if len(reason.strip()) < SHORTEST_REASON:
            yield (
                f"accepting {detector} needs a written reason of {SHORTEST_REASON} characters "
                "or more"
            )
