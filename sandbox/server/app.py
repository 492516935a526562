"""The door of a shared home: requests over HTTP on a Unix socket, one path for each kind."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from concurrent.futures import Executor
from contextlib import aclosing
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as Call
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from sandbox.core.errors import InvalidInput
from sandbox.core.values import Request, Value
from sandbox.core.wire import MOST, STREAM, Failure, failure, name_of
from sandbox.server.answering import Answer, answered, last, lines
from sandbox.server.openapi import described
from sandbox.server.peers import user_at

STATUS = {"invalid": 400, "denied": 403, "not_found": 404, "conflict": 409, "unavailable": 503}
# What a whole request may take to arrive, in seconds; files come at the speed of this machine.
_ARRIVAL = 60.0

Asked = type[Request[Any]]


def make_app(kinds: Iterable[Asked], answer: Answer, threads: Executor) -> Starlette:
    """Return the application that answers `kinds`, each in one of `threads`."""
    kinds = sorted(kinds, key=name_of)
    document = described(kinds)

    async def openapi(call: Call) -> Response:
        return JSONResponse(document)

    routes = [Route("/openapi.json", openapi)]
    routes += [
        Route(f"/v1/{name_of(kind)}", _endpoint(kind, answer, threads), methods=["POST"])
        for kind in kinds
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _refused})
    app.router.redirect_slashes = False
    return app


def _endpoint(kind: Asked, answer: Answer, threads: Executor) -> Callable[[Call], Any]:
    async def endpoint(call: Call) -> Response:
        try:
            request = kind.model_validate_json(await asyncio.wait_for(_body(call), _ARRIVAL))
        except ValidationError as error:
            return _told(failure(_unclear(kind, error)))
        except TimeoutError:
            return _told(Failure(code="invalid", message="The request did not arrive in time."))
        except _TooLarge:
            return _too_large()
        messages = answered(answer, threads, request, user_at(call.scope))
        if STREAM in call.headers.get("accept", ""):
            return StreamingResponse(lines(messages), media_type=STREAM)
        return _told(await last(_while_there(call, messages)))

    return endpoint


class _TooLarge(Exception):
    """More came than a request may hold."""


async def _body(call: Call) -> bytes:
    """Return what was sent; never more than `MOST` is held."""
    parts, size = [], 0
    async for part in call.stream():
        size += len(part)
        if size > MOST:
            raise _TooLarge
        parts.append(part)
    return b"".join(parts)


async def _while_there(call: Call, messages: AsyncGenerator[Value, None]) -> AsyncIterator[Value]:
    """Yield `messages`; a client that goes ends the wait for them, and so the request."""
    async with aclosing(messages):
        async for message in messages:
            if await call.is_disconnected():
                raise ClientDisconnect
            yield message


def _told(message: Value) -> Response:
    """Return a result, or a failure with its status, as plain JSON."""
    if not isinstance(message, Failure):
        return Response(message.model_dump_json(), media_type="application/json")
    error = message.model_dump(mode="json", exclude={"kind"})
    status = STATUS.get(message.code, HTTPStatus.INTERNAL_SERVER_ERROR)
    return JSONResponse({"error": error}, status)


def _too_large() -> Response:
    said = Failure(
        code="invalid",
        message=f"A request holds at most {MOST:,} bytes.",
        hint="Send less of it, or in parts.",
    )
    response = _told(said)
    response.status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    # The rest of it is not read.
    response.headers["Connection"] = "close"
    return response


def _unclear(kind: Asked, error: ValidationError) -> InvalidInput:
    """Return what is wrong with a request, without repeating what it holds."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    first = faults[0]
    place = ".".join(str(part) for part in first["loc"]) or name_of(kind)
    return InvalidInput(
        f"This is no request of this kind: {first['msg']}.",
        subject=place,
        hint="The document of all requests: GET /openapi.json",
    )


async def _refused(call: Call, error: Exception) -> Response:
    """Answer what has no path, or another method, as every other error."""
    assert isinstance(error, HTTPException)
    code = "not_found" if error.status_code == HTTPStatus.NOT_FOUND else "invalid"
    told = Failure(
        code=code, message=f"{error.detail}.", subject=call.url.path, hint="GET /openapi.json"
    )
    response = _told(told)
    response.status_code = error.status_code
    response.headers.update(error.headers or {})
    return response
