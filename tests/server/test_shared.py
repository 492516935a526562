"""A shared home, served by a real process and asked by real users of this machine's."""

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import pytest

from sandbox.core.errors import Denied, SandboxError
from sandbox.core.home import STATE
from sandbox.core.progress import Silent
from sandbox.core.values import Request
from sandbox.core.wire import failure
from sandbox.drivers.service import ask_service
from sandbox.usecases.audit import AuditListRequest, AuditVerifyRequest
from sandbox.usecases.people import PeopleRequest
from sandbox.usecases.sandboxes import ListRequest
from sandbox.usecases.snapshots import BuildSnapshotRequest
from tests.server.conftest import said_to

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be several users")

PEOPLE = """
apiVersion: sandbox.people/v1
kind: People
people:
  - {name: Ken, user: root, roles: [it]}
  - {name: 佐藤 花子, user: nobody, roles: [marketer]}
  - {name: Aoi, user: daemon, roles: [auditor]}
"""


@dataclass(frozen=True)
class Shared:
    """A home that a process of its own answers for."""

    home: Path
    place: Path
    process: "subprocess.Popen[bytes]"

    def ask_as(self, user: str, request: Request[Any]) -> dict[str, Any]:
        """Return what the service answers `user`: a result, or an error."""

        def ask() -> dict[str, Any]:
            try:
                result = ask_service(self.place, request, Silent())
            except SandboxError as error:
                return {"error": failure(error).model_dump(mode="json")}
            told: dict[str, Any] = result.model_dump(mode="json")
            return told

        return as_user(user, ask)


def as_user(user: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what `work` does in a process of that operating-system user."""
    entry = pwd.getpwnam(user)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(entry.pw_gid)
            os.setuid(entry.pw_uid)
            os.write(writing, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        text = told.read()
    os.waitpid(child, 0)
    answer: dict[str, Any] = json.loads(text)
    return answer


@pytest.fixture(scope="module")
def shared() -> Iterator[Shared]:
    folder = Path(tempfile.mkdtemp(prefix="sandbox-test-"))
    # Others come as far as the socket, and no further.
    folder.chmod(0o755)
    home, place = folder / "home", folder / "home.sock"
    sandbox = [sys.executable, "-m", "sandbox"]
    environment = {**os.environ, "DOCKER_HOST": "unix:///nonexistent/docker.sock"}
    subprocess.run([*sandbox, "init", str(home)], check=True, timeout=60, stdout=DEVNULL)
    home.chmod(0o700)
    (home / "people.yaml").write_text(PEOPLE)
    process = subprocess.Popen(
        [*sandbox, "--home", str(home), "serve", "--socket", str(place)],
        env=environment,
        stderr=DEVNULL,
    )
    for _ in range(600):
        if place.exists() or process.poll() is not None:
            break
        time.sleep(0.05)
    yield Shared(home, place, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert not place.exists()
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("user", "name", "roles"),
    [
        ("root", "Ken", ["it"]),
        ("nobody", "佐藤 花子", ["marketer"]),
        ("daemon", "Aoi", ["auditor"]),
        ("games", "games", []),
    ],
)
def test_everybody_is_who_the_kernel_says(
    shared: Shared, user: str, name: str, roles: list[str]
) -> None:
    told = shared.ask_as(user, PeopleRequest())
    assert (told["you"], told["roles"]) == (name, roles)
    assert told["identity"].startswith(f"operating-system user {user}")


@pytest.mark.parametrize(
    ("user", "request_", "may"),
    [
        ("root", BuildSnapshotRequest(source="x"), True),
        ("nobody", BuildSnapshotRequest(source="x"), False),
        ("daemon", BuildSnapshotRequest(source="x"), False),
        ("nobody", AuditListRequest(), False),
        ("daemon", AuditListRequest(), True),
        ("nobody", ListRequest(), True),
        ("games", ListRequest(), False),
    ],
)
def test_everybody_may_what_their_role_may(
    shared: Shared, user: str, request_: Request[Any], may: bool
) -> None:
    told = shared.ask_as(user, request_)
    assert (told.get("error", {}).get("code") == Denied.code) is not may


def test_a_refusal_is_on_record_by_the_name_that_the_kernel_knows(shared: Shared) -> None:
    shared.ask_as("nobody", AuditListRequest())
    events = shared.ask_as("daemon", AuditListRequest())["events"]
    assert "佐藤 花子" in {event["actor"] for event in events}
    assert shared.ask_as("daemon", AuditVerifyRequest())["holds"] is True


def test_another_user_reads_nothing_of_the_home(shared: Shared) -> None:
    secrets = [shared.home, shared.home / STATE, *(shared.home / STATE).rglob("*")]
    assert any(path.name == "master.key" for path in secrets) or len(secrets) > 4

    def look() -> dict[str, Any]:
        return {str(path): os.access(path, os.R_OK) for path in secrets}

    assert set(as_user("nobody", look).values()) == {False}


def test_a_home_is_served_once(shared: Shared) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "sandbox", "--home", str(shared.home), "serve",
         "--socket", str(shared.place) + "2"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert second.returncode == 6
    assert "served already" in second.stderr


def test_nobody_makes_a_home_through_it(shared: Shared) -> None:
    assert said_to(shared.place, "/v1/init", b'{"folder": "/tmp/x"}').status == 404
    assert said_to(shared.place, "/v1/serve-install", b"{}").status == 404
