"""Attacks the sandbox from inside, as the tool's own user, and says what held.

In: a JSON object on stdin, {"phase": "fast", "forbidden": [[address, port], ...]}: what every `up`
asks, with further addresses that must not be reachable. All other phases are in sandbox_attacks.
Out: {"checks": [{"about", "name", "held", "detail"}, ...]}. Nothing is damaged when an attack gets
through, and every one is bounded in time.
"""

import ctypes
import errno
import json
import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from time import monotonic
from typing import NamedTuple

TIMEOUT = 0.4
# What is not busy has answered long before; on a busy machine, slow must not look like fallen.
FAST_SECONDS = 3.0
REPLICAS = Path("/replica")
DEADLINE = Path("/run/sandbox/deadline")
# Reserved for documentation (RFC 5737, 3849), and where clouds keep their credentials.
OUTSIDE = [
    ("192.0.2.1", 80),
    ("198.51.100.1", 443),
    ("203.0.113.1", 443),
    ("169.254.169.254", 80),
    ("2001:db8::1", 443),
]
PTRACE_SEIZE = 0x4206  # attaches without stopping, so PID 1 is not harmed if it works
Outcome = tuple[bool, str]


class Attack(NamedTuple):
    """One attack: what it is about, its name, and what tries it and says whether the wall held."""

    about: str
    name: str
    attempt: Callable[[], Outcome]


def main() -> None:
    """Run the attacks of one phase and print the outcomes."""
    asked = json.loads(sys.stdin.read() or "{}")
    if asked.get("phase", "fast") == "fast":
        checks = run(attacks(pairs(asked.get("forbidden", []))), FAST_SECONDS)
    else:
        import sandbox_attacks  # `up` must not pay for what it does not ask

        checks = sandbox_attacks.checks(asked)
    print(json.dumps({"checks": checks}), flush=True)
    os._exit(0)  # a thread that hangs in a lookup must not delay the answer


def pairs(targets: list[list[str | int]]) -> list[tuple[str, int]]:
    """Return (address, port) of every target."""
    return [(str(host), int(port)) for host, port in targets]


def attacks(forbidden: list[tuple[str, int]]) -> list[Attack]:
    """Return the attacks of the fast form. The slowest come first."""
    out = [("network", pair) for pair in OUTSIDE] + [("host", pair) for pair in forbidden]
    return [
        *(Attack(about, f"connect {h}:{p}", partial(connect, h, p)) for about, (h, p) in out),
        Attack("network", "resolve example.com", resolve),
        Attack("network", "ask a resolver", ask_resolvers),
        Attack("core data", "replica opened for writing", open_replica),
        Attack("core data", "file beside the replica", lambda: create_in(replica_folders())),
        Attack("container", "root file system", write_root),
        Attack("container", "capabilities", capabilities),
        Attack("container", "no new privileges", no_new_privileges),
        Attack("guard", "trace the guard", trace_guard),
        Attack("guard", "open the guard's memory", open_guard_memory),
        Attack("guard", "stop the guard", signal_guard),
        Attack("guard", "open the deadline", open_deadline),
        Attack("guard", "replace the deadline", lambda: create_in([DEADLINE.parent])),
    ]


def run(chosen: list[Attack], seconds: float, workers: int = 0) -> list[dict[str, str | bool]]:
    """Run attacks, as many `workers` at once (all without), for so many seconds in all.

    Returns about, name, held and detail in the given order; what gave no answer has not held. Of
    two attacks of one name the second is left out.
    """
    chosen = list({attack.name: attack for attack in reversed(chosen)}.values())[::-1]
    waiting: SimpleQueue[Attack] = SimpleQueue()
    answers: SimpleQueue[tuple[str, Outcome]] = SimpleQueue()
    for attack in chosen:
        waiting.put(attack)
    for _ in range(workers or len(chosen)):
        threading.Thread(target=work, args=(waiting, answers), daemon=True).start()
    outcomes: dict[str, Outcome] = {}
    until = monotonic() + seconds
    while len(outcomes) < len(chosen):
        try:
            name, outcome = answers.get(timeout=max(0.0, until - monotonic()))
        except Empty:
            break
        outcomes[name] = outcome
    silent = (False, "no answer in time")
    return [
        {"about": attack.about, "name": attack.name, "held": held, "detail": detail}
        for attack in chosen
        for held, detail in [outcomes.get(attack.name, silent)]
    ]


def work(waiting: SimpleQueue[Attack], answers: SimpleQueue[tuple[str, Outcome]]) -> None:
    """Take attacks until none waits."""
    while True:
        try:
            attack = waiting.get_nowait()
        except Empty:
            return
        answers.put((attack.name, tried(attack.attempt)))


def tried(attempt: Callable[[], Outcome]) -> Outcome:
    """Return the outcome of one attack; one that breaks proves nothing, so it has not held."""
    try:
        return attempt()
    except Exception as error:
        return False, f"the check itself failed: {error!r}"


def replicas() -> list[Path]:
    """Return the replica files of this sandbox."""
    return sorted(REPLICAS.glob("*/*.duckdb"))


def replica_folders() -> list[Path]:
    """Return the folders in which the replicas lie."""
    return sorted({file.parent for file in replicas()})


