"""Disks of a test's own, mounted for as long as it lasts."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def in_file(file: Path, folder: Path, megabytes: int, mkfs: Sequence[str]) -> Iterator[None]:
    """Mount a new file system of that size, made by `mkfs`, that lies thin in a file."""
    with file.open("wb") as out:
        out.truncate(megabytes << 20)
    subprocess.run([*mkfs, str(file)], check=True)
    with _mounted(["-o", "loop", str(file)], folder):
        yield


@contextmanager
def tiny(folder: Path, size: str) -> Iterator[Path]:
    """Mount a disk of that size (`256k`), in memory, which its owner alone can read."""
    with _mounted(["-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs"], folder):
        yield folder


@contextmanager
def _mounted(what: Sequence[str], folder: Path) -> Iterator[None]:
    folder.mkdir(mode=0o700, exist_ok=True)
    made = subprocess.run(["mount", *what, str(folder)], capture_output=True)
    if made.returncode:
        pytest.skip(f"cannot be mounted here: {made.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)
