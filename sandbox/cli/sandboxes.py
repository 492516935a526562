"""plan, up, list, show, open, sql, exec, logs, down.

Each command imports its use case itself: `--help` and completion need none of them.
"""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sandbox.cli.asking import MOST_ROWS, Asked, Returned, SqlOutput, Why, command
from sandbox.core.errors import InvalidInput, Unavailable
from sandbox.core.text import clean

if TYPE_CHECKING:
    from sandbox.core.resolving import Wish
    from sandbox.core.values import Result


def live_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return live sandbox names for the shell's completion; nothing where there is no home."""
    from sandbox.cli.app import quiet_ask
    from sandbox.usecases.sandboxes import NamesRequest

    found = quiet_ask(NamesRequest(), context)
    return [n for n in found.names if n.startswith(incomplete)] if found else []


Name = Annotated[str, typer.Argument(help="The sandbox's name.", autocompletion=live_names)]
NewName = Annotated[str, typer.Argument(help="A new name: letters, digits, hyphens.")]
TemplateName = Annotated[str, typer.Option("--template", "-t", help="What to make it from.")]
Purpose = Annotated[
    str, typer.Option("--purpose", "-p", help="What you want to find out, in one sentence.")
]
Ttl = Annotated[
    str, typer.Option("--ttl", help="How long it lives: 90m, 72h, 3d.", show_default="72h")
]
Parameters = Annotated[
    list[str] | None, typer.Option("--set", "-s", metavar="NAME=VALUE", help="A parameter.")
]
Owners = Annotated[
    list[str] | None,
    typer.Option(
        "--owner",
        metavar="STEP=PERSON",
        help="Who answers for a step: extract, transform, analyse.",
    ),
]
Egress = Annotated[
    list[str] | None,
    typer.Option("--egress", metavar="HOST", help="A host outside to reach, if policy approves."),
]
SnapshotId = Annotated[
    str, typer.Option("--snapshot", help="A certain snapshot.", show_default="the newest")
]
Experiment = Annotated[
    str, typer.Option("--experiment", help="See the snapshots that are for this experiment alone.")
]
Campaign = Annotated[
    str, typer.Option("--campaign", metavar="CODE", help="The campaign that it is charged to.")
]
Expedite = Annotated[
    bool,
    typer.Option("--expedite", help="It cannot wait: short, sponsored, and reviewed afterwards."),
]
Sponsor = Annotated[
    str, typer.Option("--sponsor", metavar="PERSON", help="Who answers for the urgency.")
]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    first, inside = "Sandboxes", "Working in one"
    command(app, "plan", _wishing(plan), rich_help_panel=first)
    command(app, "up", _wishing(up), rich_help_panel=first)
    command(app, "list", list_sandboxes, rich_help_panel=first)
    command(app, "show", show, rich_help_panel=first)
    command(app, "open", open_link, rich_help_panel=first)
    command(app, "reset", reset, rich_help_panel=first)
    command(app, "down", down, rich_help_panel=first)
    command(app, "review", review, rich_help_panel=first)
    command(app, "cost", cost, rich_help_panel=first)
    command(app, "sql", sql, rich_help_panel=inside)
    passing = {"allow_interspersed_args": False}
    command(app, "exec", execute, rich_help_panel=inside, context_settings=passing)
    command(app, "logs", logs, rich_help_panel=inside)


def plan(wish: "Wish") -> Returned:
    """Show everything `up` would do, touching nothing."""
    from sandbox.usecases.planning import PlanRequest

    return PlanRequest(wish=wish)


def up(wish: "Wish") -> Returned:
    """Make a sandbox. Asked again the same way, it returns the one that runs."""
    from sandbox.usecases.provisioning import UpRequest

    return UpRequest(wish=wish)


def list_sandboxes(
    everything: Annotated[bool, typer.Option("--all", "-a", help="Also those that ended.")] = False,
) -> Returned:
    """List active sandboxes."""
    from sandbox.usecases.sandboxes import ListRequest

    return ListRequest(everything=everything)


def show(name: Name) -> Returned:
    """Show one sandbox: purpose, decision, replica, parts."""
    from sandbox.usecases.sandboxes import ShowRequest

    return ShowRequest(name=name)


def open_link(
    name: Name,
    browse: Annotated[bool, typer.Option("--browse", help="Open it in the browser.")] = False,
) -> Returned:
    """Print a fresh link to a sandbox: it opens it once, within minutes, for whoever has it."""
    from sandbox.usecases.sandboxes import OpenRequest

    request = OpenRequest(name=name)
    return Asked(request, then=_open_in_browser) if browse else request


def reset(
    name: Name,
    latest: Annotated[
        bool, typer.Option("--latest", help="Show it the newest snapshot, not the one it has.")
    ] = False,
    reason: Why = "",
) -> Returned:
    """Make the tool of a sandbox anew; its tables, work files, link and end stay."""
    from sandbox.usecases.resetting import ResetRequest

    return ResetRequest(name=name, latest=latest, reason=reason)


