"""Rows of commands that only read, of the audit chain and of policy: no engine needed."""

import multiprocessing
import secrets
import shutil
import sqlite3
import statistics
import time
from contextlib import closing
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from sandbox.core.audit import AuditEvent, Head, NewEvent, chained, first_break
from sandbox.core.phases import Failed
from sandbox.core.policy import evaluate
from sandbox.core.rules import PolicySet
from sandbox.drivers.catalogue.home import HomeCatalogue
from sandbox.drivers.registry.store import FILE, SqlRegistry

from .commands import EMPTY, SANDBOX, say, took
from .house import House
from .table import Row, extra

_RECORDS, _ACTIVE, _EVENTS = 1000, 50, 100_000
_LOOKS = 5
_WRITERS, _APPENDS = 8, 100


def rows(house: House, runs: int) -> list[Row]:
    """Return the rows of `--help` and `list`."""
    _have_one(house)
    crowded = _copy(house, "crowded")
    _fill(crowded)
    empty, helped, listed = [], [], []
    for number in range(runs):
        say(f"--help and list, round {number + 1} of {runs}")
        empty.append(took(EMPTY).seconds)
        helped.append(took([*SANDBOX, "--help"]).seconds)
        listed.append(crowded.sandbox("list").seconds)
    text = f"`list`, {_RECORDS:,} on record, {_ACTIVE} active"
    return [extra("`sandbox --help`", helped, empty, 0.3), extra(text, listed, empty, 0.8)]


def record_rows(house: House) -> list[Row]:
    """Return the rows of policy and audit."""
    _have_one(house)
    say("policy and audit")
    return [_policy(house), *_scans(house), _verify(house), _writers(house)]


def _have_one(house: House) -> None:
    """Have one sandbox on record: what is counted below are copies of it."""
    with closing(SqlRegistry(house.folder / ".sandbox")) as registry, registry.reading() as tx:
        if any(s.lease.started for s in tx.sandboxes()):
            return
    house.up("recorded")
    house.down("recorded")


def _copy(house: House, name: str) -> House:
    folder = house.folder.parent / name
    shutil.copytree(house.folder, folder)
    return House(folder, house.port, house.run_id)


def _fill(house: House, most_active: int = _ACTIVE) -> None:
    """Write copies of the first sandbox on record: each as large as a real one."""
    registry = SqlRegistry(house.folder / ".sandbox")
    with registry.writing() as tx:
        real = next(s for s in tx.sandboxes() if s.lease.started)
        for number in range(_RECORDS - len(tx.sandboxes())):
            active = number < most_active
            changes = {
                "id": secrets.token_hex(6),
                "name": f"record-{number}",
                "phase": real.phase if active else Failed(since=datetime.now(UTC), why="bench"),
                "subnet": number,
                "lease": real.lease.model_copy(update={"started": datetime.now(UTC)}),
            }
            tx.save_sandbox(real.model_copy(update=changes))
    registry.close()


def _policy(house: House) -> Row:
    """Judge a real request, as it was recorded, by the home's own rules repeated up to sixty."""
    registry = SqlRegistry(house.folder / ".sandbox")
    with registry.reading() as tx:
        decision = next(s.decision for s in tx.sandboxes() if s.decision.get("document"))
    registry.close()
    sixty, document = _sixty_rules(house), decision["document"]
    times = []
    for _ in range(100):
        begun = time.perf_counter()
        made = evaluate(sixty, "create", document, now=datetime.now(UTC), tool_version="bench")
        times.append(1000 * (time.perf_counter() - begun))
        assert made.evaluated == 60
    middle = statistics.median(times)
    return Row("policy: 60 rules, one decision", "–", f"{middle:.2f} ms", "≤ 1 ms", middle <= 1)


