"""Who gets in, and with which code everybody else is sent away."""

import asyncio
import json
from datetime import timedelta

import pytest
from websockets.exceptions import ConnectionClosed

from core import clock
from core.ids import new_id
from core.security import Tokens
from tests.ws_gateway.clients import client, close_code, gateway, in_loop, receive, say_hello, until_ready
from tests.ws_gateway.world import Person, World

MALFORMED = [
    "",
    "{",
    "null",
    "[]",
    '"auth"',
    "[" * 4000,
    "\0",
    '{"type": "auth"}',
    '{"token": "%s"}',
    '{"type": "hello", "token": "%s"}',
    '{"type": "auth", "token": null}',
    '{"type": "auth", "token": 1}',
    '{"type": "auth", "token": ["%s"]}',
    '{"type": "auth", "token": ""}',
    '{"type": "auth", "token": "\\ud800"}',
    '{"type": "auth", "token": "%s", "since": -1}',
    '{"type": "auth", "token": "%s", "since": 1.5}',
    '{"type": "auth", "token": "%s", "since": 1e3}',
    '{"type": "auth", "token": "%s", "since": "1"}',
    '{"type": "auth", "token": "%s", "since": true}',
    '{"type": "auth", "token": "%s", "since": [1]}',
    '{"type": "auth", "token": "%s", "since": 9223372036854775808}',
    '{"type": "auth", "token": "%s", "since": 1e999}',
    '{"type": "auth", "token": "%s", "sinse": 1}',
]


@in_loop
async def test_malformed_first_messages_are_bad_credentials(world: World) -> None:
    token = world.token(world.person())
    async with gateway(world):
        for message in MALFORMED:
            async with client(world) as socket:
                await socket.send(message.replace("%s", token))
                assert await close_code(socket) == 4401, message


@pytest.mark.parametrize("garbage", [b"", b"\xff\xfe\0", b"binary"])
@in_loop
async def test_a_binary_first_message_is_bad_credentials(world: World, garbage: bytes) -> None:
    async with gateway(world), client(world) as socket:
        await socket.send(garbage)
        assert await close_code(socket) == 4401


@in_loop
async def test_a_good_token_in_a_binary_message_is_bad_credentials(world: World) -> None:
    hello = json.dumps({"type": "auth", "token": world.token(world.person())})
    async with gateway(world), client(world) as socket:
        await socket.send(hello.encode())
        assert await close_code(socket) == 4401


@in_loop
async def test_tokens_that_are_not_good_are_bad_credentials(world: World) -> None:
    person = world.person()
    token = world.token(person)
    forger = Tokens("another secret that is long enough for it")
    bad = {
        "expired": world.token(person, age=timedelta(minutes=11)),
        "expired ticket": world.ticket(person, age=timedelta(minutes=1)),
        "forged": forger.access_token(user_id=person.user_id, session_id=person.session_id, now=clock.now()),
        "cut short": token[:-2],
        "unsigned": ".".join([*token.split(".")[:2], ""]),
        "no token at all": "x" * 300,
        "of nobody": world.token(Person(new_id(), person.session_id)),
        "of no session": world.token(Person(person.user_id, new_id())),
    }
    async with gateway(world):
        for why, value in bad.items():
            async with client(world) as socket:
                await say_hello(socket, value)
                assert await close_code(socket) == 4401, why
            async with client(world, additional_headers={"Authorization": f"Bearer {value}"}) as socket:
                assert await close_code(socket) == 4401, why


@in_loop
async def test_a_message_above_the_size_limit_closes_the_socket(world: World) -> None:
    async with gateway(world), client(world) as socket:
        await socket.send(json.dumps({"type": "auth", "token": "x" * 5000}))
        assert await close_code(socket) == 1009


@in_loop
async def test_a_silent_client_is_closed_after_five_seconds(world: World) -> None:
    async with gateway(world), client(world) as socket:
        assert await close_code(socket, within_s=7) == 4408


@in_loop
async def test_a_bearer_header_lets_in_without_a_first_message(world: World) -> None:
    person = world.person()
    world.store(person, 3)
    headers = {"Authorization": f"bearer {world.token(person)}"}
    async with gateway(world):
        async with client(world, additional_headers=headers) as socket:
            assert await until_ready(socket) == ([], 3)
        async with client(world, query="?since=1", additional_headers=headers) as socket:
            assert await until_ready(socket) == ([2, 3], 3)


@pytest.mark.parametrize(
    "query", ["since=", "since=-1", "since=x", "since=1.0", "since=1&since=2", "since=" + "9" * 19]
)
@in_loop
async def test_a_malformed_since_in_the_address_is_bad_credentials(world: World, query: str) -> None:
    headers = {"Authorization": f"Bearer {world.token(world.person())}"}
    async with gateway(world), client(world, query=f"?{query}", additional_headers=headers) as socket:
        assert await close_code(socket) == 4401


@in_loop
async def test_a_token_in_the_address_counts_for_nothing(world: World) -> None:
    token = world.token(world.person())
    async with gateway(world), client(world, query=f"?token={token}&access_token={token}") as socket:
        await say_hello(socket, "not this one")
        assert await close_code(socket) == 4401


@in_loop
async def test_a_proxys_own_authorization_leaves_the_first_message_to_be_sent(world: World) -> None:
    person = world.person()
    async with (
        gateway(world),
        client(world, person, additional_headers={"Authorization": "Basic eDp5"}) as socket,
    ):
        assert await until_ready(socket) == ([], 0)


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer x", "Bearer \xff"])
@in_loop
async def test_a_bearer_header_without_a_good_token_is_bad_credentials(world: World, header: str) -> None:
    async with gateway(world), client(world, additional_headers={"Authorization": header}) as socket:
        assert await close_code(socket) == 4401


@in_loop
async def test_two_bearer_headers_are_bad_credentials(world: World) -> None:
    header = ("Authorization", f"Bearer {world.token(world.person())}")
    async with gateway(world), client(world, additional_headers=[header, header]) as socket:
        assert await close_code(socket) == 4401


@in_loop
async def test_a_ticket_lets_in_once(world: World) -> None:
    ticket = world.ticket(world.person())
    async with gateway(world):
        async with client(world) as first, client(world) as second:
            await say_hello(first, ticket)
            assert (await receive(first))["type"] == "ready"
            await say_hello(second, ticket)
            assert await close_code(second) == 4401
        async with client(world) as third:
            await say_hello(third, ticket)
            assert await close_code(third) == 4401


@in_loop
async def test_a_ticket_that_many_use_at_once_lets_one_in(world: World) -> None:
    ticket = world.ticket(world.person())

    async def outcome() -> str:
        async with client(world) as socket:
            await say_hello(socket, ticket)
            try:
                return str((await receive(socket))["type"])
            except ConnectionClosed:
                return str(socket.close_code)

    async with gateway(world):
        outcomes = await asyncio.gather(*(outcome() for _ in range(10)))
    assert sorted(outcomes) == ["4401"] * 9 + ["ready"]
