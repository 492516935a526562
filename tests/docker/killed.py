"""`python -m tests.docker.killed HOME LAST up|down NAME`: one command, killed right after its
engine call number LAST. Without a kill it prints how many calls there were."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

from sandbox.bootstrap import opened
from sandbox.cli.render import Silent
from sandbox.core.ports import Context
from sandbox.core.resolving import Wish
from sandbox.core.values import Request
from sandbox.usecases.desk import answer
from sandbox.usecases.provisioning import UpRequest
from sandbox.usecases.sandboxes import DownRequest

PURPOSE = "What stays behind when a command is killed?"


class Counted:
    """The real engine; our process dies right after the call number `last`."""

    def __init__(self, engine: Any, last: int) -> None:
        self._engine, self._last = engine, last
        self._lock = threading.Lock()
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._engine, name)
        return self._counted(found) if callable(found) else found

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **named: Any) -> Any:
            try:
                return call(*arguments, **named)
            finally:
                with self._lock:
                    self.calls += 1
                    if self.calls == self._last:
                        os.kill(os.getpid(), signal.SIGKILL)

        return called


def mortal(context: Context, engine: Any) -> Context:
    """Return the context with `engine` everywhere, the gateway's driver included."""
    gateway: Any = copy(context.gateway)
    gateway._engine = engine
    return replace(context, engine=engine, gateway=gateway)


def request(command: str, name: str) -> Request[Any]:
    if command == "down":
        return DownRequest(name=name, reason="killed")
    return UpRequest(wish=Wish(name=name, template="segment-rfm", purpose=PURPOSE, ttl="3h"))


def main(home: str, last: str, command: str, name: str) -> None:
    with opened(Path(home), Silent()) as context:
        engine = Counted(context.engine, int(last))
        answer(mortal(context, engine), request(command, name))
        print(engine.calls)


if __name__ == "__main__":
    main(*sys.argv[1:])
