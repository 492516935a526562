"""Who is at the other end of a connection: told by the kernel, never by what they send."""

import asyncio
import pwd
import socket
import struct
from collections.abc import Mapping
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

# ucred: process, user and group, as they were when the other end connected; see unix(7).
_UCRED = struct.Struct("3i")
# Who connects and then says nothing is let go after so many seconds.
_PATIENCE = 20.0


class PeerProtocol(H11Protocol):
    """HTTP over a Unix socket, whose client is the user at its other end and their process."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note who connected (SO_PEERCRED)."""
        super().connection_made(transport)
        told = transport.get_extra_info("socket").getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size
        )
        process, user, _ = _UCRED.unpack(told)
        self.client = (str(user), process)
        self._silent = self.loop.call_later(_PATIENCE, self._let_go)

    def handle_events(self) -> None:
        """Go on with what came; a whole head of a request ends the wait for it."""
        super().handle_events()
        if self.cycle is not None:
            self._silent.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the wait."""
        self._silent.cancel()
        super().connection_lost(exc)

    def _let_go(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()


def user_at(scope: Mapping[str, Any]) -> str:
    """Return the operating-system user at the other end; one without a name by number."""
    user = int(scope["client"][0])
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"uid {user}"
