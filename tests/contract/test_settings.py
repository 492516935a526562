"""Addresses in `sandbox.yaml` become part of Dockerfiles and scripts: only plain ones pass."""

import json

import pytest

from sandbox.core.errors import InvalidInput
from sandbox.core.settings import Settings
from tests.reading import load_as

NAMES = ("package_index", "debian_mirror")


def read(name: str, address: str) -> Settings:
    text = f"apiVersion: sandbox.home/v1\nkind: Home\nimages:\n  {name}: {json.dumps(address)}\n"
    return load_as(Settings, "sandbox.yaml", text.encode())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "address",
    [
        "",
        "https://packages.example/simple",
        "http://10.0.0.7:3141/root/pypi/+simple/",
        "http://mirror.example/debian",
        "https://packages.example:8443/a_b/~c/%7Ed/e=f@1",
    ],
)
def test_plain_addresses_pass(name: str, address: str) -> None:
    assert getattr(read(name, address).images, name) == address


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "address",
    [
        "packages.example",
        "ftp://packages.example/",
        "file:///etc/passwd",
        "https://",
        "https://anna:secret@packages.example/simple",
        "https://packages.example/a b",
        'https://packages.example/"',
        "https://packages.example/'",
        "https://packages.example/\\",
        "https://packages.example/\n",
        "https://packages.example/\nRUN id",
        "https://packages.example/$HOME",
        "https://packages.example/`id`",
        "https://packages.example/;id",
        "https://packages.example/&id",
        "https://packages.example/#x",
        "https://packages.example/例",
        "https://例.example/",
    ],
)
def test_others_are_refused_with_setting_file_and_line(name: str, address: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        read(name, address)
    error = raised.value
    said = f"{error.message} {error.subject} {error.hint}"
    assert f"images.{name}" in error.message
    assert "sandbox.yaml:4:" in said
    assert "secret" not in said
