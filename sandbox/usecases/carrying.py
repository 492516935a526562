"""Volumes that no container has: reached through one that is made for it and never started."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sandbox.core.objects import Container
from sandbox.core.ports import Context
from sandbox.usecases.images import build_missing


@contextmanager
def carried(context: Context, made_of: Callable[[str], Container]) -> Iterator[str]:
    """Give the name of the container that is `made_of` our base image, and remove it afterwards.

    Whoever asks for it has it alone: one of that name was left by a process that was killed.
    """
    base = context.catalogue.base_image()
    build_missing(context, [base])
    container = made_of(base.tag)
    context.engine.remove("container", container.name)
    try:
        context.engine.create_container(container)
        yield container.name
    finally:
        context.engine.remove("container", container.name)
