"""The new file for what comes beside a result."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sandbox.core.errors import Conflict, InvalidInput


@contextmanager
def new_file(path: Path | None) -> Iterator[BinaryIO | None]:
    """Give a new file for what comes beside a result, only ours to read; gone after an error.

    Raises Conflict when it is there already, InvalidInput when it cannot be written.
    """
    if path is None:
        yield None
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        hint = "Name a file that is not there yet."
        raise Conflict("The file exists already.", subject=str(path), hint=hint) from None
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            yield file
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _unwritable(path, error) from error
        raise


def _unwritable(path: Path, error: OSError) -> InvalidInput:
    return InvalidInput(
        f"The file cannot be written: {error.strerror}.",
        subject=str(path),
        hint="Name a file in a folder that is there, and in which you may write.",
    )
