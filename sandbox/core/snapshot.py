"""Snapshots: frozen, masked copies of a source, immutable and versioned `core@2026-11-23.1`."""

import re
from collections.abc import Iterable
from datetime import date
from enum import StrEnum
from typing import Any, Literal

from pydantic import AwareDatetime, Field

from sandbox.core.attestation import Envelope, Label
from sandbox.core.drift import LiveTypes
from sandbox.core.errors import InvalidInput, NotFound
from sandbox.core.leaks import GateReport
from sandbox.core.replica import PostgresCopy
from sandbox.core.source import KEPT, Table
from sandbox.core.text import clean, closest
from sandbox.core.values import Value

_ID = re.compile(r"([a-z0-9][a-z0-9-]*)@(\d{4}-\d{2}-\d{2})\.([1-9]\d{0,5})", re.ASCII)


class SnapshotState(StrEnum):
    """A snapshot is `building` until its volume is complete, `removed` after `snapshot rm`."""

    BUILDING = "building"
    READY = "ready"
    FAILED = "failed"
    REMOVED = "removed"


class ColumnCopy(Value):
    """A column as it stands in the snapshot; `mask` in the words of `masking.described`.

    `examples` are a few of its values, as they stand there, of what may be shown to everybody.
    """

    name: str
    type: str
    data_class: str
    mask: str
    examples: tuple[str, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether values were copied as they are: kept, or preserved with a reason."""
        return self.method in ("", *KEPT)

    @property
    def method(self) -> str:
        """The mask's method alone; "" where nothing is known of it."""
        return self.mask.split(" ")[0]


class LeftOut(Value):
    """Rows that lead, by the reference `because` names, to a row that is not in the snapshot."""

    because: str
    rows: int


class TableCopy(Value):
    """A table as it stands in the snapshot; `chosen` says which rows, "" for all there were.

    Of those, `left_out` stayed behind with rows of other tables, and `suppressed` since too few
    people share what singles them out.
    """

    name: str
    rows: int
    columns: tuple[ColumnCopy, ...]
    chosen: str = ""
    left_out: tuple[LeftOut, ...] = ()
    suppressed: int = 0


class Manifest(Value):
    """What a snapshot is: enough to judge it without opening it. Times are UTC.

    `rules` are the tables of the source file that it was built by; `label` says what the law makes
    of it, "" for one built before there was a gate. `types` are those that the listed columns had
    in the source. With `experiment` its key is that one's alone; `decision` is what the rules at
    `snapshot` said, None if there were none, and `request` the one whose yes let it out, if any.
    """

    source: str
    data_as_of: AwareDatetime
    built_at: AwareDatetime
    tool_version: str
    rules_digest: str
    key_id: str
    tables: tuple[TableCopy, ...]
    bytes: int
    file_digest: str
    label: Label | Literal[""] = ""
    experiment: str = ""
    gate: GateReport | None = None
    decision: dict[str, Any] | None = None
    request: str = ""
    rules: dict[str, Any] = Field(default_factory=dict)
    types: LiveTypes = Field(default_factory=dict)

    @property
    def rows(self) -> int:
        """The rows of all tables together."""
        return sum(t.rows for t in self.tables)

    def built_by(self) -> dict[str, Table]:
        """Return the tables of the source file that it was built by; none if it tells of none."""
        rules = self.rules.get("tables", {})
        return {name: Table.model_validate(table) for name, table in rules.items()}

    def without_examples(self) -> "Manifest":
        """Return it without any value of the snapshot."""
        bare = {"examples": ()}
        tables = tuple(
            t.model_copy(update={"columns": tuple(c.model_copy(update=bare) for c in t.columns)})
            for t in self.tables
        )
        return self.model_copy(update={"tables": tables})


class Snapshot(Value):
    """The registry's record of one snapshot. Its file lives in `volume` only.

    `refused` is what the leak gate found in one that it stopped; `attestation` the signed envelope;
    `postgres` the same data as PostgreSQL, once a sandbox needed that.
    """

    id: str
    source: str
    state: SnapshotState
    volume: str
    created: AwareDatetime
    built_by: str
    manifest: Manifest | None = None
    refused: GateReport | None = None
    attestation: Envelope | None = None
    postgres: PostgresCopy | None = None

    @property
    def experiment(self) -> str:
        """The one experiment that it is for, "" if its key is that of the whole series."""
        return self.manifest.experiment if self.manifest else ""

    @property
    def series(self) -> tuple[str, str]:
        """What it is one of many of: source, and experiment if it is for one alone."""
        return self.source, self.experiment

    @property
    def build_command(self) -> str:
        """The command that builds the next one of its series."""
        return build_command(*self.series)

    def removed(self) -> "Snapshot":
        """Return the record of what was removed: no value of it stays."""
        gone: dict[str, Any] = {"state": SnapshotState.REMOVED}
        if self.manifest:
            gone["manifest"] = self.manifest.without_examples()
        return self.model_copy(update=gone)


def next_id(source: str, day: date, taken: Iterable[str]) -> str:
    """Return the next free version of `source` on `day`; numbers are never used twice."""
    prefix = f"{source}@{day.isoformat()}."
    numbers = [int(i.removeprefix(prefix)) for i in taken if i.startswith(prefix)]
    return f"{prefix}{max(numbers, default=0) + 1}"


def build_command(source: str, experiment: str) -> str:
    """Return the command that builds a snapshot of `source`, for `experiment` alone if any."""
    alone = f" --experiment {experiment}" if experiment else ""
    return f"sandbox snapshot build {source}{alone}"


def no_such_snapshot(wanted: str, known: Iterable[str], source: str = "") -> NotFound:
    """Return the error for a version that is not there, with the nearest of those `known`.

    `source` is given where only its snapshots will do.
    """
    which = f" of {source}" if source else ""
    return NotFound(
        f"There is no such snapshot{which}.{closest(wanted, known)}",
        subject=clean(wanted),
        hint="See: sandbox snapshot list",
    )


def source_of(version: str) -> str:
    """Return the name of the source that the snapshot `version` is of."""
    return version.partition("@")[0]


def check_id(text: str) -> str:
    """Return `text` if it has the form of a snapshot's version, else raise InvalidInput."""
    if not _ID.fullmatch(text):
        raise InvalidInput(
            "This is not a snapshot's version.",
            subject=clean(text),
            hint="Versions look like core@2026-11-23.1; see: sandbox snapshot list",
        )
    return text
