"""The secrets of a home: one master key in a file, everything else derived from it."""

import base64
import hashlib
import hmac
import os
import re
import secrets
import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.core.connection import Server
from sandbox.core.errors import Unavailable, unwritable
from sandbox.core.source import Source

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_BYTES = 32
_HEX = re.compile(rb"[0-9A-Fa-f]{64}")
# Where Docker mounts secrets.
MOUNTED = Path("/run/secrets")


class FileKeys:
    """Keys of the home in `folder`; passwords come from where a source says: `environment`, a file
    below `home`, or a secret that Docker has `mounted`. So may the master key (`master_secret`).

    Derivation is HKDF-Expand with SHA-256 (RFC 5869, section 2.3) for one block: the master key
    is uniformly random already, so the extract step would add nothing.
    """

    def __init__(
        self,
        folder: Path,
        home: Path,
        environment: Mapping[str, str],
        master_secret: str | None = None,
        mounted: Path = MOUNTED,
    ) -> None:
        self._master_file = mounted / master_secret if master_secret else folder / "master"
        self._kept_file = folder / "kept"
        self._signing_file = folder / "signing"
        self._home, self._mounted = home, mounted
        self._environment = environment

    def create(self) -> None:
        """Make the master key, readable by its owner only; an existing one stays."""
        self._master_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_once(self._master_file, secrets.token_bytes(_BYTES), "masks and links")

    def mask_key(self, source: str, experiment: str = "") -> bytes:
        """Return the masking key of a source (32 bytes), or of one experiment with it."""
        # Names have no spaces, so no two of these are the same.
        return self._expand(f"mask {source}" + (f" for {experiment}" if experiment else ""))

    def key_id(self, source: str, experiment: str = "") -> str:
        """Return the public name of that key: 12 hex digits that tell nothing about it."""
        key = self.mask_key(source, experiment)
        return hmac.new(key, b"key id", hashlib.sha256).hexdigest()[:12]

    def derive(self, purpose: str) -> str:
        """Return a URL-safe secret of 256 bits for `purpose`."""
        return base64.urlsafe_b64encode(self._expand(f"secret {purpose}")).decode().rstrip("=")

    def password(self, source: Source) -> str:
        """Return a source's password, "" for files, which need none.

        Raises Unavailable, naming only where it was looked for, if it is missing, or in a file
        that others can read.
        """
        if not isinstance(source.connection, Server):
            return ""
        where = source.connection.password
        if where.env is not None:
            found = self._environment.get(where.env, "")
        elif where.file is not None:
            found = _read_private(self._home, where.file)
        else:
            found = _read_text(self._mounted / (where.secret or ""))
        if found:
            return found
        raise Unavailable(
            "The password of the source is missing.",
            subject=f"{source.name} ({where.place})",
            hint="Set it there; it is never written into the source's YAML file.",
        )

    def recipient(self) -> str:
        """Return the public half of the key for archives, as age writes it; made at first use."""
        from pyrage import x25519

        if not self._kept_file.exists():
            _write_once(
                self._kept_file, f"{x25519.Identity.generate()}\n".encode(), "kept archives"
            )
        return str(x25519.Identity.from_str(self.identity()).to_public())

    def identity(self) -> str:
        """Return the secret half, which opens archives; raises Unavailable if there is none."""
        found = _read_text(self._kept_file)
        if found.startswith("AGE-SECRET-KEY-"):
            return found
        raise Unavailable(
            "The home's key for kept archives cannot be read.",
            subject=str(self._kept_file),
            hint="Restore it from your backup: without it no archive can be opened.",
        )

    def public_key(self) -> str:
        """Return the key that attestations are checked with (Ed25519, PEM); made at first use."""
        from cryptography.hazmat.primitives import serialization as forms

        public = self._signing().public_key()
        pem = public.public_bytes(forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo)
        return pem.decode()

    def sign(self, content: bytes) -> bytes:
        """Return the signature of `content` (Ed25519, 64 bytes)."""
        return self._signing().sign(content)

    def signed_by_us(self, content: bytes, signature: bytes) -> bool:
        """Say whether `signature` is this home's, of `content`."""
        from cryptography.exceptions import InvalidSignature

        try:
            self._signing().public_key().verify(signature, content)
        except InvalidSignature:
            return False
        return True

    def _signing(self) -> "Ed25519PrivateKey":
        from cryptography.hazmat.primitives import serialization as forms
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        if not self._signing_file.exists():
            pem = Ed25519PrivateKey.generate().private_bytes(
                forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption()
            )
            _write_once(self._signing_file, pem, "attestations")
        try:
            key = forms.load_pem_private_key(_read_text(self._signing_file).encode(), None)
        except ValueError:
            key = None
        if isinstance(key, Ed25519PrivateKey):
            return key
        raise Unavailable(
            "The home's key for attestations cannot be read.",
            subject=str(self._signing_file),
            hint="Restore it from your backup: whoever has its public half trusts no other.",
        )

    def _expand(self, purpose: str) -> bytes:
        return hmac.new(self._master(), purpose.encode() + b"\x01", hashlib.sha256).digest()

    def _master(self) -> bytes:
        try:
            own = self._master_file.parent != self._mounted
            open_to_others = own and self._master_file.stat().st_mode & 0o077
            master = self._master_file.read_bytes()
        except OSError as error:
            raise Unavailable(
                "The home's master key cannot be read.",
                subject=str(self._master_file),
                hint="Restore it from your backup: masks and links depend on it.",
            ) from error
        if open_to_others:
            raise Unavailable(
                "The home's master key can be read by others on this machine.",
                subject=str(self._master_file),
                hint=f"Run: chmod 600 {shlex.quote(str(self._master_file))}. Who has read it can "
                "undo the masks of every snapshot.",
            )
        if _HEX.fullmatch(master.strip()):
            # As people write a key into a secret.
            master = bytes.fromhex(master.strip().decode())
        if len(master) != _BYTES:
            raise Unavailable(
                f"The home's master key is not {_BYTES} bytes, nor {2 * _BYTES} hex digits.",
                subject=str(self._master_file),
                hint="Restore it from your backup.",
            )
        return master


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _read_private(home: Path, name: str) -> str:
    """Return the text of a file below the home; raises Unavailable if others can read it."""
    path = (home / name).resolve()
    if not path.is_relative_to(home.resolve()):
        raise Unavailable(
            "The file with the password is outside the home: a link leads there.",
            subject=name,
            hint="Put the file itself there, or name the password's variable (env).",
        )
    if path.is_file() and path.stat().st_mode & 0o077:
        raise Unavailable(
            "The file with the password can be read by others on this machine.",
            subject=name,
            hint=f"Run: chmod 600 {shlex.quote(str(path))}, and let the password be changed.",
        )
    return _read_text(path)


def _write_once(file: Path, content: bytes, purpose: str) -> None:
    """Write a new key; of two who do so at once, the first wins, and nothing is half."""
    began = file.with_name(f"{file.name}-{secrets.token_hex(6)}")
    try:
        descriptor = os.open(began, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        with suppress(FileExistsError):
            file.hardlink_to(began)
    except OSError as error:
        raise unwritable(f"The home's key for {purpose}", file, error) from error
    finally:
        began.unlink(missing_ok=True)
