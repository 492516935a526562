"""Keeping before destruction: whole or not at all, and never at the price of the work itself."""

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from sandbox.core.certificate import Kept
from sandbox.core.errors import Conflict, InvalidInput, NotFound, Unavailable
from sandbox.core.keeping import NEVER_READY, NOT_WANTED, NOTHING
from sandbox.core.objects import Ran
from sandbox.core.ports import Context
from sandbox.core.settings import KeepSettings
from sandbox.core.snapshot import ColumnCopy
from sandbox.usecases.destroying import begin_removal, destroy
from sandbox.usecases.keeping import alone_removing, sweep
from sandbox.usecases.kept import (
    KeptListRequest,
    KeptOpenRequest,
    KeptShowRequest,
    list_kept,
    open_kept,
    show_kept,
)
from sandbox.usecases.sandboxes import DownRequest, DownResult, ShowRequest, down, show
from tests.fakes import Clock, FakeEngine, FakeGateway, Said, Trap, unavailable
from tests.usecases.asking_up import chain_holds, codes, events, make, state
from tests.usecases.leasing import expire, on_record

pytestmark = pytest.mark.usefixtures("snapshot")
NAME = "spring-coupon"
DUMP = b"\x1f\x8b a dump"
NOTEBOOK = b"import marimo\n# what I found\n"


@pytest.fixture
def kept_folder(home: Path) -> Path:
    return home / ".sandbox" / "kept"


def work(ctx: Context, engine: FakeEngine, name: str = NAME) -> str:
    """Make a sandbox in which somebody worked; return its id."""
    made = make(ctx, name)
    engine.contents[f"sandbox-{made.sandbox.id}-work"]["segment_rfm.py"] = NOTEBOOK
    engine.programs["/bin/sh"] = Ran(0, DUMP, b"")
    return made.sandbox.id


def end(ctx: Context, *, keep: bool = True) -> DownResult:
    return down(ctx, DownRequest(name=NAME, reason="done", keep=keep))


def opened(ctx: Context, said: Said, name: str = NAME) -> dict[str, bytes]:
    said.passed.clear()
    open_kept(ctx, KeptOpenRequest(name=name, reason="asked"))
    assert {stream for stream, _ in said.passed} == {"file"}
    plain = io.BytesIO(b"".join(chunk for _, chunk in said.passed))
    with tarfile.open(fileobj=plain) as archive:
        found = {m.name: archive.extractfile(m) for m in archive}
        return {name: content.read() for name, content in found.items() if content}


def test_work_and_tables_are_kept_and_come_back(
    ctx: Context, engine: FakeEngine, said: Said, kept_folder: Path, clock: Clock
) -> None:
    before = set(engine.listing())
    made = work(ctx, engine)
    answer = end(ctx)
    assert set(engine.listing()) - before <= {("container", ctx.gateway.container)}
    assert isinstance(answer.kept, Kept)
    assert answer.kept.name == f"{NAME}-{made}"
    assert answer.kept.data_class == "contact"
    assert (answer.kept.until - clock()).days == 30
    assert [p.name for p in kept_folder.iterdir()] == [f"{NAME}-{made}.tar.age"]
    assert NOTEBOOK not in next(kept_folder.iterdir()).read_bytes()
    found = opened(ctx, said)
    about = json.loads(found.pop("about.json"))
    assert (about["sandbox"], about["data_class"]) == (NAME, "contact")
    assert found == {"work/segment_rfm.py": NOTEBOOK, "lab/tables-001.sql.gz": DUMP}
    certificate = show(ctx, ShowRequest(name=NAME)).certificate
    assert certificate
    assert certificate.kept == answer.kept
    told = events(ctx, NAME)
    assert [e.code for e in told[-2:]] == ["sandbox.destroyed", "kept.opened"]
    assert told[-2].details["certificate"]["kept"]["sha256"] == answer.kept.sha256
    assert told[-1].reason == "asked"
    assert chain_holds(ctx)


