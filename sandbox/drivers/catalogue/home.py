"""The files of a home: settings, templates, sources and policies, read strictly each time."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from pydantic import BaseModel

from sandbox.core.amending import DRAFT, Lines, amended
from sandbox.core.errors import InvalidInput, NotFound
from sandbox.core.objects import Image
from sandbox.core.people import FILE as PEOPLE
from sandbox.core.people import People
from sandbox.core.policy_files import PolicyFile
from sandbox.core.rules import PolicySet
from sandbox.core.settings import ImageSettings, Settings
from sandbox.core.source import Source
from sandbox.core.template import Template, check_template
from sandbox.core.text import clean, closest
from sandbox.drivers.catalogue.files import digest, read_file, read_tree, unreadable
from sandbox.drivers.catalogue.images import ImageContexts
from sandbox.drivers.catalogue.policies import PolicyFiles, place_of
from sandbox.drivers.catalogue.reading import load_placed
from sandbox.drivers.catalogue.strict_yaml import MAX_BYTES, Document, refuse

if TYPE_CHECKING:
    from sandbox.core.glossary import Glossary
    from sandbox.core.policy_tests import PlacedTests

M = TypeVar("M", bound=BaseModel)

SETTINGS = "sandbox.yaml"
TEMPLATE = "template.yaml"
IMAGES = Path(__file__).parents[2] / "images"
GLOSSARY = Path(__file__).parents[2] / "glossary.yaml"


class HomeCatalogue:
    """The catalogue of the home in `home`; `images` holds the recipes of our own images.

    `instead` are files by their path in the home that are taken as if they stood there.

    Nothing of the home is kept in memory: who edits a file sees the effect with the next command.
    """

    def __init__(
        self, home: Path, images: Path = IMAGES, instead: Mapping[str, bytes] | None = None
    ) -> None:
        self._home = home
        self._images = images
        self._instead = instead or {}
        self._contexts_by: dict[ImageSettings, ImageContexts] = {}

    def settings(self) -> Settings:
        """Return `sandbox.yaml`; raises NotFound where there is none."""
        try:
            return self._load(Settings, SETTINGS)[0]
        except NotFound:
            raise NotFound(
                "This folder is no home.",
                subject=str(self._home),
                hint="Make one: sandbox init DIR",
            ) from None

    def templates(self) -> list[str]:
        """Return the names of the templates, sorted."""
        names = self._names("templates")
        return [n for n in names if (self._home / "templates" / n / TEMPLATE).is_file()]

    def template(self, name: str) -> Template:
        """Return one template.

        Raises NotFound with the nearest name, InvalidInput if any of its files is refused.
        """
        return self._template(name, self._template_files(name))

    def _template(self, name: str, files: dict[str, bytes]) -> Template:
        file = f"templates/{name}/{TEMPLATE}"
        template, document = load_placed(Template, file, files[TEMPLATE])
        _same_name(file, document, template.name, name)
        _raise_first(file, document, check_template(template))
        return template

    def template_digest(self, name: str) -> str:
        """Return the SHA-256 over paths and contents of all files of a template."""
        return digest(self._template_files(name).items())

    def sources(self) -> list[str]:
        """Return the names of the sources, sorted; a draft is none."""
        names = self._yaml_files("sources")
        return [Path(n).stem for n in names if not n.endswith(DRAFT)]

    def source(self, name: str) -> Source:
        """Return one source; raises NotFound with the nearest name, InvalidInput if it is wrong."""
        file = self._source_file(name)
        source, document = self._load(Source, file)
        _same_name(file, document, source.name, name)
        _check_source(file, document, source)
        return source

    def amended_source(self, name: str, wanted: Lines, said: Sequence[str]) -> str:
        """Return the text of a source's file with the wanted columns in it; changes no file.

        `said` begins it, as comments. Raises InvalidInput if that would be no source file.
        """
        file = self._source_file(name)
        raw = self._read(file)
        _, document = load_placed(Source, file, raw)
        text = amended(raw.decode("utf-8-sig"), document.positions, wanted, said)
        file = f"{file}, amended"
        made, document = load_placed(Source, file, text.encode())
        _check_source(file, document, made)
        return text

    def policies(self) -> PolicySet:
        """Return all files of `policies/` as one set; `digest()` of it names what was in force.

        Raises InvalidInput if there is none (a home without rules denies nothing by mistake), or
        if two rules have one id, naming both places.
        """
        return self._policies().merged()

    def with_policy(self, name: str, content: bytes) -> "HomeCatalogue":
        """Return the catalogue as it would be with this file in `policies/`, whatever its kind.

        One of the same name is replaced. Nothing is written.
        """
        return HomeCatalogue(self._home, self._images, {place_of(name, content): content})

    def policy_files(self) -> list[str]:
        """Return the files that have rules, those of profiles last."""
        return self._policies().files()

    def policy_file(self, file: str) -> PolicyFile:
        """Return one of `policy_files`; raises InvalidInput for what is wrong in it."""
        return self._policies().file(file)

    def policy_tests(self) -> list[str]:
        """Return the files that have tests of rules."""
        return self._policies().tests()

    def policy_test(self, file: str) -> "PlacedTests":
        """Return one of `policy_tests`; raises InvalidInput for what is wrong in it."""
        return self._policies().test_file(file)

    def people(self) -> People | None:
        """Return who works here, None where no file says so: the home is personal.

        Raises InvalidInput for a file that is wrong or spelled otherwise, and for a link that leads
        nowhere: a home whose people cannot be read is nobody's own.
        """
        if os.path.lexists(self._home / PEOPLE):
            return self._load(People, PEOPLE)[0]
        for name in self._names("."):
            if name.lower() in (PEOPLE, PEOPLE.replace(".yaml", ".yml")):
                raise InvalidInput(
                    f"The file's name must be {PEOPLE} to be read.",
                    subject=clean(name),
                    hint="Rename it. Until then nobody would be told from anybody else.",
                )
        return None

    def glossary(self) -> "Glossary":
        """Return the shipped words; raises InvalidInput if the file was changed and is wrong."""
        # Late: no other command needs it.
        from sandbox.core.glossary import Glossary

        return load_placed(Glossary, GLOSSARY.name, read_file(GLOSSARY, GLOSSARY.name, MAX_BYTES))[
            0
        ]

    def base_image(self) -> Image:
        """Return the image that all of ours start from."""
        return self._contexts().base()

    def lab_image(self) -> Image:
        """Return the image of the lab (PostgreSQL)."""
        return self._contexts().lab()

    def gateway_image(self) -> Image:
        """Return the image of the gateway."""
        return self._contexts().gateway()

    def proxy_image(self) -> Image:
        """Return the image of the egress proxy."""
        return self._contexts().proxy()

    def replica_image(self) -> Image:
        """Return the image of the PostgreSQL replica."""
        return self._contexts().replica()

    def service_image(self, template: str, service: str) -> Image:
        """Return the image of one service; raises NotFound for an unknown template or service."""
        files = self._template_files(template)
        found = self._template(template, files)
        if service not in found.services:
            _unknown("service", service, found.services)
        return self._contexts().service(found, service, files)

    def _contexts(self) -> ImageContexts:
        settings = self.settings().images
        if settings not in self._contexts_by:
            self._contexts_by[settings] = ImageContexts(self._images, settings)
        return self._contexts_by[settings]

    def _policies(self) -> PolicyFiles:
        return PolicyFiles(self._yaml_files, self._folders, self._read)

    def _template_files(self, name: str) -> dict[str, bytes]:
        self._known("template", name, self.templates)
        return read_tree(self._home / "templates" / name, f"templates/{name}")

    def _source_file(self, name: str) -> str:
        self._known("source", name, self.sources)
        return f"sources/{name}.yaml"

    def _load(self, model: type[M], file: str) -> tuple[M, Document]:
        return load_placed(model, file, self._read(file))

    def _read(self, file: str) -> bytes:
        if file in self._instead:
            return self._instead[file]
        # One byte over the limit is read, so that the reader itself can say that it is too large.
        return read_file(self._home / file, file, MAX_BYTES + 1)

    def _names(self, folder: str) -> list[str]:
        given = {Path(file).name for file in self._instead if Path(file).parent == Path(folder)}
        if not os.path.lexists(self._home / folder):
            return sorted(given)
        try:
            return sorted(given | {path.name for path in (self._home / folder).iterdir()})
        except OSError as error:  # a link that leads nowhere too: it is not an empty folder
            raise unreadable(folder, error) from None

    def _yaml_files(self, folder: str) -> list[str]:
        names = self._names(folder)
        for name in names:
            # A rule file that is passed over in silence would be a rule that nobody keeps.
            if name.lower().endswith((".yml", ".yaml")) and not name.endswith(".yaml"):
                raise InvalidInput(
                    "The file's name must end in .yaml to be read.",
                    subject=f"{folder}/{clean(name)}",
                    hint="Rename it.",
                )
        return [name for name in names if name.endswith(".yaml") and not name.startswith(".")]

    def _folders(self, folder: str) -> list[str]:
        names = self._names(folder)
        return [n for n in names if (self._home / folder / n).is_dir() and not n.startswith(".")]

    def _known(self, kind: str, name: str, names: Callable[[], list[str]]) -> None:
        # Only what a listing of the folder holds becomes a path: `../x` never does.
        if name not in (known := names()):
            _unknown(kind, name, known)


def _unknown(kind: str, name: str, known: Iterable[str]) -> NoReturn:
    listed = ", ".join(sorted(known)) or "none"
    raise NotFound(
        f"There is no such {kind}.{closest(name, known)}",
        subject=clean(name) or kind,
        hint=f"Known: {listed}",
    )


def _same_name(file: str, document: Document, found: str, expected: str) -> None:
    if found != expected:
        refuse(
            file,
            document.position(("metadata", "name")),
            f"the name is {clean(found)}, but the file stands under {expected}.",
            "Make both the same.",
        )


def _check_source(file: str, document: Document, source: Source) -> None:
    # Late: only who reads a source needs the rules of masks.
    from sandbox.core.faults import source_faults

    _raise_first(file, document, source_faults(source), source=True)


def _raise_first(
    file: str, document: Document, problems: list[str], *, source: bool = False
) -> None:
    if problems:
        # A problem begins with what it is about: a dotted path, in a source `table.column`.
        path = tuple(problems[0].partition(":")[0].split("."))
        place = ("tables", path[0], "columns", *path[1:]) if source else path
        refuse(file, document.position(place), clean(problems[0]), more=len(problems) - 1)
