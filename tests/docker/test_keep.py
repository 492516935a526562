"""What is kept of a sandbox, on a real engine: it comes back, or the sandbox stays."""

import gzip
import io
import os
import signal
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyrage
import pytest

from sandbox.bootstrap import opened
from sandbox.core.progress import Silent
from sandbox.drivers.engine import DockerEngine
from tests.docker.conftest import UP, Home
from tests.docker.disks import tiny

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("nothing_left")]
NOTE = "# what I found: 表"
TABLE = "CREATE TABLE lab.found AS SELECT range AS n, 'row ' || range AS said FROM range(1000)"


@pytest.fixture
def folder(home: Home) -> Iterator[Path]:
    """The folder of kept archives, as it was before."""
    kept = home.folder / ".sandbox" / "kept"
    before = set(kept.glob("*"))
    yield kept
    for file in set(kept.glob("*")) - before:
        file.unlink()


def work(home: Home, name: str, *options: str) -> str:
    """Make a sandbox, a table in its lab and a change to its notebook; return its id."""
    made = str(home.json("up", name, *UP, *options)["sandbox"]["id"])
    home.run("sql", name, TABLE)
    shell = f"echo '{NOTE}' >> /work/segment_rfm.py; ln -s /etc/passwd /work/link"
    home.run("exec", name, "--", "/bin/sh", "-c", shell)
    return made


def files(home: Home, kept: dict[str, Any]) -> dict[str, bytes]:
    """Decrypt an archive with the home's key and the library alone; return its files."""
    sealed = (home.folder / ".sandbox" / "kept" / f"{kept['name']}.tar.age").read_bytes()
    key = (home.folder / ".sandbox" / "keys" / "kept").read_text().strip()
    plain = pyrage.decrypt(sealed, [pyrage.x25519.Identity.from_str(key)])
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        found = {m.name: archive.extractfile(m) for m in archive}
        return {name: content.read() for name, content in found.items() if content}


def restored(home: Home, engine: DockerEngine, dump: bytes, name: str) -> list[Any]:
    """Restore a dump into the lab of a new sandbox, as its owner; return what the table says."""
    made = home.json("up", name, *UP)["sandbox"]["id"]
    psql = "/usr/lib/postgresql/15/bin/psql -X -q -v ON_ERROR_STOP=1 -h /tmp -U postgres -d lab"
    script = b"SET ROLE lab;\n" + gzip.decompress(dump)
    lab = f"sandbox-{made}-lab"
    ran = engine.run(lab, psql.split(), user="10002:10002", stdin=script)
    assert ran.code == 0, ran
    said = home.json("sql", name, "SELECT count(*), sum(n), max(said) FROM lab.found")["rows"][0]
    home.run("down", name, "--no-keep")
    return list(said)


def state(home: Home, name: str) -> str:
    return str(home.json("show", name)["sandbox"]["state"])


def test_table_and_notebook_come_back(
    home: Home, engine: DockerEngine, folder: Path, tmp_path: Path
) -> None:
    made = work(home, "keep-one")
    answer = home.json("down", "keep-one", "--reason", "answered")
    kept = answer["kept"]
    assert kept["data_class"] == "contact"
    found = files(home, kept)
    assert NOTE in found["work/segment_rfm.py"].decode()
    assert "work/link" not in found
    dump = found["lab/tables-001.sql.gz"]
    assert restored(home, engine, dump, "keep-two") == [1000, 499500, "row 999"]
    certificate = home.json("show", "keep-one")["certificate"]
    assert certificate["kept"] == kept
    gone = {(g["kind"], g["name"]) for g in certificate["gone"]}
    assert {("volume", f"sandbox-{made}-work"), ("network", f"sandbox-{made}")} <= gone
    out = tmp_path / "out.tar"
    home.run("kept", "open", "keep-one", str(out), code=2)
    home.run("kept", "open", "keep-one", str(out), "--reason", "a test")
    with tarfile.open(out) as archive:
        assert set(archive.getnames()) == set(found)
    home.run("kept", "open", "keep-one", str(out), "--reason", "again", code=6)
    opened_by = [e for e in home.json("audit", "list")["events"] if e["code"] == "kept.opened"]
    assert opened_by[-1]["reason"] == "a test"


def test_a_stopped_sandbox_is_kept_too(home: Home, engine: DockerEngine, folder: Path) -> None:
    made = work(home, "keep-one")
    for part in ("tool", "lab"):
        engine.stop(f"sandbox-{made}-{part}", 5)
    found = files(home, home.json("down", "keep-one")["kept"])
    assert b"row 999" in gzip.decompress(found["lab/tables-001.sql.gz"])
    assert NOTE in found["work/segment_rfm.py"].decode()


