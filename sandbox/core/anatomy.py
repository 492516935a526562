"""What a sandbox is made of: from a record and its template to engine objects. Pure.

Everything a template could loosen is decided here, and nothing here asks the template.
"""

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sandbox.core.addressing import addresses, subnet
from sandbox.core.clock import Reading, guard_text
from sandbox.core.egress import PROXY_UID, proxy_environment
from sandbox.core.lifecycle import Endpoint, Sandbox
from sandbox.core.objects import (
    INSTALLATION,
    ROLE,
    SANDBOX,
    Container,
    File,
    Image,
    Kind,
    Mount,
    Network,
    as_user,
    scratch,
    unstarted,
)
from sandbox.core.replica import REPLICA, SERVER_UID, own_standby, postgres_login
from sandbox.core.settings import NetworkSettings
from sandbox.core.template import PROXY_LIMITS, Service, Template

TOOL_UID = 10001
LAB_UID = SERVER_UID
LEASE_FOLDER = "/run/sandbox"
WORK_FOLDER = "/work"
LAB_FOLDER = "/lab"
GUARD = "/sandbox/guard"
# The container that is never started: through it the lease volume is written.
HOLDER = "lease"
# The one part with a way out, for who names hosts outside.
PROXY = "proxy"
# Another one, made while a sandbox is removed: through it a volume is read that nobody else has.
KEEPER = "keep"
# What stands beside the services of a template.
_BESIDE = frozenset({"lab", PROXY, REPLICA})
# The Python of every image of ours, with the programs of sandbox/images/base.
PYTHON = "/opt/venv/bin/python"
# Whoever starts a sandbox and dies half-way leaves containers that end by themselves after this.
PROVISIONING_ALLOWANCE = timedelta(minutes=10)
# What the lab's pre-made cluster takes on the engine's disk (MB), measured on its image.
LAB_SEED_MB = 20

_PROXY_COMMAND = (
    *(GUARD, "--", "/usr/bin/python3", "-IS", "/sandbox/resolver.py", LEASE_FOLDER),
    *("/usr/sbin/squid", "-N", "-f", "/etc/squid/squid.conf"),
)
_LAB_COMMAND = (GUARD, "-s", "INT", "--", "/usr/lib/postgresql/15/bin/postgres", "-D", LAB_FOLDER)


@dataclass(frozen=True)
class Images:
    """The images of one sandbox; `services` by the service's name."""

    base: Image
    services: dict[str, Image]
    lab: Image | None
    proxy: Image | None = None
    replica: Image | None = None

    def parts(self) -> dict[str, Image]:
        """Return the image of each part, in the order of the template's."""
        beside = {"lab": self.lab, PROXY: self.proxy, REPLICA: self.replica}
        return self.services | {name: image for name, image in beside.items() if image}

    def all(self) -> list[Image]:
        """Return every image, each once, what others start from first."""
        found: dict[str, Image] = {}
        for image in [self.base, *self.parts().values()]:
            for each in (*image.needs, image):
                found.setdefault(each.tag, each)
        return list(found.values())


@dataclass(frozen=True)
class Anatomy:
    """All engine objects of one sandbox, in the order in which they can be made.

    A proxy is made on the network outside, then joined to the sandbox's own at `proxy_address`.
    `replica` is its own standby; a shared one is joined to its network at `replica_address`.
    """

    network: Network
    volumes: dict[str, dict[str, str]]
    holder: Container
    services: dict[str, Container]
    lab: Container | None
    outside: Network | None
    proxy: Container | None
    proxy_address: str
    replica: Container | None
    replica_address: str
    gateway_address: str
    endpoint: Endpoint

    def journal(self) -> list[tuple[Kind, str]]:
        """Return (kind, name) of every object, in the order of making."""
        beside = [part for part in (self.lab, self.proxy, self.replica) if part]
        containers = [self.holder, *self.services.values(), *beside]
        networks = [self.network, *([self.outside] if self.outside else [])]
        names: list[tuple[Kind, str]] = [("network", network.name) for network in networks]
        names += [("volume", name) for name in self.volumes]
        return names + [("container", c.name) for c in containers]

    @property
    def tool(self) -> Container:
        """The service that answers at the gateway."""
        return self.services[self.endpoint.part]


