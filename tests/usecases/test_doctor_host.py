"""The doctor on what the engine's machine takes from the networks of sandboxes."""

from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.core.ports import Context
from sandbox.drivers.home import HomeFolder
from sandbox.usecases.homes import Check, DoctorRequest, doctor
from tests.fakes import FakeEngine


def host_line(ctx: Context, home: Path, conf: Path) -> Check:
    own = replace(ctx, files=HomeFolder(home, conf=conf))
    (found,) = [c for c in doctor(own, DoctorRequest()).checks if c.name == "host"]
    return found


@pytest.mark.parametrize(
    ("everywhere", "by_default", "status"),
    [(0, 0, "warn"), (0, 1, "ok"), (1, 0, "ok"), (2, 1, "warn"), (0, 2, "warn"), (1, 1, "ok")],
)
def test_only_the_strict_form_closes_it(
    ctx: Context, home: Path, tmp_path: Path, everywhere: int, by_default: int, status: str
) -> None:
    for name, value in (("all", everywhere), ("default", by_default)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rp_filter").write_text(f"{value}\n")
    found = host_line(ctx, home, tmp_path)
    assert (found.status, bool(found.fix)) == (status, status == "warn")


def test_what_cannot_be_seen_is_said(
    ctx: Context, home: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    assert "cannot be seen" in host_line(ctx, home, tmp_path / "not-linux").said
    engine.free_bytes = None  # its disk cannot be seen: it is on another machine
    assert "cannot be seen" in host_line(ctx, home, Path("/proc/sys/net/ipv4/conf")).said
