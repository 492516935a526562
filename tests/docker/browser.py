"""What a browser does: ask the gateway for a page of a sandbox, with a link or with a cookie."""

import base64
import http.client
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from tests.docker.conftest import Home


@dataclass(frozen=True)
class Answer:
    """What the gateway answered."""

    status: int
    headers: dict[str, str]
    body: str


def ask(port: int, name: str, path: str, method: str, headers: Mapping[str, str]) -> Answer:
    """Ask the gateway at `port` for a path of the sandbox `name`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    host = {"Host": f"{name}.localhost:{port}"}
    connection.request(method, path, headers=host | dict(headers))
    response = connection.getresponse()
    body = response.read().decode(errors="replace")
    connection.close()
    return Answer(response.status, dict(response.getheaders()), body)


def get(home: Home, name: str, path: str, **headers: str) -> Answer:
    """Ask a home's gateway with GET."""
    return ask(home.port, name, path, "GET", headers)


@contextmanager
def web_socket(port: int, name: str, path: str, **headers: str) -> Iterator[socket.socket]:
    """Ask the gateway at `port` for a WebSocket to the sandbox `name`; its answer comes first."""
    asked = {
        "Host": f"{name}.localhost:{port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
    }
    head = [f"GET {path} HTTP/1.1", *(f"{k}: {v}" for k, v in (asked | headers).items())]
    with socket.create_connection(("127.0.0.1", port), timeout=20) as held:
        held.sendall("".join(f"{line}\r\n" for line in [*head, ""]).encode())
        yield held


@contextmanager
def open_socket(port: int, name: str, path: str, **headers: str) -> Iterator[socket.socket]:
    """Hold a WebSocket that the gateway has let through."""
    with web_socket(port, name, path, **headers) as held:
        assert held.recv(4096).startswith(b"HTTP/1.1 101")
        yield held


def path_of(link: str) -> str:
    """Return the path of a link, its question included."""
    return "/" + link.strip().split("/", 3)[3]


def cookie_of(home: Home, name: str) -> str:
    """Use a fresh link; return what the browser sends from then on."""
    opened = get(home, name, path_of(home.run("open", name)))
    return opened.headers.get("Set-Cookie", "").split(";")[0]
