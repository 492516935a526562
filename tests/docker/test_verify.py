"""Every attack of `verify` fails on a sandbox of ours, and works where its one wall is missing."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from sandbox.core.anatomy import PYTHON, confined
from sandbox.usecases.probing import PSQL
from tests.docker.conftest import UP, Home
from tests.docker.test_guard import TOOL, end_of, ended, in_seconds
from tests.docker.weakened import (
    FOREVER,
    GUARDED,
    LAB,
    YES_GATEWAY,
    YES_RESOLVER,
    Weakened,
    address_of,
    gateway_at,
    listening,
)

pytestmark = pytest.mark.docker

PORT = 29321
# Who reaches the gateway's port from inside asks for pages; where it is closed, nothing is asked.
NO_GATEWAY = {
    *("as a proxy", "under its own names", "with a forged address"),
    *("its page without a link", "its page with this sandbox's link", "its page named twice"),
    *("its page as a whole address", "its page in a second request"),
    *("its page in a smuggled request", "its page by forwarding words"),
}


def fallen(checks: dict[str, Any]) -> set[str]:
    return {name for name, check in checks.items() if not check["held"]}


@pytest.fixture(scope="module")
def pair(home: Home) -> Iterator[tuple[str, str]]:
    """Two sandboxes; return the ids."""
    ids = [home.json("up", name, *UP)["sandbox"]["id"] for name in ("strong", "neighbour")]
    yield ids[0], ids[1]
    for name in ("strong", "neighbour"):
        home.run("down", name)


@pytest.fixture(scope="module")
def weak(home: Home, docker_client: docker.DockerClient, pair: tuple[str, str]) -> Iterator[Any]:
    images = {
        part: docker_client.containers.get(f"sandbox-{pair[0]}-{part}").attrs["Config"]["Image"]
        for part in ("tool", "lab")
    }
    made = Weakened(docker_client, images["tool"], images["lab"], "10.249.64.0/20")
    yield made
    made.close()


def test_every_attack_fails_on_a_real_sandbox(home: Home, pair: tuple[str, str]) -> None:
    result = home.json("verify", "strong")
    assert [c for c in result["checks"] if not c["held"]] == []
    assert result["held"] is True
    assert [n for n in result["notes"] if "attacked" in n or "tried" in n] == []
    subjects = {c["about"] for c in result["checks"]}
    assert subjects == {
        *("core data", "network", "host", "other sandboxes", "gateway"),
        *("container", "guard", "lab", "limits"),
    }
    assert len(result["checks"]) > 90
    event = home.json("audit", "list", "--subject", "strong")["events"][-1]
    assert event["code"] == "sandbox.verified"
    assert event["details"]["held"] == event["details"]["tried"] == len(result["checks"])
    assert event["details"]["failed"] == []
    # Nothing that was tried stays, and who worked there still can.
    assert home.json("sql", "strong", "SELECT 1")["rows"] == [[1]]
    assert ".verify" not in home.run("exec", "strong", "--", "find", "/work", "/tmp")


def test_what_gets_through_is_named_and_exits_4(home: Home, pair: tuple[str, str]) -> None:
    lab = home.client.containers.get(f"sandbox-{pair[1]}-lab")

    def change(words: str) -> None:
        ran = lab.exec_run([*PSQL, "-c", f"ALTER ROLE lab {words}"], user=LAB)
        assert ran.exit_code == 0, ran.output

    change("SUPERUSER")
    try:
        result = home.json("verify", "neighbour", code=4)
    finally:
        change("NOSUPERUSER")
    through = {c["name"] for c in result["checks"] if not c["held"]}
    assert result["held"] is False
    assert {
        *("attributes of its role", "read a file", "list a folder", "COPY from a file"),
        *("COPY to a file", "COPY from a program", "COPY to a program", "LOAD a library"),
        *("import a file as large object", "export a large object", "function in C"),
        *("internal function", "foreign data wrapper", "subscription", "new superuser"),
        *("roles for files and programs", "SET ROLE", "SET SESSION AUTHORIZATION"),
        *("read passwords", "write the catalogue", "system setting", "event trigger"),
        *("load libraries at login", "folder of libraries", "another database", "replicate"),
        *("read the settings again", "schema of another's", "give a function away"),
    } <= through
    event = home.json("audit", "list", "--subject", "neighbour")["events"][-1]
    assert set(event["details"]["failed"]) == through
    assert home.json("verify", "neighbour")["held"] is True, "an attack was not undone"


def test_nobody_gets_to_the_labs_superuser_by_exec(home: Home, pair: tuple[str, str]) -> None:
    home.run("exec", "--part", "lab", "strong", "--", *PSQL, "-c", "SELECT 1", code=4)


def test_a_bare_container_with_every_wall_holds(weak: Weakened) -> None:
    network = weak.network()
    checks = weak.quiet(weak.start(network), network)
    assert fallen(checks) == set(), checks


def test_limits_hold_and_fall(weak: Weakened) -> None:
    network = weak.network()
    memory, processes = "memory beyond the limit", "processes beyond the limit"
    assert fallen(weak.attack(weak.start(network), "limits")) == set()
    no_memory: dict[str, Any] = {"mem_limit": 0, "memswap_limit": 0}
    assert memory in fallen(weak.attack(weak.start(network, **no_memory), "limits"))
    assert processes in fallen(weak.attack(weak.start(network, pids_limit=-1), "limits"))
    # PID 1 that never wakes is no guard, whatever the limit.
    assert processes in fallen(weak.attack(weak.start(network, FOREVER), "limits"))


WEAKNESSES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "root that may mount": (
        {
            "user": "0:0",
            "cap_drop": [],
            "cap_add": ["SYS_ADMIN"],
            "security_opt": ["seccomp=unconfined"],
        },
        {
            *("capabilities", "user is not root", "privileged system calls", "raw sockets"),
            *("name spaces of its own", "remounted for writing", "its disk as a device"),
            *("the deadline remounted", "the deadline covered"),
        },
    ),
    "the host's switches": (
        {
            "user": "0:0",
            "more_volumes": {
                "/sys/kernel": {"bind": "/sys/kernel"},
                "/sys/fs/cgroup": {"bind": "/sys/fs/cgroup"},
            },
        },
        {"switches in /proc and /sys", "its control group", "writable mounts"},
    ),
    "a device": ({"devices": ["/dev/null:/dev/disk:r"]}, {"devices"}),
    "no seccomp": (
        {"command": FOREVER, "security_opt": ["no-new-privileges", "seccomp=unconfined"]},
        {"write into its memory", "take its open files", "name spaces of its own"},
    ),
    "capabilities kept": ({"cap_drop": []}, {"capabilities"}),
    "new privileges": ({"security_opt": []}, {"no new privileges", "setuid programs"}),
    "writable root": ({"read_only": False}, {"root file system", "writable mounts"}),
    "no guard": (
        {"command": FOREVER},
        {
            *("trace the guard", "open the guard's memory", "PID 1 is the guard"),
            "its folder in /proc",
        },
    ),
}


@pytest.mark.parametrize("name", WEAKNESSES)
def test_without_one_wall_its_attacks_work(weak: Weakened, name: str) -> None:
    changes, expected = WEAKNESSES[name]
    network = weak.network()
    # Coming in by the guard's filter takes new privileges away once more.
    entry = () if name == "new privileges" else confined()
    checks = weak.quiet(weak.start(network, **changes), network, entry=entry)
    assert expected <= fallen(checks), {n: checks[n] for n in expected - fallen(checks)}


def test_a_writable_replica_is_written(weak: Weakened) -> None:
    network = weak.network()
    volume = weak.own("own-replica", "core/core.duckdb")
    volumes = {weak.lease: {"bind": "/run/sandbox", "mode": "ro"}, volume: {"bind": "/replica"}}
    checks = weak.quiet(weak.start(network, volumes=volumes), network)
    assert {
        *("replica opened for writing", "file beside the replica", "DuckDB attach for writing"),
        *("DuckDB export beside it", "opened again through /proc", "its folder entry"),
    } <= fallen(checks)


def test_a_writable_deadline_is_replaced(weak: Weakened) -> None:
    network = weak.network()
    volume = weak.own("own-lease", "deadline")
    volumes = {volume: {"bind": "/run/sandbox"}, weak.replica: {"bind": "/replica", "mode": "ro"}}
    checks = weak.quiet(weak.start(network, volumes=volumes), network)
    expected = {"open the deadline", "replace the deadline", "the deadline's folder entry"}
    assert expected <= fallen(checks)


def test_an_engine_socket_is_found(weak: Weakened, tmp_path: Path) -> None:
    network, place = weak.network(), tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as harmless:
        harmless.bind(str(place))
        mount = {str(place): {"bind": "/run/docker.sock", "mode": "ro"}}
        checks = weak.quiet(weak.start(network, more_volumes=mount), network)
    assert "engine socket" in fallen(checks)


@pytest.mark.parametrize("internal", [True, False], ids=["internal", "with a way out"])
def test_a_bridge_with_an_address_reaches_the_host(weak: Weakened, internal: bool) -> None:
    network = weak.network(internal=internal, inhibit=False)
    bridge = str(weak.subnets[network.name][1])
    container = weak.start(network)
    with listening(PORT, socket.SOCK_STREAM):
        checks = weak.quiet(container, network)
    expected = {f"{bridge}, by any port"} | (set() if internal else {"out by UDP"})
    assert expected <= fallen(checks), checks


def test_a_resolver_that_knows_the_world_is_found(weak: Weakened) -> None:
    network = weak.network()
    server = weak.start(network, (PYTHON, "-c", YES_RESOLVER), user="0:0", cap_drop=[])
    container = weak.start(network, dns=[address_of(server, network)])
    assert "ask a resolver" in fallen(weak.quiet(container, network))


def test_a_second_sandbox_on_the_same_network_is_reached(weak: Weakened) -> None:
    network = weak.network()
    other = address_of(weak.start(network, (PYTHON, "-m", "http.server", "2718")), network)
    checks = weak.quiet(weak.start(network), network, others=[[other, 2718]])
    assert f"connect {other}:2718" in fallen(checks)
    checks = weak.quiet(weak.start(network), network, unused=[other])
    assert "unused addresses" in fallen(checks)


def test_a_gateway_that_lets_everybody_in_is_found(weak: Weakened) -> None:
    network = weak.network()
    server = weak.start(network, (PYTHON, "-c", YES_GATEWAY))
    gateway = gateway_at(address_of(server, network))
    checks = weak.quiet(weak.start(network), network, gateway=gateway)
    assert NO_GATEWAY | {"its other ports", "its control port 2019"} <= fallen(checks)
    assert "check itself failed" not in json.dumps([checks[name] for name in NO_GATEWAY])


def test_files_of_the_owner_are_not_taken_for_the_program(weak: Weakened) -> None:
    network = weak.network()
    container = weak.start(network, working_dir="/work")
    ran = container.exec_run(["sh", "-c", "echo 'raise SystemExit(7)' > json.py"], user=TOOL)
    assert ran.exit_code == 0, ran.output
    assert fallen(weak.quiet(container, network)) == set()


STARVE = """
import ctypes, os, resource, subprocess, sys
for what, limits in ((resource.RLIMIT_NOFILE, (0, 0)), (resource.RLIMIT_AS, (1, 1)),
                     (resource.RLIMIT_NPROC, (0, 0)), (resource.RLIMIT_SIGPENDING, (0, 0))):
    try:
        resource.prlimit(1, what, limits)
    except OSError as error:
        print(error)
