"""The leak gate: whether a snapshot may leave, judged by what stands in it.

Every column is judged in one of three ways. What keeps something of its values (`plain`, `coarse`)
is shown to the detectors, and to a sample of real values; what is `made` or `fixed` must have its
mask's form, and what is made must differ from its source. Leaks are counts, never values.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import Field

from sandbox.core.attestation import Label
from sandbox.core.detecting import Detector, Found, suspicions
from sandbox.core.detectors import DETECTORS
from sandbox.core.leaks import Accepted, Leak
from sandbox.core.masking import SHORTEST_REASON, steps
from sandbox.core.source import CLASSES, Column, DataClass, PartMask, Source, Table
from sandbox.core.values import Value

Way = Literal["plain", "coarse", "made", "fixed"]
# What has a name of its own beside the detectors; a source file may accept all but canaries.
UNCHANGED, FORM, EQUAL, REAL, CANARY = "unchanged", "form", "equal", "real-value", "canary"
UNIQUE, REFERENCE = "unique", "reference"
ACCEPTABLE = frozenset(
    {*(d.id for d in DETECTORS), UNCHANGED, FORM, EQUAL, REAL, UNIQUE, REFERENCE}
)
# What everybody knows of shops, firms and authors.
_OPEN = frozenset(
    {"name-kanji", "name-kana", "name-latin", "address", "postcode", "phone-jp", "phone-abroad"}
)
_HIDDEN: frozenset[DataClass] = frozenset({"quasi-identifier", "personal", "contact"})
# Fewer values that are coarse already tell nothing of their mask.
FEWEST_UNCHANGED = 20
_WAYS: Mapping[str, Way] = {
    "keep": "plain",
    "preserve": "plain",
    "generalise": "coarse",
    "null": "fixed",
    "redact": "fixed",
}


class Place(Value):
    """A column, or one listed path of a JSON column: where one mask holds."""

    table: str
    column: str
    path: str = ""
    data_class: DataClass
    mask: PartMask
    accept: Mapping[str, str] = Field(default_factory=dict)

    @property
    def name(self) -> str:
        """The column, with the path if there is one."""
        return f"{self.column} {self.path}" if self.path else self.column

    @property
    def word(self) -> str:
        """What the values are called: the column, or the last key of the path."""
        keys = [step for step in steps(self.path) if step] if self.path else []
        return keys[-1] if keys else self.column

    @property
    def way(self) -> Way:
        """How it is judged."""
        return _WAYS.get(self.mask.method, "made")

    def leak(self, detector: str, count: int, because: str) -> Leak:
        """Return a leak found here."""
        return Leak(
            table=self.table, column=self.name, detector=detector, count=count, because=because
        )


def places(name: str, table: Table) -> Iterator[Place]:
    """Yield every place of a table that a snapshot holds: what is dropped is none."""
    for column, rule in table.columns.items():
        if rule.mask.method == "json":
            for part in rule.mask.paths:
                yield _place(name, column, rule, part.path, part.data_class, part.mask)
        elif rule.mask.method != "drop":
            yield _place(name, column, rule, "", rule.data_class, rule.mask)


def _place(
    table: str, column: str, rule: Column, path: str, data_class: DataClass, mask: PartMask
) -> Place:
    return Place(
        table=table,
        column=column,
        path=path,
        data_class=data_class,
        mask=mask,
        accept=rule.accept,
    )


def suspected(place: Place, values: int, found: Mapping[str, Found]) -> Iterator[Leak]:
    """Yield what the detectors' counts of a place mean, but for what its class may hold."""
    for suspicion in suspicions(DETECTORS, place.word, values, found):
        if not tolerated(place, suspicion.detector):
            yield place.leak(suspicion.detector, suspicion.count, suspicion.because)


def tolerated(place: Place, detector: str) -> bool:
    """Say whether a place's class and mask let it hold what a detector finds.

    A preserved column may hold what its class allows, a public one what everybody knows, and a
    date made coarse is still a date.
    """
    if place.mask.method == "preserve":
        found = _DETECTORS[detector].data_class
        return CLASSES.index(found) <= CLASSES.index(place.data_class)
    if place.data_class == "public":
        return detector in _OPEN
    return detector == "birth-date" and place.mask.to in ("year", "month")


def unchanged(place: Place, values: int, equal: int) -> Iterator[Leak]:
    """Yield a leak where a coarse mask of a hidden class left every one of many values alone."""
    if place.data_class in _HIDDEN and equal == values >= FEWEST_UNCHANGED:
        yield place.leak(UNCHANGED, equal, "the mask changed no value")


def sorted_out(
    leaks: list[Leak], accept: Mapping[tuple[str, str], Mapping[str, str]]
) -> tuple[tuple[Leak, ...], tuple[Accepted, ...]]:
    """Return the leaks that stand, and those that the source file accepts by (table, column)."""
    stand, accepted = [], []
    for leak in leaks:
        column = leak.column.split(" $", 1)[0]
        reason = accept.get((leak.table, column), {}).get(leak.detector)
        if reason:
            accepted.append(Accepted(leak=leak, reason=reason))
        else:
            stand.append(leak)
    return tuple(stand), tuple(accepted)


def label(source: Source) -> Label:
    """Return what the law makes of a snapshot of `source`: raw-like where personal values stay."""
    there = (place for name, table in source.tables.items() for place in places(name, table))
    kept = (p for p in there if p.way == "plain" and p.data_class not in ("public", "internal"))
    return "raw-like" if any(kept) else "pseudonymised"


def accept_problems(source: Source) -> Iterator[str]:
    """Yield what is wrong with the findings that a source file accepts."""
    for name, table in source.tables.items():
        for column, rule in table.columns.items():
            for detector, reason in rule.accept.items():
                if detector not in ACCEPTABLE:
                    known = ", ".join(sorted(ACCEPTABLE))
                    yield f"{name}.{column}: accept knows no {detector}; there are: {known}"
                if len(reason.strip()) < SHORTEST_REASON:
                    yield (
                        f"{name}.{column}: accepting {detector} needs a written reason of "
                        f"{SHORTEST_REASON} characters or more"
                    )


_DETECTORS: Mapping[str, Detector] = {detector.id: detector for detector in DETECTORS}
VERSIONS: Mapping[str, int] = {detector.id: detector.version for detector in DETECTORS}
