"""Tar streams: what comes out of a container is taken apart without ever being unpacked."""

import io
import tarfile
from collections.abc import Iterator

import pytest

from sandbox.core.archive import TAR_END, bounded, regular_files, tar_entry, tar_stream
from sandbox.core.errors import Unavailable
from sandbox.core.objects import BigFile, File


def packed(*entries: tuple[str, bytes, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind, content in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.size, entry.linkname = kind, len(content), "/etc/passwd"
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def pieces(content: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]
        yield b""


@pytest.mark.parametrize("size", [1, 511, 512, 100_000])
def test_files_come_out_however_the_stream_is_cut(size: int) -> None:
    long = "work/" + "長い名前" * 60 + ".py"
    stream = b"".join(
        tar_stream([File("work/", b""), File(long, b"a" * 1500), File("work/e", b"")])
    )
    found = [(f.path, b"".join(f.chunks)) for f in regular_files(pieces(stream, size))]
    assert found == [(long, b"a" * 1500), ("work/e", b"")]


def test_only_regular_files_that_stay_inside_come_out() -> None:
    stream = packed(
        ("work/link", tarfile.SYMTYPE, b""),
        ("work/hard", tarfile.LNKTYPE, b""),
        ("work/device", tarfile.CHRTYPE, b""),
        ("work/pipe", tarfile.FIFOTYPE, b""),
        ("work/../../etc/passwd", tarfile.REGTYPE, b"x"),
        ("/work/plain", tarfile.REGTYPE, b"kept"),
    )
    assert [(f.path, b"".join(f.chunks)) for f in regular_files([stream])] == [
        ("work/plain", b"kept")
    ]


@pytest.mark.parametrize(
    "stream", [b"", b"no tar at all" * 100, packed(("a", b"0", b"x" * 999))[:1000]]
)
def test_what_is_no_whole_tar_is_an_error(stream: bytes) -> None:
    with pytest.raises(Unavailable):
        [b"".join(f.chunks) for f in regular_files([stream])]


def test_a_stream_of_files_one_by_one_is_the_stream_of_all() -> None:
    big = BigFile("b", 3, iter([b"ab", b"c"]))
    one_by_one = b"".join([*tar_entry(File("a", b"x")), *tar_entry(big), TAR_END])
    with tarfile.open(fileobj=io.BytesIO(one_by_one)) as archive:
        assert archive.getnames() == ["a", "b"]


def test_more_than_the_bound_is_refused() -> None:
    assert list(bounded([b"12", b"34"], 4, ValueError())) == [b"12", b"34"]
    with pytest.raises(ValueError, match="too much"):
        list(bounded([b"12", b"345"], 4, ValueError("too much")))
