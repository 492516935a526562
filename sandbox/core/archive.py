"""Archives: files on their way into a container or a build, as one stream of bytes."""

import tarfile
from collections.abc import Iterable, Iterator

from sandbox.core.objects import BigFile, File

_BLOCK = tarfile.BLOCKSIZE


def tar_stream(files: Iterable[File | BigFile]) -> Iterator[bytes]:
    """Yield a tar archive of `files`; a path that ends in `/` is a folder."""
    for file in files:
        entry = tarfile.TarInfo(file.path)
        entry.mode, entry.uid, entry.gid = file.mode, file.uid, file.gid
        if file.path.endswith("/"):
            entry.type = tarfile.DIRTYPE
            yield entry.tobuf()
            continue
        entry.size = file.size if isinstance(file, BigFile) else len(file.content)
        yield entry.tobuf()
        yield from file.chunks if isinstance(file, BigFile) else (file.content,)
        yield b"\0" * (-entry.size % _BLOCK)
    yield b"\0" * (2 * _BLOCK)
