"""Parent of squid, and the only resolver that squid asks: a name's address is judged right here.

    resolver.py FOLDER COMMAND...        runs COMMAND (squid) beside the resolver
    resolver.py ready ADDRESS            returns when squid listens at ADDRESS, port 3128

squid looks a name up when it judges a request, and again when it connects: a name whose answer
changes in between would pass (DNS rebinding). So no refused address ever gets as far as squid: an
answer that holds one, alone or among others, becomes `no such name`. Only names in
FOLDER/proxy.hosts are asked for at all, so that no unlisted name tells anything to anybody. squid
gets the addresses alone, from an answer made here; there is no IPv6 outside, so none is told.

FOLDER/proxy.refused has a network per line, FOLDER/proxy.resolvers a name server per line; without
any, those of /etc/resolv.conf are asked.

What squid writes goes through here, too, since the engine keeps only the last 2 MB of it: whoever
asks ten thousand times must not push out what they asked before. So many requests alike become one
line: that of the last, with the bytes of all and how many they are, ` times N`.
"""

import os
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

PORT, DNS_PORT = 3128, 53
ANSWERED, FAILED, NO_NAME, NOT_ASKED = 0, 2, 3, 5  # RFC 1035, 4.1.1
A, CNAME, INTERNET = 1, 5, 1
SECONDS = 2.0  # for one name server; squid itself asks again after five
LONGEST_TTL = 300
READY_SECONDS = 20.0
MOST_LINES = 8000  # before requests are summed; a line has about a hundred bytes
OWN_LINES = 20  # of each kind, however many others there were
MOST_ASIDE = 2000  # lines of other things
TOLD_AGAIN = 0.05  # of a kind's requests may be untold yet


class Kind:
    """Requests alike: how often asked in all, and what is not told of them yet."""

    def __init__(self) -> None:
        self.total = self.times = self.sent = self.received = 0
        self.words: list[str] = []

    def add(self, words: list[str]) -> None:
        """Count one more, the words of its line."""
        self.total, self.times, self.words = self.total + 1, self.times + 1, words
        self.sent, self.received = self.sent + int(words[6]), self.received + int(words[7])

    def told(self) -> str:
        """Return the line that tells what was not told yet."""
        line = " ".join([*self.words[:6], str(self.sent), str(self.received)])
        many = f" times {self.times}" if self.times > 1 else ""
        self.times = self.sent = self.received = 0
        return line + many


class Requests:
    """Lines of squid's log, each as it came, or many in one. Unlisted hosts are all alike then."""

    def __init__(self, hosts: set[str]) -> None:
        self.hosts, self.lines = hosts, 0
        self.kinds: dict[tuple[str, str, str], Kind] = {}

    def tell(self, line: str) -> str:
        """Return what to write for one more line: "" if it waits for others."""
        words = line.split()
        if len(words) != 8 or words[0] != "access" or not (words[6] + words[7]).isdecimal():
            return ""
        host = words[4].lower()
        listed = (host, words[5]) if host in self.hosts and words[5] in ("80", "443") else ("", "")
        kind = self.kinds.setdefault((words[2], *listed), Kind())
        kind.add(words)
        whole = self.lines < MOST_LINES or kind.total <= OWN_LINES
        if not whole and kind.times <= kind.total * TOLD_AGAIN:
            return ""
        self.lines += 1
        return kind.told()

    def rest(self) -> list[str]:
        """Return the lines of what still waits."""
        return [kind.told() for kind in self.kinds.values() if kind.times]


class Name(Exception):
    """A name that has no address to tell: DNS's own number for why, and a refused address."""


