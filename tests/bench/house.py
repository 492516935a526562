"""A demo home of the benchmark's own; everything made in it or beside it is removed at the end."""

import json
import secrets
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.ports import free_port

from .commands import SANDBOX, Took, docker, say, took

# What the by-hand baselines make carries this label: the product must not know of it.
LABEL = "bimodal-sandbox-bench"


@dataclass(frozen=True)
class House:
    """The home, its gateway's port, and the label of what is made beside it."""

    folder: Path
    port: int
    run_id: str

    @property
    def label(self) -> str:
        """The label of everything that this run makes by hand."""
        return f"{LABEL}={self.run_id}"

    def sandbox(self, *arguments: str, codes: Sequence[int] = (0,)) -> Took:
        """Run the product's command in this home."""
        return took([*SANDBOX, *arguments], {"SANDBOX_HOME": str(self.folder)}, codes)

    def json(self, *arguments: str) -> Any:
        """Return the answer of a command of the product."""
        return json.loads(self.sandbox(*arguments, "-o", "json").out)

    def up(self, name: str, *options: str) -> Took:
        """Make a sandbox from the shipped template."""
        purpose = "How long does it take to make a sandbox?"
        asked = ("--template", "segment-rfm", "--purpose", purpose)
        return self.sandbox("up", name, *asked, *options)

    def down(self, name: str) -> Took:
        """Remove a sandbox and keep nothing: as bare docker commands do."""
        return self.sandbox("down", name, "--no-keep")


@contextmanager
def demo_house() -> Iterator[House]:
    """Make a demo home with a snapshot in a temporary folder; in the end remove all of it."""
    with tempfile.TemporaryDirectory(prefix="sandbox-bench-") as folder:
        house = House(Path(folder) / "home", free_port(), secrets.token_hex(4))
        try:
            say("a demo home, its images and its core system (minutes on a new machine)")
            port = str(house.port)
            took([*SANDBOX, "init", "--demo", str(house.folder), "--gateway-port", port])
            house.sandbox("snapshot", "build", "core")
            yield house
        finally:
            say("removing everything again")
            _remove(house)


def sweep(house: House) -> None:
    """Remove what the by-hand baselines of this run left behind."""
    chosen = ("--quiet", "--filter", f"label={house.label}")
    for name in docker("ps", "--all", *chosen).split():
        docker("rm", "--force", "--volumes", name)
    for name in docker("network", "ls", *chosen).split():
        for member in _members(name):
            docker("network", "disconnect", "--force", name, member)
        docker("network", "rm", name)
    for name in docker("volume", "ls", *chosen).split():
        docker("volume", "rm", name)


def _members(network: str) -> list[str]:
    return list(json.loads(docker("network", "inspect", network))[0]["Containers"])


def _remove(house: House) -> None:
    with suppress(RuntimeError):
        sweep(house)
    if not house.folder.exists():
        return
    with suppress(RuntimeError, ValueError):
        for sandbox in house.json("list")["sandboxes"]:
            house.down(sandbox["name"])
    try:
        house.sandbox("uninstall")
    except (RuntimeError, subprocess.SubprocessError) as error:
        say(f"sandbox uninstall failed, look for leftovers: {error}")
