"""Drift: how a live source differs from its file. Any difference stops a build. Pure."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from sandbox.core.errors import InvalidInput
from sandbox.core.source import Source
from sandbox.core.text import clean
from sandbox.core.values import Value

# Columns with their types, by table, as a live source has them.
LiveTypes = dict[str, dict[str, str]]
Types = Mapping[str, Mapping[str, str]]
_NONE: Types = MappingProxyType({})


class Drift(Value):
    """What differs, as `table.column`.

    `retyped` says of each column which type it should have, and which it has.
    """

    new: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    retyped: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Say whether they differ at all."""
        return bool(self.new or self.missing or self.retyped)

    def __str__(self) -> str:
        """Return it as one reads it in a sentence."""
        parts = [f"not in the file: {', '.join(self.new)}"] if self.new else []
        parts += [f"not in the source: {', '.join(self.missing)}"] if self.missing else []
        parts += [f"of another type: {', '.join(self.retyped)}"] if self.retyped else []
        return "; ".join(parts)


def drift(source: Source, live: Types, before: Types = _NONE) -> Drift:
    """Return what differs between `source` and its live tables, as `table.column`.

    A live table that the file does not list is no drift: it is simply not copied. Types are
    compared with those that the file states, else with `before`, those of the last snapshot.
    """
    listed = {f"{t}.{c}" for t, table in source.tables.items() for c in table.columns}
    found = {f"{t}.{c}" for t, columns in live.items() if t in source.tables for c in columns}
    return Drift(
        new=tuple(sorted(found - listed)),
        missing=tuple(sorted(listed - found)),
        retyped=tuple(sorted(_retyped(source, live, before))),
    )


def refuse_drift(source: Source, found: Drift) -> None:
    """Raise InvalidInput, naming every column, if anything differs."""
    if not found:
        return
    again = " Where a new type is right, state it in the file (type: ...)." if found.retyped else ""
    raise InvalidInput(
        "The source and its file do not list the same columns; " + clean(str(found)) + ".",
        subject=f"sources/{source.name}.yaml",
        hint=f"In sources/{source.name}.yaml add each new column with class and mask (mask: drop "
        f"keeps it out) and take out what is gone.{again}",
        details=found.model_dump(mode="json"),
    )


def _retyped(source: Source, live: Types, before: Types) -> Iterator[str]:
    for name, table in source.tables.items():
        for column, rule in table.columns.items():
            should = rule.type or before.get(name, {}).get(column, "")
            has = live.get(name, {}).get(column, "")
            if should and has and should.upper() != has.upper():
                yield f"{name}.{column} was {should}, is {has}"