def question(packet: bytes) -> tuple[str, int, bytes]:
    """Return name, type and the very bytes of a packet's one question; ValueError if it has not."""
    if len(packet) < 17 or packet[4:6] != b"\0\1" or packet[2] & 0xF8:
        raise ValueError("this is not a question")
    labels, place = [], 12
    while length := packet[place]:
        if length > 63:
            raise ValueError("a name in a question is written out")
        labels.append(packet[place + 1 : place + 1 + length].decode("ascii"))
        place += 1 + length
    kind, network = struct.unpack(">2H", packet[place + 1 : place + 5])
    if network != INTERNET:
        raise ValueError("another kind of network")
    return ".".join(labels).lower(), kind, packet[12 : place + 5]


class Answers:
    """Answers to squid; knows what it wrote of each listed name last, not to write it again."""

    def __init__(self, hosts: set[str], refused: list[IPv4Network], servers: list[str]) -> None:
        self.hosts, self.refused, self.servers = hosts, refused, servers
        self.last: dict[str, tuple[str, ...]] = {}
        self.lines = 0

    def to(self, packet: bytes) -> bytes:
        """Return the answer to a packet; ValueError or IndexError if it cannot be read."""
        name, kind, asked = question(packet)
        found: list[tuple[str, int]] = []
        code = ANSWERED if name in self.hosts else NOT_ASKED
        if kind == A and code == ANSWERED:
            address: list[str] = []
            try:
                found = allowed(look_up(asked, self.servers), self.refused)
            except Name as error:
                code, *address = error.args
            if not found:
                self.tell(name, "refused" if address else "unknown", *address)
        head = packet[:2] + struct.pack(">5H", 0x8180 | code, 1, len(found), 0, 0)
        records = [
            b"\xc0\x0c" + struct.pack(">2HIH", A, INTERNET, min(max(ttl, 1), LONGEST_TTL), 4)
            + IPv4Address(address).packed
            for address, ttl in found
        ]  # fmt: skip
        return head + asked + b"".join(records)

    def tell(self, name: str, *said: str) -> None:
        """Write what became of a name, unless just that was written last, or far too much was."""
        if self.last.get(name) != said and self.lines < MOST_ASIDE:
            self.last[name], self.lines = said, self.lines + 1
            print(f"resolver {time.time():.3f} {said[0]}", name, *said[1:], flush=True)


def allowed(found: list[tuple[str, int]], refused: list[IPv4Network]) -> list[tuple[str, int]]:
    """Return what was found; if one address of it is refused, all of it is."""
    for address, _ in found:
        if any(IPv4Address(address) in network for network in refused):
            raise Name(NO_NAME, address)
    return found


def look_up(asked: bytes, servers: list[str]) -> list[tuple[str, int]]:
    """Return addresses with their times to live, from the first name server that answers."""
    for server in servers:
        packet = os.urandom(2) + struct.pack(">5H", 0x0100, 1, 0, 0, 0) + asked
        try:
            reply = exchange(server, packet)
            return addresses(reply, 12 + len(asked))
        except (OSError, ValueError, IndexError, struct.error):
            continue
    raise Name(FAILED)


def exchange(server: str, packet: bytes) -> bytes:
    """Return what a name server answers to just this packet; OSError if it does not in time."""
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    until = time.monotonic() + SECONDS
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.connect((server, DNS_PORT))  # only its answers arrive, at a port nobody can guess
        asking.send(packet)
        while (left := until - time.monotonic()) > 0:
            asking.settimeout(left)
            reply = asking.recv(4096)
            same = reply[:2] == packet[:2] and reply[12 : len(packet)] == packet[12:]
            if same and reply[2] & 0x80:
                return reply
    raise TimeoutError


def addresses(reply: bytes, place: int) -> list[tuple[str, int]]:
    """Return the addresses in a reply, whose answers begin at `place`; Name if it has none."""
    if code := reply[3] & 15:
        raise Name(NO_NAME if code == NO_NAME else FAILED)
    found = []
    for _ in range(struct.unpack(">H", reply[6:8])[0]):
        place = after_name(reply, place)
        kind, _, ttl, size = struct.unpack(">2HIH", reply[place : place + 10])
        place += 10
        if kind == A:
            found.append((str(IPv4Address(reply[place : place + size])), ttl))
        elif kind != CNAME:
            raise ValueError("this was not asked")
        place += size
    if not found and reply[2] & 0x02:
        raise ValueError("the answer was cut off")
    return found


