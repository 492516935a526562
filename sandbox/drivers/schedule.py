"""systemd and cron: what runs a command of ours when nobody of us is there."""

import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.core.errors import Unavailable
from sandbox.core.schedule import (
    Daemon,
    Scheduled,
    Written,
    cron_text,
    daemon_text,
    service_text,
    timer_text,
)

# Where the engine is: a scheduled command must find the same one.
_PASSED_ON = ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")
_SECONDS = 30
_CRONS = ("cron", "crond")


class MachineSchedule:
    """systemd or cron of this machine, seen from `root`, as the user `user`.

    Root writes for the whole machine; anybody else has timers of their own, and no cron file.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        user: str,
        *,
        superuser: bool,
        root: Path = Path("/"),
    ) -> None:
        self._user, self._superuser, self._root = user, superuser, root
        self._passed_on = {k: environment[k] for k in _PASSED_ON if environment.get(k)}
        self._path = environment.get("PATH")
        self._own = Path(environment.get("HOME") or root) / ".config/systemd/user"

    def install(self, name: str, command: Sequence[str]) -> Scheduled:
        """Have `command` run every few minutes under `name`, in place of what had that name.

        Raises Unavailable, saying what to run instead, where neither systemd nor cron is there.
        """
        if self._has_systemd():
            units = {
                f"{name}.service": service_text(name, command, self._passed_on),
                f"{name}.timer": timer_text(name),
            }
            return self._enabled(units, f"{name}.timer")
        if self._has_cron():
            text = cron_text(self._user, command, self._passed_on)
            return Scheduled(how="cron", files=(_write(self._cron_file(name), text),))
        raise Unavailable(
            "Neither systemd nor a cron that you may use runs on this machine.",
            subject=name,
            hint=f"Let it run in the foreground instead: {shlex.join(command)} --watch 300",
        )

    def keep(self, name: str, daemon: Daemon) -> Scheduled:
        """Have `daemon` run all the time under `name`, now and after every boot.

        Raises Unavailable, saying what to run instead, where systemd does not run or is not ours.
        """
        if not (self._has_systemd() and self._superuser):
            raise Unavailable(
                "Only root can have systemd run a service, and only where systemd runs.",
                subject=name,
                hint=f"Let it run as {daemon.account} by other means: {shlex.join(daemon.command)}",
            )
        unit = f"{name}.service"
        return self._enabled({unit: daemon_text(name, daemon, self._passed_on)}, unit)

    def _enabled(self, units: Mapping[str, str], unit: str) -> Scheduled:
        files = [_write(self._units() / each, text) for each, text in units.items()]
        ran = [self._systemctl("daemon-reload"), self._systemctl("enable", "--now", unit)]
        return Scheduled(how="systemd", files=tuple(files), ran=tuple(ran))

    def uninstall(self, name: str) -> tuple[Scheduled, ...]:
        """Take away whatever is scheduled under `name`; nothing there is success."""
        done = []
        units = [self._units() / f"{name}.{kind}" for kind in ("timer", "service")]
        if found := [unit for unit in units if unit.exists()]:
            runs = self._has_systemd()
            # With a timer it is the timer that is enabled.
            ran = [self._systemctl("disable", "--now", found[0].name)] if runs else []
            gone = tuple(Written(path=str(u)) for u in units if _remove(u))
            ran += [self._systemctl("daemon-reload")] if runs else []
            done.append(Scheduled(how="systemd", files=gone, ran=tuple(ran)))
        if _remove(self._cron_file(name)):
            done.append(Scheduled(how="cron", files=(Written(path=str(self._cron_file(name))),)))
        return tuple(done)

    def _has_systemd(self) -> bool:
        # The way of sd_booted(3): the program may be there without the service.
        booted = (self._root / "run/systemd/system").is_dir()
        return booted and shutil.which("systemctl", path=self._path) is not None

    def _has_cron(self) -> bool:
        program = any(shutil.which(cron, path=self._path) for cron in _CRONS)
        return self._superuser and program and (self._root / "etc/cron.d").is_dir()

    def _units(self) -> Path:
        return self._root / "etc/systemd/system" if self._superuser else self._own

    def _cron_file(self, name: str) -> Path:
        return self._root / "etc/cron.d" / name

    def _systemctl(self, *arguments: str) -> str:
        """Run systemctl and return the command line; raises Unavailable with what it said."""
        command = ["systemctl", *([] if self._superuser else ["--user"]), *arguments]
        program = shutil.which("systemctl", path=self._path) or "systemctl"
        try:
            subprocess.run(  # noqa: S603 - no shell, and the words are ours
                [program, *command[1:]],
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", "") or str(error)
            raise Unavailable(
                f"systemd refused: {said.strip()[:300]}",
                subject=shlex.join(command),
                hint="Take away what was written, with --uninstall in place of --install.",
            ) from error
        return shlex.join(command)


def _write(file: Path, text: str) -> Written:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        # cron ignores files that others can change.
        file.chmod(0o644)
    except OSError as error:
        raise _refused(file, error) from error
    return Written(path=str(file), text=text)


def _remove(file: Path) -> bool:
    try:
        file.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _refused(file, error) from error
    return True


def _refused(file: Path, error: OSError) -> Unavailable:
    return Unavailable(
        f"The file cannot be written: {error.strerror}.",
        subject=str(file),
        hint="Ask as the user to whom that folder belongs.",
    )
