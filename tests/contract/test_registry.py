"""The promises of ports.Registry, on the real one: records and transactions."""

import multiprocessing
import os
import re
import signal
import threading
import time
from datetime import timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.core.asks import AskState
from sandbox.core.errors import Conflict, Unavailable
from sandbox.core.phases import LIVE, State
from sandbox.core.snapshot import SnapshotState
from sandbox.drivers.registry.store import FILE, SqlRegistry
from tests.contract.registry_samples import (
    NOON,
    a_manifest,
    a_sandbox,
    a_snapshot,
    an_event,
    append,
    verified,
)
from tests.core.test_asks import DATA, an_ask
from tests.phases import phase

if TYPE_CHECKING:
    from sandbox.core.ports import Registry


FORK = multiprocessing.get_context("fork")


def test_it_implements_the_port(registry: SqlRegistry) -> None:
    port: Registry = registry  # mypy is the judge of the signatures

    assert re.fullmatch(r"schema \d+, journal wal, integrity ok", port.check())


def test_a_sandbox_comes_back_as_it_was_saved(registry: SqlRegistry) -> None:
    saved = a_sandbox(subnet=7, phase=phase(State.FROZEN))
    with registry.writing() as transaction:
        transaction.save_sandbox(saved)
    with registry.reading() as transaction:
        assert transaction.sandbox("spring-coupon") == saved
        assert transaction.sandbox("other") is None


def test_saving_again_replaces(registry: SqlRegistry) -> None:
    with registry.writing() as transaction:
        transaction.save_sandbox(a_sandbox(phase=phase(State.PROVISIONING)))
        transaction.save_sandbox(a_sandbox(phase=phase(State.READY), subnet=3))
        assert transaction.sandboxes() == [a_sandbox(phase=phase(State.READY), subnet=3)]


def test_times_come_back_aware_and_in_order_across_zones(registry: SqlRegistry) -> None:
    tokyo = timezone(timedelta(hours=9))
    later = NOON.astimezone(tokyo) + timedelta(microseconds=1)
    with registry.writing() as transaction:
        transaction.save_sandbox(a_sandbox("b", name="b", created=later))
        transaction.save_sandbox(a_sandbox("z", name="z", created=NOON))
        transaction.save_sandbox(a_sandbox("c", name="c", created=NOON + timedelta(seconds=1)))
        found = transaction.sandboxes()
    assert [s.id for s in found] == ["z", "b", "c"]
    assert [s.created for s in found] == [NOON, later, NOON + timedelta(seconds=1)]
    assert found[0].lease.deadline == NOON + timedelta(hours=72)


def test_sandboxes_of_some_states(registry: SqlRegistry) -> None:
    with registry.writing() as transaction:
        for state in State:
            transaction.save_sandbox(a_sandbox(state.value, name=state.value, phase=phase(state)))
        assert {s.state for s in transaction.sandboxes(LIVE)} == LIVE
        assert [s.id for s in transaction.sandboxes([State.DENIED])] == ["denied"]
        assert transaction.sandboxes([]) == []
        assert len(transaction.sandboxes()) == len(State)


@pytest.mark.parametrize("state", list(State))
def test_live_states_hold_their_name_and_others_give_it_back(
    registry: SqlRegistry, state: State
) -> None:
    with registry.writing() as transaction:
        transaction.save_sandbox(a_sandbox("old", phase=phase(state), subnet=1))
    newer = a_sandbox("new", subnet=2, created=NOON + timedelta(days=1))
    if state not in LIVE:
        with registry.writing() as transaction:
            transaction.save_sandbox(newer)
        return
    with pytest.raises(Conflict) as caught, registry.writing() as transaction:
        transaction.save_sandbox(newer)
    assert "spring-coupon" in caught.value.message
    assert caught.value.subject == "spring-coupon"
    assert "sandbox down spring-coupon" in caught.value.hint


def test_a_subnet_belongs_to_one_live_sandbox(registry: SqlRegistry) -> None:
    with registry.writing() as transaction:
        transaction.save_sandbox(a_sandbox("a", name="a", subnet=4))
        transaction.save_sandbox(a_sandbox("b", name="b", subnet=None))
        transaction.save_sandbox(a_sandbox("c", name="c", subnet=None))
        with pytest.raises(Conflict, match="Subnet number 4"):
            transaction.save_sandbox(a_sandbox("d", name="d", subnet=4))
        transaction.save_sandbox(a_sandbox("a", name="a", subnet=4, phase=phase(State.DESTROYED)))
        transaction.save_sandbox(a_sandbox("d", name="d", subnet=4))


def test_of_one_name_the_live_one_is_found_else_the_newest(registry: SqlRegistry) -> None:
    with registry.writing() as transaction:
        transaction.save_sandbox(a_sandbox("live"))
        transaction.save_sandbox(
            a_sandbox("denied", phase=phase(State.DENIED), created=NOON + timedelta(days=2))
        )
        found = transaction.sandbox("spring-coupon")
        assert found is not None
        assert found.id == "live"
        transaction.save_sandbox(a_sandbox("live", phase=phase(State.DESTROYED)))
        found = transaction.sandbox("spring-coupon")
        assert found is not None
        assert found.id == "denied"


def test_snapshots(registry: SqlRegistry) -> None:
    second = a_snapshot("core@2026-11-23.2", created=NOON + timedelta(hours=1))
    other = a_snapshot("shop@2026-11-23.1", source="shop")
    with registry.writing() as transaction:
        for each in (second, a_snapshot(state=SnapshotState.BUILDING), other, a_snapshot()):
            transaction.save_snapshot(each)
    with registry.reading() as transaction:
        assert transaction.snapshots("core") == [a_snapshot(), second]
        assert transaction.snapshots() == [a_snapshot(), other, second]
        assert transaction.snapshot("shop@2026-11-23.1") == other
        assert transaction.snapshot("shop@2026-11-23.2") is None
        assert transaction.newest() == {
            ("core", ""): "core@2026-11-23.2",
            ("shop", ""): "shop@2026-11-23.1",
        }


