"""Kept archives: files in the age format (age-encryption.org/v1), which `age -d` opens too.

Encryption runs in a thread behind a pipe, so that what comes in pieces from the engine goes out in
pieces to the disk: neither memory nor disk ever holds more than a few of them in plain.
"""

import errno
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sandbox.core.errors import NotFound, Unavailable, unwritable

_SUFFIX = ".tar.age"
_BEGUN = ".part"
_CHUNK = 1024 * 1024


class KeptFolder:
    """The archives in `folder`, which is made at the first one; 0700, files 0600."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def sealing(self, name: str, recipient: str) -> Iterator["SealedFile"]:
        """Write the archive `name`: it is there, whole, when the context ends without an error.

        Raises Unavailable when the disk refuses; nothing half-written stays then.
        """
        whole = self._file(name)
        begun = whole.with_name(whole.name + _BEGUN)
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        except OSError as error:
            raise unwritable("The archive", whole, error) from error
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                seal = SealedFile(file, recipient, whole)
                try:
                    yield seal
                finally:
                    seal.close()
                seal.check()
                _settle(file, whole)
            begun.rename(whole)
        finally:
            begun.unlink(missing_ok=True)

    def names(self) -> list[str]:
        """Return the archives that are there, whole or begun by who was killed, sorted."""
        files = [p.name.removesuffix(_BEGUN) for p in self._folder.glob(f"*{_SUFFIX}*")]
        return sorted({f.removesuffix(_SUFFIX) for f in files})

    def digest(self, name: str) -> str:
        """Return the SHA-256 of an archive's file; raises NotFound if it is gone."""
        found = hashlib.sha256()
        with self._opened(name) as file:
            while chunk := file.read(_CHUNK):
                found.update(chunk)
        return found.hexdigest()

    def unseal(self, name: str, identity: str, write: Callable[[bytes], None]) -> None:
        """Decrypt an archive into `write`, in order; raises Unavailable if it does not open."""
        import pyrage

        relay = _Relay(write)
        try:
            with self._opened(name) as file:
                pyrage.decrypt_io(file, relay, [pyrage.x25519.Identity.from_str(identity)])
        except (pyrage.DecryptError, pyrage.EncryptError, pyrage.IdentityError, OSError) as error:
            if relay.error is not None:
                raise relay.error from None
            raise Unavailable(
                "The archive does not open: it is damaged, or was made with another key.",
                subject=name,
                hint="Restore .sandbox/kept and .sandbox/keys from the same backup.",
            ) from error

    def remove(self, name: str) -> None:
        """Remove an archive and what was begun of it; gone already is success."""
        whole = self._file(name)
        try:
            for file in (whole, whole.with_name(whole.name + _BEGUN)):
                file.unlink(missing_ok=True)
        except OSError as error:
            raise unwritable("The archive", whole, error) from error

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}{_SUFFIX}"

    @contextmanager
    def _opened(self, name: str) -> Iterator[BinaryIO]:
        try:
            file = self._file(name).open("rb")
        except OSError as error:
            raise NotFound(
                f"The archive cannot be read: {error.strerror}.",
                subject=name,
                hint="See: sandbox kept list",
            ) from error
        with file:
            yield file


class SealedFile:
    """An archive under construction: what is written here arrives in `file`, encrypted."""

    def __init__(self, file: BinaryIO, recipient: str, whole: Path) -> None:
        self.size, self._digest = 0, hashlib.sha256()
        self._file, self._whole = file, whole
        self._error: OSError | None = None
        out, into = os.pipe()
        self._plain = os.fdopen(into, "wb", buffering=0)
        self._thread = threading.Thread(target=self._encrypt, args=(out, recipient))
        self._thread.start()

    @property
    def sha256(self) -> str:
        """The SHA-256 of what is in the file."""
        return self._digest.hexdigest()

    def write(self, chunk: bytes) -> None:
        """Encrypt some more; raises Unavailable when the home's disk refuses."""
        view = memoryview(chunk)
        try:
            while view:
                view = view[self._plain.write(view) :]
        except BrokenPipeError:
            self.close()
            self.check()
            raise

    def close(self) -> None:
        """End what is encrypted, and wait until all of it has arrived in the file."""
        self._plain.close()
        self._thread.join()

    def check(self) -> None:
        """Raise Unavailable if something did not arrive."""
        if self._error is not None:
            raise unwritable("The archive", self._whole, self._error)

    def _encrypt(self, out: int, recipient: str) -> None:
        import pyrage

        with os.fdopen(out, "rb") as plain:
            try:
                to = pyrage.x25519.Recipient.from_str(recipient)
                pyrage.encrypt_io(plain, _Relay(self._arrive), [to])
            except (pyrage.EncryptError, OSError) as error:
                self._error = self._error or OSError(errno.EIO, str(error))

    def _arrive(self, chunk: bytes) -> None:
        try:
            view = memoryview(chunk)
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            self._error = error
            raise
        self._digest.update(chunk)
        self.size += len(chunk)


class _Relay:
    """A file that is a function; keeps the error that the encryption would only tell as text."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self.error: BaseException | None = None

    def write(self, chunk: bytes) -> int:
        """Pass `chunk` on."""
        try:
            self._write(chunk)
        except BaseException as error:
            self.error = error
            raise
        return len(chunk)

    def flush(self) -> None:
        """Nothing waits here."""


def _settle(file: BinaryIO, whole: Path) -> None:
    """Have the file on the disk before it gets its name."""
    try:
        os.fsync(file.fileno())
    except OSError as error:
        raise unwritable("The archive", whole, error) from error
