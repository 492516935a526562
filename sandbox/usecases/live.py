"""What commands that ask a live source share."""

from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.core.drift import LiveTypes
from sandbox.core.errors import SandboxError
from sandbox.core.ports import Context


@contextmanager
def asking_live(context: Context) -> Iterator[None]:
    """Have an error of a source also say what the demo's core lacks, if that may be why."""
    try:
        yield
    except SandboxError as error:
        lacking = context.demo.lacking() if context.demo else ""
        if lacking:
            again = f"sandbox init --demo {context.files.access().path}"
            error.hint += f" If this is the demo's core: {lacking}. Have it made again: {again}"
        raise


def types_before(context: Context, source: str) -> LiveTypes:
    """Return the types that the columns of a source had when its last snapshot was built."""
    with context.registry.reading() as tx:
        known = [s.manifest.types for s in tx.snapshots(source) if s.manifest and s.manifest.types]
    return known[-1] if known else {}
