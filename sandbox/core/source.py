"""Sources: which columns of a core system may be copied, how each is masked, and who answers."""

import hashlib
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, PlainSerializer, field_validator, model_validator

from sandbox.core.connection import Connection
from sandbox.core.lease import ttl_text
from sandbox.core.retention import Retention
from sandbox.core.settings import Span
from sandbox.core.values import Value

# From harmless to what is guarded most.
DataClass = Literal[
    "public",
    "internal",
    "quasi-identifier",
    "personal",
    "contact",
    "special-care",
    "my-number",
    "credential",
]
Method = Literal[
    "keep",
    "drop",
    "null",
    "hmac",
    "integer-hmac",
    "fake-name",
    "fake-kana",
    "fake-address",
    "fake-phone",
    "fake-mail",
    "generalise",
    "shift-dates",
    "redact",
    "preserve",
    "json",
]
Form = Literal["japanese", "latin", "katakana", "hiragana", "national", "international"]
# As it is written in the file, also where a source is passed on as JSON.
Age = Annotated[Span, PlainSerializer(ttl_text, when_used="json")]
CLASSES: tuple[DataClass, ...] = get_args(DataClass)
# What may be seen as it is; what a mask must change; what must not be there at all.
OPEN: frozenset[DataClass] = frozenset({"public", "internal"})
HIDDEN: frozenset[DataClass] = frozenset({"quasi-identifier", "personal", "contact"})
NEVER_KEPT: frozenset[DataClass] = frozenset(CLASSES) - OPEN - HIDDEN
# What happens to a column of which the file says only the class.
STRICT: Mapping[DataClass, Method] = {
    "public": "keep",
    "internal": "keep",
    "quasi-identifier": "null",
    "personal": "null",
    "contact": "null",
    "special-care": "drop",
    "my-number": "drop",
    "credential": "drop",
}
# The masks that leave a value as it is; those that leave nothing of it, or the same of every one.
KEPT: frozenset[Method] = frozenset({"keep", "preserve"})
BLANK: frozenset[Method] = frozenset({"drop", "null", "redact"})
# Those after which nobody reads anything of a value: nothing is left, or a keyed token.
TOKENS: frozenset[Method] = BLANK | {"hmac", "integer-hmac"}
# What of a table decides which of its rows are copied.
_CHOOSING = {"where", "since", "sample", "orphans", "quasi", "subject", "k"}
# Words of older source files, which are still read.
_FORMER = {"mail": "fake-mail"}


