"""The schedule on machines as they are: with systemd, with cron only, with neither."""

import os
import subprocess
from functools import partial
from pathlib import Path

import pytest

from sandbox.core.errors import Unavailable
from sandbox.core.schedule import Daemon
from sandbox.drivers.schedule import MachineSchedule

NAME = "sandbox-reap-0123456789ab"
COMMAND = ("/opt/python", "-m", "sandbox", "--home", "/srv/home", "reap", "--apply")


def program(folder: Path, name: str, script: str = "exit 0") -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def machine(root: Path, *, superuser: bool = True, **more: str) -> MachineSchedule:
    environment = {"PATH": str(root / "bin"), "HOME": str(root / "anna"), **more}
    return MachineSchedule(environment, "anna", superuser=superuser, root=root)


@pytest.fixture
def systemd(tmp_path: Path) -> Path:
    """A machine where systemd runs; its systemctl writes down what it was asked."""
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    program(tmp_path / "bin", "systemctl", f'echo "$*" >> {tmp_path}/asked')
    return tmp_path


@pytest.fixture
def cron(tmp_path: Path) -> Path:
    (tmp_path / "etc/cron.d").mkdir(parents=True)
    program(tmp_path / "bin", "cron")
    return tmp_path


@pytest.mark.parametrize(
    ("superuser", "folder", "asked"),
    [
        (True, "etc/systemd/system", "enable --now"),
        (False, "anna/.config/systemd/user", "--user enable --now"),
    ],
)
def test_systemd(systemd: Path, superuser: bool, folder: str, asked: str) -> None:
    schedule = machine(systemd, superuser=superuser, DOCKER_HOST="tcp://h:1")
    for _ in range(2):
        done = schedule.install(NAME, COMMAND)
    units = [systemd / folder / f"{NAME}.{kind}" for kind in ("service", "timer")]
    assert done.how == "systemd"
    assert [file.path for file in done.files] == [str(unit) for unit in units]
    assert [file.text for file in done.files] == [unit.read_text() for unit in units]
    assert "DOCKER_HOST=tcp://h:1" in units[0].read_text()
    assert f"{asked} {NAME}.timer" in (systemd / "asked").read_text()
    assert done.ran[-1] == f"systemctl {asked} {NAME}.timer"
    (gone,) = schedule.uninstall(NAME)
    assert {file.path for file in gone.files} == {str(unit) for unit in units}
    assert not any(unit.exists() for unit in units)
    assert "disable --now" in (systemd / "asked").read_text()
    assert schedule.uninstall(NAME) == ()


def test_systemd_that_refuses_is_an_error(systemd: Path) -> None:
    program(systemd / "bin", "systemctl", "echo 'Access denied' >&2; exit 1")
    with pytest.raises(Unavailable, match="Access denied"):
        machine(systemd).install(NAME, COMMAND)


def test_real_systemd_takes_what_we_write(systemd: Path) -> None:
    done = machine(systemd).install(NAME, ("/bin/true", "50% $HOME \"x\" 'y' 春"))
    if not os.access("/usr/bin/systemd-analyze", os.X_OK):
        pytest.skip("there is no systemd-analyze")
    units = [file.path for file in done.files]
    verify = ["/usr/bin/systemd-analyze", "verify", "--man=no", *units]
    said = subprocess.run(verify, capture_output=True, text=True, timeout=60).stderr
    assert not [line for line in said.splitlines() if NAME in line], said


def test_cron(cron: Path) -> None:
    schedule = machine(cron)
    for _ in range(2):
        done = schedule.install(NAME, COMMAND)
    file = cron / "etc/cron.d" / NAME
    assert (done.how, done.files[0].path, done.files[0].text) == (
        "cron",
        str(file),
        file.read_text(),
    )
    assert "anna /opt/python -m sandbox --home /srv/home reap --apply" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o644
    (gone,) = schedule.uninstall(NAME)
    assert gone.files[0].path == str(file)
    assert not file.exists()
    assert schedule.uninstall(NAME) == ()


@pytest.mark.parametrize("superuser", [True, False])
def test_neither(tmp_path: Path, superuser: bool) -> None:
    program(tmp_path / "bin", "systemctl")  # the program alone, as in many containers
    with pytest.raises(Unavailable) as raised:
        machine(tmp_path, superuser=superuser).install(NAME, COMMAND)
    assert "Neither systemd nor a cron" in raised.value.message
    assert "reap --apply --watch 300" in raised.value.hint
    assert not (tmp_path / "etc").exists()


def test_others_have_no_cron_file(cron: Path) -> None:
    with pytest.raises(Unavailable):
        machine(cron, superuser=False).install(NAME, COMMAND)


def test_a_folder_that_cannot_be_written_is_an_error(cron: Path) -> None:
    (cron / "etc/cron.d" / NAME).mkdir()
    with pytest.raises(Unavailable, match="cannot be written"):
        machine(cron).install(NAME, COMMAND)


DAEMON = Daemon(
    command=("/bin/true", "--home", "/srv/50% 春"),
    account="daemon",
    home="/srv/50% 春",
    runtime="bimodal-sandbox",
)


def test_a_service_is_kept_and_taken_away(systemd: Path) -> None:
    done = machine(systemd).keep("service-a1", DAEMON)
    unit = systemd / "etc/systemd/system/service-a1.service"
    assert [file.text for file in done.files] == [unit.read_text()]
    assert done.ran[-1] == "systemctl enable --now service-a1.service"
    machine(systemd).uninstall("service-a1")
    assert not unit.exists()
    assert "disable --now service-a1.service" in (systemd / "asked").read_text()


def test_only_root_can_keep_a_service(systemd: Path, cron: Path) -> None:
    with pytest.raises(Unavailable, match="Only root") as refused:
        machine(systemd, superuser=False).keep("service-a1", DAEMON)
    assert "/bin/true --home" in refused.value.hint


@pytest.mark.skipif(
    not os.access("/usr/bin/systemd-analyze", os.X_OK), reason="there is no systemd-analyze"
)
def test_real_systemd_takes_the_service_and_finds_it_closed(systemd: Path) -> None:
    machine(systemd).keep("service-a1", DAEMON)
    unit = str(systemd / "etc/systemd/system/service-a1.service")
    analyze = partial(subprocess.run, capture_output=True, text=True, timeout=60)
    said = analyze(["/usr/bin/systemd-analyze", "verify", "--man=no", unit]).stderr
    assert not [line for line in said.splitlines() if "service-a1" in line], said
    # The exposure that it counts goes from 0 to 10; 100 stands for 10.
    closed = analyze(
        ["/usr/bin/systemd-analyze", "security", "--offline=true", "--threshold=25", unit]
    )
    assert closed.returncode == 0, closed.stdout[-300:]
