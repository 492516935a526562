"""Which columns of a surveyed source must be masked alike, so that tables still join. Pure."""

from collections.abc import Iterator

from sandbox.core.detecting import kind_of
from sandbox.core.relations import Reference
from sandbox.core.survey import Survey

Spot = tuple[str, str]
# Fewer values differ by chance.
_FEWEST = 20
# Such names say nothing of what they lead to.
_COMMON = frozenset({"id", "code", "name", "no", "number", "key", "type"})


def single_keys(survey: Survey) -> set[Spot]:
    """Return the columns, as (table, column), that are a key by themselves."""
    return {(key.table, key.columns[0]) for key in survey.unique if len(key.columns) == 1}


def groups(survey: Survey) -> list[frozenset[Spot]]:
    """Return the columns that hold the same things: joined by a reference, or likely by name."""
    found: list[set[Spot]] = []
    for own, there in (*_declared(survey), *_likely(survey)):
        touched = [group for group in found if own in group or there in group]
        found = [group for group in found if group not in touched]
        found.append({own, there}.union(*touched))
    return [frozenset(group) for group in found]


def called(spot: Spot) -> str:
    """Return what the things in a column are called: the column, or its table for an `id`."""
    table, column = spot
    return table if column.lower() in _COMMON else column


def references(survey: Survey) -> Iterator[Reference]:
    """Yield the declared references of one column that a source file can write down."""
    there = {table.name for table in survey.tables}
    for reference in survey.references:
        if len(reference.columns) == 1 and {reference.table, reference.key.table} <= there:
            yield reference


def _declared(survey: Survey) -> Iterator[tuple[Spot, Spot]]:
    there = survey.columns().keys()
    for reference in survey.references:
        for own, key in zip(reference.columns, reference.key.columns, strict=True):
            pair = (reference.table, own), (reference.key.table, key)
            if there >= set(pair):
                yield pair


def _likely(survey: Survey) -> Iterator[tuple[Spot, Spot]]:
    """Yield columns that are called as another table's key, or as that table and its key."""
    columns = survey.columns()
    keys = single_keys(survey)
    named: dict[str, Spot] = {}
    for spot in (*sorted(keys & columns.keys()), *_unlike(survey)):
        for name in _names(*spot):
            named.setdefault(name, spot)
    for here, column in columns.items():
        there = named.get(here[1].lower())
        if there is None or there[0] == here[0] or here in keys:
            continue
        if _alike(column.type, columns[there].type):
            yield here, there


def _unlike(survey: Survey) -> Iterator[Spot]:
    """Yield columns whose values all differ, of tables that declare no key: likely one."""
    declaring = {key.table for key in survey.unique}
    for table in survey.tables:
        for column in table.columns if table.name not in declaring else ():
            if column.different == column.values == table.rows >= _FEWEST:
                yield table.name, column.name


def _alike(one: str, other: str) -> bool:
    """Say whether values of two types can be the same: words, or whole numbers."""
    return one == other or {kind_of(one), kind_of(other)} == {"integer"}


def _names(table: str, column: str) -> Iterator[str]:
    if column.lower() not in _COMMON:
        yield column.lower()
        return
    for singular in {table.lower(), table.lower().removesuffix("s")}:
        yield f"{singular}_{column.lower()}"
