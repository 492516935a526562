"""Attacks on the limits of the container. Each fills it for a moment, so they run one by one."""

import mmap
import os
import signal
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

from sandbox_verify import Attack, Outcome

# Where the kernel says what the container may use: control groups v2 and v1.
MEMORY = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
PROCESSES = ("/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/pids/pids.max")
# So much more than the limit is tried; where there is none, so much that the machine can bear it.
BEYOND_MB, WITHOUT_MB = 64, 512
BEYOND_PROCESSES, WITHOUT_PROCESSES = 64, 256
UNLIMITED = 1 << 60
# The guard looks at its deadline every second.
GUARD_SECONDS = 3.0
CHILD_SECONDS = 20.0


def attacks() -> list[Attack]:
    """Return the attacks on the limits."""
    memory, processes = limit(MEMORY), limit(PROCESSES)
    size_mb = (memory >> 20) + BEYOND_MB if memory else WITHOUT_MB
    most = processes + BEYOND_PROCESSES if processes else WITHOUT_PROCESSES
    return [
        Attack("limits", "memory beyond the limit", lambda: fill_memory(size_mb)),
        Attack("limits", "processes beyond the limit", lambda: fork_all(most)),
    ]


def limit(files: tuple[str, ...]) -> int:
    """Return a limit of the container, 0 where there is none."""
    for file in map(Path, files):
        if file.exists():
            said = file.read_text().strip()
            return int(said) if said.isdecimal() and int(said) < UNLIMITED else 0
    return 0


def fill_memory(size_mb: int) -> Outcome:
    """Let a child take more memory than there is: it must be killed, and nobody else."""
    before = tool()
    child = os.fork()
    if child == 0:
        take(size_mb)
    code = end_of(child)
    if tool() != before:
        return False, "the tool was killed"
    if code == -signal.SIGKILL:
        return True, "who took too much was killed, the tool lives"
    return False, f"{size_mb} MB were taken" if code == 0 else f"the child ended with {code}"


def take(size_mb: int) -> None:
    """Touch so much memory, and end."""
    be_first_to_go()
    space = mmap.mmap(-1, size_mb << 20)
    for place in range(0, len(space), mmap.PAGESIZE):
        space[place] = 1
    os._exit(0)


def be_first_to_go() -> None:
    """Be whom the kernel ends when there is too little memory, before the tool."""
    Path("/proc/self/oom_score_adj").write_text("1000")


def end_of(child: int) -> int:
    """Wait for a child, not for ever; return its exit code, negative for a signal."""
    until = monotonic() + CHILD_SECONDS
    while monotonic() < until:
        found, code = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(code)
        sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -signal.SIGALRM


def tool() -> int:
    """Return the process that PID 1 started first: the tool itself. 0 if there is none."""
    found = [0]
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == 1:
                found.append(int(folder.name))
    return min(found[1:], default=0)


def fork_all(most: int) -> Outcome:
    """Fork until the kernel refuses; meanwhile the guard must go on looking at its deadline."""
    children: list[int] = []
    try:
        while len(children) < most:
            child = os.fork()
            if child == 0:
                wait_to_be_killed()
            children.append(child)
    except BlockingIOError:
        alive = guard_looks()
        said = "the guard goes on" if alive else "the guard stands still"
        return alive, f"refused after {len(children)}, {said}"
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
        for child in children:
            os.waitpid(child, 0)
    return False, f"{most} processes were started"


def wait_to_be_killed() -> None:
    """Do nothing, and end if nobody comes."""
    signal.alarm(int(CHILD_SECONDS))
    be_first_to_go()
    signal.pause()
    os._exit(0)


def guard_looks() -> bool:
    """Say whether PID 1 wakes up by itself."""
    before, until = wakings(), monotonic() + GUARD_SECONDS
    while monotonic() < until:
        sleep(0.1)
        if wakings() > before:
            return True
    return False


def wakings() -> int:
    """Return how often PID 1 has gone to sleep so far."""
    lines = Path("/proc/1/status").read_text().splitlines()
    return next(int(n.split()[1]) for n in lines if n.startswith("voluntary_ctxt_switches"))
