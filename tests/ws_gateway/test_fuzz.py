"""Whatever is sent, the gateway stays up, closes with the right code, and serves the others."""

import asyncio
import contextlib
import random
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.exceptions import InvalidStatus

from tests.processes import many_files
from tests.ws_gateway.clients import (
    PATIENCE_S,
    client,
    close_code,
    gateway,
    health,
    in_loop,
    numbers,
    until_ready,
)
from tests.ws_gateway.world import Person, World
from ws_gateway import lobby

PROTOCOL_ERROR, INVALID_DATA, TOO_BIG, CUT = 1002, 1007, 1009, 1006

FIN, MASKED = 0x80, 0x80
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

ROUNDS = 150


def frame(
    opcode: int, data: bytes = b"", *, fin: bool = True, reserved: int = 0, length: int | None = None
) -> bytes:
    """A masked frame (the mask is zero); `length` is what it claims to have."""
    size = len(data) if length is None else length
    first = (FIN if fin else 0) | reserved << 4 | opcode
    if size < 126:
        head = struct.pack("!BB", first, MASKED | size)
    elif size < 65_536:
        head = struct.pack("!BBH", first, MASKED | 126, size)
    else:
        head = struct.pack("!BBQ", first, MASKED | 127, size)
    return head + bytes(4) + data


@asynccontextmanager
async def bystander(world: World) -> AsyncIterator[None]:
    """Somebody who must get their notification when all is over."""
    person = world.person()
    async with client(world, person) as socket:
        await until_ready(socket)
        yield
        world.notify(person, after=0)
        assert await numbers(socket, 1) == [1]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(3), PROTOCOL_ERROR),
        (frame(7), PROTOCOL_ERROR),
        (frame(11), PROTOCOL_ERROR),
        (frame(TEXT, b"a", reserved=4), PROTOCOL_ERROR),
        (frame(TEXT, b"a", reserved=1), PROTOCOL_ERROR),
        (b"\x81\x01a", PROTOCOL_ERROR),  # without a mask
        (frame(PING, fin=False), PROTOCOL_ERROR),
        (frame(CLOSE, b"\x03\xe8", fin=False), PROTOCOL_ERROR),
        (frame(PING, b"a" * 126), PROTOCOL_ERROR),
        (frame(CONTINUATION, b"a"), PROTOCOL_ERROR),
        (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), PROTOCOL_ERROR),
        (frame(CLOSE, b"\x03"), PROTOCOL_ERROR),
        (frame(CLOSE, struct.pack("!H", 999)), PROTOCOL_ERROR),
        (frame(CLOSE, struct.pack("!H", 1005)), PROTOCOL_ERROR),
        (frame(CLOSE, struct.pack("!H", 1000) + b"\xff"), INVALID_DATA),
        (frame(TEXT, b"\xff\xff"), INVALID_DATA),
        (frame(TEXT, b"\xed\xa0\x80"), INVALID_DATA),  # half a surrogate pair
        (frame(TEXT, b"a\xc3", fin=False) + frame(CONTINUATION, b"a"), INVALID_DATA),
        (frame(TEXT, b"a" * 5_000), TOO_BIG),
        (frame(BINARY, length=2**62), TOO_BIG),
        (frame(TEXT, length=2**63 - 1), TOO_BIG),
        (frame(TEXT, b"a" * 3_000, fin=False) + frame(CONTINUATION, b"a" * 3_000), TOO_BIG),
        (b"\x81\xff" + b"\xff" * 8 + bytes(4), TOO_BIG),  # a length with its first bit set
    ],
)
@in_loop
async def test_a_broken_frame_is_closed_with_its_code(world: World, sent: bytes, code: int) -> None:
    async with gateway(world), bystander(world):
        for is_known in (True, False):
            async with client(world, world.person() if is_known else None) as socket:
                if is_known:
                    await until_ready(socket)
                socket.transport.write(sent)
                assert await close_code(socket) == code


@in_loop
async def test_garbage_does_no_harm(world: World) -> None:
    """Random frames, and bytes that are none; by a seed, so that a failure can be looked at."""
    chance = random.Random(27)
    person = world.person()
    async with gateway(world, ws_max_connections_per_user=ROUNDS), bystander(world):
        for _ in range(ROUNDS):
            await _send_garbage(world, person, chance)
        state = await health(world)
        assert (state["status"], state["connections"]) == ("ok", 1)


async def _send_garbage(world: World, person: Person, chance: random.Random) -> None:
    pieces = [
        frame(
            chance.randrange(16),
            chance.randbytes(chance.choice([0, 1, 2, 125, 126, 1_000])),
            fin=chance.random() < 0.7,
            reserved=chance.choice([0, 0, 0, chance.randrange(8)]),
            length=chance.choice([None, None, chance.getrandbits(chance.randrange(63))]),
        )
        if chance.random() < 0.8
        else chance.randbytes(chance.randrange(1, 200))
        for _ in range(chance.randrange(1, 8))
    ]
    with contextlib.suppress(OSError, TimeoutError):
        async with client(world, person if chance.random() < 0.5 else None) as socket:
            socket.transport.write(b"".join(pieces))
            await asyncio.sleep(0)
            socket.transport.abort()


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"G",
        b"GET /ws/notifications HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"GET /ws/notifications HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x00" * 1_000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
@in_loop
async def test_half_a_handshake_is_given_up(world: World, sent: bytes) -> None:
    async with gateway(world), bystander(world):
        reader, writer = await asyncio.open_connection("127.0.0.1", world.settings.ws_port)
        writer.write(sent)
        with contextlib.suppress(ConnectionResetError):
            async with asyncio.timeout(PATIENCE_S):
                answer = await reader.read()
                assert not answer or answer.startswith(b"HTTP/1.1 4"), answer
        writer.close()


@in_loop
async def test_two_thousand_who_say_nothing_keep_nobody_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lobby, "MAX_STRANGERS", 1_500)
    with many_files():
        async with gateway(world), bystander(world):
            await _crowd_in(world)


async def _crowd_in(world: World) -> None:
    silent = [await asyncio.open_connection("127.0.0.1", world.settings.ws_port) for _ in range(2_000)]
    async with client(world, world.person()) as socket:
        await until_ready(socket)
    # The oldest have made room.
    assert await silent[0][0].read() == b""
    for _, writer in silent:
        writer.transport.abort()


@in_loop
async def test_one_place_may_have_so_many_who_say_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lobby, "MAX_STRANGERS_OF_PLACE", 2)
    crowded, other = {"X-Forwarded-For": "203.0.113.66"}, {"X-Forwarded-For": "192.0.2.1"}
    person = world.person()
    async with gateway(world, trusted_proxies="127.0.0.1"):
        # Who has said who they are does not count.
        async with client(world, person, additional_headers=crowded) as known:
            await until_ready(known)
            async with (
                client(world, additional_headers=crowded),
                client(world, additional_headers=crowded),
            ):
                with pytest.raises(InvalidStatus) as refusal:
                    async with client(world, additional_headers=crowded):
                        pass
                assert refusal.value.response.status_code == 429
                async with client(world, world.person(), additional_headers=other) as theirs:
                    await until_ready(theirs)
        async with client(world, person, additional_headers=crowded) as again:
            await until_ready(again)
