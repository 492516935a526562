"""The demo's core system: a PostgreSQL server in a container, loaded with real purchases."""

import hashlib
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from sandbox.core import demo
from sandbox.core.errors import Conflict, InvalidInput, SandboxError, Unavailable
from sandbox.core.objects import INSTALLATION, ROLE, Container, Kind, Mount, Network, Port
from sandbox.core.ports import Engine, Progress
from sandbox.core.text import clean

HOST, DATABASE, USER = "127.0.0.1", "core", "core_reader"
ROWS = {"customers": demo.CUSTOMERS, "purchases": demo.PURCHASES, "consents": demo.CUSTOMERS}

_BIN = "/usr/lib/postgresql/15/bin"
_SERVER = "10002:10002"
_START_SECONDS = 60
_SAFE_PASSWORD = re.compile(r"[A-Za-z0-9_-]{8,128}")
_TELL = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"

_ROLES = """
SELECT 'CREATE ROLE core_reader LOGIN' WHERE NOT EXISTS
  (SELECT FROM pg_roles WHERE rolname = 'core_reader') \\gexec
ALTER ROLE core_reader LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
  CONNECTION LIMIT 20 PASSWORD '{password}';
"""
# The image has no template database but `lab`, whose schema belongs to the lab's own role.
_DATABASE = """
SELECT 'CREATE DATABASE core TEMPLATE lab' WHERE NOT EXISTS
  (SELECT FROM pg_database WHERE datname = 'core') \\gexec
"""
_TABLES = """
ALTER SCHEMA public OWNER TO postgres;
REVOKE ALL ON DATABASE core FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
DROP TABLE IF EXISTS consents, purchases, customers;
CREATE TABLE customers (
  customer_id text PRIMARY KEY, name text NOT NULL, kana text, mail text NOT NULL UNIQUE,
  phone text NOT NULL, postcode text NOT NULL, prefecture text NOT NULL, address text NOT NULL,
  birth_date date NOT NULL, note text, created_on date NOT NULL);
CREATE TABLE purchases (
  purchase_id bigint PRIMARY KEY, customer_id text NOT NULL REFERENCES customers,
  purchased_on date NOT NULL, quantity int NOT NULL, amount numeric(10,2) NOT NULL);
CREATE TABLE consents (
  customer_id text PRIMARY KEY REFERENCES customers,
  mail boolean NOT NULL, sms boolean NOT NULL, changed_at timestamptz NOT NULL);
"""
_GRANTS = """
GRANT CONNECT ON DATABASE core TO core_reader;
GRANT USAGE ON SCHEMA public TO core_reader;
GRANT SELECT ON customers, purchases, consents TO core_reader;
ANALYZE customers, purchases, consents;
"""


