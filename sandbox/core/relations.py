"""Keys and references of a source: which of them a masked snapshot must still hold."""

from collections.abc import Iterable, Iterator

from sandbox.core.source import KEPT, Column, Source, Table
from sandbox.core.values import Value

# With these, different values stay different, so what was unique stays so.
ONE_TO_ONE = KEPT | {"hmac", "integer-hmac", "fake-mail"}


class Key(Value):
    """Columns of a table whose values together are there once."""

    table: str
    columns: tuple[str, ...]

    def __str__(self) -> str:
        """Return it as people read it: `customers(mail)`."""
        return f"{self.table}({', '.join(self.columns)})"


class Reference(Value):
    """Columns of a table whose values are all found in `key`."""

    table: str
    columns: tuple[str, ...]
    key: Key

    def __str__(self) -> str:
        """Return it as people read it: `purchases(customer_id) in customers(customer_id)`."""
        return f"{self.table}({', '.join(self.columns)}) in {self.key}"


class Relations(Value):
    """What a snapshot must hold, and in words what its masks or its choice of rows give up.

    `followed` are the references into tables of which only some rows are copied: a row stays
    behind with the row that it leads to.
    """

    unique: tuple[Key, ...] = ()
    references: tuple[Reference, ...] = ()
    followed: tuple[Reference, ...] = ()
    given_up: tuple[str, ...] = ()


def relations(
    source: Source, unique: tuple[Key, ...], references: tuple[Reference, ...]
) -> Relations:
    """Return which of a live source's keys and references its snapshot must hold.

    Those that the file declares are added. What involves a table or column that is not copied is
    left out.
    """
    keys = [key for key in unique if _copied(source, key.table, key.columns)]
    found = [r for r in dict.fromkeys((*references, *_declared(source))) if _both_copied(source, r)]
    lost_keys = {key: why for key in keys if (why := _lost(source, key))}
    lost = {reference: why for reference in found if (why := _masked_away(source, reference))}
    loose = [r for r in found if set(r.columns) & set(source.tables[r.table].orphans)]
    cut = cut_tables(source, [r for r in found if r not in lost and r not in loose])
    for reference in loose:
        if reference.key.table in cut:
            lost.setdefault(reference, f"only some rows of {reference.key.table} are copied")
    held = tuple(reference for reference in found if reference not in lost)
    return Relations(
        unique=tuple(key for key in keys if key not in lost_keys),
        references=held,
        followed=tuple(reference for reference in held if reference.key.table in cut),
        given_up=(
            *(f"{key} is unique no longer: {why}" for key, why in lost_keys.items()),
            *(f"{reference} holds no longer: {why}" for reference, why in lost.items()),
        ),
    )


def cut_tables(source: Source, references: Iterable[Reference]) -> frozenset[str]:
    """Return the tables of which only some rows are copied, by choice or since a row they lead to
    stays behind."""
    cut = {name for name, table in source.tables.items() if _chosen(table)}
    while more := {r.table for r in references if r.key.table in cut} - cut:
        cut |= more
    return frozenset(cut)


def keys_first(references: Iterable[Reference]) -> tuple[str, ...]:
    """Return the tables that references lead to, each after those that it leads to itself.

    Where they lead in a circle, the order within it is that of the names.
    """
    leads = {r.key.table: set[str]() for r in references}
    for reference in references:
        if reference.table in leads and reference.table != reference.key.table:
            leads[reference.table].add(reference.key.table)
    order: list[str] = []
    while leads:
        free = [name for name, others in leads.items() if not others & leads.keys()]
        for name in sorted(free) or [min(leads)]:
            order.append(name)
            del leads[name]
    return tuple(order)


def reference_problems(source: Source) -> Iterator[str]:
    """Yield what is wrong with the references that a source file declares."""
    for name, table in source.tables.items():
        for column, to in table.references.items():
            there, _, key = to.partition(".")
            if column not in table.columns:
                yield f"{name}: references names {column}, which is no listed column of the table"
            if there not in source.tables or key not in source.tables[there].columns:
                yield f"{name}.{column}: references names {to}, which is no listed table.column"
        for column in table.orphans:
            if column not in table.columns:
                yield f"{name}: orphans names {column}, which is no listed column of the table"


def _declared(source: Source) -> Iterator[Reference]:
    for name, table in source.tables.items():
        for column, to in table.references.items():
            there, _, key = to.partition(".")
            yield Reference(table=name, columns=(column,), key=Key(table=there, columns=(key,)))


def _copied(source: Source, table: str, columns: tuple[str, ...]) -> bool:
    listed = source.tables[table].columns if table in source.tables else {}
    return all(c in listed and listed[c].mask.method != "drop" for c in columns)


def _both_copied(source: Source, reference: Reference) -> bool:
    return _copied(source, reference.table, reference.columns) and _copied(
        source, reference.key.table, reference.key.columns
    )


def _lost(source: Source, key: Key) -> str:
    """Return the mask by which a key is given up, "" if by none."""
    for column in key.columns:
        rule = source.tables[key.table].columns[column]
        if not one_to_one(rule):
            return f"mask {rule.mask.method} of {column}"
    return ""


def one_to_one(rule: Column) -> bool:
    """Say whether different values stay different under a column's mask."""
    return rule.mask.method in ONE_TO_ONE and rule.mask.by is None


def _masked_away(source: Source, reference: Reference) -> str:
    own = Key(table=reference.table, columns=reference.columns)
    return _lost(source, own) or _lost(source, reference.key)


def _chosen(table: Table) -> bool:
    return bool(table.where or table.since or table.sample or table.k)
