"""The error tree. Every error says what failed, on what, and what to do next.

SandboxError                code         exit  HTTP
├── InvalidInput            invalid         3   400
├── Denied                  denied          4   403
├── NotFound                not_found       5   404
├── Conflict                conflict        6   409
└── Unavailable             unavailable     7   503

Anything else that reaches a door is a bug: code `internal`, exit 1, HTTP 500.
The numbers stand in the doors (`cli/app.py`), not here: core knows codes only.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class SandboxError(Exception):
    """A failure that a person can act on.

    `message` says what failed, `subject` on what, `hint` what to do next. `details` are
    stable fields for programs (they appear beside the three in `-o json`).
    """

    code: ClassVar[str] = "internal"

    def __init__(
        self,
        message: str,
        *,
        subject: str = "",
        hint: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.subject = subject
        self.hint = hint
        self.details = dict(details or {})


class InvalidInput(SandboxError):
    """The request or a file cannot be understood; nothing was done."""

    code = "invalid"


class Denied(SandboxError):
    """Policy, a gate or a role says no; `details["decision"]` says why where there is one."""

    code = "denied"


class NotFound(SandboxError):
    """The thing named does not exist here."""

    code = "not_found"


class Conflict(SandboxError):
    """The thing exists already, or its state forbids the action."""

    code = "conflict"


class Unavailable(SandboxError):
    """Something outside (engine, registry, source) does not answer or refused."""

    code = "unavailable"


def unwritable(what: str, place: object, error: OSError) -> Unavailable:
    """Return the error that `what`, at `place`, cannot be written, in the system's own words."""
    return Unavailable(
        f"{what} cannot be written: {error.strerror}.",
        subject=str(place),
        hint="Check the folder's owner and the free disk space.",
    )
