"""How well people hide among each other: k, the fewest that share what singles them out. Pure."""

from collections.abc import Iterator

from sandbox.core.relations import one_to_one
from sandbox.core.source import BLANK, Table
from sandbox.core.values import Value

# Groups of fewer people than this are counted, whatever k is asked for.
FEW = 5


class Anonymity(Value):
    """The groups of a table's rows that agree in `columns`, as they stand in a snapshot.

    `k` is the size of the smallest, in people where `subject` names their column, else in rows;
    `few` are the rows in groups of fewer than FEW. An empty table has no group, and k is 0.
    """

    table: str
    columns: tuple[str, ...]
    subject: str = ""
    k: int
    groups: int
    few: int


def quasi_columns(table: Table) -> tuple[str, ...]:
    """Return the columns that single people out together, as far as a snapshot holds them."""
    if table.quasi is not None:
        return table.quasi
    return tuple(
        column
        for column, rule in table.columns.items()
        if rule.data_class == "quasi-identifier" and rule.mask.method not in BLANK
    )


def anonymity_problems(table: Table) -> Iterator[str]:
    """Yield what is wrong with how a table's quasi-identifiers are declared."""
    for column in table.quasi or ():
        if column not in table.columns:
            yield f"quasi names {column}, which is no listed column"
        elif table.columns[column].mask.method in BLANK:
            method = table.columns[column].mask.method
            yield f"quasi names {column}, of which the mask {method} leaves nothing"
    if table.subject and table.subject not in table.columns:
        yield f"subject names {table.subject}, which is no listed column"
    elif table.subject and not one_to_one(table.columns[table.subject]):
        yield f"subject names {table.subject}, whose mask does not keep people apart; use hmac"
    if table.k and not quasi_columns(table):
        yield (
            "k needs columns to count by: name them in quasi, or give some the class "
            "quasi-identifier and a mask that leaves something"
        )
    if table.subject and not quasi_columns(table):
        yield "subject says whom to count, but there is nothing to count by: name columns in quasi"
