"""The gateway: one Caddy container per installation, whose configuration never changes.

A route is one empty file in its `routes` volume, named by what opens it; see
`sandbox/images/gateway/` for the configuration that reads them. Putting or removing a file
touches no other route's connections. A link is not kept anywhere: it carries its end, a random
number and a seal made with the route's secret; `exchange.py` there checks it and marks it as used.
It also keeps when each name was last used, in one small file.
"""

import base64
import hmac
import http.client
import json
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime

from sandbox.core.addressing import GATEWAY_PORT
from sandbox.core.errors import Conflict, NotFound, SandboxError, Unavailable
from sandbox.core.objects import (
    INSTALLATION,
    ROLE,
    Container,
    File,
    Image,
    Mount,
    Network,
    Port,
    Route,
    as_user,
    scratch,
)
from sandbox.core.ports import Engine, GatewayState, Progress
from sandbox.core.settings import GatewaySettings

_UID = 10003
_ROUTES = "/routes"
_USED, _SEEN = ".used", ".seen"  # no sandbox can be called that
_CADDY = ("/usr/bin/caddy", "run", "--config", "/etc/caddy/gateway.json")
_EXCHANGE = ("/usr/bin/python3", "-IS", "/sandbox/exchange.py", _ROUTES, "/tmp/exchange.sock")  # noqa: S108 - its own tmpfs
_PROBE_SECONDS = 5.0


