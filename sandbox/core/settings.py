"""The settings of a home: `sandbox.yaml`. Every one has a default that works on one machine."""

import re
from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

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
    """The range from which sandboxes get their /28 networks."""

    range: IPv4Network = IPv4Network("10.231.0.0/16")


class DefaultSettings(Value):
    """What a request gets when it says nothing."""

    ttl: str = "72h"
    language: Literal["en", "ja"] = "en"


class Settings(Value):
    """All settings."""

    api_version: Annotated[Literal["sandbox.home/v1"], Field(alias="apiVersion")]
    kind: Literal["Home"]
    demo: bool = False
    gateway: GatewaySettings = GatewaySettings()
    images: ImageSettings = ImageSettings()
    network: NetworkSettings = NetworkSettings()
    defaults: DefaultSettings = DefaultSettings()
