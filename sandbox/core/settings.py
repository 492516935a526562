"""The settings of a home: `sandbox.yaml`. Every one has a default that works on one machine."""

import re
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from sandbox.core.connection import SecretName
from sandbox.core.errors import InvalidInput
from sandbox.core.lease import LeaseLimits, parse_ttl
from sandbox.core.prices import CostSettings
from sandbox.core.retention import Retention
from sandbox.core.values import Value

_ADDRESS = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?(/[A-Za-z0-9._~%+@=/-]*)?")


def _plain_address(text: str) -> str:
    """Return `text` if it can stand in a Dockerfile, a shell script and apt's list as it is."""
    if text and not _ADDRESS.fullmatch(text):
        raise ValueError(
            "must be an address like https://packages.example/simple, without a login, "
            "spaces, quotes, $ or other marks that a shell reads"
        )
    return text


Address = Annotated[str, AfterValidator(_plain_address)]


class GatewaySettings(Value):
    """Where browsers reach the sandboxes."""

    bind: Literal["127.0.0.1"] = "127.0.0.1"
    port: Annotated[int, Field(ge=1024, le=65535)] = 8700
    domain: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")] = "localhost"
    link_minutes: Annotated[int, Field(ge=1, le=1440)] = 10


class ImageSettings(Value):
    """What images are made from, for machines without a route to public registries.

    Addresses are empty or plain http(s) ones: they become part of Dockerfiles and scripts. A login
    in one would stay in the image. `ca_bundle` is a file on this machine that is copied into
    images under a name of its own.
    """

    base: str = "debian:bookworm-slim"
    package_index: Address = ""
    debian_mirror: Address = ""
    ca_bundle: str = ""
    build_network: Literal["default", "host"] = "default"


class NetworkSettings(Value):
    """The ranges from which sandboxes get their /28 networks, and their proxies those outside.

    The second has a network for each of the first. `resolvers` are the name servers that proxies
    ask; without any, the engine's. `refused` are further networks that no host may lead to.
    """

    range: IPv4Network = IPv4Network("10.231.0.0/16")
    outside: IPv4Network = IPv4Network("10.232.0.0/16")
    resolvers: tuple[IPv4Address, ...] = ()
    refused: tuple[IPv4Network, ...] = ()

    @model_validator(mode="after")
    def _apart(self) -> "NetworkSettings":
        if self.range.overlaps(self.outside):
            raise ValueError("range and outside must not overlap")
        if self.outside.prefixlen > self.range.prefixlen:
            raise ValueError("outside must be at least as wide as range")
        return self


def _span(text: Any) -> timedelta:
    """Return the duration that a person wrote; raises ValueError for anything else."""
    if isinstance(text, timedelta):
        return text
    if not isinstance(text, str):
        raise ValueError("must be a duration: minutes, hours, days or weeks, as in 90m, 72h, 14d")
    try:
        return parse_ttl(text)
    except InvalidInput as error:
        said = error.message.removeprefix("The time to live ").removesuffix(".")
        raise ValueError(f"{said}; write it as in 90m, 72h, 14d") from None


Span = Annotated[timedelta, BeforeValidator(_span)]


def as_span_is_written(text: str) -> str:
    """Return `text`; raises ValueError unless it is a duration."""
    _span(text)
    return text


class WarningSettings(Value):
    """One warning: how long before the end it comes."""

    before: Span


# What a lease may become where the home does not say.
_LIMITS = LeaseLimits()


class LeaseSettings(Value):
    """What the lease of a new sandbox may become; each keeps what held when it was asked for.

    `extension` is the longest single extension, `longest` the time from the start to the last end
    that any extension can reach, `grace` how long an expired sandbox is kept.
    """

    extensions: Annotated[int, Field(ge=0, le=100)] = _LIMITS.extensions
    extension: Span = _LIMITS.extension
    longest: Span = _LIMITS.longest
    grace: Span = _LIMITS.grace
    warnings: tuple[WarningSettings, ...] = tuple(
        WarningSettings(before=before) for before in _LIMITS.warnings
    )

    def limits(self) -> LeaseLimits:
        """Return them as a lease keeps them."""
        return LeaseLimits(
            extensions=self.extensions,
            extension=self.extension,
            longest=self.longest,
            grace=self.grace,
            warnings=tuple(warning.before for warning in self.warnings),
        )


class ReaperSettings(Value):
    """How long what no record knows is watched before it is removed."""

    orphan_grace: Span = timedelta(hours=1)


class DiskSettings(Value):
    """How much of a disk stays free (MiB).

    With less than `reserve_mb` left nothing new is begun, below `floor_mb` everything is frozen.
    """

    reserve_mb: Annotated[int, Field(ge=0, le=104_857_600)] = 2048
    floor_mb: Annotated[int, Field(ge=0, le=104_857_600)] = 1024

    @model_validator(mode="after")
    def _floor_is_lower(self) -> "DiskSettings":
        if self.floor_mb > self.reserve_mb:
            raise ValueError("floor_mb must not be more than reserve_mb")
        return self


class KeepSettings(Value):
    """What is kept of a sandbox that ends: one encrypted archive of its lab and its work files."""

    days: Annotated[int, Field(ge=1, le=3650)] = 30
    max_mb: Annotated[int, Field(ge=1, le=102_400)] = 512


class DefaultSettings(Value):
    """What a request gets when it says nothing."""

    ttl: Annotated[str, AfterValidator(as_span_is_written)] = "72h"
    language: Literal["en", "ja"] = "en"


class ApprovalSettings(Value):
    """How long what wants somebody's yes waits for it, and how long a yes to snapshots holds."""

    waits: Span = timedelta(days=7)
    snapshot_days: Annotated[int, Field(ge=1, le=3650)] = 90


class KeySettings(Value):
    """Where the master key is, if not in the home: a secret that Docker mounts."""

    master_secret: SecretName | None = None


class Settings(Value):
    """All settings."""

    api_version: Annotated[Literal["sandbox.home/v1"], Field(alias="apiVersion")]
    kind: Literal["Home"]
    demo: bool = False
    identity: Literal["operating-system", "asserted"] = "operating-system"
    gateway: GatewaySettings = GatewaySettings()
    images: ImageSettings = ImageSettings()
    network: NetworkSettings = NetworkSettings()
    disk: DiskSettings = DiskSettings()
    keep: KeepSettings = KeepSettings()
    defaults: DefaultSettings = DefaultSettings()
    lease: LeaseSettings = LeaseSettings()
    pool: dict[str, Annotated[int, Field(ge=0, le=100)]] = Field(default_factory=dict)
    reaper: ReaperSettings = ReaperSettings()
    snapshots: Retention = Retention()
    approvals: ApprovalSettings = ApprovalSettings()
    cost: CostSettings = CostSettings()
    keys: KeySettings = KeySettings()

    @model_validator(mode="after")
    def _default_fits(self) -> "Settings":
        """Refuse a default that no request could have: it would deny whoever says nothing."""
        if _span(self.defaults.ttl) > self.lease.longest:
            raise _DefaultTooLong(
                self.defaults.ttl, written="ttl" in self.defaults.model_fields_set
            )
        return self


class _DefaultTooLong(ValueError):
    """A fault that stands where one of the two settings is written; `place` names it."""

    def __init__(self, ttl: str, *, written: bool) -> None:
        super().__init__(f"the default time to live, {ttl}, is longer than lease.longest")
        self.place = ("defaults", "ttl") if written else ("lease", "longest")
