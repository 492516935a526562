"""Files of a source: below the home, opened for reading only, and the same from begin to end."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING

from sandbox.core.errors import InvalidInput, Unavailable
from sandbox.core.home import STATE
from sandbox.core.source import Source
from sandbox.core.text import clean
from sandbox.drivers.sources.dialect import Dialect

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# What tells that a file is still the same: device, number, length, time of its last change (ns).
_State = tuple[int, int, int, int]


@dataclass(frozen=True)
class Watched:
    """Files as they are when a reading begins; those `beside` may be absent."""

    name: str
    files: dict[Path, _State | None]
    beside: dict[Path, _State | None]

    @property
    def _states(self) -> dict[Path, _State | None]:
        return {**self.files, **self.beside}

    def changes(self) -> list[datetime]:
        """Return when each file that is there was changed last."""
        states = filter(None, self._states.values())
        return [datetime.fromtimestamp(state[3] / 1_000_000_000, UTC) for state in states]

    def check(self) -> None:
        """Raise Unavailable if a file is not what it was."""
        now = watched(self.name, self.files, self.beside)
        for path, state in self._states.items():
            if now._states[path] != state:
                raise Unavailable(
                    "A file of the source was changed while it was read.",
                    subject=clean(f"{self.name}: {path.name}"),
                    hint="Nothing was kept. Let its writer end (best: write a new file and rename "
                    "it), then build again.",
                )


def watched(name: str, files: Iterable[Path], beside: Iterable[Path] = ()) -> Watched:
    """Return the files of source `name` with their states; one `beside` that is empty is absent."""
    logs = {path: _state(path) for path in beside}
    return Watched(
        name,
        {path: _state(path) for path in files},
        {path: state if state and state[2] else None for path, state in logs.items()},
    )


class WatchedDialect(Dialect):
    """A kind of source that is files: no login, and none may change from `attach` to the end."""

    def __init__(self, source: Source, home: Path) -> None:
        super().__init__(source)
        self._home, self._watched = home, watched(source.name, ())

    def check_login(self, con: "DuckDBPyConnection") -> None:
        """Do nothing: there is no login, and files are opened read-only."""

    def check_unchanged(self) -> None:
        """Raise Unavailable if somebody wrote to a file since `attach`."""
        self._watched.check()


def found(name: str, home: Path, path: str) -> Path:
    """Return where a file of source `name` is.

    Raises Unavailable if it is not there or cannot be read, InvalidInput if it is no regular file,
    leads out of the home, or into its state.
    """
    subject = clean(f"{name}: {path}")
    try:
        place = (home / path).resolve(strict=True)
        regular = S_ISREG(place.stat().st_mode)
        with place.open("rb"):
            pass
    except OSError as error:
        raise Unavailable(
            f"A file of the source cannot be read: {clean(error.strerror or 'unknown')}.",
            subject=subject,
            hint=f"Put it there: {clean(str(home / path))}",
        ) from None
    if any(mark in str(place) for mark in "*?["):
        raise InvalidInput(
            "The path of the home has one of * ? [ in it, by which one path can mean many files.",
            subject=subject,
            hint="Move the home to a folder without these.",
        )
    if not regular or not place.is_relative_to(home.resolve()):
        raise InvalidInput(
            "A source's file must be a regular file inside the home; this leads elsewhere.",
            subject=subject,
            hint="Copy the file into the home instead of a link to it.",
        )
    if place.is_relative_to(home.resolve() / STATE):
        # The first line of a secret would be told as the names of columns.
        raise InvalidInput(
            f"Nothing in {STATE} is a source: keys and passwords are there.",
            subject=subject,
            hint="Put the source's file into a folder of its own in the home.",
        )
    return place


def _state(path: Path) -> _State | None:
    try:
        state = path.stat()
    except FileNotFoundError:
        return None
    return (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns)
