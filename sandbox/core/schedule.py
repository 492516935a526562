"""The door to what runs our commands on this machine, and the texts it wants. Pure."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from sandbox.core.errors import InvalidInput
from sandbox.core.values import Value

EVERY_MINUTES = 5
How = Literal["systemd", "cron"]


class Written(Value):
    """A file outside the home that we wrote or removed, with its text."""

    path: str
    text: str = ""


class Scheduled(Value):
    """What was written or removed, by which means, and which commands were run for it."""

    how: How
    files: tuple[Written, ...]
    ran: tuple[str, ...] = ()


class Daemon(Value):
    """A command that runs all the time as `account`, may write in `home` alone, and has a folder of
    its own, `runtime`, under /run."""

    command: tuple[str, ...]
    account: str
    home: str
    runtime: str


class Schedule(Protocol):
    """What runs commands on this machine: systemd; again and again, cron too."""

    def install(self, name: str, command: Sequence[str]) -> Scheduled:
        """Have `command` run every few minutes under `name`, in place of what had that name.

        Raises Unavailable, saying what to run instead, where neither systemd nor cron is there.
        """

    def keep(self, name: str, daemon: Daemon) -> Scheduled:
        """Have `daemon` run all the time under `name`, now and after every boot.

        Raises Unavailable, saying what to run instead, where systemd does not run or is not ours.
        """

    def uninstall(self, name: str) -> tuple[Scheduled, ...]:
        """Take away whatever is scheduled under `name`; nothing there is success."""


def service_text(name: str, command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return the systemd service that runs `command` once."""
    variables = [f"Environment={_for_systemd(f'{k}={v}')}" for k, v in sorted(environment.items())]
    return "\n".join(
        [
            "[Unit]",
            f"Description=Settles sandboxes that ended or were cut off ({name})",
            "",
            "[Service]",
            "Type=oneshot",
            *variables,
            f"ExecStart={' '.join(_for_systemd(word) for word in command)}",
            "",
        ]
    )


# What the service never needs, so that whoever broke into it has it neither; systemd.exec(5).
_HARDENED = """NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
UMask=0077"""


def daemon_text(name: str, daemon: Daemon, environment: Mapping[str, str]) -> str:
    """Return the systemd service that runs `daemon` all the time, with no more than it needs."""
    variables = [f"Environment={_for_systemd(f'{k}={v}')}" for k, v in sorted(environment.items())]
    return "\n".join(
        [
            "[Unit]",
            f"Description=Answers for a home of sandboxes ({name})",
            "After=network.target docker.service",
            "",
            "[Service]",
            "Type=exec",
            f"User={daemon.account}",
            *variables,
            f"ExecStart={' '.join(_for_systemd(word) for word in daemon.command)}",
            "Restart=on-failure",
            "RestartSec=2",
            # What is being answered comes to its end.
            "TimeoutStopSec=150",
            f"RuntimeDirectory={daemon.runtime}",
            "RuntimeDirectoryMode=0755",
            f"ReadWritePaths={_for_systemd(daemon.home)}",
            _HARDENED,
            "",
            "[Install]",
            "WantedBy=multi-user.target",
            "",
        ]
    )


def timer_text(name: str) -> str:
    """Return the systemd timer that starts that service, also soon after a reboot."""
    return f"""[Unit]
Description=Settles sandboxes every {EVERY_MINUTES} minutes ({name})

[Timer]
OnBootSec=1min
OnUnitActiveSec={EVERY_MINUTES}min

[Install]
WantedBy=timers.target
"""


def cron_text(user: str, command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return the file for /etc/cron.d that runs `command` as `user`."""
    # In a cron line a bare % ends the command.
    line = shlex.join(_one_line(word) for word in command).replace("%", "\\%")
    variables = [f"{key}={_one_line(value)}" for key, value in sorted(environment.items())]
    every = f"*/{EVERY_MINUTES} * * * * {user} {line} >/dev/null 2>&1"
    return "\n".join(["# Settles sandboxes that ended or were cut off.", *variables, every, ""])


def _for_systemd(word: str) -> str:
    """Return one word as systemd reads it: in quotes, its own signs doubled."""
    escaped = _one_line(word).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("%", "%%").replace("$", "$$") + '"'


def _one_line(word: str) -> str:
    if word.isprintable():
        return word
    raise InvalidInput(
        "A command with control characters cannot be scheduled.",
        subject=ascii(word),
        hint="Move the home to a folder whose name has none.",
    )
