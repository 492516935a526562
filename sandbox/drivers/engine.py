"""The Docker engine behind the Engine port. The only file that knows Docker.

The SDK's low-level client is used: its calls are the engine's own (documented at
docs.docker.com/reference/api/engine), one request each, which is what `up` pays for.
"""

import io
import re
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from sandbox.core.archive import bounded, regular_files, tar_stream
from sandbox.core.errors import Conflict, NotFound, SandboxError, Unavailable
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
from sandbox.core.text import clean

if TYPE_CHECKING:
    import docker

_LOG_LIMITS = {"max-size": "1m", "max-file": "2"}
_READ_LIMIT = 64 * 1024 * 1024
_BUILD_STEP = re.compile(r"Step (\d+)/(\d+) : (.*)")


class DockerEngine:
    """The engine that `environment` (DOCKER_HOST and its kin) points to; connects on first use."""

    def __init__(self, environment: Mapping[str, str], build_network: str = "default") -> None:
        self._environment = dict(environment)
        self._build_network = build_network

    @cached_property
    def _api(self) -> "docker.APIClient":
        import docker  # 0.15 s: many commands never talk to the engine
        from docker.constants import DEFAULT_UNIX_SOCKET
        from docker.utils import kwargs_from_env

        with _translated("the engine"):
            # kwargs_from_env falls back to os.environ on an empty mapping.
            settings = kwargs_from_env(environment=self._environment or {"_": ""})
            _knock(settings.get("base_url") or DEFAULT_UNIX_SOCKET)
            return docker.APIClient(timeout=120, **settings)

    def close(self) -> None:
        """Close every connection to the engine; the next call opens them again."""
        if api := self.__dict__.pop("_api", None):
            api.close()

    def facts(self) -> EngineFacts:
        """Return version, storage driver, cgroups and free disk, as the engine says them."""
        with _translated("the engine"):
            version, about = self._api.version(), self._api.info()
        root, local = about.get("DockerRootDir", ""), self._api.base_url.startswith("http+docker")
        return EngineFacts(
            version=version.get("Version", "?"),
            api=version.get("ApiVersion", "?"),
            storage=about.get("Driver", "?"),
            cgroups=f"v{about.get('CgroupVersion', '1')} ({about.get('CgroupDriver', '?')})",
            os=about.get("OperatingSystem", "?"),
            root=root,
            free_bytes=_free_bytes(root) if local else None,
            id=about.get("ID", ""),
        )

    def image_id(self, tag: str) -> str | None:
        """Return the id of a local image, or None."""
        try:
            with _translated(tag):
                return str(self._api.inspect_image(tag)["Id"])  # type: ignore[no-untyped-call]
        except NotFound:
            return None

    def build(self, image: Image, progress: Progress) -> None:
        """Build one image with the engine's builder, showing its steps."""
        log: list[str] = []
        with _translated(image.tag):
            lines = self._api.build(
                fileobj=io.BytesIO(b"".join(tar_stream(image.files))),
                custom_context=True,
                tag=image.tag,
                rm=True,
                forcerm=True,
                decode=True,
                network_mode=self._build_network,
            )
            for line in lines:
                _follow_build(image, line, log, progress)

    def subnets(self) -> list[str]:
        """Return the IPv4 subnets of all networks of the engine, ours or not."""
        with _translated("the engine"):
            networks = self._api.networks()
        pools = [pool for n in networks for pool in n["IPAM"]["Config"] or []]
        return [pool["Subnet"] for pool in pools if ":" not in pool.get("Subnet", ":")]

    def create_network(self, network: Network) -> None:
        """Create a bridge network; an isolated one gives the host no address on it."""
        import docker

        # Without inhibit_ipv4 the host's own services answer on the bridge's address.
        option = {"inhibit_ipv4": "true"} if network.isolated else {"enable_ip_masquerade": "false"}
        option = {"enable_icc": "false"} if network.outward else option
        pools = [docker.types.IPAMPool(subnet=network.subnet)] if network.subnet else []
        with _translated(network.name):
            self._api.create_network(
                network.name,
                driver="bridge",
                internal=network.isolated,
                check_duplicate=True,
                options={f"com.docker.network.bridge.{k}": v for k, v in option.items()},
                ipam=docker.types.IPAMConfig(pool_configs=pools),
                labels=network.labels,
            )

    def create_volume(self, name: str, labels: dict[str, str]) -> None:
        """Create a named volume."""
        with _translated(name):
            self._api.create_volume(name, labels=labels)

    def create_container(self, container: Container) -> None:
        """Create a hardened container without starting it."""
        networking = None
        if container.network:
            endpoint = self._api.create_endpoint_config(ipv4_address=container.address)
            ends: Any = {container.network: endpoint}  # the stub knows one endpoint only
            networking = self._api.create_networking_config(ends)
        with _translated(container.name):
            self._api.create_container(
                container.image,
                name=container.name,
                command=list(container.command),
                entrypoint=[],
                user=container.user,
                environment=container.env,
                labels=container.labels,
                ports=[p.container_port for p in container.publish],
                host_config=self._host_config(container),
                networking_config=networking,
            )

    def _host_config(self, container: Container) -> Any:
        from docker.types import LogConfig

        return self._api.create_host_config(
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            read_only=True,
            mem_limit=f"{container.memory_mb}m",
            memswap_limit=f"{container.memory_mb}m",
            nano_cpus=int(container.cpus * 1e9),
            pids_limit=container.pids,
            shm_size="64m",
            tmpfs=container.tmpfs,
            sysctls=container.sysctls,
            extra_hosts=container.hosts,
            dns=[container.resolver] if container.resolver else None,
            network_mode=container.network or "none",
            binds=[
                f"{m.volume}:{m.target}:{'ro' if m.read_only else 'rw'}" for m in container.mounts
            ],
            port_bindings={p.container_port: (p.host, p.host_port) for p in container.publish},
            # Not `unless-stopped`: an engine that was killed takes what still ran for stopped.
            restart_policy={"Name": "always"} if container.restart else None,
            log_config=LogConfig(type="json-file", config=_LOG_LIMITS),
        )

    def start(self, name: str) -> None:
        """Start a created container."""
        with _translated(name):
            self._api.start(name)

    def stop(self, name: str, seconds: int) -> None:
        """Stop a container: its signal, and after so many seconds the end. Stopped is success."""
        with suppress(NotFound), _translated(name):
            self._api.stop(name, timeout=seconds)

    def connect(self, network: str, container: str, address: str) -> None:
        """Join a container to one more network at `address`."""
        with _translated(network):
            self._api.connect_container_to_network(container, network, ipv4_address=address)

    def disconnect(self, network: str, container: str) -> None:
        """Take a container off a network; gone already is success."""
        try:
            with suppress(NotFound), _translated(network):
                self._api.disconnect_container_from_network(container, network, force=True)
        except SandboxError as error:
            if "is not connected" not in error.message:
                raise

    def remove(self, kind: Kind, name: str) -> None:
        """Remove an object; gone already, or just going, is success."""
        options = {"force": True} if kind == "container" else {}
        try:
            with suppress(NotFound), _translated(name):
                getattr(self._api, f"remove_{kind}")(name, **options)
        except SandboxError as error:
            if "is already in progress" not in error.message:
                raise

    def put(self, container: str, folder: str, files: Iterable[File | BigFile]) -> None:
        """Write files under `folder` of a container, running or not, as one archive."""
        with _translated(container):
            self._api.put_archive(container, folder, tar_stream(files))

    def read(self, container: str, path: str) -> bytes:
        """Return one regular file of a container; raises Unavailable above 64 MiB."""
        subject = f"{container}:{path}"
        excess = Unavailable(f"The file is larger than {_READ_LIMIT >> 20} MiB.", subject=subject)
        chunks = bounded(self.fetch(container, path), _READ_LIMIT, excess)
        files = regular_files(chunks)
        found = next(files, None)
        if found is None or found.path != PurePosixPath(path).name:
            raise Unavailable("This is not a regular file.", subject=subject)
        return b"".join(found.chunks)

    def fetch(self, container: str, folder: str) -> Iterator[bytes]:
        """Yield a folder (or file) of a container, running or not, as a tar stream."""
        with _translated(f"{container}:{folder}"):
            yield from self._api.get_archive(container, folder)[0]

    def run(
        self,
        container: str,
        command: Sequence[str],
        *,
        user: str = "",
        stdin: bytes | None = None,
        output: Callable[[str, bytes], None] | None = None,
    ) -> Ran:
        """Run a command inside a running container; with `output`, pass its output on live."""
        with _translated(container):
            piped = stdin is not None
            exec_id = self._api.exec_create(container, [*command], user=user, stdin=piped)["Id"]
            out, err = self._exchange(exec_id, stdin, output)
            code = self._api.exec_inspect(exec_id)["ExitCode"]
        return Ran(code=code if code is not None else 137, out=out, err=err)

    def _exchange(
        self, exec_id: str, stdin: bytes | None, output: Callable[[str, bytes], None] | None
    ) -> tuple[bytes, bytes]:
        from docker.utils.socket import STDERR, frames_iter

        kept: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
        stream = self._api.exec_start(exec_id, socket=True)
        try:
            if stdin is not None:
                _send(stream, stdin)
            for number, chunk in frames_iter(stream, tty=False):  # type: ignore[no-untyped-call]
                name = "stderr" if number == STDERR else "stdout"
                if output:
                    output(name, chunk)
                else:
                    kept[name].append(chunk)
        finally:
            # Closing the stream leaves the socket underneath open.
            getattr(stream, "_sock", stream).close()
            stream.close()
        return b"".join(kept["stdout"]), b"".join(kept["stderr"])

    def logs(self, container: str, tail: int) -> bytes:
        """Return the last `tail` lines that a container wrote to stdout and stderr."""
        with _translated(container):
            return bytes(self._api.logs(container, tail=tail))

    def is_running(self, container: str) -> bool:
        """Say whether a container exists and runs."""
        return self.running_image(container) is not None

    def running_image(self, container: str) -> str | None:
        """Return the tag that a running container was made from; None if it does not run."""
        try:
            with _translated(container):
                found = self._api.inspect_container(container)
        except NotFound:
            return None
        return str(found["Config"]["Image"]) if found["State"]["Running"] else None

    def owned(self, installation: str, sandbox: str | None = None) -> list[Owned]:
        """Return everything that carries the installation's label (and the sandbox's)."""
        own = [f"{SANDBOX}={sandbox}"] if sandbox else []
        chosen = {"label": [f"{INSTALLATION}={installation}", *own]}
        with _translated("the engine"):
            containers = self._api.containers(all=True, filters=chosen)
            networks = self._api.networks(filters=chosen)
            volumes = self._api.volumes(filters=chosen)["Volumes"] or []
        # What ended while the engine's disk was full stays listed as running: so each is asked.
        up = {c["Id"] for c in containers if c["State"] == "running" and self.is_running(c["Id"])}
        others: list[tuple[Kind, Any]] = [("network", networks), ("volume", volumes)]
        return [
            Owned("container", c["Names"][0][1:], c["Labels"], c["Id"] in up) for c in containers
        ] + [Owned(kind, o["Name"], o["Labels"] or {}) for kind, objects in others for o in objects]

    def volume_bytes(self, installation: str) -> dict[str, int]:
        """Return the size of all files in each volume of the installation, by name."""
        with _translated("the engine"):
            volumes = self._api.df()["Volumes"] or []
        ours = [v for v in volumes if (v["Labels"] or {}).get(INSTALLATION) == installation]
        return {v["Name"]: size for v in ours if (size := v["UsageData"]["Size"]) >= 0}

    def volume_folder(self, volume: str) -> str | None:
        """Return where a volume lies on this machine; None if the engine is on another one."""
        with _translated(volume):
            place = str(self._api.inspect_volume(volume)["Mountpoint"])
        return place if self._api.base_url.startswith("http+docker") else None


