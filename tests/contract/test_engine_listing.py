"""An engine whose disk was full lists as running what has ended: its own word on each counts."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from threading import Thread
from typing import Any

import pytest

from sandbox.core.objects import INSTALLATION, SANDBOX
from sandbox.drivers.engine import DockerEngine

# The SDK leaves its sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
LABELS = {INSTALLATION: "i", SANDBOX: "one"}


def listed(name: str) -> dict[str, Any]:
    return {"Id": name, "Names": [f"/{name}"], "Labels": LABELS, "State": "running"}


def told(running: bool) -> dict[str, Any]:
    return {"Config": {"Image": "tool:1"}, "State": {"Running": running}}


# What Docker 20.10 said of a lab that had ended, and of one that ran on.
ANSWERS = {
    "/version": {"ApiVersion": "1.41"},
    "/containers/json": [listed("ended"), listed("alive"), listed("removed-meanwhile")],
    "/containers/ended/json": told(False),
    "/containers/alive/json": told(True),
    "/networks": [],
    "/volumes": {"Volumes": None},
}


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.partition("?")[0].removeprefix("/v1.41")
        body = json.dumps(ANSWERS.get(path, {"message": "No such container"})).encode()
        self.send_response(200 if path in ANSWERS else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True


@contextmanager
def answering(path: Path) -> Iterator[DockerEngine]:
    with _Server(str(path), _Answers) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        engine = DockerEngine({"DOCKER_HOST": f"unix://{path}"})
        try:
            yield engine
        finally:
            engine.close()
            server.shutdown()
            thread.join()


def test_what_is_listed_as_running_is_asked_itself(tmp_path: Path) -> None:
    with answering(tmp_path / "engine.sock") as engine:
        found = {each.name: each.running for each in engine.owned("i", "one")}
    assert found == {"ended": False, "alive": True, "removed-meanwhile": False}
