"""A home from its first event to its last, and what the doctor says of its demo core."""

from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.core.errors import Unavailable
from sandbox.core.ports import Context
from sandbox.usecases.homes import (
    DoctorRequest,
    InitRequest,
    UninstallRequest,
    doctor,
    init,
    uninstall,
)
from tests.fakes import DeadEngine, FakeDemo, FakeEngine
from tests.usecases.asking_up import events


def test_the_events_of_a_home_are_about_its_installation(ctx: Context, home: Path) -> None:
    made = init(ctx, InitRequest(folder=str(home)))
    assert made.created
    assert not init(ctx, InitRequest(folder=str(home))).created
    uninstall(ctx, UninstallRequest())
    first, last = events(ctx)
    assert (first.code, last.code) == ("home.created", "home.uninstalled")
    assert first.subject == last.subject == made.installation
    assert first.details["path"] == last.details["path"] == str(home)


def test_doctor_says_what_the_demo_core_lacks_and_init_mends_it(ctx: Context, home: Path) -> None:
    demo = FakeDemo("not all rows are loaded: purchases")
    here = replace(ctx, demo=demo)
    init(ctx, InitRequest(folder=str(home)))
    said = doctor(here, DoctorRequest())
    (found,) = [c for c in said.checks if c.name == "demo core"]
    assert not said.works
    assert (found.status, found.said) == ("fail", demo.lacks)
    assert found.fix == f"sandbox init --demo {home}"
    init(here, InitRequest(folder=str(home), demo=True))
    (found,) = [c for c in doctor(here, DoctorRequest()).checks if c.name == "demo core"]
    assert found.status == "ok"


def test_a_demo_without_its_rows_starts_nothing(
    ctx: Context, home: Path, engine: FakeEngine
) -> None:
    here = replace(ctx, demo=FakeDemo("its server does not run", installed=False))
    before = engine.listing()
    with pytest.raises(Unavailable, match="not installed"):
        init(here, InitRequest(folder=str(home), demo=True))
    assert engine.listing() == before
    # One that is loaded needs them no more.
    loaded = replace(ctx, demo=FakeDemo(installed=False))
    assert init(loaded, InitRequest(folder=str(home), demo=True)).demo_rows


def test_doctor_asks_nothing_of_a_demo_core_without_an_engine(ctx: Context) -> None:
    dead = replace(ctx, engine=DeadEngine(), demo=FakeDemo("nobody can tell"))
    assert "demo core" not in [c.name for c in doctor(dead, DoctorRequest()).checks]
