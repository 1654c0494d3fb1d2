"""Notifications as they happen, and what the gateway does when Redis brings them badly."""

import asyncio

from tests.ws_gateway.clients import client, gateway, in_loop, numbers, receive, until_ready
from tests.ws_gateway.world import World


@in_loop
async def test_a_published_notification_is_passed_on_as_it_is(world: World) -> None:
    """It is not even stored here, so it can have come from Redis only."""
    person = world.person()
    async with gateway(world), client(world, person) as socket:
        await until_ready(socket)
        message = world.publish_only(person, 1)
        assert await socket.recv() == message.decode()


@in_loop
async def test_every_socket_of_a_user_gets_it_and_no_stranger(world: World) -> None:
    person, stranger = world.person(), world.person()
    async with (
        gateway(world),
        client(world, person) as first,
        client(world, world.second_login(person)) as second,
        client(world, stranger) as strange,
    ):
        for socket in (first, second, strange):
            await until_ready(socket)
        world.notify(person, after=0, count=20, text="private")
        assert await numbers(first, 20) == await numbers(second, 20) == list(range(1, 21))
        world.notify(stranger, after=0, text="own")
        assert (await receive(strange))["data"] == {"text": "own"}


@in_loop
async def test_a_stranger_gets_nothing_of_others_by_replay(any_world: World) -> None:
    person, stranger = any_world.person(), any_world.person()
    any_world.store(person, 5, text="private")
    any_world.store(stranger, 1, text="own")
    async with gateway(any_world), client(any_world, stranger, since=0) as socket:
        assert (await receive(socket))["data"] == {"text": "own"}
        assert await until_ready(socket) == ([], 1)


@in_loop
async def test_a_lost_publication_is_filled_in_before_the_next_one(world: World) -> None:
    person = world.person()
    async with gateway(world), client(world, person) as socket:
        await until_ready(socket)
        world.store(person, 2)
        world.notify(person, after=2)
        assert await numbers(socket, 3) == [1, 2, 3]


@in_loop
async def test_a_lost_publication_arrives_within_two_seconds_when_no_other_follows(world: World) -> None:
    person = world.person()
    async with gateway(world), client(world, person) as socket:
        await until_ready(socket)
        world.store(person)
        async with asyncio.timeout(2):
            assert await numbers(socket, 1) == [1]


@in_loop
async def test_publications_out_of_order_and_doubled_arrive_in_order_and_once(world: World) -> None:
    person = world.person()
    async with gateway(world), client(world, person) as socket:
        await until_ready(socket)
        world.store(person, 4)
        for after in (3, 1, 0, 2, 0):
            world.publish(person, after=after)
        world.notify(person, after=4)
        assert await numbers(socket, 5) == [1, 2, 3, 4, 5]


@in_loop
async def test_nonsense_on_the_channel_reaches_nobody_and_stops_nothing(world: World) -> None:
    person = world.person()
    async with gateway(world), client(world, person) as socket:
        await until_ready(socket)
        for nonsense in (b"", b"\xff", b"{}", b"[1]", b'{"type":"notification","seq":"1"}'):
            world.redis.publish(world.channel(person), nonsense)
        for number in (0, -5, 10**6, 2**63):
            world.publish_only(person, number)
        world.notify(person, after=0)
        assert await numbers(socket, 1) == [1]


@in_loop
async def test_a_burst_reaches_a_client_that_reads(world: World) -> None:
    person = world.person()
    async with gateway(world), client(world, person) as socket:
        await until_ready(socket)
        for seq in range(1, 5001):
            world.publish_only(person, seq)
        assert await numbers(socket, 5000) == list(range(1, 5001))


@in_loop
async def test_a_user_who_comes_back_is_heard_of_again(world: World) -> None:
    """The subscription may be kept, given up or on its way at that moment."""
    person = world.person()
    async with gateway(world):
        for seq in range(1, 40):
            async with client(world, person) as socket:
                await until_ready(socket)
                world.publish_only(person, 1)
                assert await numbers(socket, 1) == [1], seq
            await asyncio.sleep(0.05)
