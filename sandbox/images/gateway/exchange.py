"""PID 1 of the gateway: runs Caddy, and exchanges one-time links for what the cookie holds.

    exchange.py ROUTES SOCKET COMMAND...

Caddy asks on a Unix socket, `GET /NAME/UNTIL~NONCE~SEAL`; nobody else can reach it. 204 with the
header `Session: ADDRESS~PORT~SECRET` the first time, 410 for a link that was used, is too old, or
was never given. The seal is HMAC-SHA256 of `link NAME UNTIL NONCE` with the secret of the route
file ROUTES/NAME/ADDRESS~PORT~SECRET: a link tells nothing about the secret, ends with the route,
and needs no file to be made. ROUTES/.used/UNTIL~NONCE says that one was used, also after a restart.

On its standard output Caddy says of each request that a session let pass, once it is answered: when
it began, for which host and path, and with which status. From that ROUTES/.seen/last.json keeps
when each name was last used, in unix seconds, and nothing else. Paths that match a line of
ROUTES/NAME/.ignore (`*` is any text) are no use: a page asks for them with nobody before it.

At port 53 of each address in the environment's DENY_NAMES it answers every question for a name with
`no such name`: sandboxes have no other name server.

Caddy is told in LISTEN at which of its addresses it listens: where the default route leads, which
is no sandbox's network. It may hold FILES files and connections, so that its memory suffices.

Whatever ends, Caddy or this, ends the container, which the engine then starts again.
"""

import base64
import hmac
import json
import os
import re
import resource
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
HOST = re.compile(rf"({NAME})\.")
LIMIT = 4096  # bytes of a question, its headers included
LINE = 65536  # bytes of what Caddy says of one request; a longer line counts for nothing
FILES = 2048  # of Caddy: some 40 kB of memory each, of 128 MB
MOST = 1000  # names whose last use is kept
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


class Uses:
    """When each name was last used, in memory and in one small file."""

    def __init__(self, routes: str) -> None:
        self.routes, self.path = routes, f"{routes}/.seen/last.json"
        self.last = kept(self.path)
        self.keep()

    def note(self, line: bytes) -> None:
        """Take what Caddy says of one request."""
        try:
            said = json.loads(line)
            host, path = said["request"]["host"], said["request"]["uri"]
            began, status = float(said["ts"]) - float(said["duration"]), said["status"]
            name = HOST.match(host)
        except (ValueError, KeyError, TypeError):
            return
        # The tool did not answer: who waits for it to come back is no person.
        if not name or status == 502:
            return
        # Once a second for each name: a page loads a hundred files, and the disk is not ours.
        if began < self.last.get(name[1], 0) + 1 or self.ignores(name[1], path):
            return
        self.last[name[1]] = round(began, 3)
        self.keep()

    def ignores(self, name: str, path: str) -> bool:
        """Say whether a path is one of those that are no use."""
        patterns = content(f"{self.routes}/{name}/.ignore").decode(errors="replace").split("\n")
        return any(fits(each, path) for each in patterns if each)

    def keep(self) -> None:
        """Write the file anew; a disk that is full loses no more than what is in memory anyway."""
        for name in sorted(self.last, key=self.last.__getitem__)[:-MOST]:
            del self.last[name]
        try:
            with open(f"{self.path}.new", "w") as file:  # noqa: PTH123 - pathlib costs memory
                json.dump(self.last, file)
            os.replace(f"{self.path}.new", self.path)  # noqa: PTH105
        except OSError:
            return


def fits(pattern: str, path: str) -> bool:
    """Say whether a path is what a pattern means, in which `*` is any text.

    Not by `re`: it takes minutes for a long path and a few stars, and all others would wait.
    """
    first, *between = pattern.split("*")
    if not between:
        return path == pattern
    last = between.pop()
    if not path.startswith(first) or not path[len(first) :].endswith(last):
        return False
    place, end = len(first), len(path) - len(last)
    for each in between:
        if (found := path.find(each, place, end)) < 0:
            return False
        place = found + len(each)
    return True


def kept(path: str) -> dict[str, float]:
    """Return what an earlier run kept; nothing if it cannot be read."""
    try:
        return {str(name): float(last) for name, last in json.loads(content(path)).items()}
    except (ValueError, AttributeError, TypeError):
        return {}


def content(path: str) -> bytes:
    """Return a small file; nothing if there is none."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read(LINE)
    except OSError:
        return b""


def listen_to(caddy: int, uses: Uses) -> None:
    """Take each line that Caddy says, until it ends."""
    try:
        with open(caddy, "rb") as lines:
            while line := lines.readline(LINE):
                uses.note(line)
    except BaseException:
        # With nobody to read its words, Caddy would stand still: better begin anew.
        os._exit(1)


def deny_names(server: socket.socket) -> None:
    """Answer every question for a name with `no such name`, for ever.

    Nobody in a sandbox needs DNS, but a program whose resolver is silent waits for many seconds.
    """
    while True:
        question, asker = server.recvfrom(512)
        try:
            server.sendto(no_such_name(question), asker)
        except (OSError, ValueError):
            continue


def no_such_name(question: bytes) -> bytes:
    """Return DNS's answer to one question (RFC 1035, 4.1.1); ValueError for what is none."""
    if len(question) < 17 or question[2] & 0x80 or question[4:6] != b"\0\1":
        raise ValueError("this is not a question")
    return question[:2] + b"\x81\x83\0\1" + bytes(6) + question[12 : question.index(0, 12) + 5]


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
    heard, said = os.pipe()
    spoken = [(os.POSIX_SPAWN_DUP2, said, 1)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    told = os.environ | {"LISTEN": outer_address()}
    child = os.posix_spawn(command[0], command, told, file_actions=spoken)
    os.close(said)
    # As PID 1 it gets no signal that it does not ask for.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _: os.kill(child, got))
    threading.Thread(target=end_with, args=(child,), daemon=True).start()
    for address in os.environ.get("DENY_NAMES", "").split():
        names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        names.bind((address, 53))
        threading.Thread(target=deny_names, args=(names,), daemon=True).start()
    threading.Thread(target=listen_to, args=(heard, Uses(routes)), daemon=True).start()
    serve(routes, server)
    return 1


def outer_address() -> str:
    """Return the own address on the one network that has a way out; nothing is sent for that."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.connect(("192.0.2.1", 9))
        return str(asked.getsockname()[0])


def end_with(child: int) -> None:
    """Wait for the child and end with its exit code."""
    _, status = os.waitpid(child, 0)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
