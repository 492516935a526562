"""Ctrl-C at the one moment that is hard to meet: right after a commit."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sandbox.core.ports import Registry, Transaction


class InterruptedAfterCommit:
    """A registry: Ctrl-C comes right after the commit of the given number, counted from one."""

    def __init__(self, registry: Registry, at: int) -> None:
        self._registry, self._left = registry, at

    def __getattr__(self, name: str) -> Any:
        return getattr(self._registry, name)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        with self._registry.writing() as tx:
            yield tx
        self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt
