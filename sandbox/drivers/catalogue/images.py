"""Build contexts: Dockerfiles rendered from templates, named by what they hold."""

import traceback
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from sandbox.core.errors import InvalidInput
from sandbox.core.objects import Image
from sandbox.core.settings import ImageSettings
from sandbox.core.template import Template
from sandbox.drivers.catalogue.files import context_files, digest, read_file, read_tree

Variables = Mapping[str, str | int | bool]

DOCKERFILE = "Dockerfile"
CA_FILE = "ca.crt"
RECIPE = "Dockerfile.j2"
_REPOSITORY = "bimodal-sandbox"
_WORKSPACE = "workspace/"
# The name under which Jinja2 compiles text that has no file.
_COMPILED = "<template>"


class ImageContexts:
    """Makes the contexts of all our images from `settings` and our own recipes in `folder`.

    Our own are read once: every other stands on the base, so `up` asks for that one ten times.
    """

    def __init__(self, folder: Path, settings: ImageSettings) -> None:
        self._folder = folder
        self._settings = settings
        self._read: dict[str, Image] = {}

    def base(self) -> Image:
        """Return the image that all others start from."""
        return self._own("base", self._settings.base, ())

    def lab(self) -> Image:
        """Return the image of the lab."""
        return self._on_base("lab")

    def gateway(self) -> Image:
        """Return the image of the gateway."""
        return self._on_base("gateway")

    def proxy(self) -> Image:
        """Return the image of the egress proxy."""
        return self._on_base("proxy")

    def replica(self) -> Image:
        """Return the image of the PostgreSQL replica, which stands on the lab's."""
        lab = self.lab()
        return self._own("replica", lab.tag, (*lab.needs, lab))

    def service(self, template: Template, service: str, files: dict[str, bytes]) -> Image:
        """Return the image of one service; `files` are all files of the template's folder.

        Raises InvalidInput if the recipe is missing or broken, or if a file takes a name of ours.
        """
        shown, base = f"templates/{template.name}", self.base()
        recipe = template.services[service].dockerfile
        if recipe not in files:
            raise InvalidInput(
                f"The service {service} has no file {recipe}.",
                subject=f"{shown}/{recipe}",
                hint="Write it, or name another one under `dockerfile` in template.yaml.",
            )
        version = template.metadata.version
        text = self._render(f"{shown}/{recipe}", files[recipe], base.tag, version)
        context = self._finished(_context(template, files, shown), text, shown)
        return _named(f"{template.name}-{service}", context, (base,))

    def _on_base(self, name: str) -> Image:
        base = self.base()
        return self._own(name, base.tag, (base,))

    def _own(self, name: str, base: str, needs: tuple[Image, ...]) -> Image:
        if name not in self._read:
            self._read[name] = self._made(name, base, needs)
        return self._read[name]

    def _made(self, name: str, base: str, needs: tuple[Image, ...]) -> Image:
        shown = f"images/{name}"
        files = read_tree(self._folder / name, shown)
        recipe = files.pop(RECIPE, None)
        if recipe is None:
            raise InvalidInput(
                "The image has no recipe.",
                subject=f"{shown}/{RECIPE}",
                hint="The installation is incomplete: install it again.",
            )
        text = self._render(f"{shown}/{RECIPE}", recipe, base, "")
        return _named(name, self._finished(files, text, shown), needs)

    def _render(self, shown: str, recipe: bytes, base: str, version: str) -> str:
        settings = self._settings
        return render(shown, recipe, {
            "base_image": base,
            "package_index": settings.package_index,
            "debian_mirror": settings.debian_mirror,
            "ca": bool(settings.ca_bundle),
            "version": version,
        })  # fmt: skip

    def _finished(self, files: dict[str, bytes], dockerfile: str, shown: str) -> dict[str, bytes]:
        for taken in {DOCKERFILE, CA_FILE} & files.keys():
            raise InvalidInput(
                "We put a file of this name there ourselves.",
                subject=f"{shown}/{taken}",
                hint="Give the file another name.",
            )
        made = {DOCKERFILE: dockerfile.encode()}
        if self._settings.ca_bundle:
            bundle = Path(self._settings.ca_bundle)
            made[CA_FILE] = read_file(bundle, f"images.ca_bundle: {bundle}")
        return files | made


def render(shown: str, recipe: bytes, variables: Variables) -> str:
    """Return `recipe` with `variables` filled in; nothing else can be reached from inside it.

    Raises InvalidInput naming `shown` and the line for whatever goes wrong.
    """
    for name, value in variables.items():
        # A line break in a setting would begin an instruction of its own.
        if isinstance(value, str) and not value.isprintable():
            raise InvalidInput(
                f"The value of {name} is not one line of text.",
                subject=shown,
                hint=f"Correct {name} in sandbox.yaml or template.yaml.",
            )
    # Late: most commands render no image.
    from jinja2 import TemplateError

    try:
        return _rendered(recipe, tuple(variables.items()))
    except Exception as error:
        line = _line(error)
        problem = error.message if isinstance(error, TemplateError) else str(error)
        known = ", ".join(sorted(variables))
        raise InvalidInput(
            f"{shown}:{line}: {problem or type(error).__name__}",
            subject=shown,
            hint=f"Correct line {line}. Variables: {known}.",
            details={"file": shown, "line": line},
        ) from None


@lru_cache(maxsize=64)
def _rendered(recipe: bytes, variables: tuple[tuple[str, str | int | bool], ...]) -> str:
    # Kept: every image of ours stands on the base, so `up` asks for that one again and again.
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        autoescape=False,  # a Dockerfile is no HTML
        keep_trailing_newline=True,
    )
    return environment.from_string(recipe.decode()).render(dict(variables))


def _line(error: Exception) -> int:
    from jinja2 import TemplateSyntaxError

    if isinstance(error, TemplateSyntaxError):
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    return next((f.lineno or 1 for f in reversed(frames) if f.filename == _COMPILED), 1)


def _context(template: Template, files: dict[str, bytes], shown: str) -> dict[str, bytes]:
    """Return what a service's build sees: no recipes, and the workspace under one fixed name."""
    recipes = {service.dockerfile for service in template.services.values()}
    own = template.workspace.rstrip("/") + "/"
    context: dict[str, bytes] = {}
    for path, content in files.items():
        if path in recipes:
            continue
        place = _WORKSPACE + path.removeprefix(own) if path.startswith(own) else path
        if place in context:
            raise InvalidInput(
                "Two files would stand at the same place.",
                subject=f"{shown}/{place}",
                hint="Rename one of them.",
            )
        context[place] = content
    return context


def _named(name: str, files: dict[str, bytes], needs: tuple[Image, ...]) -> Image:
    tag = f"{_REPOSITORY}/{name}:{digest(files.items())[:16]}"
    return Image(tag=tag, files=context_files(files), needs=needs)
