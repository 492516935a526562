"""Wires a home: settings, drivers, Context.

The only chooser of drivers and the only reader of the environment.
"""

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

import sandbox
from sandbox.core.connection import Postgres
from sandbox.core.errors import Conflict, Denied, InvalidInput, NotFound
from sandbox.core.home import STATE
from sandbox.core.people import FILE as PEOPLE
from sandbox.core.people import recognised
from sandbox.core.ports import Context, DemoCore, Engine, Progress
from sandbox.core.settings import ImageSettings
from sandbox.core.values import Request, Result
from sandbox.drivers.archives import KeptFolder
from sandbox.drivers.catalogue.home import HomeCatalogue
from sandbox.drivers.clock import MachineClock
from sandbox.drivers.engine import DockerEngine
from sandbox.drivers.gateway import CaddyGateway
from sandbox.drivers.home import SETTINGS, HomeFolder, free_port, is_home, lay_out
from sandbox.drivers.keys import FileKeys
from sandbox.drivers.machine import own_addresses, own_user
from sandbox.drivers.registry.store import SqlRegistry
from sandbox.drivers.schedule import MachineSchedule
from sandbox.drivers.sources.crossing import BorderReader
from sandbox.drivers.sources.reader import CoreReader
from sandbox.usecases.desk import answer, every_kind
from sandbox.usecases.homes import InitRequest
from sandbox.usecases.recording import last_reading

R = TypeVar("R", bound=Result)

_HOME = "SANDBOX_HOME"
_INDEX = "PIP_INDEX_URL"
_CA_BUNDLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
# What leads PostgreSQL's own library to another server or login than the source file names.
_DETOURS = ("PGHOSTADDR", "PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR", "PGPASSFILE")
# The lock of the one service of a home, and how often the reaper runs in it.
_SERVED, _CHORE_SECONDS = "served", 30.0
_DEMO_SOURCE = "core"
_DEMO_PASSWORD = f"{STATE}/secrets/core-password"


def ask(request: Request[R], progress: Progress, home: str = "", person: str = "") -> R:
    """Answer `request` in this process, in the home that `home` or the environment names.

    `person` is who the caller says to be, where that counts.
    """
    if isinstance(request, InitRequest):
        folder = Path(request.folder).resolve()
        if not is_home(folder):
            _create(folder, request)
    elif service := _service(home):
        return _asked_there(service, request, progress, person)
    else:
        folder = find_home(home)
    _leave_detours()
    with opened(folder, progress, person) as context:
        return answer(context, request)


def serve(place: Path, home: str = "") -> None:
    """Answer for the home at the socket `place` until told to end, to each by their own roles.

    Raises NotFound where there is no home, Conflict where it is served already, InvalidInput where
    it names no people or believes what they say of themselves.
    """
    from sandbox.core.progress import Silent
    from sandbox.server.serving import serve as serve_at
    from sandbox.usecases.reaping import ReapRequest
    from sandbox.usecases.scheduling import ServeInstallRequest

    folder = find_home(home)
    _leave_detours()
    _check_shared(folder)

    def answer_here(request: Request[Any], progress: Progress, user: str) -> Result:
        with opened(folder, progress, user=user) as context:
            result: Result = answer(context, request)
            return result

    def reap() -> None:
        answer_here(ReapRequest(apply=True), Silent(), own_user())

    with HomeFolder(folder).alone_with(_SERVED) as alone:
        if not alone:
            raise Conflict(
                "This home is served already.",
                subject=str(folder),
                hint="One service answers for a home: systemctl status bimodal-sandbox",
            )
        serve_at(
            place,
            [kind for kind in every_kind() if kind not in (InitRequest, ServeInstallRequest)],
            answer_here,
            reap,
            _CHORE_SECONDS,
        )


def _check_shared(folder: Path) -> None:
    catalogue = HomeCatalogue(folder)
    if catalogue.people() is None:
        raise InvalidInput(
            "A shared home names its people; this one names none.",
            subject=str(folder / PEOPLE),
            hint="Write their names, users and roles; see docs/people.md",
        )
    if catalogue.settings().identity == "asserted":
        raise InvalidInput(
            "A service does not believe what people say of themselves (identity: asserted).",
            subject=str(folder / SETTINGS),
            hint="Set identity: operating-system, or leave the line out.",
        )


def _service(home: str) -> Path | None:
    """Return the socket that answers for the home that is named, None where it is a folder."""
    named = home or os.environ.get(_HOME, "")
    if not named:
        return None
    from sandbox.drivers.service import is_service

    return Path(named) if is_service(Path(named)) else None


def _asked_there(place: Path, request: Request[R], progress: Progress, person: str) -> R:
    from sandbox.drivers.service import ask_service

    if person:
        raise Denied(
            "A service knows you by your operating-system user.",
            subject="--as",
            hint="Leave it out.",
        )
    return ask_service(place, request, progress)


def _leave_detours() -> None:
    for name in _DETOURS:
        os.environ.pop(name, None)