def guarded(ctx: Context, engine: FakeEngine) -> None:
    work(ctx, engine)
    with ctx.registry.writing() as tx:
        found = tx.snapshots()[-1]
        assert found.manifest
        table = found.manifest.tables[0]
        secret = ColumnCopy(name="illness", type="VARCHAR", data_class="special-care", mask="null")
        tables = (table.model_copy(update={"columns": (*table.columns, secret)}),)
        manifest = found.manifest.model_copy(update={"tables": tables})
        tx.save_snapshot(found.model_copy(update={"manifest": manifest}))


def empty(ctx: Context, engine: FakeEngine) -> None:
    make(ctx)


REASONS = {
    "special-care": (guarded, "data of class special-care is never kept"),
    "nothing": (empty, NOTHING),
}


@pytest.mark.parametrize(("prepare", "why"), REASONS.values(), ids=REASONS.keys())
def test_why_nothing_is_kept_stands_in_the_certificate(
    ctx: Context, engine: FakeEngine, kept_folder: Path, prepare: object, why: str
) -> None:
    assert callable(prepare)
    prepare(ctx, engine)
    answer = end(ctx)
    assert (answer.kept, answer.not_kept) == (None, why)
    certificate = show(ctx, ShowRequest(name=NAME)).certificate
    assert certificate
    assert certificate.not_kept == why
    assert not kept_folder.exists() or not list(kept_folder.iterdir())
    assert list_kept(ctx, KeptListRequest()).archives == ()


@pytest.mark.parametrize(("files", "dump"), [(1_100_000, 0), (0, 1_100_000), (600_000, 600_000)])
def test_more_than_the_limit_is_not_kept(
    ctx: Context, engine: FakeEngine, kept_folder: Path, files: int, dump: int
) -> None:
    small = ctx.settings.model_copy(update={"keep": KeepSettings(max_mb=1)})
    made = work(ctx, engine)
    engine.contents[f"sandbox-{made}-work"]["big"] = b"x" * files
    engine.programs["/bin/sh"] = Ran(0, b"x" * dump, b"")
    answer = end(replace(ctx, settings=small))
    assert answer.kept is None
    assert answer.not_kept == "there was more than the 1 MB that may be kept"
    assert list(kept_folder.iterdir()) == []


def test_no_keep_looks_at_nothing(ctx: Context, engine: FakeEngine, kept_folder: Path) -> None:
    work(ctx, engine)
    engine.forget_calls()
    assert end(ctx, keep=False).not_kept == NOT_WANTED
    assert not {"fetch", "run", "create_container"} & {method for method, _ in engine.calls}
    assert not kept_folder.exists()


def test_what_was_never_ready_held_nobodys_work(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway, kept_folder: Path
) -> None:
    make(ctx, "other")
    gateway.error = unavailable()
    engine.trap = Trap(unavailable(), method="remove")
    with pytest.raises(Unavailable):
        make(ctx)
    engine.trap = None
    assert state(ctx) == "provisioning"
    assert end(ctx).not_kept == NEVER_READY
    assert not kept_folder.exists()


def test_keeping_may_fail_at_every_call_and_nothing_is_lost(
    ctx: Context, engine: FakeEngine, gateway: FakeGateway, kept_folder: Path, said: Said
) -> None:
    made = work(ctx, engine)
    before, files = engine.listing(), dict(engine.contents[f"sandbox-{made}-work"])
    failed = 0
    for number in range(1, 30):
        engine.forget_calls()
        engine.trap = Trap(unavailable(), at=number)
        with pytest.raises(Unavailable) as raised:
            end(ctx)
        engine.trap = None
        if state(ctx) != "ready":
            break
        failed += 1
        assert "nothing was removed" in raised.value.message
        assert "--no-keep" in raised.value.hint
        assert engine.listing() == before
        assert engine.contents[f"sandbox-{made}-work"] == files
        assert engine.is_running(f"sandbox-{made}-tool")
        assert NAME in gateway.routes
        assert list(kept_folder.iterdir()) == []
    assert failed >= 3
    # From the first removal on, what was kept is kept, and the removal can be asked for again.
    assert state(ctx) == "removing"
    assert len(list(kept_folder.iterdir())) == 1
    engine.forget_calls()
    kept = end(ctx).kept
    assert kept
    assert "fetch" not in {method for method, _ in engine.calls}
    assert opened(ctx, said)["work/segment_rfm.py"] == NOTEBOOK
    assert ctx.archives.digest(kept.name) == kept.sha256
    assert chain_holds(ctx)


