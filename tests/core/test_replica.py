"""The PostgreSQL replica's anatomy, names, logins and leftovers."""

import json
from datetime import UTC, datetime

import pytest

from sandbox.core.addressing import replica_beside
from sandbox.core.objects import INSTALLATION, ROLE, SANDBOX, Image, Kind, Owned
from sandbox.core.replica import (
    DATA_FOLDER,
    LOGINS,
    SEED_FOLDER,
    Cluster,
    PostgresCopy,
    admission,
    filler,
    foreseen,
    free_login,
    home_network,
    leftovers,
    login_files,
    own_standby,
    probe_name,
    prober,
    shared_server,
)

INSTANCE = "abcd"
SNAPSHOT = f"sandbox-{INSTANCE}-core-2026-11-23.1"
CLUSTER = Cluster(INSTANCE, SNAPSHOT, "core")
IMAGE = Image("replica:1", ())
LABELS = {INSTALLATION: INSTANCE, ROLE: "replica"}


def owned(kind: Kind, name: str, **labels: str) -> Owned:
    return Owned(kind, name, LABELS | labels)


def test_the_filler_is_on_no_network_and_reads_the_snapshot_only() -> None:
    made = filler(CLUSTER, IMAGE)
    assert made.network is None
    snapshot, cluster = made.mounts
    assert (snapshot.volume, snapshot.target, snapshot.read_only) == (
        SNAPSHOT,
        "/replica/core",
        True,
    )
    assert (cluster.volume, cluster.read_only) == (CLUSTER.volume, False)
    assert made.labels == LABELS


def test_a_shared_server_forwards_nothing_and_has_the_cluster_alone() -> None:
    made = shared_server(CLUSTER, IMAGE)
    assert made.sysctls == {"net.ipv4.ip_forward": "0"}
    assert [(m.volume, m.target) for m in made.mounts] == [(CLUSTER.volume, DATA_FOLDER)]
    assert made.network == home_network(INSTANCE).name
    assert home_network(INSTANCE).isolated
    assert made.restart
    assert not made.publish


def test_a_standby_of_its_own_reads_the_frozen_one_and_writes_its_clone() -> None:
    made = own_standby("sandbox-1-replica", IMAGE, {}, CLUSTER.volume)
    places = {m.target: (m.volume, m.read_only) for m in made.mounts}
    assert places == {
        DATA_FOLDER: ("sandbox-1-replica", False),
        SEED_FOLDER: (CLUSTER.volume, True),
    }


def test_what_tries_a_clone_does_so_between_two_volumes() -> None:
    made, volumes = prober(INSTANCE, IMAGE)
    assert tuple(m.volume for m in made.mounts) == volumes
    assert len(set(volumes)) == 2


def test_each_login_comes_in_from_one_sandboxs_network_only() -> None:
    file = admission([(2, "10.231.0.34"), (0, "10.231.0.2")])
    assert file.content.decode().splitlines() == [
        "local all postgres peer map=server",
        "host replica reader_0 10.231.0.0/28 scram-sha-256",
        "host replica reader_2 10.231.0.32/28 scram-sha-256",
    ]
    assert file.mode == 0o400


def test_nobody_is_admitted_without_a_sandbox() -> None:
    assert b"host" not in admission([]).content


@pytest.mark.parametrize(
    ("taken", "expected"),
    [([], 0), ([0, 1], 2), ([1, 2], 0), (range(LOGINS), None), (range(1, LOGINS), 0)],
)
def test_free_login(taken: list[int], expected: int | None) -> None:
    assert free_login(taken) == expected


def test_a_tool_logs_in_by_json_or_by_service() -> None:
    said, service = login_files("10.231.0.9", 3, "geheim", 10001)
    assert json.loads(said.content) == {
        "host": "10.231.0.9",
        "port": 5432,
        "database": "replica",
        "user": "reader_3",
        "password": "geheim",
    }
    assert service.content.decode().splitlines() == [
        "[replica]",
        "host=10.231.0.9",
        "port=5432",
        "dbname=replica",
        "user=reader_3",
        "password=geheim",
    ]
    assert {(f.mode, f.uid) for f in (said, service)} == {(0o400, 10001)}


def test_its_address_is_the_ninth_of_the_sandboxs_network() -> None:
    assert replica_beside("10.231.0.34") == "10.231.0.41"


def test_what_is_filled_is_there_at_once_and_shared() -> None:
    copy = PostgresCopy(volume="v", bytes=7, seconds=3.5, filled=datetime(2026, 11, 23, tzinfo=UTC))
    said = foreseen("clone", copy, [(1_000_000, 5)])
    assert (said.kind, said.filled, said.bytes) == ("clone", True, 7)
    assert said.seconds < 1


def test_what_must_be_filled_costs_more_with_more_rows() -> None:
    small, large = (foreseen(None, None, [(rows, 5)]) for rows in (1_000, 10_000_000))
    assert not small.filled
    assert small.seconds < large.seconds
    # Measured: a million rows of five columns took 92 MB, and an empty cluster 20 MB.
    assert 80e6 < foreseen(None, None, [(1_000_000, 5)]).bytes < 160e6


def test_nothing_is_left_over_of_what_is_kept_and_served() -> None:
    there = [
        owned("volume", CLUSTER.volume),
        owned("container", CLUSTER.server),
        owned("network", home_network(INSTANCE).name),
        owned("container", "sandbox-1-replica", **{SANDBOX: "1"}),
        Owned("volume", SNAPSHOT, {INSTALLATION: INSTANCE, ROLE: "snapshot"}),
    ]
    assert leftovers(there, [CLUSTER.volume], [SNAPSHOT], INSTANCE) == {}


def test_what_nobody_names_is_left_over_under_the_lock_of_who_made_it() -> None:
    probe = probe_name(INSTANCE)
    there = [
        owned("volume", CLUSTER.volume),
        owned("container", CLUSTER.server),
        owned("container", CLUSTER.filler),
        owned("container", probe),
        owned("volume", f"{probe}-from"),
    ]
    assert leftovers(there, [], [], INSTANCE) == {
        CLUSTER.lock: [
            ("volume", CLUSTER.volume),
            ("container", CLUSTER.server),
            ("container", CLUSTER.filler),
        ],
        probe: [("container", probe), ("volume", f"{probe}-from")],
    }
