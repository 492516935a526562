"""What every engine keeps, the fake included: else tests with the fake prove nothing."""

import os
import secrets
from collections.abc import Iterator

import pytest

from sandbox.core.archive import regular_files
from sandbox.core.errors import Conflict, SandboxError
from sandbox.core.objects import (
    INSTALLATION,
    ROLE,
    SANDBOX,
    BigFile,
    Container,
    File,
    Mount,
    Network,
    Ran,
)
from sandbox.core.ports import Engine
from sandbox.drivers.engine import DockerEngine
from tests.fakes import FakeEngine

# The SDK leaves its sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

IMAGE = "debian:bookworm-slim"
RUN = f"contract-{secrets.token_hex(4)}"
# Two /28 of a range that nobody else here uses; the run's number keeps parallel runs apart.
SUBNET = f"10.229.{secrets.randbelow(256)}.16/28"


@pytest.fixture(params=["fake", pytest.param("docker", marks=pytest.mark.docker)])
def any_engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    engine: Engine = FakeEngine() if request.param == "fake" else DockerEngine(os.environ)
    yield engine
    for kind in ("container", "network", "volume"):
        for each in engine.owned(RUN):
            if each.kind == kind:
                engine.remove(each.kind, each.name)
    assert engine.owned(RUN) == []


def labels(sandbox: str = "one") -> dict[str, str]:
    return {INSTALLATION: RUN, SANDBOX: sandbox, ROLE: "tool"}


def a_container(engine: Engine, name: str = f"{RUN}-c", **changes: object) -> str:
    values: dict[str, object] = {
        "name": name,
        "image": IMAGE,
        "labels": labels(),
        "user": "10001:10001",
        "command": ("/bin/sh", "-c", "echo hello; exec sleep 60"),
        "memory_mb": 16,
        "cpus": 0.2,
        "pids": 16,
    }
    engine.create_container(Container(**(values | changes)))  # type: ignore[arg-type]
    return name


def test_removing_what_is_not_there_is_success(any_engine: Engine) -> None:
    for kind in ("container", "network", "volume"):
        any_engine.remove(kind, f"{RUN}-nobody")
    any_engine.disconnect(f"{RUN}-nobody", f"{RUN}-nothing")


def test_made_seen_and_removed(any_engine: Engine) -> None:
    any_engine.create_network(Network(f"{RUN}-n", labels()))
    any_engine.create_volume(f"{RUN}-v", labels("two"))
    any_engine.create_volume(f"{RUN}-v", labels("two"))
    a_container(any_engine)
    found = {(o.kind, o.name, o.role, o.running) for o in any_engine.owned(RUN)}
    assert found == {
        ("network", f"{RUN}-n", "tool", False),
        ("volume", f"{RUN}-v", "tool", False),
        ("container", f"{RUN}-c", "tool", False),
    }
    assert [o.name for o in any_engine.owned(RUN, "two")] == [f"{RUN}-v"]
    assert any_engine.owned(RUN, "three") == []
    assert any_engine.owned("another-installation", "one") == []
    for each in any_engine.owned(RUN):
        any_engine.remove(each.kind, each.name)
        any_engine.remove(each.kind, each.name)
    assert any_engine.owned(RUN) == []


def test_a_taken_name_or_subnet_is_a_conflict(any_engine: Engine) -> None:
    assert SUBNET not in any_engine.subnets()
    any_engine.create_network(Network(f"{RUN}-n", labels(), subnet=SUBNET))
    assert SUBNET in any_engine.subnets()
    with pytest.raises(Conflict):
        any_engine.create_network(Network(f"{RUN}-n", labels()))
    with pytest.raises(SandboxError) as raised:
        any_engine.create_network(Network(f"{RUN}-m", labels(), subnet=SUBNET))
    assert isinstance(raised.value, Conflict), raised.value
    a_container(any_engine)
    with pytest.raises(Conflict):
        a_container(any_engine)


def test_a_volume_in_use_stays(any_engine: Engine) -> None:
    any_engine.create_volume(f"{RUN}-v", labels())
    a_container(any_engine, mounts=(Mount(f"{RUN}-v", "/kept"),))
    with pytest.raises(Conflict):
        any_engine.remove("volume", f"{RUN}-v")


