"""A connection to PostgreSQL that says exactly how it was refused. Nothing but what it needs."""

import base64
import hashlib
import hmac
import secrets
import socket
import struct
from types import TracebackType
from typing import Any

SECONDS = 5.0
SCRAM = b"SCRAM-SHA-256"


class Refused(Exception):
    """The server's error: its SQLSTATE `code` and its message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code} {message}")
        self.code = code


class Lab:
    """One connection; use it in a `with`. Raises Refused, or OSError when nobody answers."""

    def __init__(
        self, login: dict[str, Any], *, user: str = "", database: str = "", replication: str = ""
    ) -> None:
        self._stream = socket.create_connection((login["host"], login["port"]), timeout=SECONDS)
        self._left = b""
        try:
            said = {"user": user or login["user"], "database": database or login["database"]}
            said |= {"replication": replication} if replication else {}
            words = b"".join(k.encode() + b"\0" + v.encode() + b"\0" for k, v in said.items())
            self._send(b"", struct.pack(">I", 196608) + words + b"\0")
            self._log_in(str(login["password"]))
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> "Lab":
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self._stream.close()

    def ask(self, sql: str) -> list[list[str]]:
        """Run statements; return the rows of them all, NULL as empty text. Raises Refused."""
        self._send(b"Q", sql.encode() + b"\0")
        rows: list[list[str]] = []
        error: Refused | None = None
        while True:
            kind, body = self._next()
            if kind == b"D":
                rows.append(_row(body))
            elif kind == b"E":
                error = _refused(body)
            elif kind == b"Z":
                if error:
                    raise error
                return rows

    def _log_in(self, password: str) -> None:
        steps = _Scram(password)
        while True:
            kind, body = self._next()
            if kind == b"E":
                raise _refused(body)
            if kind == b"Z":
                return
            if kind == b"R":
                answer = steps.answer(struct.unpack(">I", body[:4])[0], body[4:])
                if answer:
                    self._send(b"p", answer)

    def _send(self, kind: bytes, body: bytes) -> None:
        self._stream.sendall(kind + struct.pack(">I", len(body) + 4) + body)

    def _next(self) -> tuple[bytes, bytes]:
        kind = self._take(1)
        return kind, self._take(struct.unpack(">I", self._take(4))[0] - 4)

    def _take(self, size: int) -> bytes:
        while len(self._left) < size:
            piece = self._stream.recv(65536)
            if not piece:
                raise ConnectionError("the lab closed the connection")
            self._left += piece
        taken, self._left = self._left[:size], self._left[size:]
        return taken


class _Scram:
    """The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding."""

    def __init__(self, password: str) -> None:
        self._password = password.encode()
        self._first = f"n=,r={secrets.token_urlsafe(18)}".encode()

    def answer(self, step: int, body: bytes) -> bytes:
        """Return the answer to one step of the server's, empty where none is due."""
        if step == 10:
            first = b"n,," + self._first
            return SCRAM + b"\0" + struct.pack(">I", len(first)) + first
        if step == 11:
            return self._proof(body)
        if step in (0, 12):
            return b""
        raise ConnectionError(f"the lab asks for another kind of login ({step})")

    def _proof(self, server: bytes) -> bytes:
        said = dict(part.split(b"=", 1) for part in server.split(b","))
        salted = hashlib.pbkdf2_hmac(
            "sha256", self._password, base64.b64decode(said[b"s"]), int(said[b"i"])
        )
        key = hmac.digest(salted, b"Client Key", "sha256")
        last = b"c=biws,r=" + said[b"r"]
        whole = b",".join((self._first, server, last))
        signed = hmac.digest(hashlib.sha256(key).digest(), whole, "sha256")
        proof = bytes(a ^ b for a, b in zip(key, signed, strict=True))
        return last + b",p=" + base64.b64encode(proof)


def _row(body: bytes) -> list[str]:
    found, place = [], 2
    for _ in range(struct.unpack(">H", body[:2])[0]):
        size = struct.unpack(">i", body[place : place + 4])[0]
        place += 4
        found.append(body[place : place + size].decode() if size >= 0 else "")
        place += max(size, 0)
    return found


def _refused(body: bytes) -> Refused:
    said = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
    return Refused(said.get(b"C", ""), said.get(b"M", ""))
