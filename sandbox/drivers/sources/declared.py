"""Keys and references as a source's own catalogue lists them: a row for each of their columns."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from sandbox.core.relations import Key, Reference

_NONE: Mapping[str, Key] = MappingProxyType({})


def keys_of(rows: Iterable[tuple[str, str, str | None]]) -> dict[tuple[str, str], Key]:
    """Return the keys, by table and name, of rows (table, name, column).

    One over an expression, which has a column without a name, is none.
    """
    found: dict[tuple[str, str], list[str | None]] = {}
    for table, name, column in rows:
        found.setdefault((table, name), []).append(column)
    return {
        (table, name): Key(table=table, columns=tuple(c for c in columns if c is not None))
        for (table, name), columns in found.items()
        if None not in columns
    }


def references_of(
    rows: Iterable[tuple[str, str | int, str, str, str | None]], primary: Mapping[str, Key] = _NONE
) -> tuple[Reference, ...]:
    """Return the references of rows (table, name, target, column, column there).

    One that names no column there leads to the target's `primary` key.
    """
    found: dict[tuple[str, str | int, str], list[tuple[str, str | None]]] = {}
    for table, name, target, column, there in rows:
        found.setdefault((table, name, target), []).append((column, there))
    references = []
    for (table, _, target), pairs in found.items():
        named = tuple(there for _, there in pairs if there is not None)
        key = Key(table=target, columns=named) if named else primary.get(target)
        if key is not None:
            own = tuple(column for column, _ in pairs)
            references.append(Reference(table=table, columns=own, key=key))
    return tuple(references)