def refused(error: OSError) -> Outcome:
    """Return the outcome for an attack that the kernel refused."""
    return True, errno.errorcode.get(error.errno or 0, str(error))


def open_for_writing(files: list[Path]) -> Outcome:
    """Open files for writing, without writing."""
    if not files:
        return True, "nothing there"
    for file in files:
        try:
            os.close(os.open(file, os.O_RDWR))
        except OSError as error:
            last = refused(error)
        else:
            return False, f"{file} opened for writing"
    return last


def create_in(folders: list[Path]) -> Outcome:
    """Create a file in each folder and take it away again."""
    last: Outcome = (True, "nothing there")
    for folder in folders:
        file = folder / f".verify-{os.getpid()}-{threading.get_ident()}"
        try:
            file.touch(exist_ok=False)
            file.unlink()
        except OSError as error:
            last = refused(error)
        else:
            return False, f"a file could be created in {folder}"
    return last


def open_replica() -> Outcome:
    """Open the replica's file for writing. Missing rights are not enough: see `only_rights`."""
    held, detail = open_for_writing(replicas())
    return only_rights(replica_folders(), detail) if held else (held, detail)


def open_deadline() -> Outcome:
    """Open the guard's deadline for writing."""
    held, detail = open_for_writing([DEADLINE])
    return only_rights([DEADLINE.parent], detail) if held else (held, detail)


def only_rights(places: list[Path], detail: str) -> Outcome:
    """Return whether every place is mounted read-only; else its files' rights alone refused it."""
    for place in places:
        if not os.statvfs(place).f_flag & os.ST_RDONLY:
            return False, f"only rights refuse it ({detail}): {place} is writable"
    return True, detail


def write_root() -> Outcome:
    """Create files outside the volumes. Missing rights are not enough: it must be read-only."""
    folders = [
        Path(name) for name in ("/", "/etc", "/usr/bin", "/opt/venv", "/sandbox", "/var/lib")
    ]
    held, detail = create_in([folder for folder in folders if folder.exists()])
    return only_rights([Path("/")], detail) if held else (held, detail)


def status(field: str) -> str:
    """Return one field of this process's status."""
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return value.strip()
    return ""


def capabilities() -> Outcome:
    """Look for any capability, also those that a privileged program could gain."""
    sets = {name: status(name) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
    left = [f"{name}={value}" for name, value in sets.items() if not value or int(value, 16)]
    return not left, ", ".join(left) or "none"


def no_new_privileges() -> Outcome:
    """See whether a setuid program could raise privileges."""
    value = status("NoNewPrivs")
    return value == "1", f"NoNewPrivs={value}"


def connect(host: str, port: int) -> Outcome:
    """Connect by address. A refusal came from the other side, so the way there is open."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as attempt:
        attempt.settimeout(TIMEOUT)
        try:
            attempt.connect((host, port))
        except TimeoutError:
            return True, "no answer"
        except ConnectionError as error:
            return False, f"{host} answered: {errno.errorcode[error.errno or errno.ECONNREFUSED]}"
        except OSError as error:
            return refused(error)
    return False, "connected"


def resolve() -> Outcome:
    """Look up a foreign name as any program does; it must fail, and at once."""
    try:
        address = socket.getaddrinfo("example.com", 443)[0][4][0]
    except socket.gaierror as error:
        return True, str(error.strerror)
    return False, f"example.com is {address}"


def ask_resolvers() -> Outcome:
    """Ask the name servers directly, past this image's own rule not to."""
    query = struct.pack(">6H", 0x5B0C, 0x0100, 1, 0, 0, 0)
    query += b"\7example\3com\0" + struct.pack(">2H", 1, 1)
    lines = Path("/etc/resolv.conf").read_text().splitlines()
    servers = {line.split()[1] for line in lines if line.startswith("nameserver ")}
    for server in servers | {"127.0.0.11"}:
        family = socket.AF_INET6 if ":" in server else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as asked:
            asked.settimeout(TIMEOUT / (len(servers) + 1))
            try:
                asked.connect((server, 53))
                asked.send(query)
                reply = asked.recv(512)
            except OSError:
                continue
            if len(reply) >= 12 and reply[3] & 15 == 0 and struct.unpack(">H", reply[6:8])[0]:
                return False, f"{server} gave the address of a foreign name"
    return True, "no answer"


def trace_guard() -> Outcome:
    """Attach to PID 1 as a debugger."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    if libc.ptrace(PTRACE_SEIZE, 1, None, None) == 0:
        return False, "PID 1 can be traced"
    return True, errno.errorcode[ctypes.get_errno()]


def open_guard_memory() -> Outcome:
    """Open the memory of PID 1 for writing."""
    return open_for_writing([Path("/proc/1/mem")])


def signal_guard() -> Outcome:
    """Send the two signals that no program can catch. The kernel keeps them from PID 1."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        try:
            os.kill(1, number)
        except PermissionError as error:
            return refused(error)
    state = Path("/proc/1/stat").read_text().rpartition(")")[2].split()[0]
    return state not in "TZX", f"PID 1 is in state {state}"


if __name__ == "__main__":
    main()