def compose(
    sandbox: Sandbox,
    template: Template,
    images: Images,
    *,
    installation: str,
    networks: NetworkSettings,
    replica_volume: str,
    postgres_volume: str,
) -> Anatomy:
    """Return the anatomy of `sandbox`, which must have its subnet already.

    `postgres_volume` is where the snapshot's frozen cluster is, or would be.
    """
    volumes = (replica_volume, postgres_volume)
    maker = _Maker(sandbox, template, images, installation, networks, volumes)
    service = template.services[template.answers]
    services = {name: maker.service(name, each) for name, each in template.services.items()}
    return Anatomy(
        network=maker.network(),
        volumes=maker.volumes(),
        holder=maker.holder(),
        services=services,
        lab=maker.lab(),
        outside=maker.outside(),
        proxy=maker.proxy(),
        proxy_address=maker.addresses.proxy,
        replica=maker.replica(),
        replica_address=maker.addresses.replica,
        gateway_address=maker.addresses.gateway,
        endpoint=Endpoint(
            part=template.answers,
            address=services[template.answers].address or "",
            port=service.port,
            path=service.probe.path,
            seconds=service.probe.seconds,
            ignore=template.idle.ignore,
        ),
    )


def network_name(sandbox_id: str) -> str:
    """Return the name of a sandbox's own network."""
    return f"sandbox-{sandbox_id}"


def container_name(sandbox_id: str, part: str) -> str:
    """Return the name of one container of a sandbox: a service's name, `lab` or `lease`."""
    return f"{network_name(sandbox_id)}-{part}"


def services_of(sandbox: Sandbox) -> list[str]:
    """Return the services of its template, in its order: what the tool's own user works in."""
    return [part for part in sandbox.parts if part not in _BESIDE]


def service_names(sandbox: Sandbox) -> list[str]:
    """Return the names of the containers that run its services."""
    return [container_name(sandbox.id, part) for part in services_of(sandbox)]


def remade(sandbox: Sandbox) -> set[tuple[str, str]]:
    """Return (kind, name) of what a reset makes anew: services, its own standby with its data."""
    own = set(standby(sandbox.id)) if REPLICA in sandbox.parts else set()
    return own | {("container", name) for name in service_names(sandbox)}


