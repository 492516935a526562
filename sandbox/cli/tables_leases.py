"""What people see of leases: ends, warnings, what is left to ask for, and the stopped line."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sandbox.cli.blocks import Block, Line, named, weekday
from sandbox.core.lease import spoken

if TYPE_CHECKING:
    from sandbox.usecases.leases import ExtendResult, FreezeResult, RestoreResult, ResumeResult
    from sandbox.usecases.line import LineResult, Stopped
    from sandbox.usecases.views import SandboxView


def until(view: "SandboxView") -> str:
    """Return when a sandbox ends and how long that is from now; nothing before it is ready."""
    if view.deadline is None or view.minutes_left is None:
        return ""
    when = weekday(view.deadline)
    return f"until {when} ({spoken(timedelta(minutes=view.minutes_left))} left)"


def answering(label: str, view: "SandboxView", known: str = "") -> Line:
    """Return the line that says where a sandbox answers, and until when; after what is `known`."""
    return named(label, f"{known}{view.url}   {until(view)}", style="green")


def left(view: "SandboxView") -> str:
    """Return the cell of a list that says how long a sandbox still has, and its warnings."""
    if view.waits_for:
        return f"a yes of {', '.join(view.waits_for)}"
    if view.state not in ("ready", "frozen"):
        return ""
    ends = view.warning or spoken(timedelta(minutes=view.minutes_left or 0))
    return ", ".join(each for each in (ends, view.idle_warning) if each)


def standing(view: "SandboxView") -> list[Line]:
    """Return what `show` says of a lease: its warning, what can be asked for, until when kept."""
    warnings = [each for each in (view.warning, view.idle_warning) if each]
    lines = [named("warning", each, style="yellow") for each in warnings]
    if view.last_used is not None:
        when = weekday(view.last_used)
        lines.append(named("last used", when))
    if view.frozen_since is not None:
        since = weekday(view.frozen_since)
        lines.append(named("frozen", f"by {view.frozen_by}, {since}"))
    if view.state == "frozen":
        lines.append(named("lease", f"runs on {until(view)}"))
        lines.append(named("resume", f"IT starts it again: {view.resume_command}"))
    asks = [verb for verb in ("extend", "restore") if verb in view.allowed_actions]
    lines += [named(verb, _to_ask(view)) for verb in asks]
    if view.kept_until is not None:
        over = "restore" not in view.allowed_actions
        when = weekday(view.kept_until)
        lines.append(named("expired", f"kept until {when}" + (", over" if over else "")))
    return lines


def line_stopped(stopped: "Stopped | None") -> list[Line]:
    """Return the line that tells of a stopped line, if it is."""
    if stopped is None:
        return []
    when = weekday(stopped.at)
    return [named("line", f"stopped by {stopped.by}, {when}: {stopped.reason}", style="red")]


def _to_ask(view: "SandboxView") -> str:
    if not view.extensions_left:
        return "no more"
    times = "once more" if view.extensions_left == 1 else f"{view.extensions_left} times more"
    return f"{times}, now by {spoken(timedelta(minutes=view.minutes_to_ask))} at most"


def _extend(result: "ExtendResult") -> list[Block]:
    view = result.sandbox
    return [
        named("extended", f"{view.name}   {until(view)}", style="green"),
        named("extend", _to_ask(view)),
    ]


def _restore(result: "RestoreResult") -> list[Block]:
    view = result.sandbox
    if view.state == "frozen":
        return [
            named("restored", f"{view.name}   {until(view)}", style="green"),
            named("frozen", f"still: {view.reason}"),
            named("resume", view.resume_command),
        ]
    return [
        answering("restored", view),
        named("extend", _to_ask(view)),
        named("open", f"sandbox open {view.name}"),
    ]


def _freeze(result: "FreezeResult") -> list[Block]:
    view = result.sandbox
    return [
        named("frozen", f"{view.name}: {view.reason}"),
        named("lease", f"runs on {until(view)}"),
        named("resume", view.resume_command),
    ]


def _resume(result: "ResumeResult") -> list[Block]:
    view = result.sandbox
    shown: list[Block] = [answering("resumed", view)]
    if result.credited:
        back = spoken(timedelta(minutes=result.credited_minutes))
        shown.append(named("credit", f"{back} given back"))
    return [*shown, named("open", f"sandbox open {view.name}")]


def _line(result: "LineResult") -> list[Block]:
    frozen = ", ".join(result.frozen) or "none"
    shown = line_stopped(result.stopped) or [named("line", "lifted", style="green")]
    shown = [*shown, named("frozen", frozen)]
    hint = "sandbox stop-the-line --lift" if result.stopped else "sandbox resume NAME, each"
    return [*shown, named("then", hint)] if result.stopped or result.frozen else [*shown]


SHOWN: dict[str, Callable[[Any], list[Block]]] = {
    "ExtendResult": _extend,
    "RestoreResult": _restore,
    "FreezeResult": _freeze,
    "ResumeResult": _resume,
    "LineResult": _line,
}
