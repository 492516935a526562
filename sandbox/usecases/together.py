"""Independent engine calls at the same time: most of `up` is waiting for the engine."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any


def together(*calls: Callable[[], Any]) -> list[Any]:
    """Run all calls at once and return their results in order.

    Waits for every one even when one fails, so that nothing is still being made while the caller
    unmakes; then raises the first failure.
    """
    with ThreadPoolExecutor(max_workers=max(1, len(calls))) as pool:
        futures = [pool.submit(call) for call in calls]
        wait(futures)
    return [future.result() for future in futures]
