"""What rules judge at the points `export` and `import`: files that cross a sandbox's border."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from sandbox.core.asks import Sighted
from sandbox.core.attestation import Label
from sandbox.core.crossing import Masked, Match, Seen
from sandbox.core.judged import Judged, PurposeInput, TemplateInput
from sandbox.core.keeping import highest_class
from sandbox.core.lifecycle import Sandbox
from sandbox.core.snapshot import Snapshot


class SightedInput(Sighted):
    """What a detector found in one column; `name` is what a denial calls it."""

    name: str

    @classmethod
    def of(cls, found: Iterable[Sighted]) -> "tuple[SightedInput, ...]":
        """Return what was found, each with its name."""
        return tuple(cls(**f.model_dump(), name=f"{f.column} ({f.detector})") for f in found)


class ExportInput(Judged):
    """What rules judge at the point `export`: a table or file that is to leave a sandbox.

    `format` is csv, parquet, json, text or unknown; `rows` of a text are its lines. With `tabular`
    it has rows under names, and `smallest_group` is the number of people whom the rarest row tells
    of. `found` is what detectors saw; `label` and `data_class` are the strictest of the snapshots
    that the sandbox has seen.
    """

    kind: Literal["table", "file"]
    what: str
    format: str
    tabular: bool
    rows: Annotated[int, Field(ge=0)]
    columns: tuple[str, ...]
    bytes: Annotated[int, Field(ge=0)]
    smallest_group: Annotated[int, Field(ge=0)]
    found: tuple[SightedInput, ...]
    label: Label
    data_class: str
    owner: str
    person: str
    purpose: PurposeInput
    template: TemplateInput

    @classmethod
    def of(
        cls,
        sandbox: Sandbox,
        seen: Seen,
        snapshots: tuple[Snapshot | None, ...],
        *,
        what: str,
        person: str,
        purpose: str,
    ) -> "ExportInput":
        """Return the document for `what` of `sandbox`, which `person` wants out."""
        return cls(
            kind="file" if what.startswith("/") else "table",
            what=what,
            format=seen.format,
            tabular=seen.tabular,
            rows=seen.rows,
            columns=seen.columns,
            bytes=len(seen.leaves),
            smallest_group=seen.smallest_group,
            found=SightedInput.of(seen.found),
            label=_strictest_label(snapshots),
            data_class=highest_class(*snapshots) or "unknown",
            owner=sandbox.lease.owner,
            person=person,
            purpose=PurposeInput.of(purpose),
            template=TemplateInput.of(sandbox.spec),
        )


class ImportInput(Judged):
    """What rules judge at the point `import`: a file that is to become a table of the lab.

    `found` is what detectors saw in all columns but the one that is `matched` with the core's
    (`matched_with`), where the file holds `identities` different values; 0 where nothing is.
    """

    file: str
    format: str
    rows: Annotated[int, Field(ge=0)]
    columns: tuple[str, ...]
    bytes: Annotated[int, Field(ge=0)]
    found: tuple[SightedInput, ...]
    matched: bool
    matched_with: str
    identities: Annotated[int, Field(ge=0)]
    owner: str
    person: str
    template: TemplateInput

    @classmethod
    def of(
        cls,
        sandbox: Sandbox,
        seen: Seen,
        *,
        file: str,
        size: int,
        person: str,
        match: Match | None,
        masked: Masked | None,
    ) -> "ImportInput":
        """Return the document for a file of `size` bytes that `person` wants in."""
        found = [f for f in seen.found if match is None or f.column != match.file_column]
        return cls(
            file=file,
            format=seen.format,
            rows=seen.rows,
            columns=seen.columns,
            bytes=size,
            found=SightedInput.of(found),
            matched=match is not None,
            matched_with=match.core_column if match else "",
            identities=masked.identities if masked else 0,
            owner=sandbox.lease.owner,
            person=person,
            template=TemplateInput.of(sandbox.spec),
        )


def _strictest_label(snapshots: tuple[Snapshot | None, ...]) -> Label:
    """Return `pseudonymised` if all snapshots are known to be that."""
    labels = {s.manifest.label if s and s.manifest else "" for s in snapshots}
    return "pseudonymised" if labels == {"pseudonymised"} else "raw-like"
