"""Templates: reviewed recipes for sandboxes, and how a person's parameters are resolved."""

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import Field

from sandbox.core.egress import host_problems
from sandbox.core.errors import InvalidInput
from sandbox.core.text import clean, closest
from sandbox.core.values import Value

ParameterValue = int | float | bool | str

_PART_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?")
_PARAMETER_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
# What we put beside the services of every sandbox: containers and volumes of these names.
_RESERVED = frozenset({"lab", "gateway", "proxy", "lease", "keep", "work", "replica"})


class Words(Value):
    """A text in the languages of our users."""

    en: str
    ja: str


class Limits(Value):
    """What one service may use at most. Policy can lower these; nothing raises them."""

    memory_mb: Annotated[int, Field(ge=16, le=8192)]
    cpus: Annotated[float, Field(gt=0, le=8)]
    pids: Annotated[int, Field(ge=8, le=1024)] = 128


# Squid with an empty cache and its resolver take 15 MB; the rest is for open connections.
PROXY_LIMITS = Limits(memory_mb=64, cpus=0.5, pids=96)
# A sandbox's own PostgreSQL replica; where one server is shared, its part of that.
REPLICA_LIMITS = Limits(memory_mb=192, cpus=0.5, pids=64)


class Probe(Value):
    """How a service shows that it answers: any status below 500 on `path` within `seconds`."""

    path: Annotated[str, Field(pattern=r"^/")] = "/"
    seconds: Annotated[int, Field(ge=1, le=300)] = 60


class Service(Value):
    """One container of a sandbox. `replica` is what its tool reads core data by."""

    dockerfile: str = "Dockerfile.j2"
    command: Annotated[tuple[str, ...], Field(min_length=1)]
    port: Annotated[int, Field(ge=1024, le=65535)]
    probe: Probe = Probe()
    limits: Limits
    tmpfs_mb: Annotated[int, Field(ge=1, le=512)] = 64
    replica: Literal["duckdb", "postgres"] = "duckdb"


class Idle(Value):
    """What the tool's page asks for while it stands open with nobody before it.

    Requests for these paths are no use of the sandbox; `*` is any text. The defaults are marimo's.
    """

    ignore: Annotated[
        tuple[Annotated[str, Field(pattern=r"^/[!-~]{0,199}$")], ...], Field(max_length=50)
    ] = (
        *("/health", "/api/usage", "/api/status*", "/api/lsp/*", "/api/packages/sandbox"),
        *("/public-files-sw.js", "/manifest.json", "/favicon.ico"),
    )


class Parameter(Value):
    """A choice that the template leaves to its user. `error` is the author's own sentence."""

    type: Literal["integer", "number", "boolean", "text", "choice"]
    title: Words
    default: ParameterValue
    min: float | None = None
    max: float | None = None
    pattern: str | None = None
    choices: tuple[str, ...] = ()
    error: Words


class Needs(Value):
    """The core data without which the template makes no sense."""

    source: str
    tables: Annotated[tuple[str, ...], Field(min_length=1)]


class Metadata(Value):
    """What the catalogue shows of a template."""

    name: str
    version: str
    family: Literal["execution", "operation", "analysis"]
    title: Words
    summary: Words


class Template(Value):
    """A recipe: one to four services, exactly one of which (`answers`) is behind the gateway.

    `disk_mb` is what work and lab may hold together (MiB): watched, see docs/quotas.md. `egress`
    names the hosts outside that it reaches, if policy approves them.
    """

    api_version: Annotated[Literal["sandbox.template/v1"], Field(alias="apiVersion")]
    kind: Literal["Template"]
    metadata: Metadata
    needs: Needs
    services: Annotated[dict[str, Service], Field(min_length=1, max_length=4)]
    answers: str
    idle: Idle = Idle()
    lab: Limits | None = None
    egress: tuple[str, ...] = ()
    disk_mb: Annotated[int, Field(ge=64, le=1_048_576)] = 3072
    parameters: dict[str, Parameter] = Field(default_factory=dict)
    workspace: str = "workspace"
    smoke: Annotated[tuple[str, ...], Field(min_length=1)]

    @property
    def name(self) -> str:
        """The name people type."""
        return self.metadata.name

    @property
    def postgres(self) -> bool:
        """Whether any service reads core data from PostgreSQL."""
        return any(service.replica == "postgres" for service in self.services.values())

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of all containers that run, as people name them.

        A sandbox's own PostgreSQL replica is one more, once it has been lent one.
        """
        return tuple(name for name in self.limits() if name != "replica")

    def limits(self) -> dict[str, Limits]:
        """Return the limits of each part, a PostgreSQL replica's too, in the order of `parts`."""
        beside = {
            "lab": self.lab,
            "proxy": PROXY_LIMITS if self.egress else None,
            "replica": REPLICA_LIMITS if self.postgres else None,
        }
        services = {name: service.limits for name, service in self.services.items()}
        return services | {name: limits for name, limits in beside.items() if limits}

    def total(self) -> Limits:
        """Return the sum of all parts' limits (MB, CPUs, processes)."""
        parts = self.limits().values()
        return Limits.model_construct(
            memory_mb=sum(p.memory_mb for p in parts),
            cpus=round(sum(p.cpus for p in parts), 3),
            pids=sum(p.pids for p in parts),
        )


