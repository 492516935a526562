"""What we ask of a container engine, as plain values. Only `drivers/engine.py` knows Docker."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from sandbox.core.text import clean

Kind = Literal["container", "network", "volume"]

# Labels hold only what never changes; everything else lives in the registry.
LABEL = "bimodal-sandbox"
INSTALLATION = f"{LABEL}.installation"
SANDBOX = f"{LABEL}.sandbox"
ROLE = f"{LABEL}.role"


def as_user(uid: int) -> str:
    """Return the `user` of a container or command whose group has the same number."""
    return f"{uid}:{uid}"


def scratch(uid: int, size_mb: int) -> dict[str, str]:
    """Return the tmpfs at /tmp of a container, for one user alone."""
    own = f"uid={uid},gid={uid}"
    return {"/tmp": f"rw,nosuid,nodev,noexec,size={size_mb}m,mode=0700,{own}"}  # noqa: S108


@dataclass(frozen=True)
class File:
    """A file to put into a volume or a build context. `mode` as in chmod, ids numeric."""

    path: str
    content: bytes
    mode: int = 0o444
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True)
class BigFile:
    """A file too large for memory: `chunks` must yield exactly `size` bytes."""

    path: str
    size: int
    chunks: Iterator[bytes]
    mode: int = 0o444
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True)
class Image:
    """An image to build: `tag` names its content, so an existing tag never needs a build.

    `needs` are the images its Dockerfile starts from, to be built before it.
    """

    tag: str
    files: tuple[File, ...]
    needs: tuple["Image", ...] = ()


@dataclass(frozen=True)
class Mount:
    """A named volume in a container; never a host path."""

    volume: str
    target: str
    read_only: bool = False


@dataclass(frozen=True)
class Network:
    """A bridge network. `isolated`: no way out and no address of the host on it.

    `outward`: with a way out, and whoever is on it cannot reach each other.
    """

    name: str
    labels: dict[str, str]
    subnet: str | None = None
    isolated: bool = True
    outward: bool = False


@dataclass(frozen=True)
class Port:
    """A container's port published on one address of the host."""

    host: str
    host_port: int
    container_port: int


@dataclass(frozen=True)
class Container:
    """A container. The driver hardens every one alike; nothing here can loosen that.

    Hardened: non-root `user` ("uid:gid"), read-only root, all capabilities dropped,
    no-new-privileges, limits on memory (MB, no swap), CPUs and processes, bounded logs. `resolver`
    is whom it asks for names that `hosts` does not tell; without one, the engine's.
    """

    name: str
    image: str
    labels: dict[str, str]
    user: str
    command: tuple[str, ...]
    memory_mb: int
    cpus: float
    pids: int
    network: str | None = None
    address: str | None = None
    env: dict[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    tmpfs: dict[str, str] = field(default_factory=dict)
    hosts: dict[str, str] = field(default_factory=dict)
    resolver: str | None = None
    sysctls: dict[str, str] = field(default_factory=dict)
    publish: tuple[Port, ...] = ()
    restart: bool = False


def unstarted(name: str, image: str, labels: dict[str, str], user: str, mount: Mount) -> Container:
    """Return a container that is never started: through it the volume in `mount` is reached."""
    return Container(
        name=name,
        image=image,
        labels=labels,
        user=user,
        command=("/bin/true",),
        memory_mb=16,
        cpus=0.1,
        pids=8,
        mounts=(mount,),
    )


@dataclass(frozen=True)
class Owned:
    """An object in the engine that carries our label."""

    kind: Kind
    name: str
    labels: dict[str, str]
    running: bool = False

    @property
    def role(self) -> str:
        """What it is for: a service's name, `lab`, `lease`, `network`, `gateway`…"""
        return self.labels.get(ROLE, "")


@dataclass(frozen=True)
class Route:
    """The way from the gateway to one tool, open to whoever has the secret.

    `ignore` are paths that are no use of it by a person; `*` in them is any text.
    """

    name: str
    address: str
    port: int
    secret: str = field(repr=False)
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ran:
    """How a command inside a container ended."""

    code: int
    out: bytes
    err: bytes

    def lines(self) -> tuple[str, ...]:
        """Return what it wrote, as clean lines, output before errors."""
        text = (self.out + self.err).decode(errors="replace")
        return tuple(clean(line) for line in text.splitlines())


@dataclass(frozen=True)
class EngineFacts:
    """What the engine says of itself. `free_bytes` is None where its disk cannot be seen.

    `id` is its own name for itself, which no other engine has.
    """

    version: str
    api: str
    storage: str
    cgroups: str
    os: str
    root: str
    free_bytes: int | None
    id: str = ""