def expired(ctx: Context, engine: FakeEngine, clock: Clock) -> str:
    """Make a sandbox in which somebody worked, and let its lease end as the guards do."""
    made = work(ctx, engine)
    expire(ctx, engine, clock, hours=1)
    return made


def test_an_expired_sandbox_is_kept_or_stays_wherever_it_fails(
    ctx: Context, engine: FakeEngine, clock: Clock, kept_folder: Path
) -> None:
    made = expired(ctx, engine, clock)
    before, failed = engine.listing(), set()
    for number in range(1, 30):
        engine.forget_calls()
        engine.trap = Trap(unavailable(), at=number)
        # From the dump on nothing has to work but the removal: the lab's guard knows its end.
        with suppress(Unavailable):
            end(ctx)
        engine.trap = None
        if state(ctx) != "ready":
            break
        failed.add(engine.calls[number - 1][0])
        assert engine.listing() == before
        assert list(kept_folder.iterdir()) == []
        assert not engine.is_running(f"sandbox-{made}-lab")
    assert failed == {"owned", "fetch", "put", "start", "run"}
    assert state(ctx) == "destroyed"
    assert len(list(kept_folder.iterdir())) == 1


def test_a_stopped_lab_runs_for_its_dump_alone(
    ctx: Context, engine: FakeEngine, clock: Clock, said: Said
) -> None:
    made = expired(ctx, engine, clock)
    before = engine.contents[f"sandbox-{made}-lease"]["deadline"]
    engine.programs["/bin/sh"] = Ran(1, b"", b"")
    with pytest.raises(Unavailable, match="cannot be read"):
        end(ctx)
    assert not engine.is_running(f"sandbox-{made}-lab")
    after = engine.contents[f"sandbox-{made}-lease"]["deadline"]
    assert after.split()[0] == before.split()[0]
    engine.programs["/bin/sh"] = Ran(0, DUMP, b"")
    assert end(ctx).kept
    assert opened(ctx, said)["lab/tables-001.sql.gz"] == DUMP


def test_containers_that_are_gone_take_no_work_with_them(
    ctx: Context, engine: FakeEngine, said: Said
) -> None:
    made = work(ctx, engine)
    engine.contents[f"sandbox-{made}-lab"]["PG_VERSION"] = b"15\n"
    for part in ("tool", "lab"):
        engine.remove("container", f"sandbox-{made}-{part}")
    before = engine.listing()
    engine.trap = Trap(unavailable(), method="fetch")
    with pytest.raises(Unavailable, match="nothing was removed"):
        end(ctx)
    assert engine.listing() == before
    engine.trap = None
    answer = end(ctx)
    assert answer.kept
    assert "keep" not in {part.role for part in answer.removed}
    found = opened(ctx, said)
    assert found["work/segment_rfm.py"] == NOTEBOOK
    assert found["lab/cluster/PG_VERSION"] == b"15\n"
    assert not [name for _, name in engine.listing() if made in name]


def test_a_long_dump_comes_in_pieces(ctx: Context, engine: FakeEngine, said: Said) -> None:
    work(ctx, engine)
    long = b"".join(b"%079d\n" % n for n in range(220_000))
    engine.programs["/bin/sh"] = Ran(0, long, b"")
    end(ctx)
    found = opened(ctx, said)
    assert b"".join(found[n] for n in sorted(found) if n.startswith("lab/tables-")) == long


def test_the_reapers_way_keeps_too_and_only_once(
    ctx: Context, engine: FakeEngine, kept_folder: Path
) -> None:
    work(ctx, engine)
    with ctx.registry.writing() as tx:
        found = tx.sandbox(NAME)
        assert found
        removing = begin_removal(ctx, tx, found, "its grace is over")
    engine.trap = Trap(unavailable(), method="fetch")
    with pytest.raises(Unavailable, match="nothing was removed"):
        destroy(ctx, removing)
    engine.trap = Trap(unavailable(), method="remove")
    with pytest.raises(Unavailable, match="Not everything"):
        destroy(ctx, removing)
    engine.trap = None
    engine.forget_calls()
    digest = ctx.archives.digest(ctx.archives.names()[0])
    destroy(ctx, removing)
    assert "fetch" not in {method for method, _ in engine.calls}
    assert state(ctx) == "destroyed"
    assert ctx.archives.digest(ctx.archives.names()[0]) == digest
    assert len(list(kept_folder.iterdir())) == 1


