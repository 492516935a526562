"""What people see of their inbox."""

from typing import TYPE_CHECKING

from sandbox.cli.blocks import Block, Grid, Line, cell, named
from sandbox.cli.tables_leases import left

if TYPE_CHECKING:
    from sandbox.usecases.inbox import AskedView, InboxResult
    from sandbox.usecases.views import SandboxView

_ANSWER = {"create": "approve {request}", "waiver": "waiver approve {request}"}
_CUT = frozenset({"what for"})


def shown(result: "InboxResult") -> list[Block]:
    """Return each kind of thing with the command that deals with it."""
    if not result.count:
        return [Line(f"Nothing waits for {result.you}.")]
    blocks: list[Block] = []
    if result.ending:
        grid = Grid(("ends soon", "state", "left", "do"))
        grid.rows.extend((s.name, s.state, left(s), _more(s)) for s in result.ending)
        blocks.append(grid)
    if result.decide:
        grid = Grid(
            ("to decide", "kind", "subject", "asked by", "until", "what for", "do"), cut=_CUT
        )
        for a in result.decide:
            grid.rows.append(
                (a.request, a.kind, a.subject, a.asked_by, cell(a.until), a.purpose, _answer(a))
            )
        blocks.append(grid)
    if result.review:
        grid = Grid(("to review", "owner", "due", "what for", "do"), cut=_CUT)
        for r in result.review:
            due = f"{cell(r.due)}{', overdue' if r.overdue else ''}"
            grid.rows.append((r.name, r.owner, due, r.purpose, f"sandbox review {r.name}"))
        blocks.append(grid)
    if result.waiting:
        grid = Grid(("waits", "kind", "subject", "for", "until"))
        for a in result.waiting:
            grid.rows.append((a.request, a.kind, a.subject, _whom(a), cell(a.until)))
        blocks.append(grid)
    return blocks


def counted(count: int) -> list[Line]:
    """Return the line that `up` and `list` have of the inbox, none if it is empty."""
    things = "1 thing" if count == 1 else f"{count} things"
    return [named("inbox", f"{things} for you: sandbox inbox")] if count else []


def _more(sandbox: "SandboxView") -> str:
    verb = "restore" if sandbox.state == "expired" else "extend"
    return f"sandbox {verb} {sandbox.name}"


def _answer(asked: "AskedView") -> str:
    words = _ANSWER.get(asked.kind, "request accept {request}")
    return "sandbox " + words.format(request=asked.request)


def _whom(asked: "AskedView") -> str:
    roles = " or ".join(asked.roles)
    return f"{roles}: {', '.join(asked.whose)}" if asked.whose else roles
