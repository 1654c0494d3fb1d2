"""No client can take more than its part, or hurt the others."""

import asyncio
import logging
import socket as sockets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.ws_gateway.clients import (
    client,
    close_code,
    eventually,
    gateway,
    health,
    in_loop,
    numbers,
    receive,
    until_ready,
)
from tests.ws_gateway.world import Person, World
from ws_gateway.connections import MAX_WAITING
from ws_gateway.watch import STALL_PATIENCE_S


@in_loop
async def test_a_user_may_have_so_many_sockets_and_others_have_their_own(world: World) -> None:
    person, other = world.person(), world.person()
    async with gateway(world, ws_max_connections_per_user=2), client(world, person) as first:
        await until_ready(first)
        async with client(world, world.second_login(person)) as second:
            await until_ready(second)
            async with client(world, person) as third:
                assert await close_code(third) == 4429
            async with client(world, other) as theirs:
                await until_ready(theirs)
        async with client(world, person) as again:
            await until_ready(again)


@in_loop
async def test_the_gateway_takes_so_many_sockets_even_if_they_have_said_nothing(world: World) -> None:
    async with gateway(world, ws_max_connections=2), client(world), client(world):
        async with client(world) as third:
            assert await close_code(third) == 4429
        assert (await health(world))["connections"] == 2


@in_loop
async def test_clients_that_do_not_read_are_closed_and_others_notice_nothing(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ws_gateway.connections")
    person = world.person()
    sent = 600

    async def are_given_up() -> bool:
        return caplog.text.count("code=1013 reason=too slow") == 2

    async def are_gone() -> bool:
        return bool((await health(world))["connections"] == 1)

    async with (
        gateway(world),
        _reluctant(world, person) as slow,
        _reluctant(world, person) as dead,
        client(world, person) as fast,
    ):
        for socket in (slow, dead, fast):
            await until_ready(socket)
        writing = asyncio.to_thread(world.notify, person, 0, sent, text="x" * 2000)
        async with asyncio.timeout(STALL_PATIENCE_S):
            _, arrived = await asyncio.gather(writing, numbers(fast, sent))
        assert arrived == list(range(1, sent + 1))
        await eventually(are_given_up, within_s=STALL_PATIENCE_S + 5)
        got, code = await _rest(slow)
        assert code == 1013
        assert got == list(range(1, len(got) + 1))
        await eventually(are_gone)
        assert (await _rest(dead))[1] == 1006  # it did not even take the close frame
        async with client(world, person, since=len(got)) as again:
            assert await until_ready(again) == (list(range(len(got) + 1, sent + 1)), sent)


@in_loop
async def test_a_client_that_pauses_during_a_burst_gets_all_of_it_in_order(world: World) -> None:
    person = world.person()
    sent = 3 * MAX_WAITING
    async with gateway(world), _reluctant(world, person) as socket:
        await until_ready(socket)
        await asyncio.to_thread(world.notify, person, 0, sent, text="x" * 2000)
        assert await numbers(socket, sent) == list(range(1, sent + 1))


@asynccontextmanager
async def _reluctant(world: World, person: Person) -> AsyncIterator[ClientConnection]:
    """A client that takes in next to nothing while its messages are not read."""
    narrow = sockets.socket()
    narrow.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    narrow.connect(("127.0.0.1", world.settings.ws_port))
    async with client(world, person, sock=narrow, max_queue=1) as socket:
        yield socket


async def _rest(socket: ClientConnection) -> tuple[list[int], int | None]:
    """The numbers that still come, and the code that ends it."""
    got = []
    try:
        while True:
            got.append(int((await receive(socket))["seq"]))
    except ConnectionClosed:
        return got, socket.close_code


@in_loop
async def test_what_clients_say_after_their_first_message_is_dropped(world: World) -> None:
    person = world.person()
    async with gateway(world), client(world, person) as socket:
        await until_ready(socket)
        for chatter in ("hello", b"\xff\x00", "{", '{"type": "auth", "token": "x"}', "x" * 4000):
            await socket.send(chatter)
        world.notify(person, after=0)
        assert await numbers(socket, 1) == [1]


@in_loop
async def test_a_flood_is_cut_off_and_others_notice_nothing(world: World) -> None:
    person = world.person()
    async with gateway(world), client(world, person) as quiet:
        await until_ready(quiet)
        async with client(world, world.person()) as flooding:
            await until_ready(flooding)

            async def is_cut() -> bool:
                if not flooding.transport.is_closing():
                    flooding.transport.write(b"\x81\x80\0\0\0\0" * 2000)  # empty text frames
                return flooding.transport.is_closing()

            await eventually(is_cut)
        world.notify(person, after=0)
        assert await numbers(quiet, 1) == [1]


@in_loop
async def test_a_flood_before_the_handshake_is_cut_off(world: World) -> None:
    async with gateway(world):
        reader, writer = await asyncio.open_connection("127.0.0.1", world.settings.ws_port)
        writer.write(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 100_000)
        with suppress(ConnectionResetError):  # the gateway had not read all of it
            assert await reader.read() == b""
        writer.close()
        assert (await health(world))["status"] == "ok"


@in_loop
async def test_broken_frames_close_the_socket_and_nothing_else(world: World) -> None:
    person = world.person()
    garbage = [
        b"\xff" * 64,  # reserved bits and opcode
        b"\x81\x05hello",  # not masked
        b"\x81\xff" + b"\x7f" + b"\xff" * 7 + b"\0\0\0\0",  # a length of 2**63 - 1
        b"\x89\xfe\x01\x00" + b"\0" * 260,  # a ping that is too long
        b"\x80\x80\0\0\0\0",  # a continuation of nothing
        b"\x81\x82\0\0\0\0\xff\xff",  # text that is not UTF-8
        b"\x88\x81\0\0\0\0x",  # a close frame with half a code
    ]
    async with gateway(world), client(world, person) as bystander:
        await until_ready(bystander)
        for frame in garbage:
            async with client(world, person) as socket:
                await until_ready(socket)
                socket.transport.write(frame)
                assert await close_code(socket) in (1002, 1007, 1009, 1006), frame
        world.notify(person, after=0)
        assert await numbers(bystander, 1) == [1]
