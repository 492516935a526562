"""The way into a sandbox: a CSV file becomes a table of its lab, without real identities."""

import hashlib
import re
from pathlib import PurePath
from typing import Any

from pydantic import Field

from sandbox.core.approval import reasons
from sandbox.core.asks import AskState, MatchAsk
from sandbox.core.crossing import (
    Masked,
    Match,
    Seen,
    check_matchable,
    named_column,
    parse_match,
    token_forms,
)
from sandbox.core.errors import Conflict, InvalidInput, SandboxError
from sandbox.core.judged_crossing import ImportInput
from sandbox.core.lab_tables import table_name
from sandbox.core.lifecycle import Sandbox
from sandbox.core.policy import Decision
from sandbox.core.ports import Context
from sandbox.core.snapshot import Manifest, Snapshot
from sandbox.core.source import Column
from sandbox.core.text import clean
from sandbox.core.values import Request, Result, Value
from sandbox.usecases.approving import approved
from sandbox.usecases.asks import use_ask
from sandbox.usecases.desk import answers
from sandbox.usecases.inside import ask_inside, understood
from sandbox.usecases.recording import check_same_data, record, snapshots_of, why_it_ended
from sandbox.usecases.sandboxes import running
from sandbox.usecases.wishes import judge

IMPORT_LIMIT = 64 * 1024 * 1024
_NOT_IMPORTED = "The file was not imported: "
# What the program inside says of a file that the record may keep: it holds nothing of the file.
_PLAIN_REASON = re.compile(
    r"The file is empty\.|Line \d+: a quote \(\"\) (?:is opened|ends in) [a-z ,;.\"]*"
    r"|Line \d+ has \d+ cells?, but the first line names \d+ columns?\."
)
_EXCEL = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


class ImportedColumn(Value):
    """A column of an imported table."""

    name: str
    type: str


class Matched(Value):
    """How many rows of an imported table have an identity that the replica's column has too."""

    column: str
    file_column: str
    rows: int
    unmatched: int
    request: str


class ImportResult(Result):
    """A table that was made in the lab; `notes` tell each name that differs from the file's."""

    name: str
    table: str
    rows: int
    columns: tuple[ImportedColumn, ...]
    notes: tuple[str, ...] = ()
    matched: Matched | None = None
    decision: Decision


class ImportRequest(Request[ImportResult]):
    """Bring a CSV file into the lab. `content` is the file; nothing is opened by name.

    `match` (`core.TABLE.COLUMN=FILECOLUMN`) has a column of identities masked as the replica's is;
    `purpose` is why, by default the sandbox's own.
    """

    name: str
    file: str
    content: bytes
    table: str = ""
    match: str = ""
    purpose: str = ""


class _Cargo(Value):
    """A file on its way in: what of it reaches the lab, and what was seen in that.

    `digest` is the SHA-256 of the file as it came.
    """

    digest: str
    content: bytes
    seen: Seen
    match: Match | None = None
    masked: Masked | None = None


class _Loaded(Value):
    """What the program inside says it made of a file. Nothing is decided by it."""

    table: str
    rows: int = Field(ge=0)
    columns: tuple[ImportedColumn, ...]
    notes: tuple[str, ...] = ()
    matched: int = Field(default=0, ge=0)


@answers(ImportRequest)
def import_csv(context: Context, request: ImportRequest) -> ImportResult:
    """Load a CSV file into a new table of the lab, if policy or somebody's yes lets it.

    Raises Denied where they do not, InvalidInput for a file that cannot be read, Conflict when the
    lab has a table of that name.
    """
    table, notes = table_name(request.file, request.table)
    _check_size(request)
    sandbox = running(context, request.name)
    cargo = _looked_at(context, request, sandbox)
    document = ImportInput.of(
        sandbox,
        cargo.seen,
        file=clean(request.file),
        size=len(request.content),
        person=context.actor.name,
        match=cargo.match,
        masked=cargo.masked,
    )
    plain, owner = document.as_document(), sandbox.lease.owner
    decision = judge(context, "import", plain, subject=sandbox.name, owner=owner)
    ask = _approved(context, request, sandbox, table, cargo, decision)
    _record_crossing(context, request, sandbox, table, cargo, decision, ask)
    try:
        loaded = _loaded(context, request, sandbox, table, cargo)
    except BaseException as error:
        _record_failure(context, request, table, error)
        raise
    matched = _matched(cargo, loaded, ask)
    _record_table(context, request, table, loaded, matched, ask)
    return ImportResult(
        name=request.name,
        table=table,
        rows=loaded.rows,
        columns=loaded.columns,
        notes=(*notes, *loaded.notes),
        matched=matched,
        decision=decision,
    )