def after_name(packet: bytes, place: int) -> int:
    """Return where a name that begins at `place` has ended."""
    while length := packet[place]:
        if length >= 0xC0:
            return place + 2
        place += 1 + length
    return place + 1


def serve(server: socket.socket, folder: str) -> None:
    """Answer squid, each question in a thread of its own, for ever."""
    hosts = {name.encode("ascii").decode() for name in lines(f"{folder}/proxy.hosts")}
    refused = [IPv4Network(text) for text in lines(f"{folder}/proxy.refused") if ":" not in text]
    servers = lines(f"{folder}/proxy.resolvers") or system_servers()
    answers = Answers(hosts, refused, servers)

    def one(packet: bytes, asker: tuple[str, int]) -> None:
        """Answer one question; what is none gets no answer."""
        try:
            server.sendto(answers.to(packet), asker)
        except (ValueError, IndexError, struct.error):
            return

    while True:
        packet, asker = server.recvfrom(4096)
        threading.Thread(target=one, args=(packet, asker), daemon=True).start()


def lines(path: str) -> list[str]:
    """Return the lines of a file that say something."""
    with open(path, encoding="ascii") as file:  # noqa: PTH123 - pathlib costs memory
        return [line.strip() for line in file if line.strip()]


def system_servers() -> list[str]:
    """Return the name servers of the engine."""
    said = [line.split() for line in lines("/etc/resolv.conf")]
    return [words[1] for words in said if words[0] == "nameserver" and len(words) > 1]


def main(folder: str, *command: str) -> int:
    """Run squid beside the resolver; return its exit code."""
    if folder == "ready":
        return ready(*command)
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", DNS_PORT))
    hosts = set(lines(f"{folder}/proxy.hosts"))
    out, err = os.pipe(), os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, pipe[1], fd) for fd, pipe in ((1, out), (2, err))]
    child = os.posix_spawn(command[0], command, os.environ, file_actions=actions)
    told = [
        threading.Thread(target=relay, args=(out, hosts), daemon=True),
        threading.Thread(target=relay_some, args=(err,), daemon=True),
    ]
    for thread in told:
        thread.start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _: os.kill(child, got))
    threading.Thread(target=end_with, args=(child, told), daemon=True).start()
    serve(server, folder)
    return 1


def ready(address: str) -> int:
    """Wait until squid listens at `address`; 1 if it does not in time."""
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        try:
            socket.create_connection((address, PORT), timeout=1).close()
        except OSError:
            time.sleep(0.03)
        else:
            return 0
    return 1


def relay(pipe: tuple[int, int], hosts: set[str]) -> None:
    """Write what squid tells of its requests to stdout, until it ends."""
    requests = Requests(hosts)
    for line in read(pipe):
        if said := requests.tell(line):
            print(said, flush=True)
    for said in requests.rest():
        print(said, flush=True)


def relay_some(pipe: tuple[int, int]) -> None:
    """Write the first of squid's own messages to stderr; read all, so that it never waits."""
    for number, line in enumerate(read(pipe)):
        if number < MOST_ASIDE:
            print(line.rstrip("\n")[:300], file=sys.stderr, flush=True)


def read(pipe: tuple[int, int]) -> Iterator[str]:
    """Yield lines until everybody has closed the other end; this process's own is closed here."""
    os.close(pipe[1])
    with open(pipe[0], encoding="ascii", errors="replace") as file:  # noqa: PTH123
        yield from file


def end_with(child: int, told: list[threading.Thread]) -> None:
    """Wait for the child, and for what it still told, and end with its exit code."""
    _, status = os.waitpid(child, 0)
    for thread in told:
        thread.join(1)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
