"""Waiting for another process that holds what one alone may have."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.core.errors import SandboxError
from sandbox.core.ports import Context

_LOOK_SECONDS = 0.05


@contextmanager
def alone_within(
    context: Context, lock: str, seconds: float, too_late: SandboxError
) -> Iterator[None]:
    """Hold `lock`; while another process has it, wait so many seconds, then raise `too_late`."""
    until = time.monotonic() + seconds
    while True:
        with context.files.alone_with(lock) as alone:
            if alone:
                yield
                return
        if time.monotonic() > until:
            raise too_late
        time.sleep(_LOOK_SECONDS)