def test_what_is_put_is_read_again_also_through_another_container(any_engine: Engine) -> None:
    any_engine.create_volume(f"{RUN}-v", labels())
    one = a_container(any_engine, mounts=(Mount(f"{RUN}-v", "/kept"),))
    two = a_container(any_engine, f"{RUN}-d", mounts=(Mount(f"{RUN}-v", "/seen", True),))
    content = secrets.token_bytes(1500)
    big = BigFile("big", 2048, iter([b"a" * 1000, b"b" * 1048]))
    any_engine.put(one, "/kept", [File("small", content), big, File("empty", b"")])
    assert any_engine.read(one, "/kept/small") == content
    assert any_engine.read(two, "/seen/small") == content
    assert any_engine.read(two, "/seen/big") == b"a" * 1000 + b"b" * 1048
    assert any_engine.read(two, "/seen/empty") == b""
    any_engine.put(one, "/kept", [File("small", b"newer")])
    assert any_engine.read(two, "/seen/small") == b"newer"
    with pytest.raises(SandboxError):
        any_engine.read(one, "/kept/nothing")
    with pytest.raises(SandboxError):
        any_engine.put(f"{RUN}-nobody", "/kept", [File("small", b"")])


def test_a_folder_is_fetched_whole_through_a_container_that_never_ran(any_engine: Engine) -> None:
    any_engine.create_volume(f"{RUN}-v", labels())
    box = a_container(any_engine, mounts=(Mount(f"{RUN}-v", "/kept"),))
    assert list(regular_files(any_engine.fetch(box, "/kept"))) == []
    content = secrets.token_bytes(70_000)
    files = [File("small", b"x"), File("inner/", b"", mode=0o755), File("inner/表.csv", content)]
    any_engine.put(box, "/kept", files)
    found = {f.path: b"".join(f.chunks) for f in regular_files(any_engine.fetch(box, "/kept"))}
    assert found == {"kept/small": b"x", "kept/inner/表.csv": content}
    with pytest.raises(SandboxError):
        list(any_engine.fetch(f"{RUN}-nobody", "/kept"))


def test_a_plain_file_replaces_a_folder_and_a_folder_a_plain_file(any_engine: Engine) -> None:
    any_engine.create_volume(f"{RUN}-v", labels())
    box = a_container(any_engine, mounts=(Mount(f"{RUN}-v", "/routes"),))
    route = [File("name/", b"", mode=0o755), File("name/token", b"x")]
    any_engine.put(box, "/routes", route)
    assert any_engine.read(box, "/routes/name/token") == b"x"
    any_engine.put(box, "/routes", [File("name", b"")])
    assert any_engine.read(box, "/routes/name") == b""
    with pytest.raises(SandboxError):
        any_engine.read(box, "/routes/name/token")
    any_engine.put(box, "/routes", route)
    assert any_engine.read(box, "/routes/name/token") == b"x"


def test_running_and_not(any_engine: Engine) -> None:
    assert not any_engine.is_running(f"{RUN}-nobody")
    assert any_engine.running_image(f"{RUN}-nobody") is None
    box = a_container(any_engine)
    assert not any_engine.is_running(box)
    assert any_engine.running_image(box) is None
    with pytest.raises(Conflict):
        any_engine.run(box, ["true"])
    any_engine.start(box)
    assert any_engine.is_running(box)
    assert any_engine.running_image(box) == IMAGE
    assert [o.running for o in any_engine.owned(RUN)] == [True]
    any_engine.run(box, ["true"])
    any_engine.remove("container", box)
    assert not any_engine.is_running(box)


def test_a_network_with_members_stays_until_they_leave(any_engine: Engine) -> None:
    any_engine.create_network(Network(f"{RUN}-n", labels(), subnet=SUBNET))
    any_engine.create_network(Network(f"{RUN}-m", labels()))
    box = a_container(any_engine, network=f"{RUN}-m")
    any_engine.start(box)
    any_engine.connect(f"{RUN}-n", box, SUBNET.replace(".16/28", ".20"))
    with pytest.raises(SandboxError):
        any_engine.remove("network", f"{RUN}-n")
    any_engine.disconnect(f"{RUN}-n", box)
    any_engine.disconnect(f"{RUN}-n", box)
    any_engine.remove("network", f"{RUN}-n")


def test_unknown_images_and_containers(any_engine: Engine) -> None:
    assert any_engine.image_id(f"{RUN}:none") is None
    with pytest.raises(SandboxError):
        any_engine.start(f"{RUN}-nobody")
    with pytest.raises(SandboxError):
        any_engine.logs(f"{RUN}-nobody", 5)