def _check_size(request: ImportRequest) -> None:
    if len(request.content) > IMPORT_LIMIT:
        raise InvalidInput(
            f"The file is larger than {IMPORT_LIMIT >> 20} MiB.",
            subject=clean(request.file),
            hint="Split it, or aggregate it first.",
        )


def _looked_at(context: Context, request: ImportRequest, sandbox: Sandbox) -> _Cargo:
    """Return the file as it would reach the lab, one column masked where that is asked for."""
    snapshots = snapshots_of(context, sandbox)
    forms, name = token_forms(snapshots), f"{PurePath(request.file).stem}.csv"
    digest = hashlib.sha256(request.content).hexdigest()
    context.progress.say("import", f"Looking at {len(request.content):,} bytes")
    if not request.match:
        seen = context.border.look(name, request.content, forms)
        if seen.format == "unknown":
            raise _unreadable(request)
        return _Cargo(digest=digest, content=request.content, seen=seen)
    match, masked = _masked(context, request, snapshots[-1])
    seen = context.border.look(name, masked.content, forms)
    named_column(match.file_column, seen.columns, request.file)
    return _Cargo(digest=digest, content=masked.content, seen=seen, match=match, masked=masked)


def _masked(
    context: Context, request: ImportRequest, snapshot: Snapshot | None
) -> tuple[Match, Masked]:
    """Return the file with its identities masked, exactly as those of the snapshot were."""
    manifest = _manifest(context, request.name, snapshot)
    match = parse_match(request.match, manifest.source)
    rule = _rule(manifest, match)
    check_matchable(match, rule)
    type_ = manifest.types.get(match.table, {}).get(match.column, "")
    key = context.keys.mask_key(manifest.source, manifest.experiment)
    return match, context.border.mask(request.content, match.file_column, rule, type_, key)


def _manifest(context: Context, name: str, snapshot: Snapshot | None) -> Manifest:
    """Return what the sandbox's snapshot is; raises Conflict where its masks cannot be repeated."""
    manifest = snapshot.manifest if snapshot else None
    if manifest is None or not manifest.types:
        raise Conflict(
            "The sandbox's snapshot does not tell enough of how it was masked.",
            subject=snapshot.id if snapshot else "",
            hint=f"Build a new snapshot, and take it: sandbox reset {name} --latest",
        )
    if context.keys.key_id(manifest.source, manifest.experiment) != manifest.key_id:
        raise Conflict(
            "The home's key is not the one that the sandbox's snapshot was masked with.",
            subject=snapshot.id if snapshot else "",
            hint=f"Build a new snapshot, and take it: sandbox reset {name} --latest",
        )
    return manifest


def _rule(manifest: Manifest, match: Match) -> Column:
    """Return how the snapshot's column was masked; raises InvalidInput with the nearest name."""
    named_column(match.table, [table.name for table in manifest.tables], match.core_column)
    columns = manifest.built_by()[match.table].columns
    return columns[named_column(match.column, columns, match.core_column)]


def _unreadable(request: ImportRequest) -> InvalidInput:
    excel = request.content.startswith(_EXCEL)
    return InvalidInput(
        "This is an Excel file, not CSV." if excel else "The file is no text that can be read.",
        subject=clean(request.file),
        hint='In Excel choose File, Save As, "CSV UTF-8 (Comma delimited)" and import that file.',
    )


def _approved(
    context: Context,
    request: ImportRequest,
    sandbox: Sandbox,
    table: str,
    cargo: _Cargo,
    decision: Decision,
) -> str:
    """Return the ask that lets the file in, "" if it needs none; raises Denied."""
    match = cargo.match
    content = MatchAsk(
        sandbox=sandbox.id,
        file=clean(request.file),
        digest=cargo.digest,
        rows=cargo.seen.rows,
        column=match.core_column if match else "",
        file_column=match.file_column if match else "",
        table=table,
        columns=cargo.seen.columns,
        **reasons(decision),
    )
    return approved(
        context,
        decision,
        content,
        subject=sandbox.name,
        purpose=request.purpose.strip() or sandbox.spec.purpose,
        denied="lab.import-denied",
    )


