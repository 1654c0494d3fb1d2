"""A WebSocket that can neither flood the gateway nor hold on to it."""

import asyncio
import socket
from typing import Any

from websockets.asyncio.server import ServerConnection

from core.logging import get_logger
from ws_gateway.lobby import Lobby

RECEIVED_BURST_BYTES = 32 * 1024
"""What a client may send at once: the handshake (with a browser's cookies) and a token fit well."""

RECEIVED_BYTES_PER_S = 1024
"""What it may go on sending. It has nothing to say but answers to pings; parsing frames costs CPU time, and
pings of its own are answered into a buffer that nobody limits."""

SEND_BUFFER_BYTES = 64 * 1024
"""The kernel would grow it to megabytes for a client that does not read, and hide that it is slow."""

CLOSE_TIMEOUT_S = 2.0
"""Whoever doesn't answer a close frame within this is cut off."""

END_TIMEOUT_S = CLOSE_TIMEOUT_S + 0.5
"""The library's own timeout starts only when the send buffer has room again; this one starts at once."""

log = get_logger(__name__)


class GatewaySocket(ServerConnection):
    """The library's connection, with a limit to what it takes in; it knows since when nothing goes out."""

    def __init__(self, *args: Any, lobby: Lobby, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lobby = lobby
        self.stalled_since: float | None = None
        """Time of the loop since when the client has not taken what was sent; None while all is well."""
        self._allowance = float(RECEIVED_BURST_BYTES)
        self._allowed_at = self.loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._lobby.enter(self)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lobby.leave(self)
        super().connection_lost(exc)

    def cut(self) -> None:
        """Make room for others."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        now = self.loop.time()
        earned = (now - self._allowed_at) * RECEIVED_BYTES_PER_S
        self._allowance = min(self._allowance + earned, RECEIVED_BURST_BYTES) - len(data)
        self._allowed_at = now
        if self._allowance < 0:
            log.warning("socket.flooded", peer=self.remote_address)
            self.transport.abort()
            return
        super().data_received(data)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.stalled_since = self.loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.stalled_since = None

    async def end(self, code: int, reason: str) -> None:
        """Close with a code; cut the connection when the client doesn't play its part in time."""
        try:
            async with asyncio.timeout(END_TIMEOUT_S):
                await self.close(code, reason)
        except TimeoutError:
            log.debug("socket.cut", peer=self.remote_address, code=code)
            self.transport.abort()
