"""The way out of a sandbox: one table or file, looked at, judged, and on record before it goes."""

import base64
import hashlib
from pathlib import PurePosixPath
from typing import Any

from sandbox.core.anatomy import WORK_FOLDER
from sandbox.core.approval import reasons
from sandbox.core.asks import ExportAsk
from sandbox.core.crossing import Format, Seen, token_forms
from sandbox.core.errors import InvalidInput, NotFound, SandboxError
from sandbox.core.judged_crossing import ExportInput
from sandbox.core.lifecycle import Sandbox
from sandbox.core.policy import Decision
from sandbox.core.ports import Context
from sandbox.core.text import clean
from sandbox.core.values import Request, Result
from sandbox.usecases.approving import approved
from sandbox.usecases.asks import use_ask
from sandbox.usecases.desk import answers
from sandbox.usecases.inside import ask_inside, understood
from sandbox.usecases.recording import check_same_data, record, snapshots_of
from sandbox.usecases.sandboxes import running
from sandbox.usecases.wishes import judge

EXPORT_LIMIT = 32 * 1024 * 1024
_WORK = PurePosixPath(WORK_FOLDER)


class ExportResult(Result):
    """What left a sandbox; its content, of this SHA-256, went to the caller live.

    `request` is the ask whose yes it used, "" if it needed none. `rows` is None for what has none.
    """

    name: str
    what: str
    format: Format
    rows: int | None
    bytes: int
    sha256: str
    label: str
    data_class: str
    decision: Decision
    request: str = ""


class ExportRequest(Request[ExportResult]):
    """Ask for a table of the lab, or a file below /work."""

    name: str
    what: str
    purpose: str


@answers(ExportRequest)
def export(context: Context, request: ExportRequest) -> ExportResult:
    """Let a table or file out, if policy or somebody's yes lets it; it is on record before.

    Raises Denied where they do not, NotFound for what is not there, InvalidInput for what is too
    large, or no table of the lab and no file below /work.
    """
    sandbox, purpose = running(context, request.name), request.purpose.strip()
    what, question = _question(request)
    name, content = _fetched(context, sandbox, request, question)
    snapshots = snapshots_of(context, sandbox)
    context.progress.say("export", f"Looking at {len(content):,} bytes")
    seen = context.border.look(name, content, token_forms(snapshots), leaving=True)
    document = ExportInput.of(
        sandbox, seen, snapshots, what=what, person=context.actor.name, purpose=purpose
    )
    plain, owner = document.as_document(), sandbox.lease.owner
    decision = judge(context, "export", plain, subject=sandbox.name, owner=owner)
    asked = _content(sandbox, seen, document, decision)
    denied = "sandbox.export-denied"
    allowed_by = approved(
        context, decision, asked, subject=sandbox.name, purpose=purpose, denied=denied
    )
    _record(context, sandbox, purpose, asked, decision, allowed_by)
    context.progress.output("file", seen.leaves)
    return ExportResult(
        name=sandbox.name,
        what=what,
        format=seen.format,
        rows=asked.rows,
        bytes=asked.bytes,
        sha256=asked.digest,
        label=document.label,
        data_class=asked.data_class,
        decision=decision,
        request=allowed_by,
    )


def _question(request: ExportRequest) -> tuple[str, dict[str, Any]]:
    """Return what is asked for as it is recorded, and the question to the program inside."""
    wanted = request.what.strip()
    if wanted.startswith("/"):
        path = PurePosixPath(wanted)
        if not path.is_relative_to(_WORK) or path == _WORK or ".." in path.parts:
            raise InvalidInput(
                "Only files below /work leave a sandbox.",
                subject=clean(wanted),
                hint=f"For example: sandbox export {request.name} /work/chart.csv --purpose WHY",
            )
        return str(path), {"file": str(path), "limit": EXPORT_LIMIT}
    if wanted.startswith("core."):
        raise InvalidInput(
            "The replica itself does not leave; a table of the lab does.",
            subject=clean(wanted),
            hint="Aggregate it into the lab: CREATE TABLE lab.NAME AS SELECT …",
        )
    table = wanted.removeprefix("lab.").removeprefix("public.")
    return f"lab.{table}", {"table": table, "limit": EXPORT_LIMIT}


def _fetched(
    context: Context, sandbox: Sandbox, request: ExportRequest, question: dict[str, Any]
) -> tuple[str, bytes]:
    """Return the file's name and content, read inside as the tool's own user."""
    answer = ask_inside(context, sandbox, "sandbox_export", question)
    if "error" in answer:
        raise _not_fetched(request, answer)
    with understood(request.name):
        return str(answer["name"]), base64.b64decode(answer["content"], validate=True)


def _not_fetched(request: ExportRequest, answer: dict[str, Any]) -> SandboxError:
    said = clean(str(answer["error"]))
    if answer.get("kind") == "missing":
        return NotFound(
            said,
            subject=clean(request.what),
            hint="Name a table of the lab, or a file by its whole path: /work/NAME",
        )
    return InvalidInput(said, subject=clean(request.what), hint="Nothing has left the sandbox.")


def _content(sandbox: Sandbox, seen: Seen, document: ExportInput, decision: Decision) -> ExportAsk:
    return ExportAsk(
        sandbox=sandbox.id,
        what=document.what,
        digest=hashlib.sha256(seen.leaves).hexdigest(),
        rows=seen.rows if seen.tabular else None,
        bytes=document.bytes,
        data_class=document.data_class,
        columns=seen.columns,
        **reasons(decision),
        found=seen.found,
    )


def _record(
    context: Context,
    sandbox: Sandbox,
    purpose: str,
    asked: ExportAsk,
    decision: Decision,
    ask: str,
) -> None:
    """Write that it leaves, and that the yes it needed is used; both or nothing."""
    with context.registry.writing() as tx:
        check_same_data(tx, sandbox)
        if ask:
            use_ask(context, tx, ask)
        record(
            context,
            tx,
            "sandbox.exported",
            sandbox.name,
            reason=purpose,
            **asked.model_dump(mode="json", exclude={"kind"}),
            request=ask,
            decision=decision.model_dump(mode="json"),
        )
