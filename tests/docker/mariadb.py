"""A real MariaDB of Debian in a container, for the tests of sources."""

import hashlib
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from docker.errors import ImageNotFound

from sandbox.core.objects import INSTALLATION, File, Image
from sandbox.core.source import Source
from sandbox.drivers.engine import DockerEngine
from tests.docker.source_samples import Told, source_of

USER, DATABASE = "core_reader", "core"
_SERVER = "/usr/sbin/mariadbd --no-defaults --datadir=/data --socket=/tmp/m.sock --user=lab"
_RECIPE = """\
FROM {base}
RUN apt-get update \\
 && apt-get install -y --no-install-recommends mariadb-server-core mariadb-client-core \\
 && mkdir /data && chown 10002:10002 /data \\
 && mariadb-install-db --no-defaults --datadir=/data --user=lab --skip-test-db \\
    --auth-root-authentication-method=normal \\
 && rm -rf /var/lib/mysql /var/lib/apt/lists/*
USER 10002:10002
CMD {command}
"""


@dataclass(frozen=True)
class Maria:
    """A MariaDB with an empty database and a login that may read it."""

    host: str
    port: int
    password: str
    client: tuple[str, ...]

    def sql(self, text: str, database: str = DATABASE) -> str:
        """Run SQL as root; return what the client prints, unaligned."""
        ran = subprocess.run(
            [*self.client, "--batch", "--skip-column-names", database],
            input=text, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr[-500:]
        return ran.stdout.strip()

    @property
    def login(self) -> str:
        """The reading login in SQL."""
        return f"'{USER}'@'%'"

    def source(self, tables: dict[str, Any] | None = None, **connection: Any) -> Source:
        """Return the demo's source file, or one of other tables, for this server."""
        password = {"env": "CORE_PW"}
        there = {"type": "mariadb", "host": self.host, "port": self.port, "database": DATABASE,
                 "user": USER, "password": password, **connection}  # fmt: skip
        wanted = source_of(Demo(), tables).model_dump(mode="json", by_alias=True)
        return Source.model_validate({**wanted, "connection": there})

    @contextmanager
    def changed(self, there: str, back: str) -> Iterator[None]:
        """Hold a change, and take it back."""
        self.sql(there)
        try:
            yield
        finally:
            self.sql(back)


@dataclass(frozen=True)
class Demo:
    """The place that the shipped source file names; it is replaced."""

    host: str = "127.0.0.1"
    port: int = 5432
    database: str = DATABASE
    user: str = USER


def prepared(maria: Maria) -> Maria:
    """Return a server with the database and the login made."""
    maria.sql(
        f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4; CREATE DATABASE other; "
        f"CREATE USER {maria.login} IDENTIFIED BY '{maria.password}'; "
        f"GRANT SELECT ON {DATABASE}.* TO {maria.login};",
        database="mysql",
    )
    return maria


@contextmanager
def running(client: Any, base: str, installation: str) -> Iterator[Maria]:
    """Give a MariaDB that runs in a container, which is removed in the end; its image stays."""
    name = f"sbtest-mariadb-{secrets.token_hex(4)}"
    container = client.containers.run(
        _image(client, base), name=name, detach=True, labels={INSTALLATION: installation},
        ports={"3306/tcp": ("127.0.0.1", None)}, mem_limit="512m", pids_limit=128,
        tmpfs={"/tmp": "mode=1777,size=64m"},
    )  # fmt: skip
    try:
        command = ("docker", "exec", "-i", name, "mariadb", "--no-defaults", "-uroot",
                   "--socket=/tmp/m.sock", "--default-character-set=utf8mb4")  # fmt: skip
        _await(command, container)
        container.reload()
        port = int(container.ports["3306/tcp"][0]["HostPort"])
        yield prepared(Maria("127.0.0.1", port, 'p"w % 秘', command))
    finally:
        container.remove(force=True, v=True)


def _image(client: Any, base: str) -> str:
    words = ", ".join(f'"{word}"' for word in _SERVER.split())
    recipe = _RECIPE.format(base=base, command=f"[{words}]").encode()
    tag = f"bimodal-sandbox/test-mariadb:{hashlib.sha256(recipe).hexdigest()[:16]}"
    try:
        client.images.get(tag)
    except ImageNotFound:
        # As the product's own images are built, so apt reaches what it reaches for them.
        engine = DockerEngine({}, "host")
        engine.build(Image(tag, (File("Dockerfile", recipe),)), Told())
        engine.close()
    return tag


def _await(command: tuple[str, ...], container: Any) -> None:
    limit = time.monotonic() + 60
    while subprocess.run([*command, "-e", "SELECT 1"], capture_output=True).returncode:
        assert time.monotonic() < limit, container.logs().decode()[-2000:]
        time.sleep(0.3)
