"""Templates: list, show, build, check."""

import contextlib

from sandbox.core.errors import Denied, InvalidInput, SandboxError
from sandbox.core.ports import Context
from sandbox.core.resolving import Wish
from sandbox.core.template import Template
from sandbox.core.values import Request, Result, Value
from sandbox.usecases.desk import answers
from sandbox.usecases.filling import learn_kind
from sandbox.usecases.images import build_missing, images_of, missing
from sandbox.usecases.probing import smoke
from sandbox.usecases.provisioning import UpRequest, up
from sandbox.usecases.sandboxes import DownRequest, down


class TemplateLine(Value):
    """A template in the list."""

    name: str
    version: str
    family: str
    title: str
    needs: tuple[str, ...]
    ready: bool


class TemplateListResult(Result):
    """All templates of the home."""

    templates: tuple[TemplateLine, ...]


class ListTemplatesRequest(Request[TemplateListResult]):
    """Ask which templates there are."""


class TemplateNamesResult(Result):
    """Names, sorted."""

    names: tuple[str, ...]


class TemplateNamesRequest(Request[TemplateNamesResult]):
    """Ask for names only; neither the files nor the engine are looked at."""


class TemplateResult(Result):
    """One template, and which of its images are still to be built."""

    template: Template
    digest: str
    missing_images: tuple[str, ...]


class ShowTemplateRequest(Request[TemplateResult]):
    """Ask for one template."""

    name: str


class TemplateBuildResult(Result):
    """Images that were built; `images` are all that the template needs."""

    name: str
    built: tuple[str, ...]
    images: tuple[str, ...]


class BuildTemplateRequest(Request[TemplateBuildResult]):
    """Ask to build a template's images ahead of the first `up`."""

    name: str


class TemplateCheckResult(Result):
    """Whether the template's own smoke test passed inside a real sandbox."""

    name: str
    passed: bool
    seconds: float
    lines: tuple[str, ...]


class CheckTemplateRequest(Request[TemplateCheckResult]):
    """Ask to prove a template in a real sandbox, which is removed afterwards."""

    name: str
    campaign: str = ""


@answers(TemplateNamesRequest)
def names(context: Context, request: TemplateNamesRequest) -> TemplateNamesResult:
    """Return the names of the templates."""
    return TemplateNamesResult(names=tuple(context.catalogue.templates()))


@answers(ListTemplatesRequest)
def list_templates(context: Context, request: ListTemplatesRequest) -> TemplateListResult:
    """Return every template with what it needs and whether its images are there."""
    return TemplateListResult(
        templates=tuple(_line(context, name) for name in context.catalogue.templates())
    )


@answers(ShowTemplateRequest)
def show(context: Context, request: ShowTemplateRequest) -> TemplateResult:
    """Return one template."""
    template = context.catalogue.template(request.name)
    return TemplateResult(
        template=template,
        digest=context.catalogue.template_digest(template.name),
        missing_images=tuple(i.tag for i in missing(context, images_of(context, template).all())),
    )


@answers(BuildTemplateRequest)
def build(context: Context, request: BuildTemplateRequest) -> TemplateBuildResult:
    """Build what the template's sandboxes and the gateway need and the engine has not."""
    template = context.catalogue.template(request.name)
    images = [*images_of(context, template).all(), context.catalogue.gateway_image()]
    built = build_missing(context, images)
    if template.postgres:  # so that `plan` can say which kind it will be
        learn_kind(context, context.catalogue.replica_image())
    return TemplateBuildResult(
        name=template.name, built=tuple(built), images=tuple(i.tag for i in images)
    )


@answers(CheckTemplateRequest)
def check(context: Context, request: CheckTemplateRequest) -> TemplateCheckResult:
    """Bring a sandbox up, run the smoke test in it as its tool's user, take it down."""
    template = context.catalogue.template(request.name)
    wish = Wish(
        name=f"check-{context.new_id()[:8]}",
        template=template.name,
        purpose=f"Smoke test of template {template.name} before people use it",
        ttl="1h",
        campaign=request.campaign,
    )
    made = up(context, UpRequest(wish=wish))
    try:
        if made.waits:
            raise _waits(template.name, made.waits.words)
        ran, seconds = smoke(context, made.sandbox.id, template)
    finally:
        # The test's own outcome matters more than a removal that failed; `list` still shows it.
        with contextlib.suppress(SandboxError):
            down(context, DownRequest(name=wish.name, reason="template check", keep=False))
    return TemplateCheckResult(
        name=template.name, passed=ran.code == 0, seconds=seconds, lines=ran.lines()
    )


def _waits(name: str, words: str) -> Denied:
    return Denied(
        f"Its sandbox would wait for a yes of {words}, and a check waits for nobody.",
        subject=name,
        hint="Have the rule (policies/) let an hour through, or ask for a sandbox: sandbox up",
    )


def _line(context: Context, name: str) -> TemplateLine:
    template = context.catalogue.template(name)
    try:
        ready = not missing(context, images_of(context, template).all())
    except InvalidInput:
        raise
    except SandboxError:
        ready = False  # without an engine the list still says what there is
    return TemplateLine(
        name=template.name,
        version=template.metadata.version,
        family=template.metadata.family,
        title=getattr(template.metadata.title, context.language),
        needs=tuple(f"{template.needs.source}.{t}" for t in template.needs.tables),
        ready=ready,
    )
