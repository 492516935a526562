"""The doors from the use cases to the outside. Drivers implement them; fakes do in tests."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from sandbox.core.amending import Lines
from sandbox.core.asks import Ask
from sandbox.core.audit import AuditEvent, Head, NewEvent
from sandbox.core.clock import Reading
from sandbox.core.home import Exposed as Exposed
from sandbox.core.home import HomeAccess as HomeAccess
from sandbox.core.home import HomeFiles as HomeFiles
from sandbox.core.lifecycle import Sandbox
from sandbox.core.objects import (
    BigFile,
    Container,
    EngineFacts,
    File,
    Image,
    Kind,
    Network,
    Owned,
    Ran,
    Route,
)
from sandbox.core.operators import Language
from sandbox.core.people import Actor as Actor
from sandbox.core.people import People
from sandbox.core.phases import State
from sandbox.core.policy_files import PolicyFile
from sandbox.core.reading import Built as Built
from sandbox.core.reading import SourceReader as SourceReader
from sandbox.core.rules import PolicySet
from sandbox.core.schedule import Schedule as Schedule
from sandbox.core.sealing import Archives as Archives
from sandbox.core.sealing import Keys as Keys
from sandbox.core.settings import Settings
from sandbox.core.snapshot import Snapshot
from sandbox.core.source import Source
from sandbox.core.template import Template

# Late: what it is made of takes a while to load, and few commands ask for one.
if TYPE_CHECKING:
    from sandbox.core.crossing import FileReader
    from sandbox.core.glossary import Glossary
    from sandbox.core.policy_tests import PlacedTests


class Progress(Protocol):
    """Where a use case says how far it is. A door shows it on stderr; tests ignore it."""

    def say(self, step: str, text: str, done: int | None = None, total: int | None = None) -> None:
        """Report `text` for `step` (one live line per step); `done` of `total` where counted."""

    def output(self, stream: str, chunk: bytes) -> None:
        """Pass on raw output of a command inside a sandbox: `stream` is `stdout` or `stderr`."""


class Engine(Protocol):
    """A container engine. Every call is idempotent where removing is concerned: gone is gone.

    Every call raises Unavailable when the engine does not answer or refuses; those that make or
    remove something raise Conflict when a name, port or subnet is taken or the object is in use;
    those that need a container, network, volume or image raise NotFound when it is not there.
    """

    def facts(self) -> EngineFacts:
        """Return what the engine says of itself."""

    def image_id(self, tag: str) -> str | None:
        """Return the id of a local image, or None."""

    def build(self, image: Image, progress: Progress) -> None:
        """Build one image (not its needs); raises Unavailable with the end of the build's log."""

    def subnets(self) -> list[str]:
        """Return the IPv4 subnets of all its networks, ours or not, as CIDR."""

    def create_network(self, network: Network) -> None:
        """Create a network."""

    def create_volume(self, name: str, labels: dict[str, str]) -> None:
        """Create a named volume."""

    def create_container(self, container: Container) -> None:
        """Create a container without starting it; raises NotFound without its image."""

    def start(self, name: str) -> None:
        """Start a created container; raises NotFound if there is none, Conflict on a taken port."""

    def stop(self, name: str, seconds: int) -> None:
        """Stop a container: its signal, and after so many seconds the end. Stopped is success."""

    def connect(self, network: str, container: str, address: str) -> None:
        """Join a container to one more network at `address`; raises NotFound without either."""

    def disconnect(self, network: str, container: str) -> None:
        """Take a container off a network; gone already is success."""

    def remove(self, kind: Kind, name: str) -> None:
        """Remove an object (a running container is killed); gone already is success."""

    def put(self, container: str, folder: str, files: Iterable[File | BigFile]) -> None:
        """Write files under `folder` of a container, running or not; raises NotFound without it."""

    def read(self, container: str, path: str) -> bytes:
        """Return one regular file of a container (at most 64 MiB); raises NotFound without it."""

    def fetch(self, container: str, folder: str) -> Iterator[bytes]:
        """Yield a folder of a container, running or not, as a tar stream of any length."""

    def run(
        self,
        container: str,
        command: Sequence[str],
        *,
        user: str = "",
        stdin: bytes | None = None,
        output: Callable[[str, bytes], None] | None = None,
    ) -> Ran:
        """Run a command inside a container and wait. With `output`, stream instead.

        Raises NotFound without the container, Conflict when it does not run.
        """

    def logs(self, container: str, tail: int) -> bytes:
        """Return the last `tail` lines that a container wrote; raises NotFound without it."""

    def is_running(self, container: str) -> bool:
        """Say whether a container exists and runs."""

    def running_image(self, container: str) -> str | None:
        """Return the tag that a running container was made from; None if it does not run."""

    def owned(self, installation: str, sandbox: str | None = None) -> list[Owned]:
        """Return everything labelled with `installation` (and `sandbox`, if given)."""

    def volume_folder(self, volume: str) -> str | None:
        """Return where a volume lies on this machine, None if it is another machine's.

        Raises NotFound if there is no such volume.
        """

    def volume_bytes(self, installation: str) -> dict[str, int]:
        """Return the size of all files in each volume labelled with `installation`, by name.

        The engine walks through them: its cost grows with the number of files. A volume that it
        could not measure is left out.
        """


