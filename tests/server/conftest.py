"""A service at a real socket of this machine, which answers as a test says."""

import asyncio
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from sandbox.server.answering import Answer
from sandbox.server.app import make_app
from sandbox.server.peers import PeerProtocol
from sandbox.usecases.importing import ImportRequest
from sandbox.usecases.sandboxes import ListRequest

KINDS = (ListRequest, ImportRequest)


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        """The error in it."""
        told: dict[str, Any] = json.loads(self.body)["error"]
        return told


class Unix(http.client.HTTPConnection):
    """HTTP to a socket."""

    def __init__(self, place: Path) -> None:
        super().__init__("localhost", timeout=20)
        self.place = place

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(str(self.place))


def said_to(
    place: Path,
    path: str,
    body: bytes = b"{}",
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Send one request, as any program would."""
    connection = Unix(place)
    connection.request(method, path, body, dict(headers or {}))
    got = connection.getresponse()
    reply = Reply(got.status, got.read())
    connection.close()
    return reply


@contextmanager
def served(place: Path, answer: Answer) -> Iterator[None]:
    with ThreadPoolExecutor(4) as threads:
        app = make_app(KINDS, answer, threads)
        config = uvicorn.Config(
            app, uds=str(place), http=PeerProtocol, lifespan="off", log_config=None
        )
        server = uvicorn.Server(config)
        running = threading.Thread(target=lambda: asyncio.run(server.serve()))
        running.start()
        for _ in range(500):
            if server.started:
                break
            time.sleep(0.01)
        try:
            yield
        finally:
            server.should_exit = True
            running.join(20)


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Callable[[Answer], Path]]:
    """Start a service that answers so, and give its socket."""
    running: list[AbstractContextManager[None]] = []

    def start(answer: Answer) -> Path:
        place = tmp_path / f"{len(running)}.sock"
        service = served(place, answer)
        service.__enter__()
        running.append(service)
        return place

    yield start
    for service in running:
        service.__exit__(None, None, None)