def test_the_newest_of_each_series_that_is_ready(registry: SqlRegistry) -> None:
    def save(number: int, experiment: str = "", state: str = "ready") -> None:
        made = a_snapshot(f"core@2026-11-23.{number}", created=NOON + timedelta(hours=number))
        manifest = a_manifest(experiment=experiment)
        changes = {"state": SnapshotState(state), "manifest": manifest}
        with registry.writing() as transaction:
            transaction.save_snapshot(made.model_copy(update=changes))

    save(1)
    save(2, "coupons")
    save(3, state="removed")
    save(4, "coupons", state="failed")
    with registry.reading() as transaction:
        assert transaction.newest() == {
            ("core", ""): "core@2026-11-23.1",
            ("core", "coupons"): "core@2026-11-23.2",
        }


def test_asks(registry: SqlRegistry) -> None:
    later = an_ask().model_copy(update={"id": "r2", "asked_at": NOON + timedelta(hours=1)})
    other = an_ask(content=DATA).model_copy(update={"id": "r3", "subject": "core"})
    used = an_ask(AskState.USED)
    with registry.writing() as transaction:
        for each in (later, an_ask(), other, used):
            transaction.save_ask(each)
    with registry.reading() as transaction:
        assert transaction.asks("spring-coupon") == [used, later]
        assert transaction.asks() == [used, other, later]
        assert transaction.ask("r3") == other
        assert transaction.ask("r4") is None


def test_the_journal_keeps_its_order_and_forgets_one_subject(registry: SqlRegistry) -> None:
    notes = [("network", "n"), ("volume", "v"), ("container", "c")]
    with registry.writing() as transaction:
        for kind, name in notes:
            transaction.journal("a1", kind, name)
        transaction.journal("b2", "volume", "other")
    with registry.writing() as transaction:
        assert transaction.journaled("a1") == notes
        transaction.forget_journal("a1")
        assert transaction.journaled("a1") == []
        assert transaction.journaled("b2") == [("volume", "other")]


def test_all_of_a_transaction_is_kept_or_nothing(registry: SqlRegistry) -> None:
    def interrupted() -> None:
        with registry.writing() as transaction:
            transaction.save_sandbox(a_sandbox())
            transaction.journal("a1", "network", "n")
            transaction.record(an_event())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with registry.reading() as transaction:
        assert transaction.sandboxes() == []
        assert transaction.journaled("a1") == []
        assert transaction.events() == []


def test_a_reader_sees_one_state_and_never_waits(registry: SqlRegistry) -> None:
    with registry.reading() as reader:
        assert reader.events() == []
        append(registry, 2)
        assert reader.events() == []
    assert verified(registry) == (2, None)


def test_a_reading_transaction_cannot_write(registry: SqlRegistry) -> None:
    with pytest.raises(AssertionError), registry.reading() as transaction:
        transaction.journal("a1", "network", "n")


def test_a_writer_that_waits_too_long_is_told_so(registry: SqlRegistry, tmp_path: Path) -> None:
    impatient = SqlRegistry(tmp_path, wait_seconds=0.05)
    with registry.writing() as transaction:
        transaction.record(an_event())
        with pytest.raises(Unavailable, match="in use by another process"):
            append(impatient, 1)
        with impatient.reading() as reader:
            assert reader.events() == []
    append(impatient, 1)
    impatient.close()
    assert verified(registry) == (2, None)


def test_threads_share_a_registry(registry: SqlRegistry) -> None:
    threads = [threading.Thread(target=append, args=(registry, 20)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verified(registry) == (80, None)


def _append_in_a_process(folder: Path, number: int, barrier: Any) -> None:
    registry = SqlRegistry(folder)
    barrier.wait()
    append(registry, 50, f"writer-{number}")


def test_eight_processes_on_a_fresh_home_lose_nothing(tmp_path: Path) -> None:
    barrier = FORK.Barrier(8)
    writers = [
        FORK.Process(target=_append_in_a_process, args=(tmp_path, n, barrier)) for n in range(8)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 8
    registry = SqlRegistry(tmp_path)
    assert verified(registry) == (400, None)
    with registry.reading() as transaction:
        for n in range(8):
            events = transaction.events(subject=f"writer-{n}")
            assert [e.read().details["number"] for e in events] == list(range(50))
    registry.close()


def _write_and_hang(folder: Path, inside: Any) -> None:
    with SqlRegistry(folder).writing() as transaction:
        transaction.save_sandbox(a_sandbox("lost"))
        # More than SQLite's page cache holds, so that half-written pages are in the file.
        for _ in range(600):
            transaction.record(an_event(details={"filling": "x" * 8000}))
        inside.set()
        time.sleep(60)


def test_a_writer_killed_in_mid_transaction_leaves_nothing(
    registry: SqlRegistry, tmp_path: Path
) -> None:
    append(registry, 3)
    registry.close()
    inside = FORK.Event()
    writer = FORK.Process(target=_write_and_hang, args=(tmp_path, inside))
    writer.start()
    assert inside.wait(30)
    assert (tmp_path / f"{FILE}-wal").stat().st_size > 1_000_000
    assert writer.pid is not None
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    assert verified(registry) == (3, None)
    append(registry, 1)
    assert verified(registry) == (4, None)
    with registry.reading() as transaction:
        assert transaction.sandboxes() == []
    assert registry.check().endswith("integrity ok")
