"""`python -m tests.docker.killed HOME LAST up|down|reset NAME TEMPLATE`: one command, killed right
after its step number LAST: a call of the engine, or a commit. Without a kill it prints how many
there were. For `reset`, `latest` stands in the place of TEMPLATE, or anything else."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

from sandbox.bootstrap import opened
from sandbox.core.ports import Context, Transaction
from sandbox.core.progress import Silent
from sandbox.core.resolving import Wish
from sandbox.core.values import Request
from sandbox.usecases.desk import answer
from sandbox.usecases.provisioning import UpRequest
from sandbox.usecases.resetting import ResetRequest
from sandbox.usecases.sandboxes import DownRequest

PURPOSE = "What stays behind when a command is killed?"


class Steps:
    """Counts the steps of this process, which dies right after the one numbered `last`."""

    def __init__(self, last: int) -> None:
        self.last, self.count = last, 0
        self._lock = threading.Lock()

    def step(self) -> None:
        with self._lock:
            self.count += 1
            if self.count == self.last:
                os.kill(os.getpid(), signal.SIGKILL)


class Counted:
    """The real engine; each call is a step."""

    def __init__(self, engine: Any, steps: Steps) -> None:
        self._engine, self._steps = engine, steps

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._engine, name)
        return self._counted(found) if callable(found) else found

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **named: Any) -> Any:
            try:
                return call(*arguments, **named)
            finally:
                self._steps.step()

        return called


class CountedRegistry:
    """The real registry; each commit is a step."""

    def __init__(self, registry: Any, steps: Steps) -> None:
        self._registry, self._steps = registry, steps

    def __getattr__(self, name: str) -> Any:
        return getattr(self._registry, name)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        with self._registry.writing() as tx:
            yield tx
        self._steps.step()


def mortal(context: Context, steps: Steps) -> Context:
    """Return the context with a counted engine everywhere, the gateway's driver included."""
    engine, registry = Counted(context.engine, steps), CountedRegistry(context.registry, steps)
    gateway: Any = copy(context.gateway)
    gateway._engine = engine
    counted: Any = {"engine": engine, "gateway": gateway, "registry": registry}
    return replace(context, **counted)


def request(command: str, name: str, template: str) -> Request[Any]:
    if command == "down":
        return DownRequest(name=name, reason="killed")
    if command == "reset":
        return ResetRequest(name=name, latest=template == "latest")
    return UpRequest(wish=Wish(name=name, template=template, purpose=PURPOSE, ttl="3h"))


def main(home: str, last: str, command: str, name: str, template: str) -> None:
    steps = Steps(int(last))
    with opened(Path(home), Silent()) as context:
        answer(mortal(context, steps), request(command, name, template))
    print(steps.count)


if __name__ == "__main__":
    main(*sys.argv[1:])
