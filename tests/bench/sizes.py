"""The row of `up` with a large snapshot: nothing is copied, so size must not matter."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .commands import say, took
from .house import House
from .pull import core_psql
from .table import LONG, Row, not_run, ratio

_WHAT, _BASE = "`up` with a {large:.1f} GB snapshot", "`up` with a {small:.0f} MB snapshot"
# Rows of 1 KiB each.
_SMALL, _LARGE = 50 * 1000, 5 * 1000 * 1000
_PARTS = range(64)
# Made while it is read, so the core system needs no room for it; and random, so that it stays as
# large in the snapshot. UUIDs without a digit tell the leak gate nothing: of millions with digits
# some hold a customer's number. What the gate takes is another row's subject.
_KIB = ", ".join(
    f"translate(md5(n || '-{part}'), '0123456789', 'abcdefabcd')::uuid AS part_{part}"
    for part in _PARTS
)
_VIEW = f"""
CREATE OR REPLACE VIEW filler AS SELECT n AS number, {_KIB}
FROM generate_series(1, {{rows}}) AS n;
GRANT SELECT ON filler TO core_reader;
"""
_KEPT = "{class: internal, mask: keep}"
_LISTED = f"\n  filler:\n    columns:\n      number: {_KEPT}\n" + "".join(
    f"      part_{part}: {_KEPT}\n" for part in _PARTS
)


def rows(house: House, runs: int) -> list[Row]:
    """Make a sandbox from a snapshot of each size, in turn, `runs` times; return the row."""
    with _listed(house):
        small, large = _snapshot(house, _SMALL), _snapshot(house, _LARGE)
    times: dict[str, list[float]] = {small["id"]: [], large["id"]: []}
    for number in range(runs):
        say(f"up from a small and from a large snapshot, round {number + 1} of {runs}")
        # Whoever comes first after a pause must not always be the same.
        for snapshot in list(times)[:: 1 if number % 2 else -1]:
            times[snapshot].append(house.up(f"size-{number}", "--snapshot", snapshot).seconds)
            house.down(f"size-{number}")
    for snapshot in times:
        house.sandbox("snapshot", "rm", snapshot)
    what = _WHAT.format(large=large["manifest"]["bytes"] / 1e9)
    base = _BASE.format(small=small["manifest"]["bytes"] / 1e6)
    return [ratio(what, times[large["id"]], times[small["id"]], base, 1.1)]


def skipped() -> list[Row]:
    """Return the row for a run that leaves it out."""
    what, base = _WHAT.format(large=5), _BASE.format(small=50)
    return [not_run(what, base, LONG, "≤ 1.1 ×")]


@contextmanager
def _listed(house: House) -> Iterator[None]:
    """List the filler in the source `core`, for as long as this lasts."""
    file = house.folder / "sources" / "core.yaml"
    before = file.read_text()
    file.write_text(before.rstrip() + _LISTED)
    try:
        yield
    finally:
        file.write_text(before)
        took([*core_psql(house), "DROP VIEW IF EXISTS filler"])


def _snapshot(house: House, count: int) -> Any:
    say(f"a snapshot of about {count // 1000:,} MB")
    took([*core_psql(house), _VIEW.format(rows=count)])
    return house.json("snapshot", "build", "core")["snapshot"]