def standby(sandbox_id: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return (kind, name) of a sandbox's own PostgreSQL replica: its data, and what serves that."""
    name = container_name(sandbox_id, REPLICA)
    return ("volume", name), ("container", name)


def never_started(
    installation: str, sandbox_id: str, role: str, image: str, mount: Mount
) -> Container:
    """Return a container of a sandbox through which alone its volume in `mount` is reached."""
    labels = {INSTALLATION: installation, SANDBOX: sandbox_id, ROLE: role}
    name = container_name(sandbox_id, role)
    return unstarted(name, image, labels, as_user(TOOL_UID), mount)


def confined(*command: str) -> tuple[str, ...]:
    """Return `command` as it is run for whoever works in a sandbox: it leaves the guard alone.

    What the guard itself starts is confined already; what the engine starts beside it is not.
    """
    return (GUARD, "-x", "--", *command)


def lease_files(
    sandbox: Sandbox, anatomy: Anatomy, deadline: File, lab_password: str
) -> list[File]:
    """Return what the containers of a new sandbox find in /run/sandbox, read-only for them."""
    parameters = json.dumps(sandbox.spec.parameters, ensure_ascii=False).encode()
    files = [deadline, File("parameters.json", parameters)]
    if anatomy.lab:
        login = postgres_login(anatomy.lab.address or "", "lab", "lab", lab_password)
        # Only the tool's own user can read it: other services of the sandbox need no lab.
        files.append(File("lab.json", json.dumps(login).encode(), mode=0o400, uid=TOOL_UID))
    return files


def deadline_file(deadline: datetime, reading: Reading) -> File:
    """Return the file that tells the lease guards when to end their container."""
    return File("deadline", guard_text(deadline, reading).encode())


class _Maker:
    """Composes the objects of one sandbox; holds what they have in common."""

    def __init__(
        self,
        sandbox: Sandbox,
        template: Template,
        images: Images,
        installation: str,
        networks: NetworkSettings,
        snapshot_volumes: tuple[str, str],
    ) -> None:
        assert sandbox.subnet is not None
        self.sandbox, self.template, self.images = sandbox, template, images
        self.installation = installation
        self.replica_volume, self.postgres_volume = snapshot_volumes
        self.addresses = addresses(networks.range, sandbox.subnet)
        self._outside = subnet(networks.outside, sandbox.subnet)
        self._network = network_name(sandbox.id)

    def _labels(self, role: str) -> dict[str, str]:
        return {INSTALLATION: self.installation, SANDBOX: self.sandbox.id, ROLE: role}

    def _name(self, part: str) -> str:
        return container_name(self.sandbox.id, part)

    def _lease(self, *, read_only: bool) -> Mount:
        return Mount(self._name("lease"), LEASE_FOLDER, read_only=read_only)

    def network(self) -> Network:
        """Its own isolated /28."""
        return Network(
            name=self._network,
            labels=self._labels("network"),
            subnet=str(self.addresses.subnet),
        )

    def volumes(self) -> dict[str, dict[str, str]]:
        """Names and labels of its own volumes; the replica's belongs to the snapshot."""
        parts = ["lease", "work"] + (["lab"] if self.template.lab else [])
        parts += [REPLICA] if self._clones else []
        return {self._name(part): self._labels(part) for part in parts}

    def holder(self) -> Container:
        """The container that is never started: through it the lease volume is written."""
        lease = self._lease(read_only=False)
        return never_started(
            self.installation, self.sandbox.id, HOLDER, self.images.base.tag, lease
        )

    def service(self, name: str, service: Service) -> Container:
        """One service of the template, guarded."""
        position = list(self.template.services).index(name)
        return Container(
            name=self._name(name),
            image=self.images.services[name].tag,
            labels=self._labels(name),
            user=as_user(TOOL_UID),
            command=(GUARD, "--", *service.command),
            memory_mb=service.limits.memory_mb,
            cpus=service.limits.cpus,
            pids=service.limits.pids,
            network=self._network,
            address=self.addresses.services[position],
            # A tmpfs of the container's own.
            env={"HOME": "/tmp"} | self._outward() | self._service_file(service),  # noqa: S108
            mounts=(
                self._lease(read_only=True),
                Mount(self._name("work"), WORK_FOLDER),
                Mount(self.replica_volume, f"/replica/{self.template.needs.source}", True),
            ),
            tmpfs=scratch(TOOL_UID, service.tmpfs_mb),
            hosts=self._hosts(),
            resolver=self.addresses.gateway,
        )

    def lab(self) -> Container | None:
        """The PostgreSQL beside the tool, if the template asks for one."""
        if self.template.lab is None or self.images.lab is None:
            return None
        return Container(
            name=self._name("lab"),
            image=self.images.lab.tag,
            labels=self._labels("lab"),
            user=as_user(LAB_UID),
            command=_LAB_COMMAND,
            memory_mb=self.template.lab.memory_mb,
            cpus=self.template.lab.cpus,
            pids=self.template.lab.pids,
            network=self._network,
            address=self.addresses.lab,
            mounts=(self._lease(read_only=True), Mount(self._name("lab"), LAB_FOLDER)),
            tmpfs=scratch(LAB_UID, 16),
            resolver=self.addresses.gateway,
        )

    def replica(self) -> Container | None:
        """Its own standby: a clone, by reflink, of the snapshot's frozen cluster."""
        if not self._clones or self.images.replica is None:
            return None
        name, labels = self._name(REPLICA), self._labels(REPLICA)
        standby = own_standby(name, self.images.replica, labels, self.postgres_volume)
        return replace(
            standby,
            command=(GUARD, "-s", "INT", "--", *standby.command),
            mounts=(self._lease(read_only=True), *standby.mounts),
            network=self._network,
            address=self.addresses.replica,
            resolver=self.addresses.gateway,
        )

    @property
    def _clones(self) -> bool:
        return self.sandbox.replica is not None and not self.sandbox.shares_replica

    def outside(self) -> Network | None:
        """The network through which the proxy alone gets out."""
        if not self.template.egress:
            return None
        return Network(
            name=self._name("outside"),
            labels=self._labels("outside"),
            subnet=str(self._outside),
            isolated=False,
            outward=True,
        )

    def proxy(self) -> Container | None:
        """The one way to the hosts that the template and its user name, if there are any."""
        if not self.template.egress or self.images.proxy is None:
            return None
        return Container(
            name=self._name(PROXY),
            image=self.images.proxy.tag,
            labels=self._labels(PROXY),
            user=as_user(PROXY_UID),
            command=_PROXY_COMMAND,
            memory_mb=PROXY_LIMITS.memory_mb,
            cpus=PROXY_LIMITS.cpus,
            pids=PROXY_LIMITS.pids,
            network=self._name("outside"),
            mounts=(self._lease(read_only=True),),
            tmpfs=scratch(PROXY_UID, 8),
            # On two networks at once, it must never pass packets between them; its resolver
            # listens on the port that all resolvers have, without being root.
            sysctls={"net.ipv4.ip_forward": "0", "net.ipv4.ip_unprivileged_port_start": "53"},
        )

    def _service_file(self, service: Service) -> dict[str, str]:
        """Return where libpq finds the login: the file holds the secret, not the environment."""
        asked = service.replica == "postgres"
        return {"PGSERVICEFILE": f"{LEASE_FOLDER}/pg_service.conf"} if asked else {}

    def _outward(self) -> dict[str, str]:
        if not self.template.egress:
            return {}
        own = self._hosts()
        return proxy_environment(self.addresses.proxy, [*own, *own.values()])

    def _hosts(self) -> dict[str, str]:
        """Nothing inside needs DNS: the names of its own parts stand in /etc/hosts."""
        named = dict(zip(self.template.services, self.addresses.services, strict=False))
        named |= {"lab": self.addresses.lab} if self.template.lab else {}
        return named | ({REPLICA: self.addresses.replica} if self.template.postgres else {})
