"""A drafted source file as text: what a person reads, changes and puts into force. Pure."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sandbox.core.connection import Connection, Csv
from sandbox.core.drafting import DraftTable
from sandbox.core.faults import source_faults
from sandbox.core.source import Column, Owners, Source
from sandbox.core.survey import Survey
from sandbox.core.text import clean

# What may stand between the cells of a CSV file, and how it is typed.
_MARKS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_TYPED = {",": "','", ";": "';'", "\t": "$'\\t'", "|": "'|'"}
# Words that stand as they are; everything else is quoted. YAML reads some words as no text.
_PLAIN = re.compile(r"[^\W\d][\w./-]*")
_READ_OTHERWISE = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_HEAD = (
    "For people to review: detectors find forms, not meaning.",
    "class: public, internal, quasi-identifier, personal, contact, special-care, my-number,",
    "credential. Where nothing was found, a column is personal and stays empty, until somebody",
    "says what it is: a public or internal one is copied as it is. A column that is not listed",
    "is not copied. Add what tables and columns mean (meaning: ...): marketers read it.",
)


def as_source(
    name: str, connection: Connection, owners: Owners, tables: Mapping[str, DraftTable]
) -> Source:
    """Return the draft as the source that its text says."""
    return Source.model_validate(
        {
            "apiVersion": "sandbox.source/v1",
            "kind": "Source",
            "metadata": {"name": name},
            "connection": connection,
            "owners": owners,
            "tables": {
                table: {
                    "columns": {c: d.rule for c, d in draft.columns.items()},
                    "references": draft.references,
                }
                for table, draft in tables.items()
            },
        }
    )


def sorted_out(
    name: str, connection: Connection, owners: Owners, tables: Mapping[str, DraftTable]
) -> tuple[dict[str, DraftTable], dict[str, str]]:
    """Return the tables that a source file can list, and why it cannot list the others."""
    kept: dict[str, DraftTable] = {}
    left: dict[str, str] = {}
    for table, draft in tables.items():
        alone = draft.model_copy(update={"references": {}})
        faults = source_faults(as_source(name, connection, owners, {table: alone}))
        odd = [name for name in (table, *draft.columns) if clean(name) != name]
        faults += ["a name in it holds a control character"] if odd else []
        faults += [f"it differs from {k} in case only" for k in kept if _alike(k, table)]
        if faults:
            left[table] = faults[0].removeprefix(f"{table}: ")
        else:
            kept[table] = draft
    return {table: _leading(draft, kept) for table, draft in kept.items()}, left


def doubted_marks(connection: Connection, survey: Survey) -> Iterator[str]:
    """Yield, for each CSV file that came as one column, the mark that its header seems cut by."""
    if not isinstance(connection, Csv):
        return
    for table in survey.tables:
        if len(table.columns) != 1 or table.name not in connection.files:
            continue
        header = table.columns[0].name
        used = connection.files[table.name].delimiter or connection.delimiter
        likely = max((mark for mark in _MARKS if mark != used), key=header.count)
        if likely in header:
            yield (
                f"{table.name} came as one column: it was cut at {_MARKS.get(used, used)}, but its "
                f"header has {_MARKS[likely]}. Take the draft away, and draft it again with "
                f"--delimiter {_TYPED[likely]}"
            )


def as_text(source: Source, tables: Mapping[str, DraftTable], said: Sequence[str]) -> str:
    """Return the YAML of a draft; `said` begins its comment: when, from where, by whom."""
    return "\n".join(_lines(source, tables, said)) + "\n"


def column_line(name: str, rule: Column, why: str = "") -> str:
    """Return one column as it stands in a source file, with the reason as a comment."""
    written = rule.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    if set(written["mask"]) == {"method"}:
        written["mask"] = written["mask"]["method"]
    comment = f"  # {clean(why)}" if why else ""
    return f"{scalar(name)}: {_flow(written)}{comment}"


def scalar(text: str) -> str:
    """Return `text` as YAML reads it back: plain where it can be, else in double quotes."""
    if _PLAIN.fullmatch(text) and text.lower() not in _READ_OTHERWISE:
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in quoted)


def _lines(source: Source, tables: Mapping[str, DraftTable], said: Sequence[str]) -> Iterator[str]:
    yield from (f"# {clean(line)}" for line in (*said, *_HEAD))
    yield from ("apiVersion: sandbox.source/v1", "kind: Source")
    yield f"metadata: {_flow({'name': source.name})}"
    yield "connection:"
    connection = source.connection.model_dump(mode="json", by_alias=True, exclude_none=True)
    yield from (f"  {key}: {_flow(value)}" for key, value in connection.items() if value != {})
    yield "# Who answers for these two steps; name them."
    yield f"owners: {_flow(source.owners.model_dump())}"
    yield "tables:"
    for name, table in tables.items():
        yield f"  {scalar(name)}:  # {table.rows:,} rows were looked at"
        if table.references:
            yield f"    references: {_flow(table.references)}"
        yield "    columns:"
        yield from (f"      {column_line(c, d.rule, d.why)}" for c, d in table.columns.items())


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(k)}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return scalar(value) if isinstance(value, str) else json.dumps(value)


def _leading(draft: DraftTable, kept: Mapping[str, DraftTable]) -> DraftTable:
    there = {f"{t}.{c}" for t, d in kept.items() for c in d.columns}
    leads = {column: to for column, to in draft.references.items() if to in there}
    return draft.model_copy(update={"references": leads})


def _alike(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()
