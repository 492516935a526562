"""What a client and the service of a shared home say to each other. Pure.

A request goes to `/v1/NAME` as JSON. The answer is lines of JSON (`STREAM`): steps and output as
they come, then one `Failure`, or one `Answered` and after it, as the last line, the result.
"""

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from sandbox.core.errors import (
    Conflict,
    Denied,
    InvalidInput,
    NotFound,
    SandboxError,
    Unavailable,
)
from sandbox.core.values import Request, Result, Value

STREAM = "application/x-ndjson"
# The most that a request may hold, in bytes: a file of 64 MiB, written in base64.
MOST = 96 * 1024 * 1024
_ERRORS = {e.code: e for e in (InvalidInput, Denied, NotFound, Conflict, Unavailable)}
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")


class Step(Value):
    """How far the service is; see `Progress.say`."""

    kind: Literal["step"] = "step"
    step: str
    text: str
    done: int | None = None
    total: int | None = None


class Output(Value):
    """Raw output of a command inside a sandbox, or a file's bytes; see `Progress.output`."""

    kind: Literal["output"] = "output"
    stream: str
    chunk: bytes


class Failure(Value):
    """An error of core/errors.py by its code; `internal` is a fault of the service."""

    kind: Literal["failure"] = "failure"
    code: str
    message: str
    subject: str = ""
    hint: str = ""
    details: dict[str, Any] = Field(default_factory=dict)


class Answered(Value):
    """It is done: the next line is the result."""

    kind: Literal["answered"] = "answered"


Message = Annotated[Step | Output | Failure | Answered, Field(discriminator="kind")]
_MESSAGE: TypeAdapter[Message] = TypeAdapter(Message)


def name_of(kind: type[Request[Any]]) -> str:
    """Return what a kind of request is called on the way: `PolicyScanRequest` is `policy-scan`."""
    return _WORD.sub("-", kind.__name__.removesuffix("Request")).lower()


def answer_of(kind: type[Request[Any]]) -> type[Result]:
    """Return the kind of result that a kind of request is answered with."""
    for base in kind.__mro__:
        told: dict[str, Any] = getattr(base, "__pydantic_generic_metadata__", {})
        if told.get("origin") is Request and told["args"]:
            result: type[Result] = told["args"][0]
            return result
    raise TypeError(f"{kind.__name__} does not say what it is answered with")


def line(message: Value) -> bytes:
    """Return one line of the answer."""
    return message.model_dump_json().encode() + b"\n"


def read_line(text: bytes) -> Message:
    """Return what one line says; raises pydantic's ValidationError for anything else."""
    return _MESSAGE.validate_json(text)


def failure(error: SandboxError) -> Failure:
    """Return what a client is told of an error."""
    return Failure(
        code=error.code,
        message=error.message,
        subject=error.subject,
        hint=error.hint,
        details=error.details,
    )


def raised(told: Failure) -> SandboxError:
    """Return the error that a service told of; one that it did not expect is Unavailable here."""
    kind = _ERRORS.get(told.code, Unavailable)
    return kind(told.message, subject=told.subject, hint=told.hint, details=told.details)


def twice_named(kinds: Iterable[type[Request[Any]]]) -> list[str]:
    """Return the names that more than one kind of request would have."""
    names = [name_of(kind) for kind in kinds]
    return sorted({name for name in names if names.count(name) > 1})
