"""A gateway that runs in the test's own loop, and clients of it."""

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any, ParamSpec

import msgspec
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.ws_gateway.world import Person, World
from ws_gateway.server import Gateway

PATIENCE_S = 10.0
"""For what is going to happen anyway, on a machine that does much else at the time."""

Parameters = ParamSpec("Parameters")


def in_loop(test: Callable[Parameters, Coroutine[Any, Any, None]]) -> Callable[Parameters, None]:
    """Run an asynchronous test in the loop that the gateway runs in."""

    @wraps(test)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(test(*args, **kwargs))

    return run


@asynccontextmanager
async def gateway(world: World, *, is_linked: bool = True, **changes: Any) -> AsyncIterator[Gateway]:
    """A running gateway, linked to Redis unless that is away."""
    stop = asyncio.Event()
    running = Gateway(msgspec.structs.replace(world.settings, **changes))
    task = asyncio.create_task(running.run(stop))
    started = asyncio.create_task(running.started.wait())
    await asyncio.wait([task, started], return_when=asyncio.FIRST_COMPLETED)
    try:
        if is_linked:
            await redis_is(world, "up")
        yield running
    finally:
        stop.set()
        await task


async def health(world: World) -> dict[str, Any]:
    url = f"http://127.0.0.1:{world.settings.ws_port}/healthz"
    answer = await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=PATIENCE_S).read())
    state: dict[str, Any] = json.loads(answer)
    return state


async def redis_is(world: World, state: str) -> None:
    async def is_so() -> bool:
        return bool((await health(world))["redis"] == state)

    await eventually(is_so)


async def eventually(condition: Callable[[], Awaitable[bool]], *, within_s: float = PATIENCE_S) -> None:
    async with asyncio.timeout(within_s):
        while not await condition():  # noqa: ASYNC110 - it has no event to wait for
            await asyncio.sleep(0.02)


@asynccontextmanager
async def client(
    world: World, person: Person | None = None, *, since: int | None = None, query: str = "", **options: Any
) -> AsyncIterator[ClientConnection]:
    """An open socket, which has said who it is when a person is given."""
    options = {"compression": None, "ping_interval": None, "close_timeout": 1, **options}
    async with connect(world.url + query, **options) as socket:
        if person is not None:
            await say_hello(socket, world.token(person), since)
        yield socket


async def say_hello(socket: ClientConnection, token: str, since: int | None = None) -> None:
    await socket.send(json.dumps({"type": "auth", "token": token, "since": since}))


async def receive(socket: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE_S):
        message: dict[str, Any] = json.loads(await socket.recv())
        return message


async def numbers(socket: ClientConnection, count: int) -> list[int]:
    """The numbers of the next notifications."""
    return [int((await receive(socket))["seq"]) for _ in range(count)]


async def until_ready(socket: ClientConnection) -> tuple[list[int], int]:
    """The numbers of what is replayed, and the number that the gateway was ready at."""
    replayed = []
    while (message := await receive(socket))["type"] != "ready":
        replayed.append(int(message["seq"]))
    return replayed, int(message["seq"])


async def close_code(socket: ClientConnection, *, within_s: float = PATIENCE_S) -> int | None:
    """The code that the gateway closes with; whatever it sends before is dropped."""
    async with asyncio.timeout(within_s):
        try:
            while True:
                await socket.recv()
        except ConnectionClosed:
            return socket.close_code
