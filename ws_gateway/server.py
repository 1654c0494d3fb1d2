"""The gateway: puts the parts together, takes sockets in, and takes leave of them."""

import asyncio
import json
import logging
from functools import partial
from http import HTTPStatus
from typing import cast
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Origin

from core.config import Settings
from core.errors import DatabaseUnavailable
from core.logging import get_logger
from core.metrics import METRICS_TYPE, metrics_text
from core.notification_channel import decode, split_published
from core.security import Tokens
from ws_gateway.admission import Admission
from ws_gateway.authentication import FIRST_MESSAGE_TIMEOUT_S, Hello, Identity, identify, receive_hello
from ws_gateway.close_codes import (
    BAD_CREDENTIALS,
    INTERNAL_ERROR,
    RESTART,
    TOO_MANY_SOCKETS,
    TRY_AGAIN,
    Refused,
)
from ws_gateway.connections import Connection, Connections
from ws_gateway.lobby import Lobby
from ws_gateway.measures import measures
from ws_gateway.outgoing import Outgoing
from ws_gateway.relay import Relay
from ws_gateway.sockets import CLOSE_TIMEOUT_S, GatewaySocket
from ws_gateway.storage import Storage
from ws_gateway.tickets import Tickets
from ws_gateway.watch import Watch

SOCKET_PATH = "/ws/notifications"
HEALTH_PATH = "/healthz"
METRICS_PATH = "/metrics"

MAX_MESSAGE_BYTES = 4 * 1024
"""A client sends one message, and a token has some 400 bytes."""

MAX_RECEIVED_FRAMES = 4
"""They are thrown away as they come; more would only take memory."""

WRITE_LIMIT_BYTES = 16 * 1024
"""Above this a client counts as busy; beside the kernel's own buffer."""

PING_INTERVAL_S = 20.0
PING_TIMEOUT_S = 20.0
"""A client that vanished without a word is noticed within 40 s; proxies drop silent sockets after 60 s."""

BACKLOG = 1024
"""After a restart all clients come back at once."""

LEAVE_TIMEOUT_S = 3.0
"""Closing handshakes at shutdown; whoever has not answered by then is cut off."""

BACKGROUND_TIMEOUT_S = 1.0
"""For hanging up on Redis."""

log = get_logger(__name__)
websockets_log = logging.getLogger("websockets.server")


