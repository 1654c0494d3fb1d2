"""One pub/sub connection to Redis, from connecting until the first error.

redis-py's own `PubSub` reconnects in silence, and what was published meanwhile is lost without a trace; its
health check sends a PING but never asks for the PONG. So a link is never mended: it ends with an error, and
whoever holds it makes a new one and looks for what was missed.
"""

import asyncio
import math
import secrets
from collections.abc import Callable, Iterable

from redis.asyncio import Connection, ConnectionPool, Redis
from redis.exceptions import ConnectionError as RedisConnectionError

REDIS_TIMEOUT_S = 2.0
"""For connecting and for each write; Redis does either within a millisecond or is not well."""

CHECK_INTERVAL_S = 2.0
"""Between two checks. A dead link loses nothing, but until it is noticed messages are up to a second late."""

CHECK_PATIENCE_S = 3.0
"""A check comes behind all messages that are on their way, so it may take a moment on a busy link."""

CHANNELS_PER_COMMAND = 500
"""A command of some 40 KiB: Redis serves its other clients between two of them."""


class RedisLink:
    """Listens to channels. `run` holds the connection and ends with the error that ended it."""

    def __init__(
        self,
        pool: ConnectionPool,
        *,
        own_channel: bytes,
        on_message: Callable[[bytes, bytes], None],
        on_listening: Callable[[bytes], None],
    ) -> None:
        """
        Args:
            pool: knows the address; the link makes a connection of its own, beside those that the pool lends.
            own_channel: nobody else's, to check that what is published arrives.
            on_message: gets the channel and the message.
            on_listening: gets a channel when Redis has confirmed that from now on its messages come.
        """
        self._pool = pool
        self._publisher = Redis(connection_pool=pool)
        self._own_channel = own_channel
        self._on_message = on_message
        self._on_listening = on_listening
        self._commands: asyncio.Queue[tuple[bytes, ...]] = asyncio.Queue()
        self._echo: tuple[bytes, asyncio.Future[None]] | None = None

    def listen(self, channels: Iterable[bytes]) -> None:
        """Subscribe to the channels, after everything that was asked before."""
        self._ask(b"SUBSCRIBE", channels)

    def ignore(self, channels: Iterable[bytes]) -> None:
        self._ask(b"UNSUBSCRIBE", channels)

    async def run(self, channels: Iterable[bytes], *, on_linked: Callable[[], None]) -> None:
        """Connect and listen until something goes wrong.

        Args:
            channels: those to begin with.
            on_linked: called once Redis has confirmed all of them.

        Raises:
            ExceptionGroup: of the `RedisError` or `OSError` that ended it.
        """
        # Answers come in the order of the commands, so the own channel's stands for all the others'.
        self.listen([*channels, self._own_channel])
        connection: Connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            async with asyncio.TaskGroup() as tasks:
                await connection.connect()  # type: ignore[no-untyped-call]
                tasks.create_task(self._read(connection))
                tasks.create_task(self._write(connection))
                tasks.create_task(self._check(on_linked))
        finally:
            await connection.disconnect(nowait=True)

    def _ask(self, command: bytes, channels: Iterable[bytes]) -> None:
        asked = list(channels)
        for start in range(0, len(asked), CHANNELS_PER_COMMAND):
            self._commands.put_nowait((command, *asked[start : start + CHANNELS_PER_COMMAND]))

    async def _write(self, connection: Connection) -> None:
        while True:
            command = await self._commands.get()
            if not connection.is_connected:  # sending would connect it again, and nobody would know
                raise RedisConnectionError("the connection is closed")
            await connection.send_command(*command, check_health=False)

    async def _read(self, connection: Connection) -> None:
        while True:
            kind, channel, body = await connection.read_response(timeout=math.inf, push_request=True)
            if kind == b"message":
                if channel == self._own_channel:
                    self._hear_echo(body)
                else:
                    self._on_message(channel, body)
            elif kind == b"subscribe":
                if channel == self._own_channel:
                    self._hear_echo(b"")
                else:
                    self._on_listening(channel)
            # What is buffered is read without a pause; those who pass it on must get their turn in between.
            await asyncio.sleep(0)

    async def _check(self, on_linked: Callable[[], None]) -> None:
        """Demand that what is published arrives. A link that is dead at the other end gives no other sign."""
        async with asyncio.timeout(CHECK_PATIENCE_S):
            await self._expect_echo(b"")
        on_linked()
        while True:
            token = secrets.token_bytes(8)
            async with asyncio.timeout(CHECK_PATIENCE_S):
                echo = self._expect_echo(token)
                await self._publisher.publish(self._own_channel, token)
                await echo
            await asyncio.sleep(CHECK_INTERVAL_S)

    def _expect_echo(self, token: bytes) -> asyncio.Future[None]:
        heard: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._echo = (token, heard)
        return heard

    def _hear_echo(self, token: bytes) -> None:
        if self._echo is not None and self._echo[0] == token and not self._echo[1].done():
            self._echo[1].set_result(None)
