"""The lease guard ends a container on time, whatever runs inside and whoever is away outside."""

import io
import tarfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.models.containers import Container

pytestmark = pytest.mark.docker

TOOL = "10001:10001"
GUARD = "/sandbox/guard"
FOREVER = ["sleep", "600"]
Write = Callable[[str], object]
Run = Callable[..., Container]

OPEN_MEMORY = "open('/proc/1/mem', 'r+b')"
TRACE = (
    "import ctypes, os; libc = ctypes.CDLL(None, use_errno=True);"
    "libc.ptrace(0x4206, 1, None, None) and exit(os.strerror(ctypes.get_errno()))"
)
WRITE_DEADLINE = "open('/run/sandbox/deadline', 'w')"


BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
OTHER_BOOT = "00000000-0000-0000-0000-000000000000"


def line(seconds: float, *, clock_ahead: float = 0, boot: str = BOOT) -> str:
    """Return a lease that ends in so many seconds.

    It was written just now by somebody whose wall clock was `clock_ahead` seconds ahead of ours.
    """
    wall, uptime = time.time() + clock_ahead, time.clock_gettime(time.CLOCK_BOOTTIME)
    return f"{int(wall + seconds)} {int(wall * 1000)} {int(uptime * 1000)} {boot}\n"


def in_seconds(seconds: float) -> str:
    """Return the line of a lease that ends in so many seconds."""
    return line(seconds)


def end_of(text: str) -> int:
    """Return the end that a line names, in unix seconds."""
    return int(text.split()[0])


def as_tar(name: str, text: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(text), 0o444
        tar.addfile(entry, io.BytesIO(text.encode()))
    return stream.getvalue()


@pytest.fixture
def lease(docker_client: docker.DockerClient, base_image: str, run_id: str) -> Iterator[str]:
    """A lease volume."""
    volume = docker_client.volumes.create(f"{run_id}-lease-{time.monotonic_ns()}")
    yield str(volume.name)
    volume.remove()


@pytest.fixture
def write(docker_client: docker.DockerClient, base_image: str, lease: str) -> Iterator[Write]:
    """Writes a deadline, through a container that never starts."""
    holder = docker_client.containers.create(
        base_image, "true", name=f"{lease}-holder", volumes={lease: {"bind": "/run/sandbox"}}
    )
    yield lambda text: holder.put_archive("/run/sandbox", as_tar("deadline", text))
    holder.remove()


@pytest.fixture
def run(docker_client: docker.DockerClient, base_image: str, lease: str) -> Iterator[Run]:
    """Starts the guard in a container like those of sandboxes."""
    made: list[Container] = []

    def start(*arguments: str, **more: Any) -> Container:
        made.append(
            docker_client.containers.run(
                base_image,
                [GUARD, *arguments],
                name=f"{lease}-{len(made)}",
                detach=True,
                user=TOOL,
                read_only=True,
                cap_drop=["ALL"],
                security_opt=["no-new-privileges"],
                network_mode="none",
                volumes={lease: {"bind": "/run/sandbox", "mode": "ro"}},
                **more,
            )
        )
        return made[-1]

    yield start
    for container in made:
        container.remove(force=True)


def ended(container: Container, within: float) -> tuple[int, float]:
    """Wait for the end and return the exit code and when it was (unix seconds)."""
    code = container.wait(timeout=within)["StatusCode"]
    container.reload()
    text = container.attrs["State"]["FinishedAt"][:26].rstrip("Z")
    return code, datetime.fromisoformat(text + "+00:00").timestamp()


def output(container: Container, script: str) -> bytes:
    said = container.exec_run(["sh", "-c", script]).output
    assert isinstance(said, bytes)
    return said


def test_it_ends_everything_at_the_deadline(write: Write, run: Run) -> None:
    deadline = in_seconds(4)
    write(deadline)
    container = run("--", *FOREVER)
    code, at = ended(container, within=20)
    assert code == 124
    assert abs(at - end_of(deadline)) <= 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon\n",
        "4102444800\n",
        line(60).rstrip("\n"),
        line(60).replace(" ", "x", 1),
        line(60).replace(BOOT, BOOT + BOOT),
        "-5 " + line(60).partition(" ")[2],
        "0x7fffffff " + line(60).partition(" ")[2],
        "9999999999999999 " + line(60).partition(" ")[2],
        line(-5),
        line(-5, boot=OTHER_BOOT),
    ],
    ids=[
        *("empty", "word", "end only", "no newline", "no blank", "long boot"),
        *("negative", "hexadecimal", "too far", "past", "past in another boot"),
    ],
)
def test_it_refuses_to_start_without_a_deadline_ahead(write: Write, run: Run, text: str) -> None:
    write(text)
    container = run("--", "echo", "it ran")
    code, _ = ended(container, within=20)
    assert code == 124
    assert b"not starting" in container.logs()
    assert b"it ran" not in container.logs()


