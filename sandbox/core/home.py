"""The door to the files of a home, and what is asked there. Part of `ports`."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

# The folder of a home in which we keep keys, records and what is being built.
STATE = ".sandbox"


@dataclass(frozen=True)
class HomeAccess:
    """Where a home is, and who owns its state folder."""

    path: str
    owner: str


@dataclass(frozen=True)
class Exposed:
    """A path of the home with which others can do too much.

    `secret`: they can read or enter it, or change it, and should do neither. Otherwise it decides
    something, and they can change it. `owner` is whose it is, where that alone lets them.
    """

    path: str
    secret: bool
    owner: str = ""


class HomeFiles(Protocol):
    """The files of the home that use cases need."""

    def access(self) -> HomeAccess:
        """Return where the home is and who owns its state folder."""

    def exposed(self) -> list[Exposed]:
        """Return the paths that others can read or change and should not, sorted."""

    def workshop(self, name: str) -> AbstractContextManager[Path]:
        """Hold the one folder in which files for `name` are under construction, empty at first.

        Only we can enter it; whatever is in it at the end is removed with it. Raises Conflict
        while another process holds it (one that was killed holds it no longer), Unavailable when
        the disk refuses.
        """

    def working_on(self, name: str) -> AbstractContextManager[None]:
        """Hold `name` for work, beside others who do; who wants it alone keeps off meanwhile.

        A process that is killed holds it no longer.
        """

    def alone_with(self, name: str) -> AbstractContextManager[bool]:
        """Hold `name` alone, unless a living process works on it: yields whether.

        Whoever has it alone may work on it, too.
        """

    def building(self, name: str) -> bool:
        """Say whether a living process holds the workshop of `name`. Changes nothing."""

    def installation(self) -> str:
        """Return which installation the home says it is of, "" if it does not say."""

    def belongs_to(self, installation: str) -> None:
        """Write into the home which installation it is of, unless it says already.

        Raises Conflict when it is of another, Unavailable when the disk refuses.
        """

    def chunks(self, path: Path) -> Iterator[bytes]:
        """Yield a file's content in pieces of 1 MiB."""

    def fill(self, path: Path, chunks: Iterable[bytes]) -> str:
        """Write `chunks` into a new file of a workshop (0600); return their SHA-256.

        Raises Unavailable when the disk refuses.
        """

    def add(self, path: str, text: str) -> None:
        """Write a new file of the home, for people: whole or not at all, never over another.

        Raises Conflict when there is one, Unavailable when the disk refuses.
        """

    def free_bytes(self, place: str = "") -> int | None:
        """Return what is free where a folder of this machine lies, by default the home's state.

        None where the machine does not say.
        """

    def take_ballast(self) -> None:
        """Have a file of some MiB that can be given up; what the disk refuses is left as it is."""

    def drop_ballast(self) -> None:
        """Give that file up, so that a registry on a full disk can write again; gone is fine."""

    def checks_sources(self) -> bool | None:
        """Say whether this machine takes packets only from where it would send the answer.

        That is its kernel's setting for network bridges to come; None where it does not say.
        """

    def sweep(self, name: str) -> None:
        """Remove what a killed process left in the workshop of `name`; a held one stays."""