def test_two_at_once_do_not_meet(ctx: Context, engine: FakeEngine) -> None:
    made = work(ctx, engine)
    with ctx.files.alone_with(f"keep-{made}") as alone:
        assert alone
        busy = alone_removing(ctx, on_record(ctx), patience=0.1)
        with pytest.raises(Conflict, match="removing it already"), busy:
            raise AssertionError
    assert state(ctx) == "ready"
    assert end(ctx).kept


def test_what_is_over_is_swept_and_what_is_not_stays(
    ctx: Context, engine: FakeEngine, clock: Clock, kept_folder: Path
) -> None:
    work(ctx, engine)
    end(ctx)
    clock.advance(days=29)
    make(ctx, "second")
    (kept_folder / "second-00000000000f.tar.age.part").write_bytes(b"half")
    assert sweep(ctx) == ("second-00000000000f",)
    assert show_kept(ctx, KeptShowRequest(name=NAME)).archive.state == "kept"
    clock.advance(days=1, seconds=1)
    assert show_kept(ctx, KeptShowRequest(name=NAME)).archive.state == "over"
    assert len(sweep(ctx)) == 1
    assert sweep(ctx) == ()
    assert list(kept_folder.iterdir()) == []
    assert codes(ctx).count("kept.removed") == 2
    with pytest.raises(NotFound):
        show_kept(ctx, KeptShowRequest(name=NAME))


def test_a_living_removal_is_not_swept(ctx: Context, engine: FakeEngine, kept_folder: Path) -> None:
    made = work(ctx, engine)
    kept_folder.mkdir()
    part = kept_folder / f"{NAME}-{made}.tar.age.part"
    part.write_bytes(b"half")
    with ctx.files.working_on(f"keep-{made}"):
        assert sweep(ctx) == ()
    engine.trap = Trap(unavailable(), method="remove")
    with pytest.raises(Unavailable):
        end(ctx)
    assert sweep(ctx) == ()
    engine.trap = None
    assert end(ctx).kept


def test_opening_needs_a_reason_and_the_very_file(
    ctx: Context, engine: FakeEngine, kept_folder: Path, said: Said
) -> None:
    work(ctx, engine)
    end(ctx)
    with pytest.raises(InvalidInput, match="needs a reason"):
        open_kept(ctx, KeptOpenRequest(name=NAME, reason=" "))
    with pytest.raises(NotFound, match="Did you mean spring-coupon"):
        open_kept(ctx, KeptOpenRequest(name="spring-cupon", reason="asked"))
    with ctx.archives.sealing(ctx.archives.names()[0], ctx.keys.recipient()) as other:
        other.write(b"another")
    with pytest.raises(Unavailable, match="was changed"):
        open_kept(ctx, KeptOpenRequest(name=NAME, reason="asked"))
    next(kept_folder.iterdir()).unlink()
    assert list_kept(ctx, KeptListRequest()).archives[0].state == "missing"
    assert "kept.opened" not in codes(ctx)
    assert said.passed == []


@pytest.fixture(autouse=True)
def no_plain_byte_stays(home: Path) -> Iterator[None]:
    """Look at every file of the home after each test."""
    yield
    for file in (home / ".sandbox").rglob("*"):
        assert not file.is_file() or NOTEBOOK not in file.read_bytes(), file


def test_an_interrupt_leaves_an_archive_only_with_its_record(
    ctx: Context, engine: FakeEngine, clock: Clock, kept_folder: Path
) -> None:
    work(ctx, engine)
    left = 0

    def interrupted() -> datetime:
        nonlocal left
        left -= 1
        if left == 0:
            raise KeyboardInterrupt
        return clock()

    for number in range(1, 20):
        left = number
        with suppress(KeyboardInterrupt):
            end(replace(ctx, now=interrupted))
        if state(ctx) != "ready":
            break
        assert not kept_folder.exists() or list(kept_folder.iterdir()) == []
    assert number > 2
    assert len(list(kept_folder.iterdir())) == 1
