"""What goes wrong on a real engine: one clear message, its exit code, and nothing left behind."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.docker.conftest import PURPOSE, UP, Core, Home

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("nothing_left")]


def changed(path: Path, old: str, new: str) -> str:
    """Replace `old` by `new` in a file and return what it was before."""
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new))
    return before


def test_a_wrong_password_is_never_printed(home: Home) -> None:
    secret = home.folder / ".sandbox/secrets/core-password"
    before = secret.read_text()
    secret.write_text("wrong-password-1234\n")
    try:
        said = json.dumps(home.json("snapshot", "build", "core", code=7))
    finally:
        secret.write_text(before)
    assert "wrong-password-1234" not in said
    assert before.strip() not in said


def test_a_source_that_does_not_answer(home: Home, demo_core: Core) -> None:
    file = home.folder / "sources/core.yaml"
    before = changed(file, f"port: {demo_core.port}", "port: 9")
    try:
        assert home.json("snapshot", "build", "core", code=7)["error"]["code"] == "unavailable"
    finally:
        file.write_text(before)


def test_a_login_that_can_write(home: Home, demo_core: Core) -> None:
    demo_core.psql("GRANT INSERT ON customers TO core_reader")
    try:
        error = home.json("snapshot", "build", "core", code=4)["error"]
    finally:
        demo_core.psql("REVOKE INSERT ON customers FROM core_reader")
    assert "customers" in error["message"] + error["hint"]


def test_a_new_column_stops_the_build_and_is_named(home: Home, demo_core: Core) -> None:
    demo_core.psql("ALTER TABLE customers ADD COLUMN nickname text")
    try:
        error = home.json("snapshot", "build", "core", code=3)["error"]
    finally:
        demo_core.psql("ALTER TABLE customers DROP COLUMN nickname")
    assert error["new"] == ["customers.nickname"]
    assert "customers.nickname" in error["message"]


# Each signal and each moment once; each signal at each moment in `make test-all`.
@pytest.mark.parametrize(
    ("how", "moment"),
    [
        (signal.SIGINT, 0.6),
        (signal.SIGTERM, 1.2),
        (signal.SIGINT, 1.8),
        (signal.SIGTERM, 2.4),
        pytest.param(signal.SIGTERM, 0.6, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, 1.2, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, 1.8, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, 2.4, marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_up(home: Home, how: signal.Signals, moment: float) -> None:
    running = home.start("up", "halted", *UP)
    time.sleep(moment)
    running.send_signal(how)
    said = running.communicate(timeout=60)
    # Python answers no signal once it ends: then the system ends it, after all was said.
    assert running.returncode in (0, 130, -how), said
    assert "Traceback" not in said[1]
    left = home.json("list")["sandboxes"]
    if running.returncode != 130 or left:  # it was faster than the signal: then it is whole
        assert [s["state"] for s in left] == ["ready"]
        home.run("sql", "halted", "SELECT count(*) FROM core.customers")
        home.run("down", "halted")


def test_an_interrupted_snapshot_build(home: Home, demo_core: Core) -> None:
    usable = home.json("snapshot", "list")["snapshots"]
    running = home.start("snapshot", "build", "core")
    time.sleep(1.3)
    running.send_signal(signal.SIGINT)
    said = running.communicate(timeout=60)
    made = home.json("snapshot", "list")["snapshots"]
    if running.returncode == 0:
        home.run("snapshot", "rm", made[-1]["id"])
    else:
        assert running.returncode == 130, said
        assert made == usable


def test_a_gateway_port_that_is_taken(home: Home, tmp_path: Path) -> None:
    """A second home wants the port of the first."""
    folder = tmp_path / "second"
    command = [sys.executable, "-m", "sandbox"]
    init = [*command, "init", str(folder), "--gateway-port", str(home.port)]
    subprocess.run(init, check=True, capture_output=True)
    looked = subprocess.run(
        [*command, "--home", str(folder), "doctor", "-o", "json"], capture_output=True, text=True
    )
    checks = {c["name"]: c for c in json.loads(looked.stdout)["checks"]}
    assert looked.returncode == 7
    assert checks["gateway port"]["status"] == "fail"
    assert "gateway.port" in checks["gateway port"]["fix"]


def test_an_engine_that_is_stopped(home: Home) -> None:
    silent = os.environ | {"DOCKER_HOST": "unix:///nonexistent.sock"}
    for command in (["up", "x", *UP], ["doctor"], ["snapshot", "rm", "core@2026-01-01.1"]):
        ran = subprocess.run(
            [sys.executable, "-m", "sandbox", "--home", str(home.folder), *command],
            capture_output=True,
            text=True,
            env=silent,
        )
        assert ran.returncode in (5, 7), ran.stderr
        assert "Traceback" not in ran.stderr


def test_an_image_that_cannot_be_built(home: Home) -> None:
    shutil.copytree(home.folder / "templates/segment-rfm", home.folder / "templates/broken")
    broken = home.folder / "templates/broken"
    changed(broken / "template.yaml", "name: segment-rfm", "name: broken")
    changed(broken / "Dockerfile.j2", "USER 10001", "RUN echo the-last-words; exit 9\nUSER 10001")
    policy = home.folder / "policies/baseline.yaml"
    before = changed(policy, "one_of: [segment-rfm]", "one_of: [segment-rfm, broken]")
    try:
        error = home.json("up", "b", "-t", "broken", "-p", PURPOSE, code=7)["error"]
    finally:
        policy.write_text(before)
        shutil.rmtree(broken)
    assert "the-last-words" in error["hint"]
    assert home.json("list", "--all")["sandboxes"][-1]["state"] == "failed"


def test_a_file_that_is_no_csv(home: Home, tmp_path: Path) -> None:
    home.run("up", "files", *UP)
    try:
        wrong = tmp_path / "割引.csv"
        wrong.write_bytes("区分,予算\n優良,5\n".encode("cp932"))
        error = home.json("import", "files", str(wrong), "--table", "b", code=3)["error"]
        assert "CP932" in error["message"] or "Shift_JIS" in error["message"]
        assert home.json("import", "files", "/nonexistent.csv", code=3)["error"]
        assert home.json("import", "files", str(wrong), code=3)["error"]  # no name for a table
    finally:
        home.run("down", "files")


def test_a_port_in_use_by_another_program(home: Home, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        folder = tmp_path / "third"
        command = [sys.executable, "-m", "sandbox"]
        ran = subprocess.run(
            [*command, "init", "--demo", str(folder), "--gateway-port", str(port), "-o", "json"],
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert ran.returncode == 6, ran.stderr
        assert json.loads(ran.stdout)["error"]["subject"] == f"127.0.0.1:{port}"
        _the_demo_core_is_missing(folder)
        subprocess.run(
            [*command, "--home", str(folder), "uninstall"], check=True, capture_output=True
        )


def _the_demo_core_is_missing(folder: Path) -> None:
    """Check that after a failed `init --demo` others say what is missing, and what to do."""
    again = f"sandbox init --demo {folder}"
    here = [sys.executable, "-m", "sandbox", "--home", str(folder)]
    looked = subprocess.run([*here, "doctor", "-o", "json"], capture_output=True, text=True)
    checks = {c["name"]: c for c in json.loads(looked.stdout)["checks"]}
    assert looked.returncode == 7
    assert (checks["demo core"]["status"], checks["demo core"]["fix"]) == ("fail", again)
    build = [*here, "snapshot", "build", "core", "-o", "json"]
    built = subprocess.run(build, capture_output=True, text=True)
    assert built.returncode == 7
    assert again in json.loads(built.stdout)["error"]["hint"]
