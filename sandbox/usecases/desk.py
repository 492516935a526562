"""Where every request is answered: one function per kind of request.

A door builds a request and hands it to `answer` (in this process, or in the service's); it never
learns which function it was.
"""

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any, TypeVar

from sandbox.core.ports import Context
from sandbox.core.values import Request, Result
from sandbox.usecases.duties import check_may_ask

R = TypeVar("R", bound=Result)
Q = TypeVar("Q", bound=Request[Any])

_ANSWERS: dict[type[Request[Any]], Callable[[Context, Any], Result]] = {}


def answers(kind: type[Q]) -> Callable[[Callable[[Context, Q], R]], Callable[[Context, Q], R]]:
    """Register the decorated function as the one that answers requests of `kind`."""

    def register(function: Callable[[Context, Q], R]) -> Callable[[Context, Q], R]:
        _ANSWERS[kind] = function
        return function

    return register


def every_kind() -> tuple[type[Request[Any]], ...]:
    """Return all kinds of requests that are answered, whichever part of the house they are of."""
    import sandbox.usecases

    for module in pkgutil.iter_modules(sandbox.usecases.__path__):
        importlib.import_module(f"sandbox.usecases.{module.name}")
    return tuple(_ANSWERS)


def answer(context: Context, request: Request[R]) -> R:
    """Answer `request`; raises Denied if the caller's roles do not let them ask it, and the others
    of core/errors.py."""
    check_may_ask(context, request)
    result: Any = _ANSWERS[type(request)](context, request)
    return result  # type: ignore[no-any-return]
