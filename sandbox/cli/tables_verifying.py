"""What people see of `verify`: per subject the walls that held, then what got through."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sandbox.cli.blocks import Block, Grid, named

if TYPE_CHECKING:
    from sandbox.usecases.verifying import VerifyResult


def _verified(result: "VerifyResult") -> list[Block]:
    failed = [check for check in result.checks if not check.held]
    tried = f"{len(result.checks)} attacks from inside got through ({result.seconds:.1f} s)"
    if failed:
        head = named("FAILED", f"{result.name}: {len(failed)} of {tried}", "red")
    else:
        head = named("holds", f"{result.name}: none of {tried}", "green")
    grid = Grid(("about", "attack", "", "what the attacker saw"), cut=frozenset({"attack"}))
    last = ""
    for check in sorted(result.checks, key=lambda c: (c.about, c.held)):
        about = "" if check.about == last else check.about
        last = check.about
        grid.rows.append((about, check.name, "held" if check.held else "FELL", check.detail))
    return [head, *(named("note", note) for note in result.notes), grid]


SHOWN: dict[str, Callable[[Any], list[Block]]] = {"VerifyResult": _verified}
