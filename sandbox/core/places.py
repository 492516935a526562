"""Where one mask holds in a snapshot, and what it leaves of the values there. Pure.

Apart from the gate, so that whoever asks only this need not load the detectors.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

from sandbox.core.attestation import Label
from sandbox.core.leaks import Leak
from sandbox.core.masking import steps
from sandbox.core.source import OPEN, DataClass, PartMask, Source, Table
from sandbox.core.values import Value

Way = Literal["plain", "coarse", "made", "fixed"]
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
                yield Place(
                    table=name,
                    column=column,
                    path=part.path,
                    data_class=part.data_class,
                    mask=part.mask,
                )
        elif rule.mask.method != "drop":
            yield Place(table=name, column=column, data_class=rule.data_class, mask=rule.mask)


def label(source: Source) -> Label:
    """Return what the law makes of a snapshot of `source`: raw-like where personal values stay."""
    there = (place for name, table in source.tables.items() for place in places(name, table))
    kept = (p for p in there if p.way == "plain" and p.data_class not in OPEN)
    return "raw-like" if any(kept) else "pseudonymised"