def test_it_refuses_to_start_without_a_file(run: Run) -> None:
    container = run("--", "echo", "it ran")
    assert ended(container, within=20)[0] == 124
    assert b"no valid deadline" in container.logs()


def test_an_extension_counts_and_nonsense_does_not(write: Write, run: Run) -> None:
    write(in_seconds(3))
    container = run("--", *FOREVER)
    extended = in_seconds(8)
    write(extended)
    time.sleep(1.5)  # one poll
    write("never\n")
    code, at = ended(container, within=20)
    assert code == 124
    assert abs(at - end_of(extended)) <= 1


def test_a_shorter_deadline_counts_too(write: Write, run: Run) -> None:
    write(in_seconds(600))
    container = run("--", *FOREVER)
    before = time.time()
    write(in_seconds(-1))
    code, at = ended(container, within=20)
    assert code == 124
    assert at - before <= 2


@pytest.mark.parametrize("clock_ahead", [-500_000, 500_000], ids=["set forward", "set back"])
def test_a_wall_clock_that_was_set_changes_nothing(
    write: Write, run: Run, clock_ahead: float
) -> None:
    """The line is from before the clock was set: only uptime tells how long ago that is."""
    before = time.time()
    write(line(4, clock_ahead=clock_ahead))
    code, at = ended(run("--", *FOREVER), within=20)
    assert code == 124
    assert 2.5 <= at - before <= 5


def test_after_a_boot_a_clock_set_back_stretches_nothing(write: Write, run: Run) -> None:
    before = time.time()
    write(line(4, clock_ahead=500_000, boot=OTHER_BOOT))
    code, at = ended(run("--", *FOREVER), within=20)
    assert code == 124
    assert 2.5 <= at - before <= 5


def test_after_a_boot_the_wall_clock_counts(write: Write, run: Run) -> None:
    deadline = line(4, boot=OTHER_BOOT)
    write(deadline)
    code, at = ended(run("--", *FOREVER), within=20)
    assert code == 124
    assert abs(at - end_of(deadline)) <= 1


def test_who_ignores_the_signal_is_killed_after_the_grace(write: Write, run: Run) -> None:
    deadline = in_seconds(4)
    write(deadline)
    container = run("-g", "2", "--", "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done")
    code, at = ended(container, within=20)
    assert code == 124
    assert 1.5 <= at - end_of(deadline) <= 3


def test_it_sends_the_chosen_signal_to_every_process(write: Write, run: Run) -> None:
    write(in_seconds(4))
    # The second process left the command's group and session, and it is stopped.
    loop = "trap 'echo {} heard; exit' USR1; {}while :; do sleep 0.1; done"
    inner = loop.format("other", "kill -STOP $$; ")
    script = f'setsid sh -c "$0" & {loop.format("first", "")}'
    container = run("-s", "USR1", "-g", "3", "--", "sh", "-c", script, inner)
    assert ended(container, within=20)[0] == 124
    assert b"first heard" in container.logs()
    assert b"other heard" in container.logs()


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["sh", "-c", "exit 7"], 7),
        (["true"], 0),
        (["sh", "-c", "kill -KILL $$"], 137),
        (["/not/there"], 127),
        (["/etc/passwd"], 126),
    ],
    ids=["code", "success", "signal", "missing", "not a program"],
)
def test_it_passes_on_how_the_command_ended(
    write: Write, run: Run, command: list[str], code: int
) -> None:
    write(in_seconds(60))
    assert ended(run("--", *command), within=20)[0] == code


