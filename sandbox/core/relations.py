"""Keys and references of a source: which of them a masked snapshot must still hold."""

from collections.abc import Iterator

from sandbox.core.source import Column, Source, Table
from sandbox.core.values import Value

# With these, different values stay different, so what was unique stays so.
_ONE_TO_ONE = frozenset({"keep", "preserve", "hmac", "integer-hmac", "fake-mail"})


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
    """What a snapshot must hold, and in words what its masks or its choice of rows give up."""

    unique: tuple[Key, ...] = ()
    references: tuple[Reference, ...] = ()
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
    lost = {reference: why for reference in found if (why := _broken(source, reference))}
    return Relations(
        unique=tuple(key for key in keys if key not in lost_keys),
        references=tuple(reference for reference in found if reference not in lost),
        given_up=(
            *(f"{key} is unique no longer: {why}" for key, why in lost_keys.items()),
            *(f"{reference} holds no longer: {why}" for reference, why in lost.items()),
        ),
    )


def reference_problems(source: Source) -> Iterator[str]:
    """Yield what is wrong with the references that a source file declares."""
    for name, table in source.tables.items():
        for column, to in table.references.items():
            there, _, key = to.partition(".")
            if column not in table.columns:
                yield f"{name}: references names {column}, which is no listed column of the table"
            if there not in source.tables or key not in source.tables[there].columns:
                yield f"{name}.{column}: references names {to}, which is no listed table.column"


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
        if not _one_to_one(rule):
            return f"mask {rule.mask.method} of {column}"
    return ""


def _one_to_one(rule: Column) -> bool:
    return rule.mask.method in _ONE_TO_ONE and rule.mask.by is None


def _broken(source: Source, reference: Reference) -> str:
    lost = _lost(source, Key(table=reference.table, columns=reference.columns)) or _lost(
        source, reference.key
    )
    cut = source.tables[reference.key.table]
    return lost or (f"only some rows of {reference.key.table} are copied" if _chosen(cut) else "")


def _chosen(table: Table) -> bool:
    return bool(table.where or table.since or table.sample)
