"""policy explain, scan, impact: what rules say, to a request, to what runs, and after a change."""

from pathlib import Path
from typing import Annotated

import typer

from sandbox.cli.asking import Returned, command

On = Annotated[
    str,
    typer.Option(
        "--on",
        metavar="DAY",
        help="By the rules and waivers of that moment: 2027-01-01, or a time with its zone. "
        "Default: now.",
    ),
]


def add_to(policy: typer.Typer) -> None:
    """Register the verbs of the noun `policy`."""
    command(policy, "explain", explain)
    command(policy, "scan", scan)
    command(policy, "impact", impact)


def explain(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RULE|DECISION",
            help="A rule's id; the name of a sandbox or source for the last decision about it; or "
            "the number of the event that a decision stands in.",
        ),
    ],
) -> Returned:
    """Tell a rule in words; or why a decision was made, and the least change that would pass."""
    from sandbox.usecases.explaining import PolicyExplainRequest

    return PolicyExplainRequest(what=what)


def scan(
    name: Annotated[str, typer.Argument(help="Only this sandbox. Default: all.")] = "",
    on: On = "",
) -> Returned:
    """Judge what runs by the rules of today; exit 4 if an enforced one is broken."""
    from sandbox.usecases.scanning import PolicyScanRequest

    return PolicyScanRequest(name=name, on=on)


def impact(
    file: Annotated[
        Path,
        typer.Argument(metavar="NEWFILE", help="A file that is to stand in policies/."),
    ],
    on: On = "",
) -> Returned:
    """Tell which rules a new file makes tighter or looser, and whom that would concern."""
    from sandbox.cli.policy import read_file
    from sandbox.usecases.scanning import PolicyImpactRequest

    return PolicyImpactRequest(file=file.name, content=read_file(file), on=on)