GatewayState = Literal["off", "older", "current"]


class Gateway(Protocol):
    """The one way in from the browser: one container per installation, one port on loopback."""

    @property
    def container(self) -> str:
        """The name of the gateway's container, which joins each sandbox's network."""

    def state(self) -> GatewayState:
        """Say whether it runs, and whether from the image that this version wants."""

    def start(self, progress: Progress) -> None:
        """Start it in place of what was there, without any route, joined to nobody.

        Its image must be built. Raises Conflict when its port is taken.
        """

    def open(self, route: Route) -> None:
        """Let `http://NAME.domain:port` reach the tool for who has the link."""

    def close(self, name: str) -> None:
        """Take a route away; gone already is success. Other routes stay untouched."""

    def uses(self) -> Mapping[str, datetime] | None:
        """Return when a person last used each name through it; names that it never saw are absent.

        None if it cannot tell: there was none yet, or it is too old to keep this.
        """

    def url(self, name: str) -> str:
        """Return the address of a sandbox, without its secret."""

    def link(self, route: Route) -> str:
        """Return a fresh address that opens the route once and soon; the secret is not in it."""

    def port_is_free(self) -> bool:
        """Say whether the gateway, or nobody, has its port."""

    def engine_free_bytes(self) -> int | None:
        """Return what is free where the engine keeps volumes, seen from its own; None if off."""

    def answers(self, route: Route, path: str) -> bool:
        """Say whether the tool answers `path` through the gateway with a status below 500."""


class Transaction(Protocol):
    """One transaction on the registry. All of it is kept, or nothing."""

    def sandboxes(self, states: Iterable[State] | None = None) -> list[Sandbox]:
        """Return sandboxes by creation, oldest first; all states without `states`."""

    def sandbox(self, name: str) -> Sandbox | None:
        """Return the live sandbox of that name, else the newest that had it, or None."""

    def save_sandbox(self, sandbox: Sandbox) -> None:
        """Insert or replace by id. Raises Conflict if another live one has its name or subnet."""

    def snapshots(self, source: str | None = None) -> list[Snapshot]:
        """Return snapshots, oldest first."""

    def snapshot(self, id: str) -> Snapshot | None:
        """Return one snapshot or None."""

    def newest(self) -> dict[tuple[str, str], str]:
        """Return the id of the newest ready snapshot of each series, source and experiment."""

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """Insert or replace by id."""

    def asks(self, subject: str | None = None) -> list[Ask]:
        """Return asks, oldest first: of one subject, if given."""

    def ask(self, id: str) -> Ask | None:
        """Return one ask or None."""

    def save_ask(self, ask: Ask) -> None:
        """Insert or replace by id."""

    def journal(self, subject: str, kind: str, name: str) -> None:
        """Note that an object of `subject` is about to be made."""

    def journaled(self, subject: str) -> list[tuple[str, str]]:
        """Return what was noted for `subject` as (kind, name), oldest first."""

    def forget_journal(self, subject: str) -> None:
        """Drop the notes of `subject`: everything they name is settled."""

    def record(self, event: NewEvent) -> AuditEvent:
        """Append an event to the chain."""

    def events(self, *, subject: str | None = None, last: int | None = None) -> list[AuditEvent]:
        """Return events in order: of one subject, and at most the `last` ones, if given."""

    def note(self, key: str, value: str) -> None:
        """Keep one text under `key`, in place of what was there."""

    def noted(self, key: str) -> str | None:
        """Return the text kept under `key`, or None."""

    def forget(self, key: str) -> None:
        """Drop the text kept under `key`; gone already is success."""

    def head(self) -> Head | None:
        """Return the last event as noted beside the chain; None if nothing was ever recorded."""

    def chain(self) -> Iterator[tuple[int, str, str, str]]:
        """Yield (seq, prev, hash, body) of every event in order, without reading the bodies."""


