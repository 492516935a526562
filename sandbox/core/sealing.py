"""The doors to what is secret: the home's keys, and the encrypted archives that are kept."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from sandbox.core.source import Source


class Keys(Protocol):
    """Secrets of the home. Nothing here is ever printed, logged or put into an event."""

    def mask_key(self, source: str, experiment: str = "") -> bytes:
        """Return the masking key of a source (32 bytes), or of one experiment with it."""

    def key_id(self, source: str, experiment: str = "") -> str:
        """Return the public name of that key."""

    def derive(self, purpose: str) -> str:
        """Return a URL-safe secret for `purpose`: always the same, unknowable without the home."""

    def password(self, source: Source) -> str:
        """Return a source's password from environment or file; raises Unavailable if missing."""

    def recipient(self) -> str:
        """Return the public half of the key for archives, as age writes it; made at first use."""

    def identity(self) -> str:
        """Return the secret half, which opens archives; raises Unavailable if there is none."""

    def public_key(self) -> str:
        """Return the key that attestations are checked with (Ed25519, PEM); made at first use."""

    def sign(self, content: bytes) -> bytes:
        """Return the signature of `content` (Ed25519, 64 bytes)."""

    def signed_by_us(self, content: bytes, signature: bytes) -> bool:
        """Say whether `signature` is this home's, of `content`."""


class Seal(Protocol):
    """One archive while it is written. `size` and `sha256` of the file hold once it is whole."""

    @property
    def size(self) -> int:
        """How many bytes the file has."""

    @property
    def sha256(self) -> str:
        """The SHA-256 of the file, in hexadecimal."""

    def write(self, chunk: bytes) -> None:
        """Encrypt some more; raises Unavailable when the home's disk refuses."""


class Archives(Protocol):
    """The home's folder of kept archives, each encrypted for one recipient (age, v1)."""

    def sealing(self, name: str, recipient: str) -> AbstractContextManager[Seal]:
        """Write the archive `name`: it is there, whole, when the context ends without an error.

        Otherwise nothing is. No plain byte touches a disk. Raises Unavailable when the disk
        refuses.
        """

    def names(self) -> list[str]:
        """Return the archives that are there, whole or begun by who was killed, sorted."""

    def digest(self, name: str) -> str:
        """Return the SHA-256 of an archive's file; raises NotFound if it is gone."""

    def unseal(self, name: str, identity: str, write: Callable[[bytes], None]) -> None:
        """Decrypt an archive into `write`, in order; raises Unavailable if it does not open."""

    def remove(self, name: str) -> None:
        """Remove an archive and what was begun of it; gone already is success."""
