"""Independent engine calls at the same time: most of `up` is waiting for the engine."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import Any, TypeVar

# Of many sandboxes so many at once: the engine has others to serve.
_AT_ONCE = 4
T = TypeVar("T")
R = TypeVar("R")


def together(*calls: Callable[[], Any]) -> list[Any]:
    """Run all calls at once and return their results in order.

    Waits for every one even when one fails, so that nothing is still being made while the caller
    unmakes; then raises the first failure.
    """
    with ThreadPoolExecutor(max_workers=max(1, len(calls))) as pool:
        futures = [pool.submit(call) for call in calls]
        wait(futures)
    return [future.result() for future in futures]


def few_at_once(act: Callable[[T], R], items: Sequence[T]) -> Iterator[tuple[T, R]]:
    """Do `act` to each item, a few at once; yield each with what came of it, in order."""
    for first in range(0, len(items), _AT_ONCE):
        some = items[first : first + _AT_ONCE]
        yield from zip(some, together(*(partial(act, item) for item in some)), strict=True)
