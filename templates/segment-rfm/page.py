"""Starts marimo such that the server itself runs the cells of a new session.

In edit mode marimo waits for the first browser to ask for that. When that browser leaves while it
still connects, nobody ever asks, and every later visit shows cells without outputs.
"""

import sys

from marimo._cli.cli import main
from marimo._server.api.endpoints.ws.ws_session_connector import SessionConnector

# Only where a session is new does marimo look at this. No setting of it does the same. An
# engine test (tests/docker/test_inside.py) says when a newer marimo no longer heeds it.
SessionConnector._is_run_mode = True  # type: ignore[assignment, method-assign]

if __name__ == "__main__":
    sys.exit(main())
