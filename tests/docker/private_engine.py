"""An engine of a test's own: to be killed, restarted, or given a small disk, harming nobody.

Its daemon, containers, networks and iptables live in namespaces of their own (processes, mounts,
network). When the first process in there ends, the kernel ends everything else.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import docker

from tests.docker.conftest import Home, demo_home

SECONDS = 60.0
NEEDED = ("unshare", "nsenter", "setpriv", "mount", "ip", "dockerd", "docker")
CGROUPS = Path("/sys/fs/cgroup")
# Its own /run keeps plug-in and shim sockets apart.
FIRST = 'mount -t tmpfs none /run && ip link set lo up && echo && exec "$0" -c "$1"'
# A daemon takes a containerd that nobody buried for one that lives.
BURY = """
import os, time
while True:
    try:
        os.wait()
    except ChildProcessError:
        time.sleep(0.1)
"""


def why_not() -> str:
    """Return in a few words what keeps a private engine from running here, "" if nothing."""
    if os.geteuid():
        return "only root can have an engine of its own"
    lacking = [tool for tool in NEEDED if shutil.which(tool) is None]
    return f"an engine of its own needs {', '.join(lacking)}" if lacking else ""


class PrivateEngine:
    """A daemon in namespaces of its own; `folder` is its to write, `storage` its data root."""

    def __init__(self, folder: Path, storage: Path) -> None:
        self.folder, self.storage = folder, storage
        self.host = f"unix://{folder}/engine.sock"
        self.name = folder.name
        self.log = folder / "log"
        (folder / "daemon.json").write_text("{}")
        with self.log.open("a") as log:
            self._outer = subprocess.Popen(
                [
                    *("setpriv", "--pdeathsig", "KILL", "unshare", "--fork", "--kill-child"),
                    *("--pid", "--net", "--mount", "--mount-proc", "--propagation", "private"),
                    *("sh", "-c", FIRST, sys.executable, BURY),
                ],
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self._outer.stdout is not None
        begun = self._outer.stdout.readline()
        assert begun, self.log.read_text()
        self._first = _child(self._outer.pid)
        self._daemon: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What a command needs to find this engine."""
        return {"DOCKER_HOST": self.host}

    @property
    def inside(self) -> tuple[str, ...]:
        """What stands before a command that is to reach the ports of this engine."""
        return ("nsenter", "-t", str(self._first), "-n", "--")

    def start(self) -> None:
        """Start the daemon; return when it answers."""
        (self.folder / "pid").unlink(missing_ok=True)
        with self.log.open("a") as log:
            self._daemon = subprocess.Popen(
                [
                    *("nsenter", "-t", str(self._first), "-p", "-m", "-n", "--", "dockerd"),
                    *("--config-file", str(self.folder / "daemon.json")),
                    *("--data-root", str(self.storage), "--exec-root", str(self.folder / "exec")),
                    *("--pidfile", str(self.folder / "pid"), "--host", self.host),
                    *("--storage-driver", "overlay2", "--cgroup-parent", f"/{self.name}"),
                    *("--exec-opt", "native.cgroupdriver=cgroupfs"),
                ],
                stdout=log,
                stderr=log,
            )
        until(self._answers, lambda: self.log.read_text()[-3000:])

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End exactly this daemon by a signal; gone already is success."""
        if self._daemon is None:
            return
        with suppress(ProcessLookupError, IndexError):
            os.kill(_child(self._daemon.pid), how)
        self._daemon.wait(SECONDS)
        self._daemon = None

    def load(self, images: Path) -> None:
        """Load a file that `docker save` wrote."""
        subprocess.run(
            ["docker", "--host", self.host, "load", "--quiet", "--input", str(images)],
            check=True,
            capture_output=True,
            timeout=300,
        )

    def lives(self, container: str) -> bool:
        """Say, by the kernel's word, whether any process of a container (its id) is there."""
        group = f"{self.name}/{container}/cgroup.procs"
        return any(file.read_text() for top in ("", "*/") for file in CGROUPS.glob(top + group))

    def close(self) -> None:
        """End everything in the namespaces; its mounts go with them."""
        self.end(signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.kill(self._first, signal.SIGKILL)
        self._outer.wait(SECONDS)
        assert self._outer.stdout is not None
        self._outer.stdout.close()
        until(self._without_cgroups)

    def _without_cgroups(self) -> bool:
        """Remove the control groups; the kernel lets them go when the last process is buried."""
        for top in [*CGROUPS.glob(self.name), *CGROUPS.glob(f"*/{self.name}")]:
            for folder, _, _ in os.walk(top, topdown=False):
                try:
                    Path(folder).rmdir()
                except OSError:
                    return False
        return True

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(2)
            try:
                probe.connect(self.host.removeprefix("unix://"))
                probe.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                return b"200 OK" in probe.recv(64)
            except OSError:
                return False


@contextmanager
def private_engine(storage: Path | None = None) -> Iterator[PrivateEngine]:
    """Give an engine that runs and holds nothing; in the end nothing of it is left.

    `storage` is its data root if it must lie on a disk of the caller's, who empties it.
    """
    # A socket's path may have 107 characters: too few for a test's own folder.
    with tempfile.TemporaryDirectory(prefix="sandbox-engine-") as folder:
        engine = PrivateEngine(Path(folder), storage or Path(folder) / "storage")
        try:
            engine.start()
            yield engine
        finally:
            engine.close()


@contextmanager
def private_home(engine: PrivateEngine, folder: Path) -> Iterator[Home]:
    """Give a demo home with a snapshot on an engine that has the images already.

    It is not uninstalled: its containers end with the engine.
    """
    with closing(docker.DockerClient(base_url=engine.host)) as client:
        yield demo_home(folder, client, engine.inside, engine.environment)


def until(
    done: Callable[[], bool], said: Callable[[], str] = lambda: "", seconds: float = SECONDS
) -> None:
    """Return when `done` says yes; after so many seconds fail with what `said` says."""
    limit = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < limit, said()
        time.sleep(0.05)


def _child(pid: int) -> int:
    """Return the first child of a process; raises IndexError without one."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
