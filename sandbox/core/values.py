"""The base of every value that crosses a boundary: frozen, strict, and JSON both ways."""

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """An immutable value. Unknown fields are errors, so a typing error is never ignored."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        ser_json_bytes="base64",
        val_json_bytes="base64",
        # A command uses a third of the values that it imports: each is built at its first use.
        defer_build=True,
    )


class Result(Value):
    """What a use case answers. Doors print it; they add nothing to it."""


R_co = TypeVar("R_co", bound=Result, covariant=True)


class Request(Value, Generic[R_co]):
    """What a door asks for, and the kind of answer it gets. Carries everything, opens nothing."""