class CaddyGateway:
    """The gateway of one installation, driven through the engine alone."""

    def __init__(
        self,
        engine: Engine,
        image: Callable[[], Image],
        settings: GatewaySettings,
        installation: Callable[[], str],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._engine, self._image, self._settings = engine, image, settings
        self._installation, self._wall = installation, wall

    @property
    def container(self) -> str:
        """The name of the gateway's container; its network and volume have the same."""
        return f"sandbox-gateway-{self._installation()}"

    def state(self) -> GatewayState:
        """Say whether it can be reached, and whether its image is the one this version wants."""
        found = self._engine.running_image(self.container)
        # Docker's own proxy in front of it stops listening, for ever, once it runs out of files.
        if found is None or not self._listens():
            return "off"
        # A tag is named by what the image holds: another tag is another gateway.
        return "current" if found == self._image().tag else "older"

    def start(self, progress: Progress) -> None:
        """Start it in place of what was there, without any route, joined to nobody.

        Its image must be built. Raises Conflict when its port is taken.
        """
        progress.say("gateway", f"Starting the gateway on port {self._settings.port}")
        labels = {INSTALLATION: self._installation(), ROLE: "gateway"}
        self._engine.remove("container", self.container)
        self._engine.remove("network", self.container)
        self._engine.create_network(Network(self.container, labels, isolated=False))
        self._engine.create_volume(self.container, labels)
        self._engine.create_container(self._container(labels))
        own = [File(f"{each}/", b"", mode=0o700, uid=_UID, gid=_UID) for each in (_USED, _SEEN)]
        self._engine.put(self.container, _ROUTES, own)
        self._publish()
        # A route that could not be closed while there was no gateway must not come back with it.
        others = ("-mindepth", "1", "-maxdepth", "1", "!", "-name", ".*")
        if not self._as_root("find", _ROUTES, *others, "-exec", "rm", "-rf", "{}", "+"):
            raise Unavailable("Its old routes cannot be removed.", subject=self.container)

    def _container(self, labels: dict[str, str]) -> Container:
        return Container(
            name=self.container,
            image=self._image().tag,
            labels=labels,
            user=as_user(_UID),
            command=(*_EXCHANGE, *_CADDY),
            memory_mb=128,
            cpus=1.0,
            pids=128,
            network=self.container,
            mounts=(Mount(self.container, _ROUTES),),
            tmpfs=scratch(_UID, 8),
            # On two networks at once, it must never pass packets between them.
            sysctls={"net.ipv4.ip_forward": "0", "net.ipv4.ip_unprivileged_port_start": "53"},
            env={"DENY_NAMES": "0.0.0.0"},  # noqa: S104 - in each sandbox's network
            publish=(Port(self._settings.bind, self._settings.port, GATEWAY_PORT),),
            restart=True,
        )

    def _publish(self) -> None:
        try:
            self._engine.start(self.container)
        except SandboxError as error:
            self._engine.remove("container", self.container)
            self._engine.remove("network", self.container)
            if "address already in use" in error.message or "already allocated" in error.message:
                raise Conflict(
                    "The gateway's port is taken by another program.",
                    subject=f"{self._settings.bind}:{self._settings.port}",
                    hint="Free it, or set gateway.port in sandbox.yaml.",
                ) from error
            raise

    def open(self, route: Route) -> None:
        """Let the route's name reach its tool for who has the link."""
        # The folder entry replaces the plain file that `close` may have left in a stopped one.
        files = [
            File(f"{route.name}/", b"", mode=0o755),
            File(f"{route.name}/.ignore", "\n".join(route.ignore).encode()),
            File(f"{route.name}/{_token(route)}", b""),
        ]
        self._engine.put(self.container, _ROUTES, files)

    def close(self, name: str) -> None:
        """Take a route away, also while the gateway is stopped: it would be back with it."""
        with suppress(NotFound):
            try:
                gone = self._as_root("rm", "-rf", f"{_ROUTES}/{name}")
            except Conflict:  # nothing runs in a stopped container
                gone = False
            if not gone:
                # A plain file in its place removes the folder with its tokens, too.
                self._engine.put(self.container, _ROUTES, [File(name, b"")])

    def _as_root(self, *command: str) -> bool:
        """Run a command as the owner of the routes, whom Caddy's own user cannot act for."""
        return self._engine.run(self.container, command, user="0:0").code == 0

    def uses(self) -> Mapping[str, datetime] | None:
        """Return when each name was last used by a person, by the clock of the engine's machine.

        None if nobody can tell: an older gateway, or none yet, keeps no such file.
        """
        try:
            text = self._engine.read(self.container, f"{_ROUTES}/{_SEEN}/last.json")
        except NotFound:
            return None
        try:
            seen = json.loads(text)
            return {str(name): datetime.fromtimestamp(at, UTC) for name, at in seen.items()}
        except (ValueError, TypeError, AttributeError, OverflowError) as error:
            raise Unavailable(
                "The gateway's note of who was last there cannot be read.",
                subject=self.container,
                hint="It is written anew when the gateway starts again: see sandbox doctor",
            ) from error

    def url(self, name: str) -> str:
        """Return the address of a sandbox, without its secret."""
        return f"http://{name}.{self._settings.domain}:{self._settings.port}"

    def link(self, route: Route) -> str:
        """Return a fresh address that opens the route once, for `gateway.link_minutes`."""
        until = int(self._wall()) + 60 * self._settings.link_minutes
        nonce = secrets.token_urlsafe(16)
        # The rule is `sealed` in exchange.py: a link is made here without asking the engine.
        message = f"link {route.name} {until} {nonce}".encode()
        digest = hmac.digest(route.secret.encode(), message, "sha256")
        seal = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        return f"{self.url(route.name)}/?sbx={until}~{nonce}~{seal}"

    def port_is_free(self) -> bool:
        """Say whether the gateway, or nobody, has its port."""
        return self._engine.is_running(self.container) or not self._listens()

    def _listens(self) -> bool:
        """Say whether anybody takes connections at its port."""
        with socket.socket() as probe:
            probe.settimeout(_PROBE_SECONDS)
            return probe.connect_ex((self._settings.bind, self._settings.port)) == 0

    def engine_free_bytes(self) -> int | None:
        """Return what is free where the engine keeps volumes, seen from its own; None if off."""
        with suppress(SandboxError, ValueError):
            ran = self._engine.run(self.container, ("stat", "-f", "-c", "%a %S", _ROUTES))
            blocks, size = ran.out.split()
            return int(blocks) * int(size)
        return None

    def answers(self, route: Route, path: str) -> bool:
        """Say whether the tool answers below 500. The gateway itself says 403 without a route."""
        connection = http.client.HTTPConnection(
            self._settings.bind, self._settings.port, timeout=_PROBE_SECONDS
        )
        headers = {
            "Host": f"{route.name}.{self._settings.domain}:{self._settings.port}",
            "Cookie": f"sbx={_token(route)}",
            "Sandbox-Probe": "1",  # our own question is no use by a person
        }
        try:
            connection.request("GET", path, headers=headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return status < 500 and status != 403


def _token(route: Route) -> str:
    return f"{route.address}~{route.port}~{route.secret}"
