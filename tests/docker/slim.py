"""A template of the tests' own: a tool of a few lines, where many sandboxes are needed, or one
often. It goes the way of every template; only the home's policies are changed to let it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

NAME, SPEAKING = "slim", "speaking"
PURPOSE = "How many sandboxes does one machine carry?"
SLIM = ("--template", NAME, "--purpose", PURPOSE)
_TEMPLATE = """\
apiVersion: sandbox.template/v1
kind: Template
metadata:
  name: slim
  version: 1.0.0
  family: analysis
  title: {en: Slim, ja: 最小}
  summary: {en: A page that says yes, ja: 応答するだけのページ}
needs: {source: core, tables: [customers]}
services:
  tool:
    command: [/opt/venv/bin/python, -I, /opt/template/tool.py]
    port: 8080
    probe: {path: /, seconds: 60}
    limits: {memory_mb: 256, cpus: 0.5, pids: 64}
    tmpfs_mb: 16
answers: tool
lab: {memory_mb: 160, cpus: 0.5, pids: 64}
workspace: workspace
smoke: [/opt/venv/bin/python, -I, -c, import duckdb]
"""
_RECIPE = """\
FROM {{ base_image }}
COPY tool.py /opt/template/tool.py
COPY --chown=10001:10001 workspace/ /work/
RUN /sandbox/seal
LABEL template.version="{{ version }}"
USER 10001:10001
"""
# Answers yes; on a WebSocket it sends back what it gets.
_TOOL = """\
import base64, hashlib, http.server
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        key = self.headers.get("Sec-WebSocket-Key")
        if key is None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"yes")
            return
        seal = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest())
        self.connection.sendall(b"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\n"
                                b"Connection: Upgrade\\r\\nSec-WebSocket-Accept: " + seal +
                                b"\\r\\n\\r\\n")
        while got := self.connection.recv(4096):
            self.connection.sendall(got)
http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Page).serve_forever()
"""


def add_slim(home: Path) -> None:
    """Add the template to a home, have its policies allow it, and lift their quotas."""
    folder = home / "templates" / NAME
    (folder / "workspace").mkdir(parents=True)
    (folder / "template.yaml").write_text(_TEMPLATE)
    (folder / "Dockerfile.j2").write_text(_RECIPE)
    (folder / "tool.py").write_text(_TOOL)
    (folder / "workspace" / "notes.txt").write_text("nothing yet\n")
    _change_rules(home, _lift)


def add_speaking(home: Path) -> None:
    """Add the same, which is there, under another name, with a tool that speaks PostgreSQL."""
    folder = home / "templates" / SPEAKING
    shutil.copytree(home / "templates" / NAME, folder, dirs_exist_ok=True)
    text = _TEMPLATE.replace(f"name: {NAME}", f"name: {SPEAKING}")
    speaks = text.replace("    tmpfs_mb: 16\n", "    tmpfs_mb: 16\n    replica: postgres\n")
    (folder / "template.yaml").write_text(speaks)


def limit_totals(home: Path, field: str, most: int) -> None:
    """Have the home's policies allow at most so much of a total."""

    def limit(asserted: dict[str, Any]) -> None:
        if asserted["field"] == field:
            asserted["max"] = most

    _change_rules(home, limit)


def _lift(asserted: dict[str, Any]) -> None:
    if "_totals." in asserted["field"]:
        asserted["max"] = 1_000_000
    if asserted["field"] == "template.name":
        asserted["one_of"] += [NAME, SPEAKING]


def _change_rules(home: Path, change: Callable[[dict[str, Any]], None]) -> None:
    file = home / "policies" / "baseline.yaml"
    policies = yaml.safe_load(file.read_text())
    for rule in policies["rules"]:
        if isinstance(rule["assert"], dict):
            change(rule["assert"])
    file.write_text(yaml.safe_dump(policies, allow_unicode=True))
