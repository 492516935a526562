"""Attacks on the walls of the container itself."""

import ctypes
import os
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import monotonic, sleep

from sandbox_attacks import all_refused, in_child
from sandbox_held import call
from sandbox_verify import Attack, Outcome, only_rights

SOCKETS = [
    *("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock"),
    *("/run/podman/podman.sock", "/run/crio/crio.sock", "/var/run/cri-dockerd.sock"),
]
# A read-only mount is asked for as well: a program that became root would have the rights.
SWITCHES = [
    *("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sysrq-trigger"),
    *("/proc/sys/net/ipv4/ip_forward", "/proc/irq", "/proc/bus", "/proc/fs"),
    *("/sys/kernel", "/sys/module", "/sys/class"),
]
# Docker covers these with something empty.
SECRETS = ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sched_debug"]
DEVICES = {"null", "zero", "full", "random", "urandom", "tty", "console", "ptmx", "core"}
WRITABLE = {"/tmp", "/work", "/dev", "/dev/shm", "/dev/mqueue", "/dev/pts", "/proc"}  # noqa: S108
KINDS_OF_NAME_SPACE = {
    "user": 0x10000000,
    "mount": 0x20000,
    "network": 0x40000000,
    "process": 0x20000000,
    "control group": 0x2000000,
}
WALK_SECONDS = 8.0
NAMED_PROGRAMS = 6


def attacks() -> list[Attack]:
    """Return the attacks on the container."""
    tries: dict[str, Callable[[], Outcome]] = {
        "user is not root": plain_user,
        "setuid programs": setuid_programs,
        "privileged system calls": lambda: in_child(privileged_calls),
        "name spaces of its own": own_name_spaces,
        "switches in /proc and /sys": write_switches,
        "secrets of the kernel": read_secrets,
        "devices": devices,
        "writable mounts": writable_mounts,
        "its control group": control_groups,
        "names and resolvers in /etc": name_files,
        "raw sockets": raw_sockets,
        "engine socket": engine_sockets,
    }
    return [
        *(Attack("container", name, attempt) for name, attempt in tries.items()),
        Attack("guard", "PID 1 is the guard", first_process),
    ]


def plain_user() -> Outcome:
    """Look who this is: never root, nor in root's group."""
    ids, groups = (*os.getresuid(), *os.getresgid()), os.getgroups()
    return 0 not in (*ids, *groups), f"user {ids[0]}, group {ids[3]}, also {groups or 'none'}"


def setuid_programs() -> Outcome:
    """Start programs that would change the user, and see who they run as."""
    found = sorted(raising_programs())
    for program in found[:NAMED_PROGRAMS]:
        user = user_of(program)
        if user == 0:
            return False, f"{program} runs as root"
    return True, f"{len(found)} programs, none runs as root" if found else "there is none"


def raising_programs() -> Iterator[str]:
    """Yield programs that take their file's owner, or capabilities, when they are started."""
    until = monotonic() + WALK_SECONDS
    skipped = {"/proc", "/sys", "/dev", "/replica", "/work"}
    for folder, below, files in os.walk("/"):
        below[:] = [b for b in below if os.path.join(folder, b) not in skipped]  # noqa: PTH118
        for name in files:
            path = os.path.join(folder, name)  # noqa: PTH118 - Path costs ten times as much here
            if raises(path):
                yield path
        if monotonic() > until:
            raise TimeoutError("the file system is too large to look through")


def raises(path: str) -> bool:
    """Say whether a file would raise who starts it."""
    try:
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode) or not found.st_mode & 0o111:
            return False
        if found.st_mode & stat.S_ISUID and found.st_uid == 0:
            return True
        return "security.capability" in os.listxattr(path, follow_symlinks=False)
    except OSError:
        return False


def user_of(program: str) -> int:
    """Start a program that waits for input; return the user that it runs as, -1 if it ended."""
    with subprocess.Popen(  # noqa: S603 - a program of this very image
        [program],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as started:
        seen = -1
        for _ in range(20):
            sleep(0.01)
            seen = max(seen, effective(started.pid)) if seen else seen
            if seen == 0 or started.poll() is not None:
                break
        started.kill()
    return seen


def effective(pid: int) -> int:
    """Return the effective user of a process, -1 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return -1
    return next((int(line.split()[2]) for line in lines if line.startswith("Uid:")), -1)


def privileged_calls() -> Outcome:
    """Call what only root may: none of it changes anything when it works."""
    handle = (ctypes.c_uint * 4)(8, 1, 2, 0)  # the root of a disk, by its number
    name = socket.gethostname().encode()
    return all_refused({
        "chroot": lambda: os.chroot("/work"),
        "setuid": lambda: os.setuid(0),
        "sethostname": partial(call, "sethostname", name, len(name)),
        "open_by_handle_at": partial(call, "open_by_handle_at", -100, ctypes.byref(handle), 0),
        "mount": partial(call, "mount", b"none", b"/work", None, 4096 | 32, None),
        "changing its priority": lambda: os.setpriority(os.PRIO_PROCESS, 0, -5),
        "a raised file limit": raise_file_limit,
    })  # fmt: skip


def raise_file_limit() -> None:
    """Raise a hard limit, which only a capability allows."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    more = resource.RLIM_INFINITY if hard == resource.RLIM_INFINITY else hard + 1
    if more == resource.RLIM_INFINITY:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, more))
    except ValueError as error:
        raise PermissionError(1, str(error)) from error


