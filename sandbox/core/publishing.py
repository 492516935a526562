"""What rules judge at the point `snapshot`: whether one that passed the gate is published. Pure.

A home without a rule in force there has none judged: the gate and the source file have the say.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from sandbox.core.anonymity import Anonymity
from sandbox.core.attestation import Label
from sandbox.core.judged import Judged
from sandbox.core.leaks import GateReport
from sandbox.core.places import places
from sandbox.core.policy import Decision, evaluate
from sandbox.core.rules import PolicySet
from sandbox.core.snapshot import TableCopy
from sandbox.core.source import BLANK, DataClass, Method, Source
from sandbox.core.values import Value
from sandbox.core.version import VERSION


class TableInput(Value):
    """One table of a snapshot.

    `quasi` are the columns that single people out together, `groups` the number of groups that
    agree in them (0: none declared, or no row), `k` the size of the smallest, `few` the rows in
    groups of fewer than five. `suppressed` rows stayed behind for the sake of k, `left_out` with
    rows of other tables.
    """

    name: str
    rows: int
    quasi: tuple[str, ...]
    groups: int
    k: int
    few: int
    suppressed: int
    left_out: int

    @classmethod
    def of(cls, table: TableCopy, found: Mapping[str, Anonymity]) -> "TableInput":
        """Return what is known of `table`; `found` has k by table."""
        none = Anonymity(table=table.name, columns=(), k=0, groups=0, few=0)
        hidden = found.get(table.name, none)
        return cls(
            name=table.name,
            rows=table.rows,
            quasi=hidden.columns,
            groups=hidden.groups,
            k=hidden.k,
            few=hidden.few,
            suppressed=table.suppressed,
            left_out=sum(left.rows for left in table.left_out),
        )


class ColumnInput(Value):
    """One column of a snapshot, or one listed path of a JSON column; what is dropped is none.

    `name` is with its table, as `customers.mail`. `method` is the one of its mask.
    """

    name: str
    table: str
    data_class: DataClass
    method: Method


class SnapshotInput(Judged):
    """All that rules judge at the point `snapshot`; `for_each` goes over its tables or columns.

    `by` is who builds it, `label` what the law makes of it, `classes` are its columns' classes,
    `holds` those of columns that are not empty. `invented` says that its people do not exist: the
    home is a demo.
    """

    source: str
    by: str
    label: Label
    classes: tuple[str, ...]
    holds: tuple[str, ...]
    invented: bool
    tables: tuple[TableInput, ...]
    columns: tuple[ColumnInput, ...]

    @classmethod
    def of(
        cls,
        source: Source,
        by: str,
        label: Label,
        copies: Iterable[TableCopy],
        gate: GateReport,
        *,
        invented: bool = False,
    ) -> "SnapshotInput":
        """Return the document for a snapshot that has just been built and has passed the gate."""
        copies, columns = tuple(copies), tuple(_columns(source))
        found = {each.table: each for each in gate.anonymity}
        return cls(
            source=source.name,
            by=by,
            label=label,
            classes=tuple(sorted({c.data_class for t in copies for c in t.columns})),
            holds=tuple(sorted({c.data_class for c in columns if c.method not in BLANK})),
            invented=invented,
            tables=tuple(TableInput.of(table, found) for table in copies),
            columns=columns,
        )


def _columns(source: Source) -> Iterator[ColumnInput]:
    for name, table in source.tables.items():
        for place in places(name, table):
            yield ColumnInput(
                name=f"{name}.{place.name}",
                table=name,
                data_class=place.data_class,
                method=place.mask.method,
            )


def judge_snapshot(
    document: SnapshotInput, policies: PolicySet, now: datetime, waived: Mapping[str, str]
) -> Decision | None:
    """Return what the rules at `snapshot` say; None if none is in force.

    `waived` as in `evaluate`.
    """
    if not policies.in_force("snapshot", now):
        return None
    plain = document.as_document()
    return evaluate(policies, "snapshot", plain, now=now, tool_version=VERSION, waived=waived)
