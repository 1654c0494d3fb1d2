"""The clients that are connected, and how each gets every notification exactly once and in order."""

import asyncio
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from uuid import UUID

import msgspec

from core import clock
from core.errors import DatabaseUnavailable
from core.logging import get_logger
from core.tracing import requests_span
from ws_gateway.close_codes import TOO_MANY_SOCKETS, Refused
from ws_gateway.measures import measures
from ws_gateway.outgoing import Outgoing, tell_sent
from ws_gateway.sockets import GatewaySocket
from ws_gateway.storage import PAGE_ROWS, SessionKey, Storage

MAX_WAITING = 256
"""Messages that wait for one client: seconds of the busiest user, and some hundred KiB at most."""

NOTHING = -1
"""Below every number: it is not known yet where the client stands."""

log = get_logger(__name__)


class Ready(msgspec.Struct, tag="ready", tag_field="type", frozen=True):
    """All that the client had missed is sent; what follows is live."""

    seq: int


class Connection:
    """One client. Only `serve` sends to it, so what it has got is one number: all up to `last_seq`."""

    def __init__(self, socket: GatewaySocket, *, user_id: UUID, session_id: UUID, storage: Storage) -> None:
        self.socket = socket
        self.user_id = user_id
        self.key: SessionKey = (user_id, session_id)
        self.last_seq = NOTHING
        self._storage = storage
        self._stored_seq = NOTHING
        self._waiting: deque[tuple[int, Outgoing | None]] = deque()
        self._connected_at = clock.now()
        self._has_news = asyncio.Event()
        self._closing: asyncio.Task[None] | None = None

    def offer(self, message: Outgoing) -> None:
        """A notification that was heard of live. Never waits.

        A client that is far behind keeps its place, not its messages: the database has them too, and they are
        read from there when it is ready for them. So a burst costs nobody the connection.
        """
        seq = message.seq
        if seq <= self.last_seq or self._closing is not None:
            return
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append((seq, message))
        else:
            self._waiting.clear()
            self._waiting.append((seq, None))
            measures().overflows.inc()
        self._has_news.set()

    def offer_stored(self, seq: int) -> None:
        """The database has notifications up to this number."""
        if seq > self._stored_seq:
            self._stored_seq = seq
        if seq > self.last_seq:
            self._has_news.set()

    async def serve(self, *, since: int | None, newest: int) -> None:
        """Send what came after `since`, say ready, then send what comes, for as long as the socket is open.

        Args:
            newest: the user's newest number, read after the live messages were subscribed to.

        Raises:
            ConnectionClosed: the socket is closed.
            DatabaseUnavailable: what the client has missed cannot be read.
        """
        self.last_seq = newest if since is None else min(since, newest)
        if self.last_seq < newest:
            self.offer_stored(newest)
            await self._catch_up()
        await self.socket.send(msgspec.json.encode(Ready(self.last_seq)), text=True)
        while True:
            try:
                await self._send_waiting()
            except DatabaseUnavailable:
                # The watch offers the newest number again as soon as it can read it itself.
                self._waiting.clear()
            await self._has_news.wait()
            self._has_news.clear()

    def close(self, code: int, reason: str) -> bool:
        """Close soon; the first reason counts, and only it is answered with True."""
        is_first = self._closing is None
        if is_first:
            log.info("socket.closing", user_id=self.user_id, code=code, reason=reason)
            measures().closed.labels(code).inc()
            self._closing = asyncio.create_task(self.socket.end(code, reason))
        return is_first

    async def _send_waiting(self) -> None:
        while self._waiting or self._stored_seq > self.last_seq:
            seq, message = self._waiting.popleft() if self._waiting else (self._stored_seq, None)
            if seq <= self.last_seq:
                continue
            if message is not None and seq == self.last_seq + 1:
                await self._send(message)
            else:
                await self._catch_up()

    async def _catch_up(self) -> None:
        """Send all that the database has above the last number sent.

        A number heard of live that is not there yet is left out: the watch brings it when it is.
        """
        while True:
            stored_seq = self._stored_seq
            page = await self._storage.page_after(user_id=self.user_id, seq=self.last_seq)
            for message in page:
                await self._send(message)
            if len(page) < PAGE_ROWS:
                # Numbers are given out without gaps: what is missing up to here has been deleted.
                self.last_seq = max(self.last_seq, stored_seq)
                return

    async def _send(self, message: Outgoing) -> None:
        with requests_span("notification.send", request_ids=message.request_ids, seq=message.seq):
            await self.socket.send(message.body, text=True)
        self.last_seq = message.seq
        tell_sent(message, user_id=self.user_id, connected_at=self._connected_at)


class Connections:
    """All clients of this gateway, by user."""

    def __init__(self, *, max_per_user: int) -> None:
        self._max_per_user = max_per_user
        self._by_user: dict[UUID, set[Connection]] = {}

    def __iter__(self) -> Iterator[Connection]:
        for connections in self._by_user.values():
            yield from connections

    @property
    def users(self) -> Collection[UUID]:
        return self._by_user.keys()

    def of(self, user_id: UUID) -> Collection[Connection]:
        return self._by_user.get(user_id, ())

    @contextmanager
    def including(self, connection: Connection) -> Iterator[None]:
        """The connection is one of these while the context lasts.

        Raises:
            Refused: its user has as many as are allowed.
        """
        connections = self._by_user.setdefault(connection.user_id, set())
        if len(connections) >= self._max_per_user:
            raise Refused(TOO_MANY_SOCKETS, "too many connections of this user")
        connections.add(connection)
        try:
            yield
        finally:
            connections.remove(connection)
            if not connections:
                del self._by_user[connection.user_id]
