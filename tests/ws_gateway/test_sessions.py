"""A socket lives no longer than the login behind it, and no shorter."""

from collections.abc import Callable

import pytest
import time_machine

from core import clock
from tests.ws_gateway.clients import client, close_code, gateway, in_loop, numbers, until_ready
from tests.ws_gateway.world import Person, World


@pytest.mark.parametrize("end", [World.revoke, World.deactivate, World.remove])
@in_loop
async def test_a_login_that_ends_closes_its_sockets_within_two_seconds(
    any_world: World, end: Callable[[World, Person], None]
) -> None:
    person, other = any_world.person(), any_world.person()
    async with (
        gateway(any_world),
        client(any_world, person) as first,
        client(any_world, person) as second,
        client(any_world, other) as untouched,
    ):
        for socket in (first, second, untouched):
            await until_ready(socket)
        end(any_world, person)
        assert await close_code(first, within_s=2) == 4401
        assert await close_code(second, within_s=0.5) == 4401
        any_world.notify(other, after=0)
        assert await numbers(untouched, 1) == [1]


@pytest.mark.parametrize("end", [World.revoke, World.deactivate, World.remove])
@in_loop
async def test_a_login_that_has_ended_does_not_let_in(
    world: World, end: Callable[[World, Person], None]
) -> None:
    person = world.person()
    world.store(person, 3)
    end(world, person)
    async with gateway(world), client(world, person, since=0) as socket:
        assert await close_code(socket) == 4401


@in_loop
async def test_one_revoked_session_leaves_the_users_others_alone(world: World) -> None:
    person = world.person()
    other = world.second_login(person)
    async with gateway(world), client(world, person) as revoked, client(world, other) as kept:
        await until_ready(revoked)
        await until_ready(kept)
        world.revoke(person)
        assert await close_code(revoked, within_s=2) == 4401
        world.notify(person, after=0)
        assert await numbers(kept, 1) == [1]


@in_loop
async def test_a_socket_outlives_its_access_token(world: World) -> None:
    person = world.person()
    async with gateway(world), client(world, person) as socket:
        await until_ready(socket)
        with time_machine.travel(clock.now().timestamp() + 3600):
            for seq in range(1, 4):  # each brought by a look at the sessions
                world.store(person)
                assert await numbers(socket, 1) == [seq]


@in_loop
async def test_a_session_that_runs_out_closes_its_sockets(world: World) -> None:
    person = world.person()
    async with gateway(world), client(world, person) as socket:
        await until_ready(socket)
        with time_machine.travel(clock.now().timestamp() + 2 * 86_400):
            assert await close_code(socket, within_s=3) == 4401
