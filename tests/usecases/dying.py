"""A process that is killed: after a certain step nothing of it reaches engine or registry."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from sandbox.core.ports import Context, Transaction

_NEVER = 10_000
Act = Callable[[Context], object]
Spread = Callable[[int], list[int]]


class Killed(BaseException):
    """What the dying process raises in our own one; no cleaning up of it takes effect."""


class Life:
    """Counts the steps of a process, engine calls and commits, and ends it right after `last`."""

    def __init__(self, last: int) -> None:
        self.last, self.steps = last, 0
        self._lock = threading.RLock()

    @property
    def over(self) -> bool:
        return self.steps >= self.last

    @contextmanager
    def step(self) -> Iterator[None]:
        # One at a time: what runs beside the last step would go on after it else.
        with self._lock:
            if self.over:
                raise Killed
            yield
            self.steps += 1
            if self.over:
                raise Killed


class Dying:
    """An engine or a gateway in the hands of a process that dies."""

    def __init__(self, real: Any, life: Life) -> None:
        self._real, self._life = real, life

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        return self._step(found) if callable(found) else found

    def _step(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **named: Any) -> Any:
            with self._life.step():
                return call(*arguments, **named)

        return called


class DyingRegistry:
    """A registry in the hands of a process that dies: no commit after its last step."""

    def __init__(self, real: Any, life: Life) -> None:
        self._real, self._life = real, life

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        with self._life.step(), self._real.writing() as tx:
            yield tx


def mortal(context: Context, life: Life) -> Context:
    """Return the context of a process with that life."""
    registry: Any = DyingRegistry(context.registry, life)
    engine: Any = Dying(context.engine, life)
    gateway: Any = Dying(context.gateway, life)
    return replace(context, registry=registry, engine=engine, gateway=gateway)


def steps(context: Context, act: Act) -> int:
    """Do `act` in a process that lives on; return in how many steps."""
    life = Life(_NEVER)
    act(mortal(context, life))
    return life.steps


def killed_after(context: Context, act: Act, last: int) -> None:
    """Do `act` in a process that is killed right after its step `last`."""
    with pytest.raises(Killed):
        act(mortal(context, Life(last)))


def every(count: int) -> list[int]:
    """Return the numbers of all steps, from 1."""
    return list(range(1, count + 1))


def some(count: int) -> list[int]:
    """Return the first step, the last two, and every fifth between."""
    return [n for n in every(count) if n in (1, count - 1, count) or n % 5 == 0]


def killed_at(context: Context, act: Act, method: str) -> None:
    """Do `act` in a process that is killed just before it first asks its engine for `method`."""
    life = Life(_NEVER)
    mine = mortal(context, life)
    engine: Any = _DyingAt(context.engine, life, method)
    with pytest.raises(Killed):
        act(replace(mine, engine=engine))


class _DyingAt(Dying):
    def __init__(self, real: Any, life: Life, method: str) -> None:
        super().__init__(real, life)
        self._method = method

    def __getattr__(self, name: str) -> Any:
        if name == self._method:
            self._life.last = self._life.steps
        return super().__getattr__(name)