class PartMask(Value):
    """What happens to the values at one place while they stream out of the source.

    Nothing: `keep`, and `preserve` for free text, with a written `reason`. Not there: `drop`;
    empty: `null`; a fixed word: `redact`. A keyed token: `hmac` after `prefix`, `integer-hmac` of
    the same type. Invented by key: `fake-name`, `-kana`, `-address`, `-phone` (in a `form`) and
    `-mail`. Coarser: `generalise` to the `year` or `month` of a date, the `prefecture` of an
    address, the `first` characters of a text, the `band` that a number lies in, no less than
    `floor`, no more than `ceiling` (numbers, or years with `to`). Elsewhere in time: `shift-dates`
    by up to `days`, alike for all rows of one subject, whose column is `by`. With `by`, what is
    invented follows from that column: a person's name and its reading belong together.
    """

    method: Method
    prefix: Annotated[str, Field(max_length=12)] = ""
    to: Literal["year", "month", "prefecture"] | None = None
    first: Annotated[int, Field(ge=1, le=32)] | None = None
    band: Annotated[int, Field(ge=2, le=10**15)] | None = None
    floor: Annotated[int, Field(ge=-(10**15), le=10**15)] | None = None
    ceiling: Annotated[int, Field(ge=-(10**15), le=10**15)] | None = None
    form: Form | None = None
    by: Annotated[str, Field(min_length=1)] | None = None
    days: Annotated[int, Field(ge=1, le=3650)] | None = None
    reason: Annotated[str, Field(max_length=300)] = ""

    @model_validator(mode="before")
    @classmethod
    def _former_words(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and value.get("method") in _FORMER:
            return {**value, "method": _FORMER[value["method"]]}
        return value


class Part(Value):
    """One place inside a JSON column, `$.a.b` or `$.items[*].price`, which may be copied."""

    path: Annotated[str, Field(min_length=3, max_length=200)]
    data_class: Annotated[DataClass, Field(alias="class")]
    mask: PartMask
    meaning: str = ""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return _filled(value)


class Mask(PartMask):
    """The mask of a whole column. `json` copies the listed `paths` and nothing else of it."""

    paths: tuple[Part, ...] = ()

    @field_validator("paths", mode="before")
    @classmethod
    def _by_path(cls, value: Any) -> Any:
        # In a file a mapping from path to class and mask; in JSON the list that it becomes.
        # A tuple, since strict reading takes nothing else from a validator.
        if isinstance(value, Mapping):
            if not all(isinstance(part, Mapping) for part in value.values()):
                raise ValueError("each path is a group of class and mask")
            return tuple({**part, "path": path} for path, part in value.items())
        return tuple(value) if isinstance(value, list) else value


class Column(Value):
    """One column that may be copied; without a mask it gets the strict one of its class.

    `accept` lets the leak gate pass over what a detector finds here, for a written reason. `type`
    is the one it has in the source; without it, the one it had when the last snapshot was built.
    """

    data_class: Annotated[DataClass, Field(alias="class")]
    mask: Mask
    meaning: str = ""
    type: str = ""
    accept: Annotated[dict[str, str], Field(default_factory=dict)]

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return _filled(value)


def _filled(value: Any) -> Any:
    """Return a column with its mask in the long form, and the strict one where there is none."""
    if not isinstance(value, Mapping):
        return value
    mask = value.get("mask", STRICT.get(value.get("class", "")))
    return {**value, "mask": {"method": mask}} if isinstance(mask, str) else value


class Window(Value):
    """Rows from a day on: the last `days` before the data's moment, or since `day`."""

    column: str
    days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    day: date | None = None


class Sample(Value):
    """Some subjects with all their rows, chosen by key: the same wherever `by` holds the same.

    `percent` of the subjects; no more than `most` rows; another `seed` chooses others.
    """

    by: str
    percent: Annotated[float, Field(ge=0.01, lt=100)] | None = None
    most: Annotated[int, Field(ge=1)] | None = None
    seed: Annotated[int, Field(ge=0)] = 0


Wanted = bool | int | str | None


class Table(Value):
    """One table that may be copied; `columns` is the whole list of what leaves the source.

    `where` keeps rows whose columns hold one of some values, `since` those of a window, `sample`
    those of some subjects. `references` names the column of another table, `table.column`, in
    which every value of a column must be found, where the source itself does not say so; rows
    that lead to a row that is not copied stay behind, but for those of the columns in `orphans`.
    `quasi` are columns that single a person out together (those of class quasi-identifier, if it
    is not given), `subject` the column of the person, where one has several rows; with `k`, rows
    stay behind that fewer people than that share.
    """

    meaning: str = ""
    references: Annotated[dict[str, str], Field(default_factory=dict)]
    orphans: tuple[str, ...] = ()
    quasi: tuple[str, ...] | None = None
    subject: str = ""
    k: Annotated[int, Field(ge=2, le=10_000)] | None = None
    where: Annotated[dict[str, tuple[Wanted, ...]], Field(default_factory=dict)]
    since: Window | None = None
    sample: Sample | None = None
    columns: Annotated[dict[str, Column], Field(min_length=1)]

    @field_validator("where", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        many = (list, tuple)
        return {c: tuple(w) if isinstance(w, many) else (w,) for c, w in value.items()}


class Owners(Value):
    """Who answers for the two steps that happen before a sandbox sees the data."""

    extract: Annotated[str, Field(min_length=1)]
    transform: Annotated[str, Field(min_length=1)]


class KeyScope(Value):
    """How far a masking key reaches: all snapshots of the source (`series`), or one experiment."""

    scope: Literal["series", "experiment"] = "series"


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
    keys: Annotated[KeyScope, Field(default_factory=KeyScope)]
    tables: dict[str, Table]
    # Values that IT planted in hidden columns of the source: a snapshot that holds one leaks.
    canaries: Annotated[
        tuple[Annotated[str, Field(min_length=8, max_length=200)], ...], Field(default=())
    ]
    # How old its data may be for a new sandbox; and how long its snapshots are kept, if not as
    # the home's settings say.
    max_age: Age | None = None
    snapshots: Retention | None = None

    @property
    def name(self) -> str:
        """The name people type: `core`."""
        return self.metadata.name

    def rules_digest(self) -> str:
        """Return the digest of its rules (`digest_of`)."""
        return digest_of(self.tables, self.keys.scope)


def digest_of(tables: Mapping[str, Table], scope: str) -> str:
    """Return the SHA-256 of what decides the output: tables, rows, columns, classes, masks.

    What the gate accepts counts too, since it decides whether there is an output.
    """
    rules: dict[str, Any] = {
        table: {
            column: (rule.data_class, rule.mask.model_dump(exclude_defaults=True))
            for column, rule in sorted(content.columns.items())
        }
        for table, content in sorted(tables.items())
    }
    for table, content in sorted(tables.items()):
        # Only where some are left out, so that the digest of what has none stays the same.
        chosen = content.model_dump(include=_CHOOSING, exclude_defaults=True)
        rules |= {f"rows of {table}": chosen} if chosen else {}
        accepted = {c: rule.accept for c, rule in content.columns.items() if rule.accept}
        rules |= {f"accepted in {table}": accepted} if accepted else {}
    rules |= {"scope of keys": scope} if scope != "series" else {}
    return hashlib.sha256(repr(rules).encode()).hexdigest()