def _loaded(
    context: Context, request: ImportRequest, sandbox: Sandbox, table: str, cargo: _Cargo
) -> _Loaded:
    """Have the table made inside; return what became of it."""
    question: dict[str, Any] = {"table": table, "size": len(cargo.content)}
    if cargo.match:
        question["match"] = {
            "source": cargo.match.source,
            "table": cargo.match.table,
            "column": cargo.match.column,
            "at": cargo.seen.columns.index(cargo.match.file_column),
        }
    answer = ask_inside(context, sandbox, "sandbox_import", question, cargo.content)
    if "error" in answer:
        raise _not_imported(request, table, answer)
    with understood(request.name):
        columns = [{"name": clean(name), "type": clean(type_)} for name, type_ in answer["columns"]]
        notes = [clean(note) for note in answer.get("notes", [])]
        return _Loaded.model_validate(answer | {"columns": columns, "notes": notes})


def _matched(cargo: _Cargo, loaded: _Loaded, ask: str) -> Matched | None:
    if cargo.match is None:
        return None
    rows = min(loaded.matched, loaded.rows)
    return Matched(
        column=cargo.match.core_column,
        file_column=cargo.match.file_column,
        rows=rows,
        unmatched=loaded.rows - rows,
        request=ask,
    )


def _record_crossing(
    context: Context,
    request: ImportRequest,
    sandbox: Sandbox,
    table: str,
    cargo: _Cargo,
    decision: Decision,
    ask: str,
) -> None:
    """Write, before a byte of it reaches the sandbox, which file goes in and why it may."""
    with context.registry.writing() as tx:
        check_same_data(tx, sandbox)
        record(
            context,
            tx,
            "lab.importing",
            request.name,
            table=table,
            file=clean(request.file),
            bytes=len(request.content),
            sha256=cargo.digest,
            match=cargo.match.model_dump(mode="json") if cargo.match else None,
            request=ask,
            decision=decision.model_dump(mode="json"),
        )


def _record_table(
    context: Context,
    request: ImportRequest,
    table: str,
    loaded: _Loaded,
    matched: Matched | None,
    ask: str,
) -> None:
    """Write that the table was made, and that the yes it needed is used."""
    with context.registry.writing() as tx:
        found = tx.ask(ask) if ask else None
        # Of two who import the same at once both have loaded it by now.
        if found and found.state_at(context.now()) is AskState.ACCEPTED:
            use_ask(context, tx, ask)
        told = matched.model_dump(mode="json") if matched else None
        record(
            context,
            tx,
            "lab.imported",
            request.name,
            table=table,
            rows=loaded.rows,
            file=clean(request.file),
            matched=told,
        )


def _record_failure(
    context: Context, request: ImportRequest, table: str, error: BaseException
) -> None:
    """Write that there is no table, and why: never in words that hold a value of the file."""
    why = why_it_ended(error)
    said = why.removeprefix(_NOT_IMPORTED)
    if said != why:
        why = said if _PLAIN_REASON.fullmatch(said) else "the program inside could not load it"
    with context.registry.writing() as tx:
        file = clean(request.file)
        record(context, tx, "lab.import-failed", request.name, reason=why, table=table, file=file)


def _not_imported(request: ImportRequest, table: str, answer: dict[str, Any]) -> SandboxError:
    if answer.get("kind") == "taken":
        return Conflict(
            f"The lab has a table {table} already.",
            subject=request.name,
            hint=f"Remove it: sandbox sql {request.name} 'DROP TABLE lab.{table}'\n"
            "Or give the new one another name: --table OTHER",
        )
    first, _, rest = clean(str(answer["error"]), keep_newlines=True).partition("\n")
    hint = "Correct the file, then import it again."
    return InvalidInput(
        f"{_NOT_IMPORTED}{first}",
        subject=clean(request.file),
        hint=f"{rest}\n{hint}" if rest else hint,
    )
