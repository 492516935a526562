"""Homes as tests of the use cases want them."""

from pathlib import Path

import pytest

from sandbox.core.ports import Context
from sandbox.core.snapshot import Snapshot
from sandbox.usecases.homes import InitRequest, init
from tests.usecases.dying import Spread, every, some
from tests.usecases.pools import filled


@pytest.fixture
def marked(ctx: Context, home: Path) -> None:
    """The home knows itself, as `init` leaves it: the reaper works in no other."""
    init(ctx, InitRequest(folder=str(home)))


@pytest.fixture
def warm(ctx: Context, home: Path, snapshot: Snapshot) -> Context:
    """A home that keeps one sandbox ready."""
    return filled(ctx, home)


@pytest.fixture(params=[some, pytest.param(every, marks=pytest.mark.slow)], ids=["some", "every"])
def spread(request: pytest.FixtureRequest) -> Spread:
    """After which of so many steps a process is killed: all of them is for `make test-all`."""
    chosen: Spread = request.param
    return chosen
