"""Compares all sockets with the database, once a second.

That closes the sockets of sessions that are over, and finds every notification that Redis did not bring:
because it was away, or the publication was lost, or the worker died before it. The database is what counts.
"""

import asyncio

from core.errors import DatabaseUnavailable
from ws_gateway.close_codes import BAD_CREDENTIALS, TRY_AGAIN
from ws_gateway.connections import Connection, Connections
from ws_gateway.measures import measures
from ws_gateway.relay import Relay
from ws_gateway.storage import Storage

INTERVAL_S = 1.0
"""A revoked session's sockets must be closed within two seconds."""

STALL_PATIENCE_S = 10.0
"""A client that has let the buffers stay full for so long is too slow, or hangs. The library's own check does
not find it, as its ping waits behind the rest."""


class Watch:
    def __init__(
        self, connections: Connections, storage: Storage, relay: Relay, *, look_now: asyncio.Event
    ) -> None:
        """
        Args:
            look_now: set by whoever has reason not to wait for the next second.
        """
        self._connections = connections
        self._storage = storage
        self._relay = relay
        self._look_now = look_now

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began_at = loop.time()
            self._close_stalled(began_at)
            self._relay.forget_all_but(self._connections.users)
            await self._compare(list(self._connections))
            try:
                async with asyncio.timeout_at(began_at + INTERVAL_S):
                    await self._look_now.wait()
            except TimeoutError:
                pass  # a second has gone by, as it should
            self._look_now.clear()

    def _close_stalled(self, now: float) -> None:
        for connection in self._connections:
            stalled_since = connection.socket.stalled_since
            is_stalled = stalled_since is not None and now - stalled_since > STALL_PATIENCE_S
            if is_stalled and connection.close(TRY_AGAIN, "too slow"):
                measures().stalled.inc()

    async def _compare(self, connections: list[Connection]) -> None:
        try:
            live = await self._storage.recheck({connection.key for connection in connections})
        except DatabaseUnavailable:
            return  # the storage has logged it; sockets stay, as nothing says that their sessions are over
        for connection in connections:
            session = live.get(connection.key)
            if session is None:
                connection.close(BAD_CREDENTIALS, "the session is over")
            else:
                connection.offer_stored(session.notification_seq)
