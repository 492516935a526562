"""`python -m tests.bench`: measure, print the table, and keep it with --write."""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import NoReturn

from . import desk, hand, lateness, memory, pull, sizes, warm
from .commands import say
from .house import House, demo_house
from .table import Row, as_text, keep

_BIG = 5_000_000
_PARTS = ("hand", "warm", "memory", "lateness", "pull", "sizes", "desk", "record")


def main() -> int:
    """Run the benchmark; return 130 when it was interrupted."""
    # SIGTERM must take the same way out as Ctrl-C: through the removal.
    signal.signal(signal.SIGTERM, _terminated)
    options = _options()
    try:
        rows = _measure(options.only or _PARTS, options.runs, full=options.full)
    except KeyboardInterrupt:
        return 130
    print(as_text(rows))
    if options.write:
        keep(rows)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=15, help="rounds of what is compared")
    parser.add_argument("--full", action="store_true", help="also what takes minutes")
    parser.add_argument("--only", action="append", choices=_PARTS, help="this part of the table")
    parser.add_argument("--write", action="store_true", help="keep it in docs/benchmarks.md")
    options = parser.parse_args()
    if options.only and options.write:
        parser.error("--write keeps the whole table: leave out --only")
    return options


def _measure(parts: Sequence[str], runs: int, *, full: bool) -> list[Row]:
    measured: list[Row] = []
    with demo_house() as house:
        for part in (p for p in _PARTS if p in parts):
            rows = _rows(part, house, runs, full)
            # Told at once: what fails an hour later takes nothing of it away.
            say(f"{part}:\n{as_text(rows)}")
            measured += rows
    return measured


def _rows(part: str, house: House, runs: int, full: bool) -> list[Row]:
    measured: dict[str, Callable[[], list[Row]]] = {
        "hand": lambda: hand.rows(house, runs),
        "warm": lambda: warm.rows(house, runs),
        "memory": lambda: memory.rows(house),
        "lateness": lambda: lateness.rows(house),
        "pull": lambda: pull.rows(house, _BIG, 3) if full else pull.skipped(_BIG),
        "sizes": lambda: sizes.rows(house, runs) if full else sizes.skipped(),
        "desk": lambda: desk.rows(house, runs),
        "record": lambda: desk.record_rows(house),
    }
    return measured[part]()


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
