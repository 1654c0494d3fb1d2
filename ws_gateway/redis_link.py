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
"""For connecting and for each publication; Redis does either within a millisecond or is not well."""

CHECK_INTERVAL_S = 2.0
"""Between two checks. A dead link loses nothing, but until it is noticed messages are up to a second late."""

CHECK_PATIENCE_S = 3.0
"""A check comes behind all messages that are on their way; so this counts from the last that arrived."""

CHECK_LIMIT_S = 30.0
"""Messages that still arrive do not prove enough: they may come from a server to which hardly anybody
publishes any longer."""

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
        self._heard_at = 0.0

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
            RedisError, OSError: what ended it.
        """
        # Answers come in the order of the commands, so the own channel's stands for all the others'.
        self.listen([*channels, self._own_channel])
        connection: Connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        tasks: list[asyncio.Task[None]] = []
        try:
            async with asyncio.timeout(REDIS_TIMEOUT_S):
                await connection.connect()  # type: ignore[no-untyped-call]
            work = (self._read(connection), self._write(connection), self._check(on_linked))
            tasks += [asyncio.create_task(part) for part in work]
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            # Not a TaskGroup: if a part fails while this is cancelled, that would raise its error instead.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
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
        loop = asyncio.get_running_loop()
        while True:
            # It is `run` that disconnects: here it would be pulled from under a write that is under way.
            kind, channel, body = await connection.read_response(
                timeout=math.inf, push_request=True, disconnect_on_error=False
            )
            self._heard_at = loop.time()
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
        await self._arrival_of(self._expect_echo(b""))
        on_linked()
        while True:
            token = secrets.token_bytes(8)
            echo = self._expect_echo(token)
            async with asyncio.timeout(REDIS_TIMEOUT_S):
                await self._publisher.publish(self._own_channel, token)
            await self._arrival_of(echo)
            await asyncio.sleep(CHECK_INTERVAL_S)

    def _expect_echo(self, token: bytes) -> asyncio.Future[None]:
        heard: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._echo = (token, heard)
        return heard

    async def _arrival_of(self, echo: asyncio.Future[None]) -> None:
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        while not echo.done():
            silent_until = max(self._heard_at, asked_at) + CHECK_PATIENCE_S
            patience_s = min(silent_until, asked_at + CHECK_LIMIT_S) - loop.time()
            if patience_s <= 0:
                raise TimeoutError("Redis does not bring back what is published")
            await asyncio.wait([echo], timeout=patience_s)

    def _hear_echo(self, token: bytes) -> None:
        if self._echo is not None and self._echo[0] == token and not self._echo[1].done():
            self._echo[1].set_result(None)