def own_name_spaces() -> Outcome:
    """Make name spaces in which one would be root."""
    for name, flag in KINDS_OF_NAME_SPACE.items():
        tries: dict[str, Callable[[], object]] = {
            f"a {name} name space": partial(call, "unshare", flag)
        }
        held, detail = in_child(partial(all_refused, tries))
        if not held:
            return held, detail
    return True, detail


def write_switches() -> Outcome:
    """Open the kernel's switches for writing, without writing."""
    places = [Path(name) for name in SWITCHES if os.path.lexists(name)]
    files = {str(p): partial(open_to_write, p) for p in places if not p.is_dir()}
    held, detail = all_refused(files)
    return only_rights(places, detail) if held else (held, detail)


def open_to_write(file: Path) -> None:
    """Open a file for writing and close it."""
    os.close(os.open(file, os.O_WRONLY))


def read_secrets() -> Outcome:
    """Read what tells of the host: it must be refused or empty."""
    for name in SECRETS:
        try:
            with open(name, "rb") as file:  # noqa: PTH123 - unbuffered reading of special files
                said = file.read(64)
        except OSError:
            continue
        if said:
            return False, f"{name} can be read"
    shown = [name for name in ("/sys/firmware",) if os.path.isdir(name) and os.listdir(name)]  # noqa: PTH112, PTH208
    return not shown, f"{shown[0]} is shown" if shown else "refused or empty"


def devices() -> Outcome:
    """Look for devices of the host."""
    found = [
        str(entry)
        for entry in sorted(Path("/dev").iterdir())
        if entry.name not in DEVICES and (entry.is_block_device() or entry.is_char_device())
    ]
    return not found, ", ".join(found[:5]) or "none but the plain ones"


def writable_mounts() -> Outcome:
    """Look for mounts that are neither read-only nor the sandbox's own to write."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        root, place, options = line.split()[3:6]
        # What Docker hides is covered by its own /dev/null, or an empty folder of the memory's.
        covered = root == "/null" or (place.startswith("/sys/") and " - tmpfs " in line)
        if "ro" not in options.split(",") and place not in WRITABLE and not covered:
            found.append(place)
    return not found, ", ".join(sorted(set(found))[:5]) or "none"


def control_groups() -> Outcome:
    """Open the container's own limits for writing."""
    files = [
        Path(folder) / name
        for folder in ("/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids")
        for name in ("cgroup.procs", "memory.max", "memory.limit_in_bytes", "pids.max")
    ]
    there = [file for file in files if file.exists()]
    held, detail = all_refused({str(file): partial(open_to_write, file) for file in there})
    return only_rights(there, detail) if held else (held, detail)


def name_files() -> Outcome:
    """Open for writing what says which name is where."""
    files = [Path(name) for name in ("/etc/hosts", "/etc/resolv.conf", "/etc/hostname")]
    held, detail = all_refused({str(file): partial(open_to_write, file) for file in files})
    return only_rights([f for f in files if f.exists()], detail) if held else (held, detail)


def raw_sockets() -> Outcome:
    """Open sockets that could forge packets, or change routes."""

    def opened(family: int, kind: int, protocol: int) -> None:
        socket.socket(family, kind, protocol).close()

    return all_refused({
        "a packet socket": partial(opened, socket.AF_PACKET, socket.SOCK_RAW, 0x0300),
        "a raw socket": partial(opened, socket.AF_INET, socket.SOCK_RAW, 1),
    })  # fmt: skip


def engine_sockets() -> Outcome:
    """Look for the sockets of container engines; one that is there must not be."""
    found = [name for name in SOCKETS if os.path.lexists(name)]
    return not found, f"{found[0]} is there" if found else "none at its usual places"


def first_process() -> Outcome:
    """See who PID 1 is: neither a program of the host's, nor one that knows no deadline."""
    name = Path("/proc/1/comm").read_text().strip()
    return name == "guard", f"PID 1 is {name}"
