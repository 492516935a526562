"""Sources: which columns of a core system may be copied, how each is masked, and who answers."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from sandbox.core.values import Value

DataClass = Literal["public", "internal", "personal", "contact", "special-care", "my-number"]
Method = Literal["keep", "drop", "null", "hmac", "mail", "generalise", "redact"]


class Mask(Value):
    """What happens to a column's values while they stream out of the source.

    `keep` copies; `drop` leaves the column out; `null` empties it; `hmac` gives a keyed token
    after `prefix`; `mail` a keyed address at `.invalid` (RFC 2606); `generalise` keeps the
    `year` or `month` of a date or the first `first` characters of a text; `redact` replaces any
    text by a fixed word.
    """

    method: Method
    prefix: Annotated[str, Field(max_length=12)] = ""
    to: Literal["year", "month"] | None = None
    first: Annotated[int, Field(ge=1, le=32)] | None = None


class Column(Value):
    """One column that may be copied."""

    data_class: Annotated[DataClass, Field(alias="class")]
    mask: Mask
    meaning: str = ""

    @field_validator("mask", mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"method": value} if isinstance(value, str) else value


class Table(Value):
    """One table that may be copied; `columns` is the whole list of what leaves the source."""

    meaning: str = ""
    columns: Annotated[dict[str, Column], Field(min_length=1)]


class Secret(Value):
    """Where a password is found; never the password itself."""

    env: str | None = None
    file: str | None = None


class Connection(Value):
    """How the source is reached, with a login that can only read."""

    type: Literal["postgres"]
    host: str
    port: Annotated[int, Field(ge=1, le=65535)] = 5432
    database: str
    db_schema: Annotated[str, Field(alias="schema")] = "public"
    user: str
    password: Secret


class Owners(Value):
    """Who answers for the two steps that happen before a sandbox sees the data."""

    extract: Annotated[str, Field(min_length=1)]
    transform: Annotated[str, Field(min_length=1)]


class SourceMetadata(Value):
    """What people call the source."""

    name: str
    title: str = ""


class Source(Value):
    """A core system as `sources/NAME.yaml` describes it."""

    api_version: Annotated[Literal["sandbox.source/v1"], Field(alias="apiVersion")]
    kind: Literal["Source"]
    metadata: SourceMetadata
    connection: Connection
    owners: Owners
    tables: Annotated[dict[str, Table], Field(min_length=1)]

    @property
    def name(self) -> str:
        """The name people type: `core`."""
        return self.metadata.name

    def rules_digest(self) -> str:
        """Return the SHA-256 of what decides the output: tables, columns, classes, masks."""
        rules = {
            table: {
                column: (rule.data_class, rule.mask.model_dump(exclude_defaults=True))
                for column, rule in sorted(content.columns.items())
            }
            for table, content in sorted(self.tables.items())
        }
        return hashlib.sha256(repr(rules).encode()).hexdigest()


class Drift(Value):
    """How a live source differs from its file. Any of these stops a build."""

    new: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Say whether they differ at all."""
        return bool(self.new or self.missing)


def drift(source: Source, live: Mapping[str, Iterable[str]]) -> Drift:
    """Return the columns that only one of `source` and the live tables knows, as `table.column`.

    A live table that the file does not list is no drift: it is simply not copied.
    """
    listed = {f"{t}.{c}" for t, table in source.tables.items() for c in table.columns}
    found = {f"{t}.{c}" for t, columns in live.items() if t in source.tables for c in columns}
    return Drift(new=tuple(sorted(found - listed)), missing=tuple(sorted(listed - found)))