class Registry(Protocol):
    """The memory of an installation. Raises Unavailable when it cannot be read or written."""

    def writing(self) -> AbstractContextManager[Transaction]:
        """Open a transaction that writes: nobody else writes until it ends (BEGIN IMMEDIATE)."""

    def reading(self) -> AbstractContextManager[Transaction]:
        """Open a transaction that only reads, on one consistent state."""

    def installation(self) -> str:
        """Return the id of this installation, made once with the registry."""

    def check(self) -> str:
        """Return one line on the registry's health: schema, journal mode, integrity."""


class Catalogue(Protocol):
    """The files of a home, read strictly. Raises InvalidInput with file, line and column."""

    def settings(self) -> Settings:
        """Return `sandbox.yaml`."""

    def templates(self) -> list[str]:
        """Return the names of the templates."""

    def template(self, name: str) -> Template:
        """Return one template; raises NotFound with the nearest name."""

    def template_digest(self, name: str) -> str:
        """Return the SHA-256 over all files of a template."""

    def sources(self) -> list[str]:
        """Return the names of the sources."""

    def source(self, name: str) -> Source:
        """Return one source; raises NotFound with the nearest name."""

    def amended_source(self, name: str, wanted: Lines, said: Sequence[str]) -> str:
        """Return the text of a source's file with the wanted columns in it; changes no file.

        `said` begins it, as comments. Raises InvalidInput if that would be no source file.
        """

    def policies(self) -> PolicySet:
        """Return the policies in force as one set."""

    def with_policy(self, name: str, content: bytes) -> "Catalogue":
        """Return the catalogue as it would be with this file in `policies/`; nothing is written."""

    def policy_files(self) -> list[str]:
        """Return the files that have rules."""

    def policy_file(self, file: str) -> PolicyFile:
        """Return one of `policy_files`; raises InvalidInput for what is wrong in it."""

    def policy_tests(self) -> list[str]:
        """Return the files that have tests of rules."""

    def policy_test(self, file: str) -> "PlacedTests":
        """Return one of `policy_tests`; raises InvalidInput for what is wrong in it."""

    def people(self) -> People | None:
        """Return who works here, None in a personal home."""

    def glossary(self) -> "Glossary":
        """Return the words that are explained, as they are shipped."""

    def base_image(self) -> Image:
        """Return the image that all of ours start from."""

    def lab_image(self) -> Image:
        """Return the image of the lab (PostgreSQL)."""

    def gateway_image(self) -> Image:
        """Return the image of the gateway."""

    def proxy_image(self) -> Image:
        """Return the image of the egress proxy."""

    def replica_image(self) -> Image:
        """Return the image of the PostgreSQL replica."""

    def service_image(self, template: str, service: str) -> Image:
        """Return the image of one service of a template."""


class DemoCore(Protocol):
    """The demo's core system: a real PostgreSQL server with real purchases."""

    def ensure(self, progress: Progress) -> Mapping[str, Any]:
        """Have it running and loaded; return host, port and row counts."""

    def check_rows(self) -> None:
        """Raise Unavailable if the purchases that it is loaded with are not installed."""

    def lacking(self) -> str:
        """Return in a few words what keeps it from serving, "" if nothing. Changes nothing."""


@dataclass(frozen=True)
class Context:
    """Everything a use case may reach. `bootstrap` fills it."""

    actor: Actor
    now: Callable[[], datetime]
    reading: Callable[[], Reading]
    own_addresses: Callable[[], Sequence[str]]
    new_id: Callable[[], str]
    files: HomeFiles
    catalogue: Catalogue
    registry: Registry
    engine: Engine
    gateway: Gateway
    reader: SourceReader
    border: "FileReader"
    demo: DemoCore | None
    keys: Keys
    schedule: Schedule
    archives: Archives
    settings: Settings
    progress: Progress
    # Whether a service answers, whose account alone reaches the home's files.
    served: bool = False

    @property
    def language(self) -> Language:
        """In which the caller is told things: their own language, else the home's."""
        return self.actor.language or self.settings.defaults.language