def resolve_parameters(
    template: Template, given: Mapping[str, str], language: Literal["en", "ja"] = "en"
) -> dict[str, ParameterValue]:
    """Return every parameter of `template` with its value: the given text read, else the default.

    Raises InvalidInput for an unknown name (with the nearest one) or a value out of bounds (with
    the author's sentence).
    """
    for name in given:
        if name not in template.parameters:
            known = ", ".join(sorted(template.parameters)) or "none"
            raise InvalidInput(
                f"The template {template.name} has no such parameter."
                + closest(name, template.parameters),
                subject=clean(name),
                hint=f"Parameters of {template.name}: {known}",
            )
    return {
        name: _read(name, parameter, given[name], language) if name in given else parameter.default
        for name, parameter in template.parameters.items()
    }


def _read(name: str, parameter: Parameter, text: str, language: str) -> ParameterValue:
    value = _convert(parameter, text)
    if value is None or not _in_bounds(parameter, value):
        raise InvalidInput(
            getattr(parameter.error, language),
            subject=f"{name}={clean(text)}",
            hint=f"Default: {parameter.default}",
        )
    return value


def _convert(parameter: Parameter, text: str) -> ParameterValue | None:
    try:
        match parameter.type:
            case "integer":
                return int(text)
            case "number":
                return float(text)
            case "boolean":
                return {"true": True, "yes": True, "false": False, "no": False}.get(text.lower())
            case _:
                return text
    except ValueError:
        return None


def _in_bounds(parameter: Parameter, value: ParameterValue) -> bool:
    if isinstance(value, str):
        # The length comes first: it bounds what an author's pattern can cost.
        fits = len(value) <= 500 and (not parameter.choices or value in parameter.choices)
        return fits and (parameter.pattern is None or bool(re.fullmatch(parameter.pattern, value)))
    if isinstance(value, bool):
        return True
    if isinstance(value, float) and not math.isfinite(value):
        return False
    low = parameter.min is None or value >= parameter.min
    high = parameter.max is None or value <= parameter.max
    return low and high


def check_template(template: Template) -> list[str]:
    """Return what is wrong between the fields of `template`, one sentence each; empty: nothing."""
    return [
        *_service_problems(template),
        *_path_problems(template),
        *_parameter_problems(template),
        *(f"egress: {problem}" for problem in host_problems(template.egress)),
    ]


def _service_problems(template: Template) -> Iterator[str]:
    if template.answers not in template.services:
        near = closest(template.answers, template.services)
        yield f"answers: {clean(template.answers)} is none of the services.{near}"
    for name in template.services:
        if not _PART_NAME.fullmatch(name):
            yield f"services: {clean(name)} is not lower-case letters, digits and hyphens (20)."
        elif name in _RESERVED:
            yield f"services: {name} is a name that every sandbox uses already."


def _path_problems(template: Template) -> Iterator[str]:
    places = {"workspace": template.workspace}
    places |= {f"services.{n}.dockerfile": s.dockerfile for n, s in template.services.items()}
    for field, place in places.items():
        path = PurePosixPath(place)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            yield f"{field}: {clean(place)} does not lie inside the template's folder."


def _parameter_problems(template: Template) -> Iterator[str]:
    for name, parameter in template.parameters.items():
        if not _PARAMETER_NAME.fullmatch(name):
            yield f"parameters: {clean(name)} is not lower-case letters, digits and underscores."
        for problem in _own_problems(parameter):
            yield f"parameters.{name}: {problem}"


def _own_problems(parameter: Parameter) -> list[str]:
    numeric, choice = parameter.type in ("integer", "number"), parameter.type == "choice"
    low, high = parameter.min, parameter.max
    checks = {
        "a choice needs choices.": choice and not parameter.choices,
        "only a choice has choices.": not choice and bool(parameter.choices),
        "only numbers have min and max.": not numeric and (low is not None or high is not None),
        "min is above max.": low is not None and high is not None and low > high,
        "only a text has a pattern.": parameter.type != "text" and parameter.pattern is not None,
        "the pattern is no regular expression.": not _compiles(parameter.pattern),
    }
    found = [problem for problem, wrong in checks.items() if wrong]
    # Judged only where the bounds themselves make sense.
    if not found and not (_is_of_type(parameter) and _in_bounds(parameter, parameter.default)):
        found.append("the default is not one of the values that the parameter allows.")
    return found


def _compiles(pattern: str | None) -> bool:
    try:
        re.compile(pattern or "")
    except (re.error, RecursionError, OverflowError):
        return False
    return True


def _is_of_type(parameter: Parameter) -> bool:
    kinds = {"integer": (int,), "number": (int, float), "boolean": (bool,)}
    is_bool = isinstance(parameter.default, bool)
    return isinstance(parameter.default, kinds.get(parameter.type, (str,))) and (
        is_bool == (parameter.type == "boolean")
    )
