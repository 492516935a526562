"""Files that cross a sandbox's border, out or in: what they are, and what was seen in them. Pure.

What crosses is judged by its decoded values, whatever it came from. Counts go out, never values.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Literal, Protocol

from sandbox.core.asks import Sighted
from sandbox.core.detecting import in_words
from sandbox.core.errors import InvalidInput
from sandbox.core.forms import form
from sandbox.core.masking import INVENTING
from sandbox.core.places import places
from sandbox.core.snapshot import Snapshot
from sandbox.core.source import Column, Method
from sandbox.core.text import clean, closest
from sandbox.core.values import Value

Format = Literal["csv", "parquet", "json", "text", "unknown"]

# Masks that give one value one token, whatever else stands in its row.
MATCHABLE: frozenset[Method] = INVENTING | {"hmac", "integer-hmac"}
_COUNTS = re.compile(
    r"(?:^|[_\s])(?:n|cnt|counts?|customers|people|persons|users|members|buyers|heads)"
    r"(?:[_\s]?\d+)?$|^count[_\s(]|人数|件数|顧客数|会員数|客数|名数"
)
_KEYS = re.compile(r"(?:^|[_\s])(?:id|ids|key|no|nr|number|code|token)$|番号|コード|ＩＤ|キー")
_PERSONS = re.compile(
    r"(?:customer|client|user|member|person|buyer|subscriber|account)[_\s]?"
    r"(?:id|key|no|nr|number|code|token)$|(?:顧客|会員|お客様|個人)(?:番号|コード|ＩＤ|id|キー)"
)


class Seen(Value):
    """What a file is and holds.

    `tabular` says that it has rows under named columns; then `smallest_group` is the number of
    people whom its rarest row tells of (see `groups_by`), 0 if there are no rows. `rows` of a text
    are its lines. `leaves` is the file as it may go out: a table as CSV without formulas, in
    UTF-8; anything else as it is.
    """

    format: Format
    tabular: bool
    rows: int
    columns: tuple[str, ...]
    smallest_group: int
    found: tuple[Sighted, ...]
    leaves: bytes = b""


class Match(Value):
    """Which column of the core (`core.customers.mail`) a file's column is to be matched with."""

    source: str
    table: str
    column: str
    file_column: str

    @property
    def core_column(self) -> str:
        """The column of the core, as people write it."""
        return f"{self.source}.{self.table}.{self.column}"


class Masked(Value):
    """A file as CSV in which one column was masked, and how many different values it has there."""

    content: bytes
    rows: int
    identities: int


class FileReader(Protocol):
    """Reads files that cross a border, in memory. Raises Unavailable when its process ends early.

    What it raises never holds a value of a file.
    """

    def look(
        self, name: str, content: bytes, forms: Sequence[str], *, leaving: bool = False
    ) -> Seen:
        """Return what a file is and what the detectors see in it; if `leaving`, as it may go out.

        Values that wholly have one of `forms`, those of keyed masks, are not shown to them. A file
        that nobody can read has the format `unknown`, and nothing was seen in it.
        """

    def mask(self, content: bytes, column: str, rule: Column, type_: str, key: bytes) -> Masked:
        """Return a CSV file with `column` masked by `rule`, as a source's column of that type is.

        Blanks around a value are no part of it. Raises InvalidInput when the file is no CSV, lacks
        the column, or has a value there that is none of the type.
        """


def token_forms(snapshots: Iterable[Snapshot | None]) -> tuple[str, ...]:
    """Return the patterns of the keyed tokens that stand in snapshots.

    Not of invented names and the like: real ones look the same.
    """
    manifests = (snapshot.manifest for snapshot in snapshots if snapshot and snapshot.manifest)
    tables = (table for manifest in manifests for table in manifest.built_by().values())
    masks = {place.mask for table in tables for place in places("", table)}
    forms = {form(mask) for mask in masks if mask.method in ("hmac", "fake-mail")}
    return tuple(sorted(found for found in forms if found))


def counts_people(column: str) -> bool:
    """Say whether a column's name says that it counts people: `count`, `customers`, `人数`."""
    return bool(_COUNTS.search(_words(column)))


def singles_out(column: str) -> bool:
    """Say whether a column's name says that it is one person's key: `customer_id`, `会員番号`."""
    return bool(_PERSONS.search(_words(column)))


def groups_by(column: str, *, numeric: bool) -> bool:
    """Say whether rows that differ in this column are of different groups.

    Plain numbers are what is told of a group; text, dates and keys tell groups apart.
    """
    return not numeric or bool(_KEYS.search(_words(column)))


def parse_match(text: str, source: str) -> Match:
    """Return the match that `text` says: `core.TABLE.COLUMN=FILECOLUMN`, of `source`.

    Raises InvalidInput when it says anything else.
    """
    left, mark, file_column = text.partition("=")
    parts = left.strip().split(".")
    if not mark or len(parts) != 3 or not all(parts) or not file_column.strip():
        raise InvalidInput(
            "This does not name two columns.",
            subject=clean(text),
            hint=f"For example: --match {source}.customers.mail=E-Mail",
        )
    if parts[0] != source:
        raise InvalidInput(
            f"The sandbox has no replica {clean(parts[0])}; it has {source}.",
            subject=clean(text),
            hint=f"Write {source}.{'.'.join(parts[1:])}={file_column}",
        )
    return Match(source=source, table=parts[1], column=parts[2], file_column=file_column.strip())


def check_matchable(match: Match, rule: Column) -> None:
    """Raise InvalidInput unless the column's mask gives equal values equal tokens."""
    mask = rule.mask
    if mask.method in MATCHABLE and not mask.by:
        return
    raise InvalidInput(
        f"Its mask, {mask.method}, does not give each identity one token of its own.",
        subject=match.core_column,
        hint="Match a column whose mask is hmac, integer-hmac or a fake-* that is not by another.",
    )


def named_column(name: str, columns: Iterable[str], subject: str) -> str:
    """Return the column called `name`; raises InvalidInput with the nearest one."""
    known = tuple(columns)
    if name in known:
        return name
    raise InvalidInput(
        f"There is no column {clean(name)}." + closest(name, known),
        subject=clean(subject),
        hint=f"Columns: {clean(', '.join(known))}",
    )


def _words(column: str) -> str:
    # The patterns above mind underscores themselves.
    return in_words(column, r"[-.]+")
