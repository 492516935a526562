"""Attacks on what the sandbox must leave as it is: core data, and the lease guard's deadline."""

import ctypes
import os
import platform
import resource
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sandbox_attacks import all_refused, in_child
from sandbox_verify import DEADLINE, Attack, Outcome, only_rights, replica_folders, replicas

CLONE_NEWNS = 0x20000
MS_REMOUNT, MS_BIND = 32, 4096
PIDFD_GETFD = 438  # the same number on every architecture
# Newer calls have one number on every architecture; these are older.
SCHED_SETATTR, SCHED_GETATTR = (314, 315) if platform.machine() == "x86_64" else (274, 275)
SCHED_ATTR_SIZE = 48
IO_URING_SETUP = 425
LIBC = ctypes.CDLL(None, use_errno=True)
WORK = Path("/work")


def attacks() -> list[Attack]:
    """Return the attacks on core data and on the guard."""
    core = {
        "DuckDB attach for writing": attach,
        "DuckDB export beside it": export_beside,
        "opened again through /proc": reopen,
        "its folder entry": lambda: changed(replicas(), replica_folders()),
        "remounted for writing": lambda: in_child(lambda: remount(replica_folders())),
        "its disk as a device": lambda: in_child(lambda: make_device(replica_folders())),
    }
    guard = {
        "write into its memory": write_memory,
        "take its open files": take_files,
        "its folder in /proc": look_into,
        "its priority and scheduling": reschedule,
        "its limits": limit_it,
        "the deadline's folder entry": lambda: changed([DEADLINE], [DEADLINE.parent]),
        "the deadline remounted": lambda: in_child(lambda: remount([DEADLINE.parent])),
        "the deadline covered": lambda: in_child(cover),
    }
    return [
        *(Attack("core data", name, attempt) for name, attempt in core.items()),
        Attack("host", "broadcasts and packets past its routes", past_routes),
        *(Attack("guard", name, attempt) for name, attempt in guard.items()),
    ]


def call(name: str, *arguments: object) -> int:
    """Call a function of the C library; raises OSError when it fails."""
    result: int = getattr(LIBC, name)(*arguments)
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def attach() -> Outcome:
    """Attach the replica for writing, as a tool would do by mistake."""
    import duckdb

    last: Outcome = (True, "nothing there")
    for file in replicas():
        try:
            path = duckdb.ConstantExpression(str(file))
            duckdb.connect().execute(f"ATTACH {path} AS target (READ_WRITE)")
        except duckdb.Error as error:
            text = str(error).partition("\n")[0]
            # A lock held by a reader means that the kernel did open the file for writing.
            last = ("lock" not in text, text)
            if not last[0]:
                return last
        else:
            return False, f"{file} attached for writing"
    return only_rights(replica_folders(), last[1])


def export_beside() -> Outcome:
    """Let DuckDB write a file where the replica lies."""
    import duckdb

    last = "nothing there"
    for folder in replica_folders():
        target = folder / f".verify-{os.getpid()}.csv"
        try:
            place = duckdb.ConstantExpression(str(target))
            duckdb.connect().execute(f"COPY (SELECT 1) TO {place}")
        except duckdb.Error as error:
            last = str(error).partition("\n")[0]
        else:
            target.unlink(missing_ok=True)
            return False, f"a file was written into {folder}"
    return only_rights(replica_folders(), last)


def reopen() -> Outcome:
    """Open what is open for reading once more, for writing, by its entry in /proc."""

    def again(file: Path) -> None:
        with file.open("rb") as stream:
            os.close(os.open(f"/proc/self/fd/{stream.fileno()}", os.O_RDWR))

    return all_refused({str(file): partial(again, file) for file in replicas()})


def changed(files: list[Path], folders: list[Path]) -> Outcome:
    """Rename, change times and rights, cut and delete; an attack that works is undone.

    Deleting is tried on a name that is not there: a read-only file system says so all the same.
    """
    tries: dict[str, Callable[[], object]] = {}
    for file in files:
        other = file.with_name(f".verify-{os.getpid()}")
        tries |= {
            f"renaming {file}": partial(rename_and_back, file, other),
            f"the times of {file}": partial(os.utime, file, ns=times(file)),
            f"the rights of {file}": partial(file.chmod, file.stat().st_mode & 0o777),
            f"the length of {file}": partial(os.truncate, file, file.stat().st_size),
            f"a folder beside {file}": partial(make_folder_and_remove, other),
        }
    held, detail = all_refused(tries)
    return only_rights(folders, detail) if held else (held, detail)


def times(file: Path) -> tuple[int, int]:
    """Return the times that a file has."""
    found = file.stat()
    return found.st_atime_ns, found.st_mtime_ns


def rename_and_back(file: Path, other: Path) -> None:
    """Rename a file, and back."""
    file.rename(other)
    other.rename(file)


def make_folder_and_remove(folder: Path) -> None:
    """Make a folder, and take it away."""
    folder.mkdir()
    folder.rmdir()


def remount(folders: list[Path]) -> Outcome:
    """Mount folders anew, for writing; where this works it is for the attacking process alone."""
    tries: dict[str, Callable[[], object]] = {"mounts of its own": partial(own_mounts)}
    for folder in folders:
        arguments = (b"none", os.fsencode(folder), None, MS_REMOUNT | MS_BIND, None)
        tries[f"remounting {folder}"] = partial(call, "mount", *arguments)
    return all_refused(tries)


