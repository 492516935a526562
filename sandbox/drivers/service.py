"""The service of a shared home, as a client: HTTP over its Unix socket."""

import http.client
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from sandbox.core.errors import SandboxError, Unavailable
from sandbox.core.ports import Progress
from sandbox.core.values import Request, Result
from sandbox.core.version import VERSION
from sandbox.core.wire import (
    STREAM,
    Answered,
    Failure,
    Output,
    Step,
    answer_of,
    name_of,
    raised,
    read_line,
)

R = TypeVar("R", bound=Result)

_CONNECT_SECONDS = 10.0
_AFTERWARDS = "What was half made is taken back once it runs again; see: sandbox list\n"


class _Connection(http.client.HTTPConnection):
    """HTTP to a Unix socket: only how it connects is another."""

    def __init__(self, place: Path) -> None:
        super().__init__("localhost")
        self._place = place

    def connect(self) -> None:
        """Connect; once connected, an answer may take as long as it takes."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_CONNECT_SECONDS)
        self.sock.connect(str(self._place))
        self.sock.settimeout(None)


def is_service(place: Path) -> bool:
    """Say whether `place` is a socket, so that a service answers for the home."""
    try:
        return stat.S_ISSOCK(place.stat().st_mode)
    except OSError:
        return False


def ask_service(place: Path, request: Request[R], progress: Progress) -> R:
    """Return the service's answer to `request`; raises what it raised, or Unavailable."""
    connection = _Connection(place)
    try:
        return _asked(connection, request, progress)
    except KeyboardInterrupt:
        # It notices that nobody listens any more.
        raise KeyboardInterrupt("Interrupted; the service takes back what is half made.") from None
    except (OSError, http.client.HTTPException) as error:
        raise _silent(place, error) from error
    except ValidationError as error:
        raise _strange(place) from error
    finally:
        connection.close()


def _asked(connection: _Connection, request: Request[R], progress: Progress) -> R:
    connection.request(
        "POST",
        f"/v1/{name_of(type(request))}",
        request.model_dump_json(),
        {"Content-Type": "application/json", "Accept": STREAM},
    )
    response = connection.getresponse()
    answer = iter(response.readline, b"")
    _follow(answer, progress)
    result: R = answer_of(type(request)).model_validate_json(next(answer, b""))  # type: ignore[assignment]
    return result


def _follow(answer: Iterator[bytes], progress: Progress) -> None:
    """Pass on what comes before the result; raises what the service failed with."""
    for told in answer:
        message = read_line(told)
        if isinstance(message, Step):
            progress.say(message.step, message.text, message.done, message.total)
        elif isinstance(message, Output):
            progress.output(message.stream, message.chunk)
        elif isinstance(message, Failure):
            raise raised(message)
        else:
            assert isinstance(message, Answered)
            return
    raise BrokenOff


class BrokenOff(ConnectionError):
    """The service ended in the middle of an answer."""

    def __str__(self) -> str:
        """Say so."""
        return "its answer ended before it was whole"


def _silent(place: Path, error: Exception) -> SandboxError:
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return Unavailable(
        f"The service of this home does not answer: {said}.",
        subject=str(place),
        hint=f"{_AFTERWARDS if isinstance(error, BrokenOff) else ''}"
        "IT looks at it: systemctl status bimodal-sandbox",
    )


def _strange(place: Path) -> SandboxError:
    return Unavailable(
        "The service of this home answered something that this command does not understand.",
        subject=str(place),
        hint=f"This is version {VERSION}; IT brings both to the same one.",
    )
