"""A file's text as the catalogue reads it."""

from typing import TypeVar

from pydantic import BaseModel

from sandbox.drivers.catalogue.reading import load_placed

M = TypeVar("M", bound=BaseModel)


def load_as(model: type[M], file: str, raw: bytes) -> M:
    return load_placed(model, file, raw)[0]