def find_home(named: str = "") -> Path:
    """Return the home: as named, else $SANDBOX_HOME, else the nearest one upwards from here.

    Raises NotFound when there is none.
    """
    wanted = named or os.environ.get(_HOME, "")
    candidates = [Path(wanted).resolve()] if wanted else [Path.cwd(), *Path.cwd().parents]
    for folder in candidates:
        if is_home(folder):
            return folder
    raise NotFound(
        "There is no home here.",
        subject=str(candidates[0]),
        hint=f"Make one with: sandbox init DIR, or name one with --home or ${_HOME}.",
    )


def shipped() -> Path:
    """Return the folder of the shipped templates and policies: in the wheel or the checkout."""
    package = Path(sandbox.__path__[0])
    inside = package / "shipped"
    return inside if inside.is_dir() else package.parent


def _create(folder: Path, request: InitRequest) -> None:
    from sandbox.drivers.catalogue.new_home import demo_source, settings_file

    ca_bundle = next((os.environ[n] for n in _CA_BUNDLES if os.environ.get(n)), "")
    files = {
        SETTINGS: settings_file(
            demo=request.demo,
            port=request.gateway_port,
            ca_bundle=ca_bundle,
            package_index=_package_index(),
        )
    }
    if request.demo:
        files[f"sources/{_DEMO_SOURCE}.yaml"] = demo_source(free_port())
        files[_DEMO_PASSWORD] = secrets.token_urlsafe(24) + "\n"
    lay_out(folder, shipped(), files)
    _keys(folder).create()


def _package_index() -> str:
    """Return the environment's package index, "" if it holds a login; raises InvalidInput."""
    index = os.environ.get(_INDEX, "")
    if "@" in index.partition("//")[2].partition("/")[0]:
        # A login stays where it is, in this machine's environment.
        return ""
    try:
        return ImageSettings(package_index=index).package_index
    except ValidationError as error:
        raise InvalidInput(
            f"The package index {error.errors()[0]['ctx']['error']}.",
            subject=f"${_INDEX}",
            hint=f"Correct it, or unset {_INDEX} and set images.package_index in sandbox.yaml.",
        ) from None


def _keys(folder: Path, master_secret: str | None = None) -> FileKeys:
    return FileKeys(folder / STATE / "keys", folder, os.environ, master_secret)


@contextmanager
def opened(folder: Path, progress: Progress, person: str = "", user: str = "") -> Iterator[Context]:
    """Give the context of the home in `folder`; its connections are closed in the end.

    `user` is the operating-system user who asks, this process's if none is named. Raises Denied
    where `person` cannot be said to be the caller.
    """
    catalogue = HomeCatalogue(folder)
    settings = catalogue.settings()
    actor = recognised(
        catalogue.people(),
        user or own_user(),
        person,
        allowed=settings.identity == "asserted",
        day=datetime.now().astimezone().date(),
    )
    with (
        closing(SqlRegistry(folder / STATE)) as registry,
        closing(DockerEngine(os.environ, settings.images.build_network)) as engine,
    ):
        clock = MachineClock(lambda: last_reading(registry))
        yield Context(
            actor=actor,
            now=clock.now,
            reading=clock.reading,
            own_addresses=own_addresses,
            new_id=lambda: secrets.token_hex(6),
            files=HomeFolder(folder),
            catalogue=catalogue,
            registry=registry,
            engine=engine,
            gateway=CaddyGateway(
                engine, catalogue.gateway_image, settings.gateway, registry.installation
            ),
            reader=CoreReader(folder),
            border=BorderReader(),
            demo=_Demo(folder, engine, catalogue, registry) if settings.demo else None,
            keys=_keys(folder, settings.keys.master_secret),
            schedule=MachineSchedule(os.environ, own_user(), superuser=os.geteuid() == 0),
            archives=KeptFolder(folder / STATE / "kept"),
            settings=settings,
            progress=progress,
            served=bool(user),
        )


class _Demo:
    """The demo's core system; what it needs is read when it is asked for, by few commands."""

    def __init__(
        self, folder: Path, engine: Engine, catalogue: HomeCatalogue, registry: SqlRegistry
    ) -> None:
        self._folder, self._engine = folder, engine
        self._catalogue, self._registry = catalogue, registry

    def ensure(self, progress: Progress) -> Mapping[str, Any]:
        """Have it running and loaded; return host, port and row counts."""
        return self._server().ensure(progress)

    def check_rows(self) -> None:
        """Raise Unavailable if the purchases that it is loaded with are not installed."""
        self._server().check_rows()

    def lacking(self) -> str:
        """Return in a few words what keeps it from serving, "" if nothing. Changes nothing."""
        return self._server().lacking()

    def _server(self) -> DemoCore:
        from sandbox.drivers.demo_core import PostgresDemo

        source = self._catalogue.source(_DEMO_SOURCE)
        if not isinstance(source.connection, Postgres):
            raise InvalidInput(
                "The demo's core system is a PostgreSQL server; its source file says another type.",
                subject=f"sources/{_DEMO_SOURCE}.yaml",
                hint="Set the type to postgres again, or demo: false in sandbox.yaml.",
            )
        return PostgresDemo(
            self._engine,
            self._registry.installation(),
            self._catalogue.lab_image().tag,
            source.connection.port,
            _keys(self._folder).password(source),
        )