def test_it_forwards_signals_and_reaps_orphans(write: Write, run: Run) -> None:
    write(in_seconds(60))
    script = "trap 'exit 9' TERM; (sleep 0.1 & exec true); echo ready; while :; do sleep 0.1; done"
    container = run("--", "sh", "-c", script)
    while b"ready" not in container.logs():
        time.sleep(0.05)
    time.sleep(0.5)
    assert b") Z " not in output(container, "cat /proc/[0-9]*/stat")
    container.kill("SIGTERM")
    assert ended(container, within=20)[0] == 9


@pytest.mark.parametrize("attack", [OPEN_MEMORY, TRACE, WRITE_DEADLINE])
def test_its_own_user_cannot_take_hold_of_it(write: Write, run: Run, attack: str) -> None:
    write(in_seconds(60))
    container = run("--", *FOREVER)
    ran = container.exec_run(["python3", "-c", attack], user=TOOL)
    assert ran.exit_code != 0
    assert any(word in ran.output for word in (b"Permission", b"not permitted", b"Read-only"))


def test_killing_and_stopping_it_from_inside_changes_nothing(write: Write, run: Run) -> None:
    deadline = in_seconds(5)
    write(deadline)
    container = run("--", *FOREVER)
    container.exec_run(["sh", "-c", "kill -KILL 1; kill -STOP 1"], user=TOOL)
    container.reload()
    assert container.status == "running"
    code, at = ended(container, within=20)
    assert code == 124
    assert abs(at - end_of(deadline)) <= 1


JOIN = """
import os
os.fork() and os._exit(0)  # who leads a session's group cannot change it
os.setpgid(0, 1)
try:
    os.setpriority(os.PRIO_PGRP, 0, 19)
except PermissionError:
    print("refused", flush=True)
import time; time.sleep(600)
"""


def test_who_joins_its_group_cannot_lower_its_priority(write: Write, run: Run) -> None:
    write(in_seconds(60))
    container = run("--", "sh", "-c", 'python3 -c "$0"; sleep 600', JOIN)
    until = time.monotonic() + 20
    while b"refused" not in container.logs() and time.monotonic() < until:
        time.sleep(0.05)
    assert output(container, "cut -d' ' -f19 /proc/1/stat") == b"0\n"
    assert b"refused" in container.logs()


def test_who_becomes_it_cannot_be_traced_before_its_filter(write: Write, run: Run) -> None:
    """The kernel shields a program that its user may run but not read, from its first moment."""
    write(in_seconds(60))
    container = run("--", *FOREVER)
    assert container.exec_run([GUARD, "-x", "--", "true"], user=TOOL).exit_code == 0
    assert b"Permission" in container.exec_run(["cat", GUARD], user=TOOL).output


def test_busy_processes_do_not_delay_it(write: Write, run: Run) -> None:
    deadline = in_seconds(5)
    write(deadline)
    script = "for i in 1 2 3 4 5 6 7 8; do (while :; do :; done) & done; wait"
    container = run("-g", "1", "--", "sh", "-c", script, nano_cpus=500_000_000)
    code, at = ended(container, within=20)
    assert code == 124
    assert at - end_of(deadline) <= 2


def test_it_stays_small(write: Write, run: Run) -> None:
    write(in_seconds(60))
    container = run("--", *FOREVER)
    fields = output(container, "cat /proc/1/status").splitlines()
    resident = next(int(line.split()[1]) for line in fields if line.startswith(b"VmRSS"))
    assert resident < 1024