class Gateway:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tokens = Tokens(settings.secret)
        self._storage = Storage(settings.database)
        self._admission = Admission(self._storage)
        self._tickets = Tickets(settings.redis, prefix=settings.redis_prefix)
        self._connections = Connections(max_per_user=settings.ws_max_connections_per_user)
        look_now = asyncio.Event()
        self._relay = Relay(
            settings.redis,
            prefix=settings.redis_prefix,
            on_message=self._deliver,
            on_linked=look_now.set,
        )
        self._watch = Watch(self._connections, self._storage, self._relay, look_now=look_now)
        self._lobby = Lobby(settings.proxies)
        self._open_sockets = 0
        self.started = asyncio.Event()
        # What it logs at DEBUG are headers and messages, so tokens.
        websockets_log.setLevel(logging.WARNING)

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until told to stop, then close all sockets.

        Raises:
            OSError: the port cannot be listened on.
        """
        try:
            server = await self._listen()
            background = [asyncio.create_task(self._relay.run()), asyncio.create_task(self._watch.run())]
            stopping = asyncio.create_task(stop.wait())
            self.started.set()
            await asyncio.wait([stopping, *background], return_when=asyncio.FIRST_COMPLETED)
            await self._leave(server)
            for task in (stopping, *background):
                task.cancel()
            ended, _ = await asyncio.wait(background, timeout=BACKGROUND_TIMEOUT_S)
            for task in ended:
                if not task.cancelled():
                    task.result()  # a defect of ours: the process ends with it, and is started anew
        finally:
            await self._tickets.close()
            self._storage.close()

    async def _listen(self) -> Server:
        settings = self._settings
        server = await serve(
            self._handle,
            settings.ws_host,
            settings.ws_port,
            # Browsers send an Origin and must be ours; other programs send none and need none.
            origins=[None, *(Origin(origin) for origin in settings.allowed_origins)],
            process_request=self._answer_http,
            compression=None,  # messages are short, and it takes 30 to 50 KiB a connection
            open_timeout=FIRST_MESSAGE_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
            ping_interval=PING_INTERVAL_S,
            ping_timeout=PING_TIMEOUT_S,
            max_size=MAX_MESSAGE_BYTES,
            max_queue=MAX_RECEIVED_FRAMES,
            write_limit=WRITE_LIMIT_BYTES,
            server_header=None,
            logger=websockets_log,
            create_connection=cast("type[ServerConnection]", partial(GatewaySocket, lobby=self._lobby)),
            backlog=BACKLOG,
        )
        log.info("gateway.started", host=settings.ws_host, port=settings.ws_port)
        return server

    async def _leave(self, server: Server) -> None:
        log.info("gateway.stopping", connections=self._open_sockets)
        server.close(code=RESTART, reason="restart")
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await server.wait_closed()
        except TimeoutError:
            log.info("gateway.cutting", connections=self._open_sockets)
            for socket in list(server.all_connections):
                socket.transport.abort()

    def _answer_http(self, socket: ServerConnection, request: Request) -> Response | None:
        """The answer to a request that is not for the socket; None to go on with the handshake."""
        try:
            path = urlsplit(request.path).path
        except ValueError:  # an address like //[
            path = ""
        if path == SOCKET_PATH:
            if self._lobby.has_room_for(cast("GatewaySocket", socket), request.headers):
                return None
            return socket.respond(HTTPStatus.TOO_MANY_REQUESTS, "Too many sockets of unknown clients.\n")
        if path == METRICS_PATH:
            return self._metrics(socket)
        if path != HEALTH_PATH:
            return socket.respond(HTTPStatus.NOT_FOUND, "Not found.\n")
        state = {
            "status": "ok",
            "connections": self._open_sockets,
            "redis": "up" if self._relay.is_linked else "down",
        }
        return _answer(socket, json.dumps(state) + "\n", "application/json")

    def _metrics(self, socket: ServerConnection) -> Response:
        measures().connections.set(self._open_sockets)
        measures().redis_up.set(self._relay.is_linked)
        return _answer(socket, metrics_text().decode(), METRICS_TYPE)

    async def _handle(self, socket: ServerConnection) -> None:
        client = cast("GatewaySocket", socket)
        if self._open_sockets >= self._settings.ws_max_connections:
            await client.end(TOO_MANY_SOCKETS, "too many connections")
            return
        self._open_sockets += 1
        try:
            hello = await receive_hello(client)
            identity = identify(self._tokens, hello.token)
            self._lobby.leave(client)
            await self._serve(client, hello, identity)
        except Refused as refusal:
            log.info("socket.refused", code=refusal.code, reason=refusal.reason)
            await client.end(refusal.code, refusal.reason)
        except ConnectionClosed:
            log.debug("socket.left")  # before it had said who it is; its own affair
        finally:
            self._open_sockets -= 1

    async def _serve(self, socket: GatewaySocket, hello: Hello, identity: Identity) -> None:
        claims = identity.claims
        connection = Connection(
            socket, user_id=claims.user_id, session_id=claims.session_id, storage=self._storage
        )
        with self._connections.including(connection):
            sending = asyncio.create_task(self._send(connection, hello, identity))
            try:
                # It has nothing more to say; but only who reads notices that it has gone.
                async for _ in socket:
                    pass
            except ConnectionClosed:
                pass  # with a code other than "normal"; it is logged below
            finally:
                sending.cancel()
                await asyncio.wait([sending])
        log.info("socket.closed", user_id=claims.user_id, code=socket.close_code)
        if not sending.cancelled():
            sending.result()  # a defect of ours is logged with its traceback by the server

    async def _send(self, connection: Connection, hello: Hello, identity: Identity) -> None:
        """Let the client in, then send it what it is to get."""
        try:
            # Before anything is read: what is published from now on is heard, and what was before is stored.
            await self._relay.listen(connection.user_id)
            session = await self._admission.live_session(connection.key)
            if session is None:
                raise Refused(BAD_CREDENTIALS, "the session is over")
            if identity.is_ticket:
                await self._tickets.spend(identity.claims.id)
            user_id, session_id = connection.key
            log.info("socket.opened", user_id=user_id, session_id=session_id, since=hello.since)
            await connection.serve(since=hello.since, newest=session.notification_seq)
        except Refused as refusal:
            connection.close(refusal.code, refusal.reason)
        except DatabaseUnavailable as error:
            connection.close(TRY_AGAIN, error.detail)
        except ConnectionClosed:
            pass  # the reader has noticed too, and says so
        except Exception:
            connection.close(INTERNAL_ERROR, "internal error")
            raise

    def _deliver(self, user_id: UUID, published: bytes) -> None:
        request_ids, body = split_published(published)
        try:
            said = decode(body)
        except msgspec.DecodeError as error:
            log.warning("relay.unreadable", user_id=user_id, error=error)
            return
        message = Outgoing(said.seq, body, said.created_at, "live", request_ids)
        for connection in self._connections.of(user_id):
            connection.offer(message)


def _answer(socket: ServerConnection, text: str, content_type: str) -> Response:
    response = socket.respond(HTTPStatus.OK, text)
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = content_type
    response.headers["Cache-Control"] = "no-store"
    return response
