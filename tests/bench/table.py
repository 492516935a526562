"""Rows of the table, how they are printed, and where the last table is kept."""

import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
DOCUMENT = Path(__file__).parents[2] / "docs" / "benchmarks.md"
# Why a row is left out by default.
LONG = "takes minutes: make bench FULL=1"
_HEAD = ("What", "Baseline", "Measured", "Goal", "Met")


@dataclass(frozen=True)
class Row:
    """One line of the table; `met` is None for what was not run."""

    what: str
    baseline: str
    measured: str
    goal: str
    met: bool | None

    def cells(self) -> tuple[str, ...]:
        """Return the line's texts in the order of the head."""
        met = {True: "yes", False: "no", None: "–"}[self.met]
        return self.what, self.baseline, self.measured, self.goal, met


def ratio(what: str, ours: Sequence[float], base: Sequence[float], name: str, goal: float) -> Row:
    """Return the row of a ratio of medians; `name` says what the baseline is. Times in seconds."""
    mine, other = statistics.median(ours), statistics.median(base)
    return Row(
        what,
        f"{name}: {other:.2f} s",
        f"{mine:.2f} s = {mine / other:.2f} × (n = {len(ours)})",
        f"≤ {goal:g} ×",
        mine / other <= goal,
    )


def extra(what: str, ours: Sequence[float], base: Sequence[float], goal: float) -> Row:
    """Return the row of a time beyond that of an empty Python. Times in seconds."""
    mine, other = statistics.median(ours), statistics.median(base)
    return Row(
        what,
        f"`python -c pass`: {other:.3f} s",
        f"{mine - other:.2f} s more (n = {len(ours)})",
        f"≤ {goal:g} s more",
        mine - other <= goal,
    )


def not_run(what: str, baseline: str, why: str, goal: str) -> Row:
    """Return the row of something that was not measured, and why."""
    return Row(what, baseline, f"not run: {why}", goal, None)


def as_text(rows: Sequence[Row]) -> str:
    """Return the table for a terminal, in columns."""
    lines = [_HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    padded = ([c.ljust(w) for c, w in zip(line, widths, strict=True)] for line in lines)
    return "\n".join("  ".join(line).rstrip() for line in padded)


def as_markdown(rows: Sequence[Row]) -> str:
    """Return the table in Markdown, under the day and the machine."""
    lines = [_HEAD, ("---",) * len(_HEAD), *(row.cells() for row in rows)]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"{datetime.now(UTC):%Y-%m-%d}, on {machine()}.\n\n{table}"


def machine() -> str:
    """Return what the numbers depend on; nothing that names the place."""
    asked = ("docker", "version", "--format", "{{.Server.Version}}")
    engine = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    return (
        f"{os.cpu_count()} CPUs, Linux {platform.release()}, Docker {engine}, "
        f"Python {platform.python_version()}"
    )


def keep(rows: Sequence[Row]) -> None:
    """Replace the table in the document, between its two marks."""
    text = DOCUMENT.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    DOCUMENT.write_text(f"{before}{BEGIN}\n{as_markdown(rows)}\n{END}{after}")