class PostgresDemo:
    """The demo core of one installation, published on 127.0.0.1 at `port`.

    `image` is the tag of the lab's image, which must exist; `password` becomes that of the role
    `core_reader`, which can only read. It is made of letters, digits, - and _.
    """

    def __init__(
        self, engine: Engine, installation: str, image: str, port: int, password: str
    ) -> None:
        if not _SAFE_PASSWORD.fullmatch(password):
            raise InvalidInput(
                "The demo's password is not 8 to 128 letters, digits, hyphens and underscores.",
                subject=USER,
                hint="Remove the file .sandbox/secrets/core-password and run sandbox init --demo.",
            )
        self._engine, self._image, self._port = engine, image, port
        self._installation, self._password = installation, password
        self.name = f"sbx-{installation}-demo-core"
        self._labels = {INSTALLATION: installation, ROLE: "demo-core"}

    def ensure(self, progress: Progress) -> Mapping[str, Any]:
        """Have it running and loaded; return host, port and row counts.

        Loads all or nothing, and only where rows are missing. Raises Conflict when the port is
        taken, Unavailable when the server does not come up or the purchases are not installed.
        """
        if not self._engine.is_running(self.name):
            progress.say("demo core", "starting PostgreSQL")
            self._start()
        self._wait()
        self._ask("lab", _DATABASE + _ROLES.format(password=self._password))
        counts = self._counts()
        if counts != ROWS:
            progress.say("demo core", "loading customers, purchases and consents")
            self._load()
            counts = self._counts()
            progress.say("demo core", f"{sum(counts.values()):,} rows loaded")
        return {"host": HOST, "port": self._port, "rows": counts}

    def check_rows(self) -> None:
        """Raise Unavailable if the purchases that it is loaded with are not installed."""
        _cdnow()

    def lacking(self) -> str:
        """Return in a few words what keeps it from serving, "" if nothing. Changes nothing."""
        try:
            if not self._engine.is_running(self.name):
                return "its PostgreSQL server does not run"
            counts = self._counts()
        except SandboxError:
            return "its PostgreSQL server does not answer, or has no database yet"
        short = [table for table, rows in ROWS.items() if counts.get(table) != rows]
        return f"not all rows are loaded: {', '.join(short)}" if short else ""

    def _start(self) -> None:
        existing = {(o.kind, o.name) for o in self._engine.owned(self._installation)}
        makers: dict[Kind, Callable[[], None]] = {
            "network": lambda: self._engine.create_network(self._network()),
            "volume": lambda: self._engine.create_volume(self.name, self._labels),
            "container": lambda: self._engine.create_container(self._container()),
        }
        made: list[Kind] = []
        try:
            for kind, make in makers.items():
                if (kind, self.name) not in existing:
                    made.append(kind)  # before it is made: half made is removed as well
                    make()
            self._publish()
        except BaseException:
            for kind in reversed(made):
                with suppress(Unavailable, Conflict):
                    self._engine.remove(kind, self.name)
            raise

    def _publish(self) -> None:
        try:
            self._engine.start(self.name)
        except Conflict:
            raise Conflict(
                "The port of the demo's PostgreSQL is taken.",
                subject=f"{HOST}:{self._port}",
                hint="End what listens there (ss -ltnp), then try again.",
            ) from None

    def _network(self) -> Network:
        # Nothing is published from an isolated network.
        return Network(name=self.name, labels=self._labels, isolated=False)

    def _container(self) -> Container:
        return Container(
            name=self.name,
            image=self._image,
            labels=self._labels,
            user=_SERVER,
            # A core system has no lease, so no guard: it stays until it is removed.
            command=(f"{_BIN}/postgres", "-D", "/lab"),
            memory_mb=512,
            cpus=1.0,
            pids=64,
            network=self.name,
            mounts=(Mount(self.name, "/lab"),),
            tmpfs={"/tmp": "rw,noexec,nosuid,nodev,size=16m,mode=1777"},  # noqa: S108
            publish=(Port(HOST, self._port, 5432),),
            restart=True,
        )

    def _wait(self) -> None:
        limit = time.monotonic() + _START_SECONDS
        while time.monotonic() < limit:
            ready = (f"{_BIN}/pg_isready", "-q", "-h", "/tmp")  # noqa: S108
            if self._engine.is_running(self.name) and not self._engine.run(self.name, ready).code:
                return
            time.sleep(0.2)
        said = clean(self._engine.logs(self.name, 8).decode(errors="replace"), keep_newlines=True)
        raise Unavailable(
            f"The demo's PostgreSQL did not answer within {_START_SECONDS} s.",
            subject=self.name,
            hint=f"The end of its log:\n{said}",
        )

    def _counts(self) -> dict[str, int]:
        there = set(self._ask(DATABASE, _TELL).split())
        query = " UNION ALL ".join(
            f"SELECT '{table}', count(*) FROM {table}"  # noqa: S608 (names of our own)
            for table in ROWS
            if table in there
        )
        rows = (line.split("|") for line in self._ask(DATABASE, query).splitlines() if query)
        return {table: int(count) for table, count in rows}

    def _load(self) -> None:
        # One script, one transaction, about 6 MB: whatever stops it, nothing of it stays.
        purchases = list(demo.purchases(_cdnow().decode("ascii")))
        self._ask(
            DATABASE,
            "BEGIN;\n"
            + _TABLES
            + _copy("customers", (demo.customer(n) for n in range(1, demo.CUSTOMERS + 1)))
            + _copy("purchases", ((n, *row) for n, row in enumerate(purchases, start=1)))
            + _copy("consents", (demo.consent(n) for n in range(1, demo.CUSTOMERS + 1)))
            + _GRANTS
            + "COMMIT;\n",
        )

    def _ask(self, database: str, sql: str) -> str:
        """Run SQL as the superuser and return the rows; SQL goes by stdin, never by argument."""
        command = (f"{_BIN}/psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", "/tmp",  # noqa: S108
                   "-U", "postgres", "-d", database)  # fmt: skip
        ran = self._engine.run(self.name, command, user=_SERVER, stdin=sql.encode())
        if ran.code:
            said = clean(ran.err.decode(errors="replace")).replace(self._password, "***")[:400]
            raise Unavailable(
                f"The demo's PostgreSQL refused: {said}",
                subject=self.name,
                hint="Try again; if it stays so, remove it (docker rm -f NAME, docker volume rm "
                "NAME) and have it made again: sandbox init --demo",
            )
        return ran.out.decode()


def _copy(table: str, rows: Iterable[tuple[Any, ...]]) -> str:
    lines = "".join(_line(row) for row in rows)
    return f"COPY {table} FROM STDIN;\n{lines}\\.\n"


def _line(row: tuple[Any, ...]) -> str:
    """Return a row in COPY's text format; none of the demo's texts hold what it must escape."""
    return "\t".join("\\N" if value is None else str(value) for value in row) + "\n"


def _cdnow() -> bytes:
    """Return CDNOW_master.txt from the installed `lifetimes`, which is never imported."""
    try:
        files = list(_files())
    except PackageNotFoundError:
        files = []
    content = files[0].read_bytes() if files else b""
    if hashlib.sha256(content).hexdigest() == demo.CDNOW_SHA256:
        return content
    raise Unavailable(
        "The CDNOW purchases are not installed, or they are not the known file.",
        subject="CDNOW_master.txt",
        hint="pip install --no-deps lifetimes==0.11.3",
    )


def _files() -> Iterator[Path]:
    found = distribution("lifetimes")
    for file in found.files or ():
        path = Path(str(found.locate_file(file)))
        if path.name == "CDNOW_master.txt" and path.is_file():
            yield path