def by_its_group():
    os.setpgid(0, 1)
    os.setpriority(os.PRIO_PGRP, 0, 19)
for attempt in (lambda: os.setpriority(os.PRIO_PROCESS, 1, 19), by_its_group,
                lambda: os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0))):
    try:
        attempt()
    except OSError as error:
        print(error)
for _ in range(20):
    subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"], start_new_session=True)
import time; time.sleep(600)
"""


@pytest.mark.parametrize(
    "beside",
    [
        pytest.param(True, id="by exec", marks=pytest.mark.slow),
        pytest.param(False, id="in the tool"),
    ],
)
def test_a_guard_is_not_starved(weak: Weakened, beside: bool) -> None:
    """Its own user would lower its limits and its priority, as far as he can."""
    network, text = weak.network(), in_seconds(20)
    volume = weak.lease_with(text)
    volumes = {volume: {"bind": "/run/sandbox", "mode": "ro"}}
    starve = (PYTHON, "-I", "-c", STARVE)
    command = (*GUARDED[:2], *(FOREVER if beside else starve))
    container = weak.start(network, command, volumes=volumes, nano_cpus=500_000_000)
    if beside:
        container.exec_run(list(confined(*starve)), user=TOOL, detach=True)
    code, at = ended(container, within=40)
    assert code == 124
    assert at - end_of(text) <= 3


def test_a_program_without_the_guards_filter_is_found(weak: Weakened) -> None:
    network = weak.network()
    checks = weak.quiet(weak.start(network), network, entry=())
    past_routes = "broadcasts and packets past its routes"
    own = {"its priority and scheduling", "its limits", past_routes}
    assert fallen(checks) == own


SEND = """
import socket, struct
def send(address, *options):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for option, value in options:
            try:
                s.setsockopt(socket.SOL_SOCKET, option, value)
            except PermissionError:
                print("refused")
        try:
            s.sendto(address.encode(), (address, 29321))
        except OSError as error:
            print(error)
send("255.255.255.255", (socket.SO_BROADCAST, 1))
send("172.17.0.1", (socket.SO_DONTROUTE, 1), (socket.SO_BINDTODEVICE, b"eth0"))
send("224.0.0.1")
"""


@pytest.mark.parametrize("entry", [(), confined()], ids=["bare", "confined"])
def test_what_arrives_at_the_host_one_way(weak: Weakened, entry: tuple[str, ...]) -> None:
    """Written down in docs/isolation.md: multicasts do, nothing else that the guard can refuse."""
    container = weak.start(weak.network())
    with listening(PORT, socket.SOCK_DGRAM) as heard:
        code, said = container.exec_run([*entry, PYTHON, "-I", "-c", SEND], user=TOOL)
        assert code == 0, said
    past_routes = {b"255.255.255.255", b"172.17.0.1"}
    assert past_routes & set(heard) == (set() if entry else past_routes)
    assert isinstance(said, bytes)
    assert said.count(b"refused") == (3 if entry else 0)
