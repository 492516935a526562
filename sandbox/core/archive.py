"""Archives: files on their way into or out of a container, or into a build, as bytes."""

import io
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import IO, Any

from sandbox.core.errors import Unavailable
from sandbox.core.objects import BigFile, File

_BLOCK = tarfile.BLOCKSIZE
_CHUNK = 64 * 1024
# How every tar archive ends.
TAR_END = b"\0" * (2 * _BLOCK)


def tar_stream(files: Iterable[File | BigFile]) -> Iterator[bytes]:
    """Yield a tar archive of `files`; a path that ends in `/` is a folder."""
    for file in files:
        yield from tar_entry(file)
    yield TAR_END


def tar_entry(file: File | BigFile) -> Iterator[bytes]:
    """Yield one file as a part of a tar archive, which `TAR_END` ends."""
    entry = tarfile.TarInfo(file.path)
    entry.mode, entry.uid, entry.gid = file.mode, file.uid, file.gid
    if file.path.endswith("/"):
        entry.type = tarfile.DIRTYPE
        yield entry.tobuf()
        return
    entry.size = file.size if isinstance(file, BigFile) else len(file.content)
    yield entry.tobuf()
    yield from file.chunks if isinstance(file, BigFile) else (file.content,)
    yield b"\0" * (-entry.size % _BLOCK)


def regular_files(stream: Iterable[bytes]) -> Iterator[BigFile]:
    """Yield the regular files of a tar stream; links, devices and folders are passed over.

    The content of each must be read before the next is asked for. Nothing is written anywhere.
    Raises Unavailable when the stream is no tar archive, or ends before its end.
    """
    with (
        _reading(),
        tarfile.open(
            fileobj=io.BufferedReader(_Stream(stream)), mode="r|", bufsize=_CHUNK
        ) as archive,
    ):
        while member := archive.next():
            # Else it remembers every file it has ever seen.
            archive.members.clear()  # type: ignore[attr-defined]
            content = archive.extractfile(member) if member.isreg() else None
            if content is not None and ".." not in PurePosixPath(member.name).parts:
                path = member.name.lstrip("/")
                yield BigFile(path, member.size, _chunks(content, member.size))


def bounded(chunks: Iterable[bytes], limit: int, excess: Exception) -> Iterator[bytes]:
    """Yield `chunks` up to `limit` bytes; raises `excess` when there are more."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise excess
        yield chunk


def _chunks(content: IO[bytes], size: int) -> Iterator[bytes]:
    left = size
    while left:
        with _reading():
            chunk = content.read(min(left, _CHUNK))
        left -= len(chunk)
        yield chunk


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except tarfile.TarError as error:
        raise Unavailable(
            f"The files came in a form that cannot be read: {error}.",
            subject="the engine",
            hint="Ask again.",
        ) from error


class _Stream(io.RawIOBase):
    """An iterator of bytes as a file that can only be read on."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks, self._rest = iter(chunks), memoryview(b"")

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, into: Any) -> int:
        """Fill `into` with what comes next; 0 at the end."""
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        count = min(len(into), len(self._rest))
        into[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