@pytest.mark.slow
def test_an_expired_sandbox_is_kept_too(home: Home, engine: DockerEngine, folder: Path) -> None:
    made = work(home, "keep-one", "--ttl", "1m")
    end = time.monotonic() + 120
    while engine.is_running(f"sandbox-{made}-lab") and time.monotonic() < end:
        time.sleep(1)
    assert state(home, "keep-one") == "expired"
    found = files(home, home.json("down", "keep-one")["kept"])
    assert b"row 999" in gzip.decompress(found["lab/tables-001.sql.gz"])


def test_without_containers_the_volumes_are_kept(
    home: Home, engine: DockerEngine, folder: Path
) -> None:
    made = work(home, "keep-one")
    for part in ("tool", "lab"):
        engine.remove("container", f"sandbox-{made}-{part}")
    found = files(home, home.json("down", "keep-one")["kept"])
    assert NOTE in found["work/segment_rfm.py"].decode()
    assert found["lab/cluster/PG_VERSION"] == b"15\n"


def test_no_keep(home: Home, folder: Path) -> None:
    before = set(folder.glob("*"))
    work(home, "keep-one")
    answer = home.json("down", "keep-one", "--no-keep")
    assert (answer["kept"], answer["not_kept"]) == (None, "it was asked for with --no-keep")
    assert set(folder.glob("*")) == before


@contextmanager
def special_care(home: Home) -> Iterator[None]:
    """Have the snapshot's manifest say that a column of it is of class special-care."""
    with opened(home.folder, Silent()) as context:
        with context.registry.writing() as tx:
            before = [s for s in tx.snapshots("core") if s.state == "ready"][-1]
            raised = before.model_dump(mode="json")
            raised["manifest"]["tables"][0]["columns"][0]["data_class"] = "special-care"
            tx.save_snapshot(type(before).model_validate(raised))
        yield
        with context.registry.writing() as tx:
            tx.save_snapshot(before)


def test_special_care_is_never_kept(home: Home, folder: Path) -> None:
    before = set(folder.glob("*"))
    with special_care(home):
        work(home, "keep-one")
        answer = home.json("down", "keep-one")
    assert answer["not_kept"] == "data of class special-care is never kept"
    assert set(folder.glob("*")) == before


@pytest.fixture
def full(folder: Path) -> Iterator[Path]:
    """A disk of 256 kB at the folder of kept archives."""
    with tiny(folder, "256k") as disk:
        yield disk


def test_a_full_disk_loses_nothing(home: Home, full: Path) -> None:
    made = work(home, "keep-one")
    noise = "head -c 3000000 /dev/urandom > /work/noise"
    home.run("exec", "keep-one", "--", "/bin/sh", "-c", noise)
    before = home.listing()
    error = home.json("down", "keep-one", code=7)["error"]
    assert "nothing was removed" in error["message"]
    assert "No space left" in error["message"]
    assert "--no-keep" in error["hint"]
    assert list(full.iterdir()) == []
    assert home.listing() == before
    assert state(home, "keep-one") == "ready"
    assert home.json("sql", "keep-one", "SELECT count(*) FROM lab.found")["rows"] == [[1000]]
    home.run("down", "keep-one", "--no-keep")
    assert not [line for line in home.listing() if made in line]


def test_a_damaged_lab_loses_nothing(home: Home, engine: DockerEngine, folder: Path) -> None:
    made = work(home, "keep-one")
    lab = f"sandbox-{made}-lab"
    spoil = "for f in /lab/base/*/[0-9]*; do head -c 8192 /dev/zero > $f; done; rm /lab/pg_wal/0*"
    ran = engine.run(lab, ["/bin/sh", "-c", spoil], user="10002:10002")
    assert ran.code == 0, ran
    engine.stop(lab, 5)
    engine.start(lab)
    error = home.json("down", "keep-one", code=7)["error"]
    assert "nothing was removed" in error["message"]
    assert state(home, "keep-one") == "ready"
    assert NOTE in home.run("exec", "keep-one", "--", "/bin/cat", "/work/segment_rfm.py")
    home.run("down", "keep-one", "--no-keep")


def test_a_kill_in_the_middle_leaves_all_to_the_next_down(home: Home, folder: Path) -> None:
    work(home, "keep-one")
    noise = "head -c 150000000 /dev/urandom > /work/noise"
    home.run("exec", "keep-one", "--", "/bin/sh", "-c", noise)
    process = home.start("down", "keep-one")
    end = time.monotonic() + 30
    while not list(folder.glob("*.part")) and time.monotonic() < end:
        time.sleep(0.005)
    time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    assert list(folder.glob("*.part"))
    assert state(home, "keep-one") == "ready"
    kept = home.json("down", "keep-one")["kept"]
    assert list(folder.glob("*.part")) == []
    assert len(files(home, kept)["work/noise"]) == 150_000_000
