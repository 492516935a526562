"""One request, answered in a thread of its own while its client is told how far it is."""

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import Executor
from typing import Any

from sandbox.core.errors import SandboxError
from sandbox.core.ports import Progress
from sandbox.core.values import Request, Result, Value
from sandbox.core.wire import Answered, Failure, Output, Step, failure, line

_LOG = logging.getLogger(__name__)

# How a request of an operating-system user is answered.
Answer = Callable[[Request[Any], Progress, str], Result]


class _Told:
    """Progress on its way to a client. Whoever reports to a client that has gone is interrupted,
    as by Ctrl-C in a process of their own: what is half made is unmade."""

    def __init__(self, pass_on: Callable[[Value], None]) -> None:
        self._pass_on = pass_on
        self._left = threading.Event()

    def leave(self) -> None:
        """Say that nobody listens any more."""
        self._left.set()

    def say(self, step: str, text: str, done: int | None = None, total: int | None = None) -> None:
        """Pass it on."""
        self._tell(Step(step=step, text=text, done=done, total=total))

    def output(self, stream: str, chunk: bytes) -> None:
        """Pass it on."""
        self._tell(Output(stream=stream, chunk=chunk))

    def _tell(self, message: Value) -> None:
        if self._left.is_set():
            raise KeyboardInterrupt
        self._pass_on(message)


async def answered(
    answer: Answer, threads: Executor, request: Request[Any], user: str
) -> AsyncGenerator[Value, None]:
    """Yield what is to be told of a request: how far it is, then its result or its Failure.

    Whoever stops listening interrupts it.
    """
    loop = asyncio.get_running_loop()
    told: asyncio.Queue[Value] = asyncio.Queue()
    progress = _Told(lambda message: _from_thread(loop, told, message))

    def work() -> None:
        _from_thread(loop, told, _outcome(answer, request, progress, user))

    loop.run_in_executor(threads, work)
    try:
        while True:
            message = await told.get()
            yield message
            if isinstance(message, Result | Failure):
                return
    finally:
        progress.leave()


async def lines(messages: AsyncIterator[Value]) -> AsyncIterator[bytes]:
    """Yield the lines of an answer."""
    async for message in messages:
        if isinstance(message, Result):
            yield line(Answered())
        yield line(message)


async def last(messages: AsyncIterator[Value]) -> Value:
    """Return what an answer ends with: its result or its Failure."""
    return [message async for message in messages][-1]


def _outcome(answer: Answer, request: Request[Any], progress: _Told, user: str) -> Value:
    try:
        return answer(request, progress, user)
    except SandboxError as error:
        return failure(error)
    except KeyboardInterrupt:
        return Failure(code="interrupted", message="Whoever asked has gone.")
    except Exception as error:
        # No detail: what an unexpected fault says may hold what the caller must not see.
        _LOG.exception("request %s failed", type(request).__name__)
        return Failure(
            code="internal",
            message=f"The service did not expect this: {type(error).__name__}.",
            subject=type(request).__name__,
            hint="Nothing more is known here; the service's own log says where.",
        )


def _from_thread(
    loop: asyncio.AbstractEventLoop, told: "asyncio.Queue[Value]", message: Value
) -> None:
    loop.call_soon_threadsafe(told.put_nowait, message)
