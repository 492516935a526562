"""Containers like those of a sandbox, each with one wall taken away, and attacks inside them."""

import io
import json
import secrets
import socket
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import docker
from docker.models.containers import Container
from docker.types import IPAMConfig, IPAMPool

from sandbox.core.anatomy import PYTHON, confined
from sandbox.drivers.engine import DockerEngine
from tests.docker.test_guard import in_seconds

TOOL, LAB = "10001:10001", "10002:10002"
FOREVER = ("sleep", "600")
GUARDED = ("/sandbox/guard", "--", *FOREVER)
# Answers yes to whoever asks, hands out a cookie, and has a second open port: no gateway at all.
YES_GATEWAY = """
import http.server, threading
class Yes(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def say(self):
        self.send_response(200)
        self.send_header("Set-Cookie", "sbx=10.0.0.1~1~secret; Path=/")
        self.send_header("Content-Length", "0")
        self.end_headers()
    do_GET = do_POST = do_CONNECT = say
    def log_message(self, *said): pass
servers = [http.server.ThreadingHTTPServer(("", port), Yes) for port in (2019, 8700)]
threading.Thread(target=servers[0].serve_forever, daemon=True).start()
servers[1].serve_forever()
"""
# Answers every name with 192.0.2.1, as a resolver with a way out would.
YES_RESOLVER = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 53))
while True:
    q, who = s.recvfrom(512)
    end = q.index(b"\\0", 12) + 5
    a = b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\1\\0\\4\\xc0\\0\\2\\1"
    s.sendto(q[:2] + b"\\x81\\x80\\0\\1\\0\\1\\0\\0\\0\\0" + q[12:end] + a, who)
"""


class Weakened:
    """Makes containers from a sandbox's images, in networks of its own; `close` removes all."""

    def __init__(self, client: docker.DockerClient, tool: str, lab: str, networks: str) -> None:
        self.client, self.tool, self.lab = client, tool, lab
        self.run_id = f"sbtest-weak-{secrets.token_hex(4)}"
        self._subnets = IPv4Network(networks).subnets(new_prefix=28)
        self.subnets: dict[str, IPv4Network] = {}
        self._all = ExitStack()
        self.engine = DockerEngine({})
        self.replica = self._volume("replica", ("core/core.duckdb",))
        self.lease = self._volume("lease", ("deadline",))

    def close(self) -> None:
        """Remove everything that was made."""
        self._all.close()

    def _volume(
        self, name: str, files: tuple[str, ...], owner: int = 0, content: bytes = b""
    ) -> str:
        volume = self.client.volumes.create(f"{self.run_id}-{name}-{secrets.token_hex(2)}")
        self._all.callback(volume.remove, force=True)
        holder = self.client.containers.create(
            self.tool, "true", volumes={volume.name: {"bind": "/put"}}, user="0:0"
        )
        try:
            for file in files:
                holder.put_archive("/put", packed(file, content or content_of(file), owner))
        finally:
            holder.remove()
        if owner:
            mounts = {volume.name: {"bind": "/put"}}
            words = ["chown", "-R", str(owner), "/put"]
            self.client.containers.run(self.tool, words, user="0:0", volumes=mounts, remove=True)
        return str(volume.name)

    def own(self, name: str, *files: str) -> str:
        """Return a volume whose files the tool's own user may write."""
        return self._volume(name, files, 10001)

    def lease_with(self, deadline: str) -> str:
        """Return a lease volume with this deadline."""
        return self._volume("lease", ("deadline",), content=deadline.encode())

    def network(self, *, internal: bool = True, inhibit: bool = True) -> Any:
        """Return a network; those of sandboxes are both internal and without the host's address."""
        subnet = next(self._subnets)
        made = self.client.networks.create(
            f"{self.run_id}-{subnet.network_address}",
            internal=internal,
            options={"com.docker.network.bridge.inhibit_ipv4": "true"} if inhibit else {},
            ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=str(subnet))]),
        )
        self._all.callback(made.remove)
        self.subnets[str(made.name)] = subnet
        return made

    def start(self, network: Any, command: tuple[str, ...] = GUARDED, **other: Any) -> Container:
        """Start a container as the tool of a sandbox is, but for `other`."""
        mounts = {
            self.lease: {"bind": "/run/sandbox", "mode": "ro"},
            self.replica: {"bind": "/replica", "mode": "ro"},
        }
        settings: dict[str, Any] = {
            "user": TOOL,
            "read_only": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "mem_limit": "160m",
            "memswap_limit": "160m",
            "pids_limit": 64,
            "network": network.name,
            "tmpfs": {
                "/tmp": "rw,nosuid,nodev,noexec,size=16m,mode=0700,uid=10001,gid=10001",
                "/work": "rw,size=16m,mode=0700,uid=10001,gid=10001",
            },
            "volumes": mounts | other.pop("more_volumes", {}),
        }
        image = other.pop("image", self.tool)
        made = self.client.containers.create(
            image, list(command), entrypoint=[], **(settings | other)
        )
        self._all.callback(made.remove, force=True, v=True)
        made.start()
        made.reload()
        return made

    def attack(
        self, container: Container, phase: str, entry: tuple[str, ...] = confined(), **asked: Any
    ) -> dict[str, Any]:
        """Run one phase of the attacks inside; return the outcome of each by its name.

        `entry` is what the attacking program comes in by.
        """
        question = {"phase": phase} | asked
        ran = self.engine.run(
            container.name or "",
            [*entry, PYTHON, "-I", "-m", "sandbox_verify"],
            stdin=json.dumps(question).encode(),
        )
        assert ran.code == 0, ran
        return {check["name"]: check for check in json.loads(ran.out)["checks"]}

    def quiet(self, container: Container, network: Any, **asked: Any) -> dict[str, Any]:
        """Run the quiet phase with what the use case would tell, but for `asked`."""
        subnet = self.subnets[network.name]
        told: dict[str, Any] = {
            "hosts": [str(subnet[1])],
            "others": [],
            "unused": [str(subnet[12])],
            "ports": [22, 29321],
            "gateway": gateway_at("127.0.0.1"),  # where nobody listens
        }
        return self.attack(container, "quiet", **(told | asked))


