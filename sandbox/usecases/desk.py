"""Where every request is answered: one function per kind of request.

A door builds a request and hands it to `answer` (in this process, or in the service's); it never
learns which function it was.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from sandbox.core.ports import Context
from sandbox.core.values import Request, Result

R = TypeVar("R", bound=Result)
Q = TypeVar("Q", bound=Request[Any])

_ANSWERS: dict[type[Request[Any]], Callable[[Context, Any], Result]] = {}


def answers(kind: type[Q]) -> Callable[[Callable[[Context, Q], R]], Callable[[Context, Q], R]]:
    """Register the decorated function as the one that answers requests of `kind`."""

    def register(function: Callable[[Context, Q], R]) -> Callable[[Context, Q], R]:
        _ANSWERS[kind] = function
        return function

    return register


def answer(context: Context, request: Request[R]) -> R:
    """Answer `request`; raises the errors of core/errors.py."""
    result: Any = _ANSWERS[type(request)](context, request)
    return result  # type: ignore[no-any-return]