def down(
    name: Name,
    reason: Why = "",
    no_keep: Annotated[
        bool, typer.Option("--no-keep", help="Keep no archive of its tables and work files.")
    ] = False,
) -> Returned:
    """Remove a sandbox; its tables and work files are kept for a while, encrypted."""
    from sandbox.usecases.sandboxes import DownRequest

    return DownRequest(name=name, reason=reason, keep=not no_keep)


def review(
    name: Annotated[str, typer.Argument(help="The sandbox; without one, those that wait.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="What came of it.")] = "",
) -> Returned:
    """Say what came of an expedited sandbox, or list those that nobody has reviewed."""
    from sandbox.usecases.reviewing import ReviewListRequest, ReviewRequest

    if not name and not reason:
        return ReviewListRequest()
    return ReviewRequest(name=name, reason=reason)


def cost() -> Returned:
    """Show what this month's sandboxes cost, by campaign and team."""
    from sandbox.usecases.charging import CostRequest

    return CostRequest()


def sql(
    name: Name,
    statement: Annotated[str, typer.Argument(metavar="SQL", help="One statement; - reads stdin.")],
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, max=MOST_ROWS, help="Rows at most.")
    ] = 1000,
    output: Annotated[
        SqlOutput, typer.Option("--output", "-o", help="How rows are printed.")
    ] = SqlOutput.TABLE,
) -> Returned:
    """Ask core (read-only) and lab in one query."""
    from sandbox.usecases.inside import SqlRequest

    text = typer.get_text_stream("stdin").read() if statement == "-" else statement
    return SqlRequest(name=name, sql=text, limit=limit)


def execute(
    name: Name,
    words: Annotated[list[str], typer.Argument(metavar="-- COMMAND...", help="What to run.")],
    part: Annotated[
        str, typer.Option("--part", help="Which part of the sandbox.", show_default="the tool")
    ] = "",
) -> Returned:
    """Run a command inside, as the tool's own user; its exit code is passed on."""
    from sandbox.usecases.inside import ExecRequest

    # After a first argument the parser keeps the `--` that people write before the command.
    command = words[1:] if words[0] == "--" else words
    if not command:
        raise InvalidInput(
            "There is no command.",
            subject=name,
            hint=f"For example: sandbox exec {name} -- ls /work",
        )
    if command is words and words[0].startswith("-"):
        raise InvalidInput(
            f"The command cannot be {clean(words[0])}.",
            subject=name,
            hint=f"Options come before the name: sandbox exec --part lab {name} -- ls /lab",
        )
    return ExecRequest(name=name, command=tuple(command), part=part)


def logs(
    name: Name,
    part: Annotated[
        str, typer.Option("--part", help="Which part of the sandbox.", show_default="the tool")
    ] = "",
    tail: Annotated[int, typer.Option("--tail", min=1, max=10_000, help="How many lines.")] = 100,
) -> Returned:
    """Print the last lines that the tool, or another part, wrote."""
    from sandbox.usecases.inside import LogsRequest

    return LogsRequest(name=name, part=part, tail=tail)


def _wish(
    name: NewName,
    template: TemplateName,
    purpose: Purpose = "",
    ttl: Ttl = "",
    parameters: Parameters = None,
    owners: Owners = None,
    snapshot: SnapshotId = "",
    egress: Egress = None,
    experiment: Experiment = "",
    campaign: Campaign = "",
    expedite: Expedite = False,
    sponsor: Sponsor = "",
) -> "Wish":
    from sandbox.core.resolving import Wish

    return Wish(
        name=name,
        template=template,
        purpose=purpose,
        ttl=ttl,
        parameters=_pairs(parameters, "--set bins=4"),
        owners=_pairs(owners, "--owner analyse=hanako"),
        snapshot=snapshot,
        egress=tuple(egress or ()),
        experiment=experiment,
        campaign=campaign,
        expedite=expedite,
        sponsor=sponsor,
    )


def _wishing(function: "Callable[[Wish], Returned]") -> Callable[..., Returned]:
    """Return the command that asks `function` for the wish which its options, `_wish`'s, say."""

    @functools.wraps(_wish)
    def asked(**options: Any) -> Returned:
        """Return what `function` asks for."""
        return function(_wish(**options))

    asked.__doc__ = function.__doc__
    return asked


def _pairs(given: list[str] | None, example: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given or []:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise InvalidInput(
                "This is not NAME=VALUE.", subject=text, hint=f"For example: {example}"
            )
        if key in found:
            raise InvalidInput("This is said twice.", subject=key, hint="Say it once.")
        found[key] = value
    return found


def _open_in_browser(result: "Result") -> None:
    from sandbox.cli.browsing import browse
    from sandbox.usecases.sandboxes import OpenResult

    assert isinstance(result, OpenResult)
    if not browse(result.link):
        raise Unavailable(
            "No browser could be started here.",
            subject=result.name,
            hint="Open the link yourself, or name a browser in $BROWSER.",
        )