@pytest.mark.docker
@pytest.mark.parametrize("any_engine", ["docker"], indirect=True)
def test_commands_run_with_stdin_user_and_exit_code(any_engine: Engine) -> None:
    box = a_container(any_engine)
    any_engine.start(box)
    shell = ["/bin/sh", "-c", "cat; echo err >&2; exit 3"]
    assert any_engine.run(box, shell, stdin=b"in\x00" * 50_000) == Ran(
        3, b"in\x00" * 50_000, b"err\n"
    )
    assert any_engine.run(box, ["id", "-u"], user="10002:10002").out == b"10002\n"
    live: list[tuple[str, bytes]] = []
    ran = any_engine.run(box, shell, stdin=b"x", output=lambda s, c: live.append((s, c)))
    assert ran == Ran(3, b"", b"")
    assert sorted(live) == [("stderr", b"err\n"), ("stdout", b"x")]
    assert any_engine.logs(box, 5) == b"hello\n"


ON_THE_REAL_ONE = pytest.mark.parametrize("any_engine", ["docker"], indirect=True)


@pytest.mark.docker
@ON_THE_REAL_ONE
def test_what_is_put_has_its_mode_and_owner_and_is_refused_where_it_may_only_be_read(
    any_engine: Engine,
) -> None:
    any_engine.create_volume(f"{RUN}-v", labels())
    box = a_container(any_engine, mounts=(Mount(f"{RUN}-v", "/kept"),))
    files = [File("inner/", b"", mode=0o700, uid=10001, gid=10001)]
    files += [File("secret", b"x", mode=0o400, uid=10001, gid=10002), File("seen", b"x")]
    any_engine.put(box, "/kept", files)
    any_engine.start(box)
    said = any_engine.run(box, ["stat", "-c", "%a %u %g", *(f"/kept/{f.path}" for f in files)])
    assert said.out.decode().splitlines() == ["700 10001 10001", "400 10001 10002", "444 0 0"]
    reader = a_container(any_engine, f"{RUN}-d", mounts=(Mount(f"{RUN}-v", "/seen", True),))
    with pytest.raises(SandboxError):
        any_engine.put(reader, "/seen", [File("seen", b"forged")])
    assert any_engine.read(box, "/kept/seen") == b"x"


@pytest.mark.docker
@ON_THE_REAL_ONE
def test_only_regular_files_of_bounded_size_are_read(any_engine: Engine) -> None:
    any_engine.create_volume(f"{RUN}-v", labels())
    box = a_container(any_engine, mounts=(Mount(f"{RUN}-v", "/kept"),))
    chunk = b"a" * 2**20
    any_engine.put(box, "/kept", [BigFile("big", 65 * 2**20, (chunk for _ in range(65)))])
    any_engine.put(box, "/kept", [File("inner/", b"", mode=0o755), File("inner/file", b"x")])
    any_engine.start(box)
    any_engine.run(box, ["ln", "-s", "/etc/passwd", "/kept/link"], user="0:0")
    any_engine.run(box, ["mkfifo", "/kept/pipe"], user="0:0")
    for path in ("big", "inner", "link", "pipe"):
        with pytest.raises(SandboxError) as refused:
            any_engine.read(box, f"/kept/{path}")
        assert refused.value.subject == f"{box}:/kept/{path}"
    assert {f.path for f in regular_files(any_engine.fetch(box, "/kept"))} == {
        "kept/big",
        "kept/inner/file",
    }


@pytest.mark.docker
@ON_THE_REAL_ONE
def test_an_exchange_that_is_cut_off_harms_no_later_one(any_engine: Engine) -> None:
    any_engine.create_volume(f"{RUN}-v", labels())
    box = a_container(any_engine, mounts=(Mount(f"{RUN}-v", "/kept"),))
    content = secrets.token_bytes(5 * 2**20)
    any_engine.put(box, "/kept", [File("whole", content)])
    left = any_engine.fetch(box, "/kept")
    assert len(next(iter(left))) > 0
    left.close()  # type: ignore[attr-defined]

    def torn() -> Iterator[bytes]:
        yield content[: 2**20]
        raise OSError("the disk that it is read from is gone")

    with pytest.raises((SandboxError, OSError)):
        any_engine.put(box, "/kept", [BigFile("half", len(content), torn())])
    assert any_engine.read(box, "/kept/whole") == content
    any_engine.put(box, "/kept", [File("half", b"whole again")])
    assert any_engine.read(box, "/kept/half") == b"whole again"
