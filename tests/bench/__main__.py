"""`python -m tests.bench`: measure, print the table, and keep it with --write."""

import argparse
import signal
import sys
from types import FrameType
from typing import NoReturn

from . import desk, hand, lateness, pull, sizes
from .house import demo_house
from .table import Row, as_text, keep

_BIG = 5_000_000


def main() -> int:
    """Run the benchmark; return 130 when it was interrupted."""
    # SIGTERM must take the same way out as Ctrl-C: through the removal.
    signal.signal(signal.SIGTERM, _terminated)
    options = _options()
    try:
        rows = _measure(options.runs, full=options.full)
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
    parser.add_argument("--write", action="store_true", help="keep it in docs/benchmarks.md")
    return parser.parse_args()


def _measure(runs: int, *, full: bool) -> list[Row]:
    with demo_house() as house:
        rows = hand.rows(house, runs)
        rows += lateness.rows(house)
        rows += pull.rows(house, _BIG, 3) if full else pull.skipped(_BIG)
        rows += sizes.rows(house, runs) if full else sizes.skipped()
        return rows + desk.rows(house, runs) + desk.record_rows(house)


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
