"""PID 1 of the gateway: runs Caddy, and exchanges one-time links for what the cookie holds.

    exchange.py ROUTES SOCKET COMMAND...

Caddy asks on a Unix socket, `GET /NAME/UNTIL~NONCE~SEAL`; nobody else can reach it. 204 with the
header `Session: ADDRESS~PORT~SECRET` the first time, 410 for a link that was used, is too old, or
was never given. The seal is HMAC-SHA256 of `link NAME UNTIL NONCE` with the secret of the route
file ROUTES/NAME/ADDRESS~PORT~SECRET: a link tells nothing about the secret, ends with the route,
and needs no file to be made. ROUTES/.used/UNTIL~NONCE says that one was used, also after a restart.

Whatever ends, Caddy or this, ends the container, which the engine then starts again.
"""

import base64
import hmac
import os
import re
import signal
import socket
import sys
import threading
import time

NAME = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
ASKED = re.compile(
    rf"GET /({NAME})/([0-9]{{10}})~([A-Za-z0-9_-]{{22}})~([A-Za-z0-9_-]{{43}}) HTTP/1\.1"
)
ROUTE = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}~[1-9][0-9]{0,4}~([A-Za-z0-9_-]{32,128})")
MARK = re.compile(r"([0-9]{10})~[A-Za-z0-9_-]{22}")
LIMIT = 4096  # bytes of a question, its headers included
SECONDS = 2.0  # for a question to arrive and for its answer to be taken
SESSION = "HTTP/1.1 204 No Content\r\nSession: {}\r\nConnection: close\r\n\r\n"
GONE = "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def answer(routes: str, question: bytes) -> bytes:
    """Return the answer to a question, having marked the link as used if it opens."""
    line = question.split(b"\r\n", 1)[0].decode("ascii", "replace")
    asked = ASKED.fullmatch(line)
    token = opened(routes, *asked.groups()) if asked else None
    return (SESSION.format(token) if token else GONE).encode()


def opened(routes: str, name: str, until: str, nonce: str, seal: str) -> str | None:
    """Return the token that a link opens, if it is whole, in time and used for the first time."""
    if time.time() >= int(until):
        return None
    message = f"link {name} {until} {nonce}"
    for token in listing(f"{routes}/{name}"):
        route = ROUTE.fullmatch(token)
        if route and hmac.compare_digest(sealed(route[1], message), seal):
            return token if first_use(f"{routes}/.used", f"{until}~{nonce}") else None
    return None


def sealed(secret: str, message: str) -> str:
    """Return the seal of a message, as it stands in a link."""
    digest = hmac.digest(secret.encode(), message.encode(), "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def first_use(folder: str, mark: str) -> bool:
    """Mark a link as used; False if it was, or if that cannot be written."""
    for old in listing(folder):
        found = MARK.fullmatch(old)
        if found and int(found[1]) < time.time():
            os.unlink(f"{folder}/{old}")  # noqa: PTH108 - pathlib costs memory
    try:
        # The kernel lets exactly one make the file, however many ask at once.
        os.close(os.open(f"{folder}/{mark}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError:
        return False
    return True


def listing(folder: str) -> list[str]:
    """Return the names in a folder; none if there is no such folder."""
    try:
        with os.scandir(folder) as found:
            return [entry.name for entry in found]
    except OSError:
        return []


def read_question(peer: socket.socket) -> bytes:
    """Return a question with its headers, or what came of it within limits of size and time."""
    question, end = b"", time.monotonic() + SECONDS
    while b"\r\n\r\n" not in question and len(question) < LIMIT and time.monotonic() < end:
        chunk = peer.recv(LIMIT - len(question))
        if not chunk:
            break
        question += chunk
    return question


def serve(routes: str, server: socket.socket) -> None:
    """Answer one question after the other, for ever."""
    while True:
        peer, _ = server.accept()
        with peer:
            peer.settimeout(SECONDS)
            try:
                peer.sendall(answer(routes, read_question(peer)))
            except OSError:
                continue


def listen(path: str) -> socket.socket:
    """Return the socket, for our own user only, in place of one that an earlier run left."""
    if os.path.lexists(path):
        os.unlink(path)  # noqa: PTH108
    os.umask(0o077)
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(64)
    return server


def main(routes: str, path: str, *command: str) -> int:
    """Run the command beside the exchange; return its exit code."""
    server = listen(path)
    child = os.posix_spawn(command[0], command, os.environ)
    # As PID 1 it gets no signal that it does not ask for.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _: os.kill(child, got))
    threading.Thread(target=end_with, args=(child,), daemon=True).start()
    serve(routes, server)
    return 1


def end_with(child: int) -> None:
    """Wait for the child and end with its exit code."""
    _, status = os.waitpid(child, 0)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