def own_mounts() -> None:
    """Leave the others' mounts, so that no attack that works changes theirs."""
    call("unshare", CLONE_NEWNS)


def cover() -> Outcome:
    """Mount an empty folder over the deadline's."""
    folder = os.fsencode(DEADLINE.parent)
    return all_refused({
        "mounts of its own": own_mounts,
        "a mount over it": partial(call, "mount", b"none", folder, b"tmpfs", 0, None),
    })  # fmt: skip


def make_device(folders: list[Path]) -> Outcome:
    """Make the device on which the replica lies, and open it."""
    tries: dict[str, Callable[[], object]] = {}
    for folder in folders:
        tries[f"the device of {folder}"] = partial(device_and_away, folder.stat().st_dev)
    return all_refused(tries)


def device_and_away(number: int) -> None:
    """Make a block device in the work folder, and take it away."""
    file = WORK / f".verify-device-{os.getpid()}"
    os.mknod(file, 0o60600, number)
    file.unlink()


class Part(ctypes.Structure):
    """A piece of memory, as the C library calls it."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def write_memory() -> Outcome:
    """Read and write PID 1's memory with the calls made for that; nothing is moved."""
    space = ctypes.create_string_buffer(8)
    mine = Part(ctypes.cast(space, ctypes.c_void_p), 8)
    theirs = Part(ctypes.c_void_p(4096), 8)

    def move(name: str) -> None:
        call(name, 1, ctypes.byref(mine), 1, ctypes.byref(theirs), 1, 0)

    names = ("process_vm_readv", "process_vm_writev")
    return all_refused({name: partial(move, name) for name in names})


def take_files() -> Outcome:
    """Take a file that PID 1 has open."""

    def take() -> None:
        """Copy its standard input here."""
        holder = os.pidfd_open(1)
        try:
            call("syscall", PIDFD_GETFD, holder, 0, 0)
        finally:
            os.close(holder)

    return all_refused({"taking its standard input": take})


def reschedule() -> Outcome:
    """Set PID 1's share of the processor to what it is: whoever may do that may take it away."""
    nice = os.getpriority(os.PRIO_PROCESS, 1)
    policy, priority = os.sched_getscheduler(1), os.sched_getparam(1)
    whole = ctypes.create_string_buffer(SCHED_ATTR_SIZE)
    call("syscall", SCHED_GETATTR, 1, whole, SCHED_ATTR_SIZE, 0)
    return all_refused({
        "its priority": lambda: os.setpriority(os.PRIO_PROCESS, 1, nice),
        "that of its group": lambda: os.setpriority(os.PRIO_PGRP, 1, nice),
        "that of all of its user": lambda: os.setpriority(os.PRIO_USER, 0, nice),
        "its policy": lambda: os.sched_setscheduler(1, policy, priority),
        "its parameters": lambda: os.sched_setparam(1, priority),
        "all of that at once": lambda: call("syscall", SCHED_SETATTR, 1, whole, 0),
        "its processors": lambda: os.sched_setaffinity(1, os.sched_getaffinity(1)),
    })  # fmt: skip


def limit_it() -> Outcome:
    """Set PID 1's limits to what they are; the process that tries it has the same."""
    kinds = {"files": resource.RLIMIT_NOFILE, "processes": resource.RLIMIT_NPROC}
    return all_refused({
        name: partial(resource.prlimit, 1, kind, resource.getrlimit(kind))
        for name, kind in kinds.items()
    })  # fmt: skip


def past_routes() -> Outcome:
    """Send where no route leads: by the wire that it shares with the host, or to all who listen.

    The packets go to an address reserved for documentation, where nobody is.
    """

    def ask(option: int, value: int | bytes) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as attempt:
            attempt.setsockopt(socket.SOL_SOCKET, option, value)

    def send(call: Callable[[socket.socket], object]) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as attempt:
            call(attempt)

    flag, nobody = socket.MSG_DONTROUTE, ("192.0.2.1", 9)
    return all_refused({
        "no routes for a socket": lambda: ask(socket.SO_DONTROUTE, 1),
        "a device for a socket": lambda: ask(socket.SO_BINDTODEVICE, b"eth0"),
        "broadcasts": lambda: ask(socket.SO_BROADCAST, 1),
        "no routes for a packet": lambda: send(lambda s: s.sendto(b"", flag, nobody)),
        "no routes for a message": lambda: send(lambda s: s.sendmsg([b""], [], flag, nobody)),
        "calls that are queued": lambda: call("syscall", IO_URING_SETUP, 1, None),
    })  # fmt: skip


def look_into() -> Outcome:
    """See what /proc gives away of PID 1, or lets be written."""
    return all_refused({
        "its program": lambda: Path("/proc/1/exe").readlink(),
        "its environment": lambda: Path("/proc/1/environ").read_bytes(),
        "its root": lambda: os.listdir("/proc/1/root"),  # noqa: PTH208 - iterdir opens later
        "its open files": lambda: os.listdir("/proc/1/fd"),  # noqa: PTH208
        "its name": lambda: os.close(os.open("/proc/1/comm", os.O_WRONLY)),
        "its place for memory's end": lambda: os.close(
            os.open("/proc/1/oom_score_adj", os.O_WRONLY)
        ),
    })  # fmt: skip
