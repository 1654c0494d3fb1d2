"""What the port says to those who come over HTTP, and whom the handshake keeps out."""

import asyncio

import pytest
from websockets.exceptions import InvalidStatus

from tests.ws_gateway.clients import client, gateway, health, in_loop, until_ready
from tests.ws_gateway.world import ORIGIN, World


async def ask(world: World, request: str) -> tuple[int, str]:
    """The status and the whole answer to a request line with some headers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.settings.ws_port)
    writer.write(f"{request}\r\nHost: localhost\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    return int(answer.split()[1]), answer


@in_loop
async def test_healthz_tells_the_connections_and_the_state_of_redis(world: World) -> None:
    async with gateway(world), client(world, world.person()) as socket:
        await until_ready(socket)
        status, answer = await ask(world, "GET /healthz HTTP/1.1")
        assert status == 200
        assert "Content-Type: application/json" in answer
        assert await health(world) == {"status": "ok", "connections": 1, "redis": "up"}


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET / HTTP/1.1", 404),
        ("GET /ws HTTP/1.1", 404),
        ("GET /ws/notifications/ HTTP/1.1", 404),
        ("GET /healthz/x HTTP/1.1", 404),
        ("GET //[ HTTP/1.1", 404),
        ("GET /ws/notifications HTTP/1.1", 426),
        ("POST /ws/notifications HTTP/1.1", 405),
    ],
)
@in_loop
async def test_other_requests_get_their_status(world: World, request_line: str, status: int) -> None:
    async with gateway(world):
        assert (await ask(world, request_line))[0] == status


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "https://outlay.example.evil.example", "null", "http://outlay.example"]
)
@in_loop
async def test_a_foreign_origin_is_forbidden(world: World, origin: str) -> None:
    async with gateway(world):
        with pytest.raises(InvalidStatus) as refusal:
            async with client(world, origin=origin):
                pass
        assert refusal.value.response.status_code == 403


@in_loop
async def test_an_allowed_origin_is_let_in(world: World) -> None:
    async with gateway(world), client(world, world.person(), origin=ORIGIN) as socket:
        assert await until_ready(socket) == ([], 0)


@in_loop
async def test_messages_are_not_compressed(world: World) -> None:
    async with gateway(world), client(world, world.person(), compression="deflate") as socket:
        assert socket.response is not None
        assert "Sec-WebSocket-Extensions" not in socket.response.headers