def _knock(address: str) -> None:
    """Raise OSError where nobody listens on a Unix socket; the SDK would leave a socket open."""
    scheme, _, path = address.rpartition("://")
    if scheme in ("unix", "http+unix"):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(path)


@contextmanager
def _translated(subject: str) -> Iterator[None]:
    """Turn the SDK's and the transport's errors into ours."""
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException

    try:
        yield
    except APIError as error:
        raise _from_api(error, subject) from error
    except (DockerException, RequestException, OSError) as error:
        raise Unavailable(
            "The Docker engine does not answer.",
            subject=subject,
            hint="Start it (systemctl start docker, or dockerd), then: sandbox doctor",
            details={"cause": type(error).__name__},
        ) from error


def _from_api(error: "docker.errors.APIError", subject: str) -> SandboxError:
    said = clean(str(error.explanation or error))[:400]
    status = error.response.status_code if error.response is not None else 0
    if status == 404:
        return NotFound(f"The engine has no such object: {said}", subject=subject)
    if "no space left on device" in said:
        return Unavailable(
            "The engine's disk is full.",
            subject=subject,
            hint="Free some space (sandbox snapshot rm, docker system df), retry.",
        )
    taken = ("already in use", "already allocated", "overlaps", "already exists", "is in use")
    if status == 409 or any(word in said for word in taken):
        return Conflict(f"The engine says: {said}", subject=subject)
    return Unavailable(f"The engine refused: {said}", subject=subject, hint="See: sandbox doctor")


def _follow_build(image: Image, line: dict[str, Any], log: list[str], progress: Progress) -> None:
    said = clean(str(line.get("stream") or line.get("error") or "")).strip("\ufffd ")
    if said:
        log.append(said)
    step = _BUILD_STEP.match(said)
    if step:
        done, total = int(step[1]), int(step[2])
        progress.say("image", f"{image.tag}: step {done} of {total}: {step[3][:80]}", done, total)
    if "error" in line:
        full = "no space left on device" in said
        raise Unavailable(
            "The engine's disk is full." if full else "The image could not be built.",
            subject=image.tag,
            hint="The end of the build's log:\n  " + "\n  ".join(log[-12:]),
            details={"log": log[-40:]},
        )


def _send(stream: Any, payload: bytes) -> None:
    raw: socket.socket = getattr(stream, "_sock", stream)
    # The command may end before it has read everything; its exit code tells more than EPIPE.
    with suppress(BrokenPipeError, ConnectionResetError):
        raw.sendall(payload)
        raw.shutdown(socket.SHUT_WR)


def _free_bytes(root: str) -> int | None:
    with suppress(OSError):
        return shutil.disk_usage(root).free
    return None