def gateway_at(address: str) -> dict[str, Any]:
    """Return what the use case tells of a gateway at `address`, of one other sandbox behind it."""
    return {
        "address": address,
        "port": 8700,
        "last_port": 3000,
        "host": "one.localhost:8700",
        "link": "/",
        "own": "10.0.0.1",
        "others": ["two.localhost:8700"],
        "targets": ["10.0.0.2"],
    }


def address_of(container: Container, network: Any) -> str:
    """Return a container's address in a network."""
    container.reload()
    return str(container.attrs["NetworkSettings"]["Networks"][network.name]["IPAddress"])


def content_of(file: str) -> bytes:
    """Return what a file of a sandbox holds: a deadline to come, or an empty DuckDB database."""
    if file == "deadline":
        return in_seconds(1800).encode()
    import tempfile

    import duckdb

    with tempfile.TemporaryDirectory() as folder:
        duckdb.connect(f"{folder}/core.duckdb").close()
        return Path(folder, "core.duckdb").read_bytes()


def packed(path: str, content: bytes, owner: int) -> bytes:
    """Return an archive with one file, and its folders, that belong to `owner`."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        names = ["."] + [str(p) for p in reversed(Path(path).parents) if str(p) != "."]
        for name in names:
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode, folder.uid, folder.gid = tarfile.DIRTYPE, 0o755, owner, owner
            tar.addfile(folder)
        entry = tarfile.TarInfo(path)
        entry.size, entry.mode, entry.uid, entry.gid = len(content), 0o644, owner, owner
        tar.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


@contextmanager
def listening(port: int, kind: socket.SocketKind) -> Iterator[list[bytes]]:
    """Listen on all addresses of the host; what arrives by UDP is in the list."""
    heard: list[bytes] = []
    with socket.socket(socket.AF_INET, kind) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("0.0.0.0", port))
        if kind == socket.SOCK_STREAM:
            listener.listen()
            yield heard
            return
        listener.settimeout(0.2)
        over = threading.Event()

        def hear() -> None:
            while not over.is_set():
                try:
                    heard.append(listener.recv(100))
                except TimeoutError:
                    continue

        thread = threading.Thread(target=hear)
        thread.start()
        try:
            yield heard
            time.sleep(0.5)
        finally:
            over.set()
            thread.join()