def _scans(house: House) -> list[Row]:
    """Look at a thousand active sandboxes by today's rules, and by a rule file that is stricter."""
    full = _copy(house, "scanned")
    _fill(full, most_active=_RECORDS)
    stricter = full.folder.parent / "stricter" / "baseline.yaml"
    stricter.parent.mkdir()
    ours = (full.folder / "policies" / "baseline.yaml").read_text("utf-8")
    stricter.write_text(ours.replace("max: 168", "max: 24"), "utf-8")
    looks = {
        f"`policy scan`, {_RECORDS:,} active": ("policy", "scan"),
        f"`policy impact`, {_RECORDS:,} active": ("policy", "impact", str(stricter)),
    }
    return [_look(full, text, words) for text, words in looks.items()]


def _look(house: House, text: str, words: tuple[str, ...]) -> Row:
    looks = (house.sandbox(*words, codes=(0, 4)) for _ in range(_LOOKS))
    seconds = statistics.median(look.seconds for look in looks)
    return Row(text, "–", f"{seconds:.2f} s", "≤ 2 s", seconds <= 2)


def _sixty_rules(house: House) -> PolicySet:
    policies = HomeCatalogue(house.folder).policies()
    own = [r for r in policies.rules if "create" in r.at]
    rules = [own[n % len(own)].model_copy(update={"id": f"rule-{n}"}) for n in range(60)]
    return policies.model_copy(update={"rules": tuple(rules)})


def _verify(house: House) -> Row:
    full = _copy(house, "full")
    _append(full.folder / ".sandbox" / FILE)
    seconds = statistics.median(full.sandbox("audit", "verify").seconds for _ in range(5))
    text = f"`audit verify`, {_EVENTS:,} events"
    return Row(text, "–", f"{seconds:.2f} s", "≤ 1.5 s", seconds <= 1.5)


def _append(registry: Path) -> None:
    """Append events to the chain without the registry, which would take minutes to commit them."""
    with sqlite3.connect(registry) as raw:
        found = raw.execute("SELECT seq, prev, hash, body FROM event ORDER BY seq DESC LIMIT 1")
        seq, prev, digest, body = found.fetchone()
        last = AuditEvent(seq=seq, prev=prev, hash=digest, body=body)
        new = AuditEvent.model_validate_json(last.model_dump_json()).read()
        for number in range(last.seq, _EVENTS):
            last = chained(new.model_copy(update={"subject": f"record-{number}"}), last)
            row = (last.seq, last.prev, last.hash, last.body)
            raw.execute("INSERT INTO event (seq, prev, hash, body) VALUES (?, ?, ?, ?)", row)
        head = Head(seq=last.seq, hash=last.hash).model_dump_json()
        raw.execute("UPDATE meta SET value = ? WHERE key = 'head'", (head,))
    raw.close()


def _writers(house: House) -> Row:
    """Let eight processes append at once; count what is there afterwards and check the chain."""
    folder = house.folder.parent / "writers"
    folder.mkdir()
    registry = SqlRegistry(folder)
    registry.installation()
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Barrier(_WRITERS + 1)
    writers = [spawn.Process(target=_write, args=(folder, start)) for _ in range(_WRITERS)]
    for writer in writers:
        writer.start()
    start.wait()
    begun = time.perf_counter()
    for writer in writers:
        writer.join()
    rate = _WRITERS * _APPENDS / (time.perf_counter() - begun)
    with registry.reading() as tx:
        count, broken = first_break(tx.chain(), tx.head())
    whole = count == _WRITERS * _APPENDS and broken is None
    text = f"{rate:.0f}/s, {_WRITERS * _APPENDS - count} lost, {'a' if broken else 'no'} fork"
    return Row("audit: 8 writers", "–", text, "≥ 200/s, none lost, no fork", whole and rate >= 200)


def _write(folder: Path, start: Barrier) -> None:
    registry = SqlRegistry(folder)
    registry.installation()
    event: dict[str, Any] = {"code": "bench.append", "actor": "bench", "identity": "bench"}
    start.wait()
    for number in range(_APPENDS):
        with registry.writing() as tx:
            tx.record(NewEvent(at=datetime.now(UTC), subject=f"{number}", **event))
