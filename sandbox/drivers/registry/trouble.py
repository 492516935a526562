"""What the database says in trouble, as errors that a person can act on."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.core.errors import Unavailable

# SQLite's log and its index, as they are begun.
_LOG_NEEDS = 128 * 1024
# What SQLite says, what it means, and what to do.
_TROUBLE = {
    "SQLITE_BUSY": (
        "The registry is in use by another process, which does not let go.",
        "Try again; if it stays so, look for a sandbox command that hangs.",
    ),
    "SQLITE_FULL": (
        "The disk that holds the registry is full; nothing was changed.",
        "Stop what fills it: sandbox reap --apply. Then free some space there and try again.",
    ),
    "SQLITE_READONLY": (
        "The registry cannot be written.",
        "Check that you own the home and that its file system is not mounted read-only.",
    ),
    "SQLITE_CANTOPEN": (
        "The registry cannot be opened.",
        "Check that the home's state folder is there and that you own it.",
    ),
    "SQLITE_IOERR": (
        "The disk that holds the registry failed to read or write.",
        "Check the disk (dmesg), then try again.",
    ),
    "SQLITE_CORRUPT": (
        "The registry's file is damaged.",
        "Put it aside and restore it from a backup; the audit record is in it.",
    ),
    "SQLITE_NOTADB": (
        "The registry's file is not a registry.",
        "Put it aside and restore it from a backup; the audit record is in it.",
    ),
}


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Raise what the database says as Unavailable; bugs pass through."""
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
        raise
    except sqlite3.DatabaseError as error:
        name = getattr(error, "sqlite_errorname", "")
        raise unavailable(name, path, str(error)) from error


def unavailable(name: str, path: Path, said: str) -> Unavailable:
    """Return the error for SQLite's code `name` on the file `path`; `said` is its own text."""
    general = "_".join(name.split("_")[:2])
    if general in ("SQLITE_IOERR", "SQLITE_CANTOPEN") and _is_full(path):
        general = "SQLITE_FULL"  # SQLite cannot make the files that even a reader needs
    message, hint = _TROUBLE.get(general, ("The registry cannot be used.", "Run: sandbox doctor"))
    return Unavailable(message, subject=str(path), hint=hint, details={"sqlite": said})


def _is_full(path: Path) -> bool:
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < _LOG_NEEDS
