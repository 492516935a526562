"""The files of a small home, and what the catalogue's tests look at."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.core.errors import InvalidInput, SandboxError
from sandbox.core.objects import File, Image

SETTINGS = "apiVersion: sandbox.home/v1\nkind: Home\n"
TEMPLATE = """\
apiVersion: sandbox.template/v1
kind: Template
metadata:
  name: demo
  version: 1.0.0
  family: analysis
  title: {en: Demo, ja: デモ}
  summary: {en: A demo, ja: 試作}
needs: {source: core, tables: [customers]}
services:
  tool:
    command: [/tool]
    port: 2718
    limits: {memory_mb: 256, cpus: 0.5}
  stub:
    dockerfile: stub/Dockerfile.j2
    command: [/stub]
    port: 2719
    limits: {memory_mb: 64, cpus: 0.1}
answers: tool
smoke: [/smoke]
"""
SOURCE = """\
apiVersion: sandbox.source/v1
kind: Source
metadata: {name: core}
connection:
  type: postgres
  host: 127.0.0.1
  database: core
  user: reader
  password: {env: CORE_PASSWORD}
owners: {extract: it-data, transform: it-data}
tables:
  customers:
    columns:
      customer_id: {class: internal, mask: keep}
      mail: {class: contact, mask: mail}
"""
RECIPE = "FROM {{ base_image }}\n{% if ca %}COPY ca.crt /ca.crt\n{% endif %}LABEL v={{ version }}\n"


def write(path: Path, text: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)


def contents(image: Image) -> dict[str, str]:
    assert all(isinstance(file, File) for file in image.files)
    return {file.path: file.content.decode() for file in image.files}


def failure(act: Callable[[], Any], kind: type[SandboxError] = InvalidInput) -> SandboxError:
    with pytest.raises(SandboxError) as caught:
        act()
    assert type(caught.value) is kind
    assert caught.value.hint
    assert caught.value.subject
    return caught.value
