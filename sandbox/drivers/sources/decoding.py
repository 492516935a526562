"""CSV files of any encoding, as DuckDB reads them: decoded in memory, never on a disk.

DuckDB's own extension for encodings would do, but takes 336 MB.
"""

import codecs
import io
from pathlib import Path
from typing import Any

from fsspec import AbstractFileSystem

_CHUNK = 1 << 20
# DuckDB asks how long a file is, for progress; what is decoded has no length before its end.
_ANY_LENGTH = 1 << 40
SCHEME = "decoded"


class NotReadable(ValueError):
    """A file that is no text in its encoding, or no whole CSV; `problem` says what, and where."""

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(problem)
        self.problem, self.hint = problem, hint


class Decoded(io.IOBase):
    """The text of a CSV file in UTF-8."""

    def __init__(self, path: Path, encoding: str) -> None:
        self._path, self._encoding = path, encoding
        self._file = path.open("rb")
        self._begin()

    def _begin(self) -> None:
        self._file.seek(0)
        # A mark of the byte order at the begin is no text.
        plain = codecs.lookup(self._encoding).name
        self._decoder = codecs.getincrementaldecoder("utf-8-sig" if plain == "utf-8" else plain)()
        self._ready, self._given, self._line, self._quotes = b"", 0, 1, 0

    def read(self, size: int = -1, /) -> bytes:
        """Return `size` bytes, fewer at the end; raises NotReadable."""
        parts, there = [self._ready], len(self._ready)
        while size < 0 or there < size:
            raw = self._file.read(_CHUNK)
            parts.append(self._decode(raw))
            there += len(parts[-1])
            if not raw:
                break
        ready = b"".join(parts)
        part, self._ready = (ready, b"") if size < 0 else (ready[:size], ready[size:])
        self._given += len(part)
        return part

    def _decode(self, raw: bytes) -> bytes:
        try:
            text = self._decoder.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            line = self._line + error.object[: error.start].count(b"\n")
            raise NotReadable(
                f"Line {line:,} of {self._path.name} is not {self._encoding}",
                "Name the encoding that the file was written in; for Japanese exports it is often "
                "cp932.",
            ) from None
        self._line += text.count("\n")
        self._quotes += text.count('"')
        # DuckDB drops what follows a quote that nothing closes, without a word.
        if not raw and self._quotes % 2:
            raise NotReadable(
                f"{self._path.name} has a quote that nothing closes",
                'Have it written whole again. A " inside a text is written twice.',
            )
        return text.encode()

    def tell(self) -> int:
        """Return how many bytes were read."""
        return self._given

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a place that was read before, or ahead.

        DuckDB goes back where it gave up a part for want of memory: all before is decoded again.
        """
        if whence != 0:
            raise OSError("decoded text has no known end")
        if offset < self._given:
            self._begin()
        while self._given < offset and self.read(min(_CHUNK, offset - self._given)):
            pass
        return self._given

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


class DecodingFiles(AbstractFileSystem):  # type: ignore[misc]
    """The file system `decoded://NUMBER` of one connection: files that were added to it."""

    protocol = SCHEME
    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self._files: list[tuple[Path, str]] = []
        # DuckDB tells of an error in here in words of its own; this is the error itself.
        self.failed: NotReadable | None = None

    def add(self, path: Path, encoding: str) -> str:
        """Return the address under which DuckDB reads a file."""
        self._files.append((path, encoding))
        return f"{SCHEME}://{len(self._files) - 1}"

    def open(self, path: str, mode: str = "rb", **_: Any) -> Decoded:
        """Open an added file for reading."""
        if mode != "rb":
            raise OSError("sources are only read")
        file, encoding = self._files[int(path.removeprefix(f"{SCHEME}://"))]
        return _Noting(self, file, encoding)

    def glob(self, path: str, **_: Any) -> list[str]:
        """Return the address itself: it means one file."""
        return [path]

    def size(self, path: str) -> int:
        """Return more than any file has; its end is where reading ends."""
        return _ANY_LENGTH

    def isfile(self, path: str) -> bool:
        """Say that an added file is one: it was found before."""
        return True


class _Noting(Decoded):
    def __init__(self, files: DecodingFiles, path: Path, encoding: str) -> None:
        self._files = files
        super().__init__(path, encoding)

    def read(self, size: int = -1, /) -> bytes:
        """Read on, and note what is wrong, of which DuckDB tells in words of its own."""
        try:
            return super().read(size)
        except NotReadable as error:
            self._files.failed = error
            raise
