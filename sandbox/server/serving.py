"""`sandbox serve`: the service's process, its threads and what it does by itself."""

import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import uvicorn

from sandbox.server.answering import Answer
from sandbox.server.app import Asked, make_app
from sandbox.server.peers import PeerProtocol

_LOG = logging.getLogger(__name__)
_THREADS = 24
# What is being answered when the service is told to end has so many seconds to come to its end.
_FAREWELL = 120


def serve(
    place: Path,
    kinds: Iterable[Asked],
    answer: Answer,
    chore: Callable[[], None],
    every_seconds: float,
) -> None:
    """Answer at the socket `place` until SIGTERM or Ctrl-C, and do `chore` by itself all along."""
    end = threading.Event()
    worker = threading.Thread(target=_again, args=(chore, every_seconds, end), name="chores")
    with ThreadPoolExecutor(_THREADS, "request") as threads:
        config = uvicorn.Config(
            make_app(kinds, answer, threads),
            uds=str(place),
            http=PeerProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_FAREWELL,
        )
        worker.start()
        try:
            # Once all is answered it gives on the signal that ended it.
            with suppress(KeyboardInterrupt):
                uvicorn.Server(config).run()
        finally:
            end.set()
            worker.join()
            place.unlink(missing_ok=True)


def _again(chore: Callable[[], None], every_seconds: float, end: threading.Event) -> None:
    """Do `chore` again and again until the end; one that fails is told of, and tried again."""
    while not end.is_set():
        try:
            chore()
        except Exception:
            _LOG.exception("a chore failed")
        end.wait(every_seconds)
