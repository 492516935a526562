"""Rows of building a snapshot: masked against every column kept, and its gate against the rest."""

import json
from dataclasses import replace
from pathlib import Path

from .commands import Took, docker, say, took
from .house import House
from .table import LONG, Row, not_run, ratio

_WHAT = "snapshot build, {rows:,} rows, six masks, four keyed"
_MASKS = {
    "customer_id": ("personal", "{method: hmac, prefix: c_}"),
    "mail": ("contact", "fake-mail"),
    "phone": ("contact", "{method: hmac, prefix: t_}"),
    "card": ("personal", "{method: hmac, prefix: k_}"),
    "birth_date": ("personal", "{method: generalise, to: year}"),
    "name": ("personal", "redact"),
    "amount": ("internal", "keep"),
    "bought_on": ("internal", "keep"),
}
# What the leak gate finds where nothing is masked: the baseline's source file accepts it.
_FOUND = {"mail": "mail", "phone": "phone-jp", "birth_date": "birth-date"}
_REASON = "Invented for the benchmark, nobody's"
_TABLE = """
CREATE TABLE big AS SELECT
  'C' || lpad((n % 900000)::text, 9, '0') AS customer_id,
  'person' || n || '@example.com' AS mail,
  '090-' || lpad((n % 10000)::text, 4, '0') || '-' || lpad((n / 10000)::text, 4, '0') AS phone,
  'K' || md5(n::text) AS card,
  DATE '1940-01-01' + (n % 25000) AS birth_date,
  'Name ' || (n % 50000) AS name,
  ((n::bigint * 7919 % 100000) / 100.0)::numeric(10,2) AS amount,
  DATE '2024-01-01' + (n % 700) AS bought_on
FROM generate_series(1, {rows}) AS n;
GRANT SELECT ON big TO core_reader;
"""


def rows(house: House, count: int, runs: int) -> list[Row]:
    """Build both snapshots of a table of `count` rows `runs` times; return their rows."""
    say(f"a table of {count:,} rows in the demo's core system")
    psql = core_psql(house)
    took([*psql, _TABLE.format(rows=count)])
    for name, kept in (("masked", False), ("kept", True)):
        _source_file(house.folder / "sources", name, kept=kept)
    masked: list[Took] = []
    plain: list[Took] = []
    raw: list[Took] = []
    for number in range(runs):
        say(f"snapshot build, masked and kept, and raw COPY, round {number + 1} of {runs}")
        masked.append(_build(house, "masked"))
        plain.append(_build(house, "kept"))
        raw.append(took([*psql, r"\copy big TO /dev/null"]))
    return _rows(house, _WHAT.format(rows=count), masked, plain, raw)


def _rows(
    house: House, what: str, masked: list[Took], plain: list[Took], raw: list[Took]
) -> list[Row]:
    times = [t.seconds for t in masked]
    bare = ratio("the same", times, [t.seconds for t in raw], "raw `COPY TO STDOUT`", 3.0)
    # The peak of a command is that of its largest process: here the one that reads, beside which
    # the command itself waits with about what any other command takes.
    peak = max(t.peak_mb for t in masked) + house.sandbox("snapshot", "list").peak_mb
    gates = [_gate_seconds(t) for t in masked]
    rest = [t - gate for t, gate in zip(times, gates, strict=True)]
    return [
        ratio(what, times, [t.seconds for t in plain], "every column kept", 3.0),
        ratio("its leak gate", gates, rest, "the rest of that build", 1.0),
        replace(bare, goal="–", met=None),
        Row("the same, peak memory", "–", f"{peak:.0f} MiB resident", "≤ 768 MB", peak <= 768),
    ]


def core_psql(house: House) -> list[str]:
    """Return the command that runs the SQL after it as the demo core's superuser."""
    chosen = "label=bimodal-sandbox.role=demo-core"
    port = _core_port(house)
    servers = docker("ps", "--quiet", "--filter", chosen, "--filter", f"publish={port}").split()
    psql = ("/usr/lib/postgresql/15/bin/psql", "-q", "-v", "ON_ERROR_STOP=1", "-h", "/tmp")
    return ["docker", "exec", servers[0], *psql, "-U", "postgres", "-d", "core", "-c"]


def _core_port(house: House) -> str:
    lines = (house.folder / "sources" / "core.yaml").read_text().splitlines()
    return next(line.split(":")[1].strip() for line in lines if line.startswith("  port:"))


def _source_file(folder: Path, name: str, *, kept: bool) -> None:
    """Write a source of the same server as `core`, with one table."""
    head = (folder / "core.yaml").read_text().split("tables:")[0]
    rules = {c: _kept(c) if kept else f"class: {own}, mask: {m}" for c, (own, m) in _MASKS.items()}
    columns = "".join(f"      {column}: {{{rule}}}\n" for column, rule in rules.items())
    text = head.replace("  name: core\n", f"  name: {name}\n")
    (folder / f"{name}.yaml").write_text(f"{text}tables:\n  big:\n    columns:\n{columns}")


def _kept(column: str) -> str:
    accepted = f', accept: {{{_FOUND[column]}: "{_REASON}"}}' if column in _FOUND else ""
    return f"class: internal, mask: keep{accepted}"


def _gate_seconds(build: Took) -> float:
    """Return how long the leak gate took of a build."""
    return float(json.loads(build.out)["snapshot"]["manifest"]["gate"]["seconds"])


def _build(house: House, source: str) -> Took:
    built = house.sandbox("snapshot", "build", source, "-o", "json")
    for snapshot in house.json("snapshot", "list")["snapshots"]:
        if snapshot["source"] == source and snapshot["state"] == "ready":
            house.sandbox("snapshot", "rm", snapshot["id"])
    return built


def skipped(count: int) -> list[Row]:
    """Return the row for a run that leaves it out."""
    return [not_run(_WHAT.format(rows=count), "every column kept", LONG, "≤ 3 ×, ≤ 768 MB")]
