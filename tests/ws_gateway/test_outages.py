"""Redis and the database may go away and come back; sockets stay, and nothing is lost."""

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path

from core.ids import new_id
from core.models import Base
from tests.conftest import REDIS
from tests.servers import TestPostgres, TestRedis
from tests.ws_gateway.clients import (
    client,
    close_code,
    gateway,
    in_loop,
    numbers,
    receive,
    redis_is,
    say_hello,
    until_ready,
)
from tests.ws_gateway.world import Person, World


@in_loop
async def test_without_redis_tokens_let_in_and_notifications_arrive(
    fragile_world: World, own_redis: TestRedis
) -> None:
    world = fragile_world
    own_redis.kill()
    person = world.person()
    world.store(person, 2)
    async with gateway(world, is_linked=False), client(world, person, since=0) as socket:
        assert await until_ready(socket) == ([1, 2], 2)
        world.store(person)
        async with asyncio.timeout(2):
            assert await numbers(socket, 1) == [3]


@in_loop
async def test_without_redis_a_ticket_is_refused_for_now_and_lets_in_later(
    fragile_world: World, own_redis: TestRedis
) -> None:
    world = fragile_world
    own_redis.kill()
    ticket = world.ticket(world.person())
    async with gateway(world, is_linked=False):
        async with client(world) as socket:
            await say_hello(socket, ticket)
            assert await close_code(socket) == 1013
        own_redis.restart()
        async with client(world) as socket:
            await say_hello(socket, ticket)
            assert await until_ready(socket) == ([], 0)


@in_loop
async def test_a_restarted_redis_is_found_again_and_what_came_meanwhile_is_sent(
    fragile_world: World, own_redis: TestRedis
) -> None:
    world = fragile_world
    person, other = world.person(), world.person()
    async with gateway(world), client(world, person) as socket, client(world, other) as theirs:
        await until_ready(socket)
        await until_ready(theirs)
        world.notify(person, after=0)
        own_redis.kill()
        await redis_is(world, "down")
        world.store(person, 3)
        own_redis.restart()
        await redis_is(world, "up")
        world.notify(person, after=4)
        world.notify(other, after=0)
        assert await numbers(socket, 5) == [1, 2, 3, 4, 5]
        assert await numbers(theirs, 1) == [1]


@in_loop
async def test_a_restarted_redis_is_listened_to_for_those_who_were_there_before(
    fragile_world: World, own_redis: TestRedis
) -> None:
    """What arrives here is not stored, so the look at the database cannot have brought it."""
    world = fragile_world
    people = [world.person() for _ in range(3)]
    async with gateway(world), AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(client(world, person)) for person in people]
        for socket in sockets:
            await until_ready(socket)
        own_redis.restart()
        await redis_is(world, "down")
        await redis_is(world, "up")
        for person, socket in zip(people, sockets, strict=True):
            world.publish_only(person, 1)
            assert await numbers(socket, 1) == [1]


@in_loop
async def test_a_redis_that_hangs_is_noticed_and_used_again_when_it_answers(
    fragile_world: World, own_redis: TestRedis
) -> None:
    world = fragile_world
    person = world.person()
    async with gateway(world), client(world, person) as socket:
        await until_ready(socket)
        os.kill(own_redis.pid, signal.SIGSTOP)
        try:
            world.store(person)
            async with asyncio.timeout(2):
                assert await numbers(socket, 1) == [1]
            await redis_is(world, "down")
            async with client(world, person, since=0) as late:
                assert await until_ready(late) == ([1], 1)
        finally:
            os.kill(own_redis.pid, signal.SIGCONT)
        await redis_is(world, "up")
        world.publish_only(person, 2)
        assert await numbers(socket, 1) == [2]


@in_loop
async def test_a_database_that_goes_away_closes_no_socket_and_loses_nothing(
    own_postgres: TestPostgres,
) -> None:
    own_postgres.create_database("outlay")
    with World(own_postgres.url("outlay"), os.environ[REDIS]) as world:
        Base.metadata.create_all(world.database.engine)
        person = world.person()
        async with gateway(world), client(world, person) as socket:
            await until_ready(socket)
            with world.database.engine.connect() as connection:
                connection.exec_driver_sql("CHECKPOINT")  # the test server leaves durability out
            own_postgres.kill()
            async with client(world, person) as late:
                assert await close_code(late) == 1013
            own_postgres.restart()
            world.database.engine.dispose()
            world.store(person, 2)
            assert await numbers(socket, 2) == [1, 2]
            async with client(world, person, since=1) as late:
                assert (await receive(late))["seq"] == 2


@in_loop
async def test_a_database_without_tables_lets_nobody_in_and_does_not_end_the_gateway(tmp_path: Path) -> None:
    """Somebody forgot to migrate."""
    with World(f"sqlite:///{tmp_path / 'empty.db'}", os.environ[REDIS]) as world:
        async with gateway(world):
            async with client(world, Person(new_id(), new_id())) as socket:
                assert await close_code(socket) == 1013
            Base.metadata.create_all(world.database.engine)
            async with client(world, world.person()) as socket:
                assert await until_ready(socket) == ([], 0)
