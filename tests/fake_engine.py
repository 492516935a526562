"""An engine in memory. It keeps the rules that the real one keeps (see contract/test_engine.py),
and fails where a test tells it to."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import PurePosixPath

from sandbox.core.archive import tar_stream
from sandbox.core.errors import Conflict, NotFound, Unavailable
from sandbox.core.objects import (
    INSTALLATION,
    SANDBOX,
    BigFile,
    Container,
    EngineFacts,
    File,
    Image,
    Kind,
    Network,
    Owned,
    Ran,
)
from sandbox.core.ports import Progress

READS = {
    *("facts", "image_id", "subnets", "owned", "is_running", "running_image"),
    *("logs", "read", "fetch", "volume_bytes", "volume_folder"),
}


@dataclass
class Trap:
    """Where the engine fails: at call number `at` (from 1), or at every call of `method`.

    With `after`, the call does its work first and only its answer is lost.
    """

    error: BaseException
    at: int = 0
    method: str = ""
    after: bool = False
    sprung: bool = False

    def meets(self, number: int, method: str) -> bool:
        return number == self.at or method == self.method


@dataclass
class _Box:
    container: Container
    running: bool = False
    files: dict[str, bytes] = field(default_factory=dict)


def unavailable() -> Unavailable:
    return Unavailable("The engine went away.", subject="the engine", hint="Start it.")


def ran_saying(document: object) -> Ran:
    """Return what a program inside answers with a document."""
    return Ran(0, json.dumps(document).encode(), b"")


class FakeEngine:
    """A container engine in memory; implements `ports.Engine`."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.networks: dict[str, Network] = {}
        self.endpoints: dict[str, set[str]] = {}
        self.volumes: dict[str, dict[str, str]] = {}
        self.contents: dict[str, dict[str, bytes]] = {}
        self.containers: dict[str, _Box] = {}
        self.images: dict[str, Image | None] = {}
        self.foreign: list[str] = ["172.17.0.0/16"]
        self.programs: dict[str, Ran] = {"sandbox_verify": Ran(0, b'{"checks": []}', b"")}
        self.logged = b"first\nlast \x1b[31mwords\n"
        self.asked: list[tuple[str, tuple[str, ...], bytes | None]] = []
        self.free_bytes: int | None = 10**11
        self.folder: str | None = None
        self.sizes: dict[str, int] = {}
        self.trap: Trap | None = None
        self._lock = threading.RLock()

    # -- what tests look at

    def listing(self) -> list[tuple[str, str]]:
        """Return (kind, name) of everything but images."""
        named = (
            ("network", self.networks),
            ("volume", self.volumes),
            ("container", self.containers),
        )
        return sorted((kind, name) for kind, objects in named for name in objects)

    def forget_calls(self) -> None:
        self.calls.clear()
        self.trap = None

    def changes(self) -> list[tuple[str, str]]:
        """Return the calls that change something."""
        return [call for call in self.calls if call[0] not in READS]

    @contextmanager
    def _call(self, method: str, subject: str) -> Iterator[None]:
        with self._lock:
            self.calls.append((method, subject))
            trap = self.trap if self.trap and self.trap.meets(len(self.calls), method) else None
            if trap and not trap.after:
                trap.sprung = True
                raise trap.error
            try:
                yield
            finally:
                if trap:  # its answer is lost, whatever it was
                    trap.sprung = True
                    raise trap.error

    # -- the port

    def facts(self) -> EngineFacts:
        with self._call("facts", ""):
            said = ("20.10", "1.41", "overlay2", "v2 (systemd)", "Debian", "/d")
            return EngineFacts(*said, self.free_bytes)

    def image_id(self, tag: str) -> str | None:
        with self._call("image_id", tag):
            return f"sha256:{tag}" if tag in self.images else None

    def build(self, image: Image, progress: Progress) -> None:
        with self._call("build", image.tag):
            self.images[image.tag] = image

    def subnets(self) -> list[str]:
        with self._call("subnets", ""):
            return self.foreign + [n.subnet for n in self.networks.values() if n.subnet]

    def create_network(self, network: Network) -> None:
        with self._call("create_network", network.name):
            if network.name in self.networks:
                raise Conflict("The network exists already.", subject=network.name)
            taken = [IPv4Network(n.subnet) for n in self.networks.values() if n.subnet]
            if network.subnet and any(IPv4Network(network.subnet).overlaps(t) for t in taken):
                raise Conflict("The subnet overlaps.", subject=network.name)
            self.networks[network.name] = network
            self.endpoints[network.name] = set()

    def create_volume(self, name: str, labels: dict[str, str]) -> None:
        with self._call("create_volume", name):
            self.volumes.setdefault(name, labels)
            self.contents.setdefault(name, {})

    def create_container(self, container: Container) -> None:
        with self._call("create_container", container.name):
            if container.name in self.containers:
                raise Conflict("The name is in use.", subject=container.name)
            for mount in container.mounts:
                self.volumes.setdefault(mount.volume, {})
                self.contents.setdefault(mount.volume, {})
            self.containers[container.name] = _Box(container)

    def start(self, name: str) -> None:
        with self._call("start", name):
            box = self._box(name)
            network = box.container.network
            if network:
                self._network(network).add(name)
            box.running = True

    def stop(self, name: str, seconds: int) -> None:
        with self._call("stop", name), suppress(NotFound):
            self._box(name).running = False

    def connect(self, network: str, container: str, address: str) -> None:
        with self._call("connect", network):
            self._box(container)
            self._network(network).add(container)

    def disconnect(self, network: str, container: str) -> None:
        with self._call("disconnect", network):
            self.endpoints.get(network, set()).discard(container)

    def remove(self, kind: Kind, name: str) -> None:
        with self._call("remove", f"{kind} {name}"):
            {
                "container": self._remove_container,
                "network": self._remove_network,
                "volume": self._remove_volume,
            }[kind](name)

    def _remove_container(self, name: str) -> None:
        self.containers.pop(name, None)
        for joined in self.endpoints.values():
            joined.discard(name)

    def _remove_network(self, name: str) -> None:
        if self.endpoints.get(name):
            raise Unavailable("The network has active endpoints.", subject=name)
        self.networks.pop(name, None)
        self.endpoints.pop(name, None)

    def _remove_volume(self, name: str) -> None:
        users = [
            b for b in self.containers.values() if any(m.volume == name for m in b.container.mounts)
        ]
        if users:
            raise Conflict("The volume is in use.", subject=name)
        self.volumes.pop(name, None)
        self.contents.pop(name, None)

    def put(self, container: str, folder: str, files: Iterable[File | BigFile]) -> None:
        with self._call("put", container):
            box = self._box(container)
            for file in files:
                content = b"".join(file.chunks) if isinstance(file, BigFile) else file.content
                store, path = self._place(box, f"{folder}/{file.path}")
                if not file.path.endswith("/"):
                    for below in [p for p in store if p.startswith(f"{path}/")]:
                        del store[below]
                    store[path] = content
                elif path in store:
                    del store[path]

    def read(self, container: str, path: str) -> bytes:
        with self._call("read", container):
            store, inner = self._place(self._box(container), path)
            if inner not in store:
                raise NotFound("The engine has no such object.", subject=f"{container}:{path}")
            return store[inner]

    def fetch(self, container: str, folder: str) -> Iterator[bytes]:
        with self._call("fetch", container):
            store, inner = self._place(self._box(container), f"{folder}/")
            top = PurePosixPath(folder).name
            below = {p: c for p, c in store.items() if p.startswith(f"{inner}/" if inner else "")}
        yield from tar_stream(
            [File(f"{top}/", b"")]
            + [File(f"{top}/{p.removeprefix(f'{inner}/')}", c) for p, c in below.items()]
        )

    def run(
        self,
        container: str,
        command: Sequence[str],
        *,
        user: str = "",
        stdin: bytes | None = None,
        output: Callable[[str, bytes], None] | None = None,
    ) -> Ran:
        with self._call("run", container):
            if not self._box(container).running:
                raise Conflict("The container is not running.", subject=container)
            self.asked.append((container, tuple(command), stdin))
            known = [ran for word, ran in self.programs.items() if word in command]
            ran = known[0] if known else Ran(0, b"", b"")
            if output is None:
                return ran
            output("stdout", ran.out)
            return Ran(ran.code, b"", b"")

    def logs(self, container: str, tail: int) -> bytes:
        with self._call("logs", container):
            self._box(container)
            return self.logged

    def is_running(self, container: str) -> bool:
        with self._call("is_running", container):
            box = self.containers.get(container)
            return box is not None and box.running

    def running_image(self, container: str) -> str | None:
        with self._call("running_image", container):
            box = self.containers.get(container)
            return box.container.image if box and box.running else None

    def owned(self, installation: str, sandbox: str | None = None) -> list[Owned]:
        with self._call("owned", sandbox or ""):
            found = [
                Owned("container", n, b.container.labels, b.running)
                for n, b in self.containers.items()
            ]
            found += [Owned("network", n, o.labels) for n, o in self.networks.items()]
            found += [Owned("volume", n, labels) for n, labels in self.volumes.items()]
            return [
                o
                for o in found
                if o.labels.get(INSTALLATION) == installation
                and sandbox in (None, o.labels.get(SANDBOX))
            ]

    def volume_folder(self, volume: str) -> str | None:
        with self._call("volume_folder", volume):
            known = volume in self.volumes
        if not known:
            raise NotFound("The engine has no such object.", subject=volume)
        return self.folder

    def volume_bytes(self, installation: str) -> dict[str, int]:
        with self._call("volume_bytes", ""):
            mine = {n for n, o in self.volumes.items() if o.get(INSTALLATION) == installation}
            held = {name: sum(map(len, self.contents[name].values())) for name in mine}
            return {name: self.sizes.get(name, size) for name, size in held.items()}

    def _box(self, name: str) -> _Box:
        if name not in self.containers:
            raise NotFound("The engine has no such object.", subject=name)
        return self.containers[name]

    def _network(self, name: str) -> set[str]:
        if name not in self.endpoints:
            raise NotFound("The engine has no such object.", subject=name)
        return self.endpoints[name]

    def _place(self, box: _Box, path: str) -> tuple[dict[str, bytes], str]:
        """Return where a path is kept: in a mounted volume, so that all who mount it see it."""
        plain = str(PurePosixPath(path))
        for mount in box.container.mounts:
            if plain == mount.target or plain.startswith(f"{mount.target}/"):
                return self.contents[mount.volume], plain[len(mount.target) + 1 :]
        return box.files, plain


class DeadEngine(FakeEngine):
    """An engine that does not answer."""

    @contextmanager
    def _call(self, method: str, subject: str) -> Iterator[None]:
        self.calls.append((method, subject))
        raise unavailable()
        yield
