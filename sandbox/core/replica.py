"""The PostgreSQL replica, for tools that speak nothing else: what it is made of. Pure.

Each snapshot that needs one has a frozen cluster, filled once, in a volume of its own. Where the
engine's volumes lie on storage that clones files, each sandbox runs a clone of it; elsewhere one
shared server runs it for all. Either way it is a standby without a primary: nobody can write.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import AwareDatetime

from sandbox.core.addressing import POSTGRES_PORT, subnet_of
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
    Owned,
    as_user,
    scratch,
)
from sandbox.core.template import REPLICA_LIMITS
from sandbox.core.values import Value

ReplicaKind = Literal["clone", "shared"]

# The part of a sandbox that is its own standby, and the role of what serves several.
REPLICA = "replica"
# Its user in the lab's image, on which its own stands.
SERVER_UID = 10002
DATABASE = "replica"
# A standby cannot make logins: so many are made when it is filled, one for each sandbox at most.
LOGINS = 24
DATA_FOLDER, SEED_FOLDER = "/data", "/seed"
FILL = ("/opt/venv/bin/python", "-I", "/sandbox/replica/fill.py")
_STANDBY = ("/bin/sh", "/sandbox/replica/standby.sh")
_TRY = "head -c 65536 /dev/zero > {0}/probe && cp --reflink=always {0}/probe {1}/probe"
PROBE = ("/bin/sh", "-c", _TRY.format(SEED_FOLDER, DATA_FOLDER))
_SHARED = ("/bin/sh", "/sandbox/replica/shared.sh")
# Beyond these its maker has died long ago; then it ends by itself.
_FILLING_SECONDS, _PROBING_SECONDS = "14400", "60"
# From its container's start to its first answer, on a machine that does little else.
_ANSWER_SECONDS = 0.5
# What an empty cluster takes, a row, and each of its values; and how many rows a second are filled.
_EMPTY, _PER_ROW, _PER_VALUE = 20_000_000, 32, 14
_START_SECONDS, _ROWS_A_SECOND = 4.0, 300_000
_SUFFIXES = {"volume": "-postgres", "server": "-server", "filler": "-filler"}


class PostgresCopy(Value):
    """The frozen cluster of a snapshot: its volume, its size, how long it took to fill."""

    volume: str
    bytes: int
    seconds: float
    filled: AwareDatetime


class ReplicaUse(Value):
    """How a sandbox reads its snapshot as PostgreSQL: by which kind of server, as which login."""

    kind: ReplicaKind
    login: int = 0


class PostgresForecast(Value):
    """By what a sandbox would read PostgreSQL, after how many seconds, and how large that is.

    `kind` is None where the engine's storage was never tried. What is `filled` is shared: a further
    sandbox takes about nothing on the disk.
    """

    kind: ReplicaKind | None
    filled: bool
    seconds: float
    bytes: int


@dataclass(frozen=True)
class Cluster:
    """What of PostgreSQL belongs to one snapshot: names by its volume's, labels by its home's."""

    installation: str
    snapshot_volume: str
    source: str

    @property
    def lock(self) -> str:
        """What whoever fills, starts or removes any of it holds alone."""
        return self.snapshot_volume

    @property
    def volume(self) -> str:
        """The volume of the frozen cluster."""
        return self.snapshot_volume + _SUFFIXES["volume"]

    @property
    def server(self) -> str:
        """The container that serves several sandboxes."""
        return self.snapshot_volume + _SUFFIXES["server"]

    @property
    def filler(self) -> str:
        """The container in which it is filled."""
        return self.snapshot_volume + _SUFFIXES["filler"]

    @property
    def labels(self) -> dict[str, str]:
        """The labels of all these: they are the home's, not one sandbox's."""
        return home_labels(self.installation)


def home_labels(installation: str) -> dict[str, str]:
    """Return the labels of what belongs to the replicas of a home, but to no sandbox."""
    return {INSTALLATION: installation, ROLE: REPLICA}


def home_network(installation: str) -> Network:
    """Return the network that shared servers are born on: without a way out, like a sandbox's."""
    return Network(name=f"sandbox-{installation}-replicas", labels=home_labels(installation))


def filler(cluster: Cluster, image: Image) -> Container:
    """Return the container that fills the cluster: on no network, the snapshot read-only."""
    folder = f"/replica/{cluster.source}"
    return Container(
        name=cluster.filler,
        image=image.tag,
        labels=cluster.labels,
        user=as_user(SERVER_UID),
        command=("/bin/sleep", _FILLING_SECONDS),
        memory_mb=1024,
        cpus=2.0,
        pids=64,
        mounts=(Mount(cluster.snapshot_volume, folder, True), Mount(cluster.volume, DATA_FOLDER)),
        tmpfs=scratch(SERVER_UID, 64),
    )


def shared_server(cluster: Cluster, image: Image) -> Container:
    """Return the standby that serves several sandboxes; it is joined to each one's network."""
    return Container(
        name=cluster.server,
        image=image.tag,
        labels=cluster.labels,
        user=as_user(SERVER_UID),
        command=_SHARED,
        memory_mb=1024,
        cpus=2.0,
        pids=256,
        network=home_network(cluster.installation).name,
        mounts=(Mount(cluster.volume, DATA_FOLDER),),
        tmpfs=scratch(SERVER_UID, 16),
        # On several networks at once, it must never pass packets between them.
        sysctls={"net.ipv4.ip_forward": "0"},
        restart=True,
    )


