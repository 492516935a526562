"""Reading files of a home safely: regular files only, of bounded size, never through a link."""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from sandbox.core.errors import InvalidInput, NotFound, Unavailable
from sandbox.core.objects import File
from sandbox.core.text import clean

MAX_FILE = 8 * 1024 * 1024
MAX_TREE = 32 * 1024 * 1024
MAX_DEPTH = 16
# One mode for all, whatever the disk says: an image then depends on names and contents only.
MODE = 0o755

# Python writes these beside sources by itself, for example when a wheel is installed.
_BYTECODE = "__pycache__"


def read_file(path: Path, shown: str, limit: int = MAX_FILE, *, follow: bool = True) -> bytes:
    """Return the content of a regular file of at most `limit` bytes.

    Raises NotFound if it is not there, Unavailable if it cannot be read, and InvalidInput if it
    is a device, pipe or folder, is too large, or is a symbolic link and not `follow`.
    """
    # NONBLOCK: opening a pipe must not wait for somebody to write into it.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise _refused("is not a regular file", shown)
            content = file.read(limit + 1)
    except FileNotFoundError:
        raise NotFound("There is no such file.", subject=shown, hint="Create it.") from None
    except IsADirectoryError:
        raise _refused("is not a regular file", shown) from None
    except OSError as error:
        raise unreadable(shown, error) from None
    if len(content) > limit:
        raise _refused(f"is larger than {limit // 1024} KiB", shown)
    return content


def read_tree(root: Path, shown: str) -> dict[str, bytes]:
    """Return all files under `root` by their path below it, sorted.

    Raises InvalidInput for anything that is neither a regular file nor a folder, for names that
    are no clean text, for a file over 8 MiB, and for more than 32 MiB together.
    """
    try:
        paths = sorted(_walk(root, "", shown))
    except OSError as error:
        raise unreadable(shown, error) from None
    found: dict[str, bytes] = {}
    left = MAX_TREE
    for path in paths:
        found[path] = read_file(root / path, f"{shown}/{path}", follow=False)
        left -= len(found[path])
        if left < 0:
            raise _refused("holds more than 32 MiB", shown)
    return found


def digest(files: Iterable[tuple[str, bytes]]) -> str:
    """Return the SHA-256 over paths and contents, whatever the order given."""
    total = hashlib.sha256()
    for path, content in sorted(files):
        # Lengths keep `ab` + `c` apart from `a` + `bc`.
        total.update(f"{len(path.encode())} {len(content)}\n{path}".encode())
        total.update(content)
    return total.hexdigest()


def context_files(files: dict[str, bytes]) -> tuple[File, ...]:
    """Return `files` as a build context."""
    return tuple(File(path, content, mode=MODE) for path, content in sorted(files.items()))


def _walk(folder: Path, prefix: str, shown: str) -> Iterator[str]:
    if folder.is_symlink():
        raise _refused("is a symbolic link", f"{shown}/{prefix}".rstrip("/"))
    with os.scandir(folder) as entries:
        for entry in entries:
            path = prefix + entry.name
            if not entry.name.isprintable() or clean(entry.name) != entry.name:
                raise _refused("has a name that is no clean text", f"{shown}/{path!a}")
            if path.count("/") > MAX_DEPTH:
                raise _refused(f"lies more than {MAX_DEPTH} folders deep", f"{shown}/{path}")
            if entry.is_symlink():
                raise _refused("is a symbolic link", f"{shown}/{path}")
            if entry.is_dir():
                if entry.name != _BYTECODE:
                    yield from _walk(folder / entry.name, f"{path}/", shown)
            elif entry.is_file():
                yield path
            else:
                raise _refused("is a device, pipe or socket", f"{shown}/{path}")


def unreadable(shown: str, error: OSError) -> Unavailable:
    """Return the error for a file or folder that the system does not let us read."""
    return Unavailable(
        f"It cannot be read: {error.strerror or type(error).__name__}.",
        subject=shown,
        hint="Look at its owner and permissions; see: sandbox doctor",
    )


def _refused(problem: str, shown: str) -> InvalidInput:
    return InvalidInput(
        f"{shown} {problem}.",
        subject=shown,
        hint="Only regular files of at most 8 MiB each and 32 MiB together are taken.",
    )