def own_standby(name: str, image: Image, labels: dict[str, str], seed: str) -> Container:
    """Return a sandbox's own standby: `name` is its volume's too, a clone of that of `seed`.

    It still lacks its network, its guard and what that reads.
    """
    return Container(
        name=name,
        image=image.tag,
        labels=labels,
        user=as_user(SERVER_UID),
        command=_STANDBY,
        memory_mb=REPLICA_LIMITS.memory_mb,
        cpus=REPLICA_LIMITS.cpus,
        pids=REPLICA_LIMITS.pids,
        mounts=(Mount(name, DATA_FOLDER), Mount(seed, SEED_FOLDER, True)),
        tmpfs=scratch(SERVER_UID, 16),
    )


def prober(installation: str, image: Image) -> tuple[Container, tuple[str, str]]:
    """Return a container that can try a clone between two volumes, and the names of these."""
    name = probe_name(installation)
    volumes = (f"{name}-from", f"{name}-to")
    container = Container(
        name=name,
        image=image.tag,
        labels=home_labels(installation),
        user=as_user(SERVER_UID),
        command=("/bin/sleep", _PROBING_SECONDS),
        memory_mb=16,
        cpus=0.5,
        pids=8,
        mounts=(Mount(volumes[0], SEED_FOLDER), Mount(volumes[1], DATA_FOLDER)),
    )
    return container, volumes


def probe_name(installation: str) -> str:
    """Return the name of the container that tries a clone, which is also the lock for it."""
    return f"sandbox-{installation}-storage-probe"


def login_name(number: int) -> str:
    """Return the name of a login: numbers tell nobody who else reads."""
    return f"reader_{number}"


def login_secret(snapshot: str, number: int) -> str:
    """Return what the password of a login is derived for."""
    return f"replica {snapshot} {number}"


def postgres_login(address: str, database: str, user: str, password: str) -> dict[str, Any]:
    """Return what a program logs in to PostgreSQL by: to a replica, or to the lab."""
    return {
        "host": address,
        "port": POSTGRES_PORT,
        "database": database,
        "user": user,
        "password": password,
    }


def login_files(address: str, number: int, password: str, uid: int) -> list[File]:
    """Return what a tool logs in by: for programs, and for libpq as the service `replica`."""
    login = postgres_login(address, DATABASE, login_name(number), password)
    named = {"dbname" if key == "database" else key: value for key, value in login.items()}
    service = "".join(f"{key}={value}\n" for key, value in named.items())
    return [
        File("replica.json", json.dumps(login).encode(), mode=0o400, uid=uid),
        File("pg_service.conf", f"[{DATABASE}]\n{service}".encode(), mode=0o400, uid=uid),
    ]


def free_login(taken: Iterable[int]) -> int | None:
    """Return the first login that nobody has, None if all are taken."""
    used = set(taken)
    return next((number for number in range(LOGINS) if number not in used), None)


def admission(users: Iterable[tuple[int, str]]) -> File:
    """Return who may log in to a shared server: each login from one address's /28 only."""
    lines = ["local all postgres peer map=server"]
    for number, address in sorted(users):
        lines.append(f"host {DATABASE} {login_name(number)} {subnet_of(address)} scram-sha-256")
    content = "\n".join([*lines, ""]).encode()
    return File("pg_hba.conf", content, mode=0o400, uid=SERVER_UID, gid=SERVER_UID)


def expected_bytes(tables: Iterable[tuple[int, int]]) -> int:
    """Return about how large the cluster of tables of so many (rows, columns) will be."""
    return _EMPTY + sum(rows * (_PER_ROW + columns * _PER_VALUE) for rows, columns in tables)


def foreseen(
    kind: ReplicaKind | None, copy: PostgresCopy | None, tables: Iterable[tuple[int, int]]
) -> PostgresForecast:
    """Return what to expect: of a cluster that is filled, or of tables of (rows, columns)."""
    if copy:
        return PostgresForecast(kind=kind, filled=True, seconds=_ANSWER_SECONDS, bytes=copy.bytes)
    found = list(tables)
    seconds = _START_SECONDS + sum(rows for rows, _ in found) / _ROWS_A_SECOND
    expected = expected_bytes(found)
    return PostgresForecast(kind=kind, filled=False, seconds=round(seconds, 1), bytes=expected)


def of_home(one: Owned) -> bool:
    """Say whether an object belongs to the replicas of a home, and to no sandbox."""
    return one.role == REPLICA and SANDBOX not in one.labels


def leftovers(
    objects: Iterable[Owned], kept: Iterable[str], served: Iterable[str], installation: str
) -> dict[str, list[tuple[Kind, str]]]:
    """Return what of the replicas nobody needs, by the lock that its removal takes.

    `kept` are the clusters' volumes that a ready snapshot names, `served` the snapshots' volumes
    whose shared server some sandbox uses.
    """
    wanted = set(kept) | {f"{volume}{_SUFFIXES['server']}" for volume in served}
    wanted.add(home_network(installation).name)
    found: dict[str, list[tuple[Kind, str]]] = {}
    for one in objects:
        if of_home(one) and one.name not in wanted:
            found.setdefault(_lock_of(one.name, installation), []).append((one.kind, one.name))
    return found


def _lock_of(name: str, installation: str) -> str:
    if name.startswith(probe_name(installation)):
        return probe_name(installation)
    ends = [suffix for suffix in _SUFFIXES.values() if name.endswith(suffix)]
    return name.removesuffix(ends[0]) if ends else name
