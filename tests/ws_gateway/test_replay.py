"""What a client missed comes first, in order and once, whatever is written meanwhile."""

import asyncio
import random

import pytest

from tests.ws_gateway.clients import client, gateway, in_loop, numbers, receive, until_ready
from tests.ws_gateway.world import Person, World
from ws_gateway.storage import PAGE_ROWS

WRITTEN = 160
READERS = 12


@in_loop
async def test_what_came_after_since_is_replayed_in_order_before_ready(any_world: World) -> None:
    person = any_world.person()
    any_world.store(person, 5)
    async with gateway(any_world), client(any_world, person, since=2) as socket:
        assert await until_ready(socket) == ([3, 4, 5], 5)


@pytest.mark.parametrize("count", [PAGE_ROWS - 1, PAGE_ROWS, PAGE_ROWS + 1, 3 * PAGE_ROWS + 7])
@in_loop
async def test_a_long_absence_is_replayed_whole(world: World, count: int) -> None:
    person = world.person()
    world.store(person, count)
    async with gateway(world), client(world, person, since=0) as socket:
        assert await until_ready(socket) == (list(range(1, count + 1)), count)


@in_loop
async def test_without_since_nothing_is_replayed(world: World) -> None:
    person = world.person()
    world.store(person, 3)
    async with gateway(world), client(world, person) as socket:
        assert await until_ready(socket) == ([], 3)
        world.notify(person, after=3)
        assert await numbers(socket, 1) == [4]


@pytest.mark.parametrize("since", [3, 4, 2**63 - 1])
@in_loop
async def test_since_at_or_beyond_the_newest_counts_as_the_newest(world: World, since: int) -> None:
    person = world.person()
    world.store(person, 3)
    async with gateway(world), client(world, person, since=since) as socket:
        assert await until_ready(socket) == ([], 3)
        world.notify(person, after=3)
        assert await numbers(socket, 1) == [4]


@in_loop
async def test_a_replayed_message_is_the_same_as_the_live_one(any_world: World) -> None:
    person = any_world.person()
    async with gateway(any_world), client(any_world, person) as socket:
        await until_ready(socket)
        any_world.notify(person, after=0, text="Zoë 🙂")
        live = await receive(socket)
        async with client(any_world, person, since=0) as other:
            assert await receive(other) == live
    assert live.keys() == {"type", "seq", "kind", "created_at", "data"}
    assert (live["type"], live["seq"], live["kind"]) == ("notification", 1, "test")
    assert live["data"] == {"text": "Zoë 🙂"}


@in_loop
async def test_what_is_muted_says_so_live_and_replayed(any_world: World) -> None:
    person = any_world.person()
    any_world.mute(person, "test")
    async with gateway(any_world), client(any_world, person) as socket:
        await until_ready(socket)
        any_world.notify(person, after=0)
        live = await receive(socket)
        async with client(any_world, person, since=0) as other:
            assert await receive(other) == live
    assert live["is_muted"] is True


@in_loop
async def test_deleted_notifications_do_not_hold_up_those_that_follow(world: World) -> None:
    person = world.person()
    world.store(person, 5)
    world.delete_notifications(person, [2, 4, 5])
    async with gateway(world), client(world, person, since=0) as socket:
        assert await until_ready(socket) == ([1, 3], 5)
        world.notify(person, after=5)
        assert await numbers(socket, 1) == [6]


@in_loop
async def test_none_is_missed_or_doubled_while_they_are_written_and_clients_come_and_go(
    any_world: World,
) -> None:
    """Publications are lost, doubled and out of order here too; clients leave and come back with `since`."""
    person = any_world.person()
    async with gateway(any_world):
        writing = asyncio.create_task(asyncio.to_thread(_write_badly, any_world, person))
        seen = await asyncio.gather(*(_read_restlessly(any_world, person, n) for n in range(READERS)))
        await writing
    assert all(numbers == list(range(1, WRITTEN + 1)) for numbers in seen)


def _write_badly(world: World, person: Person) -> None:
    dice = random.Random(20260101)
    written = 0
    while written < WRITTEN:
        count = min(dice.choice([1, 1, 1, 2, 5]), WRITTEN - written)
        world.store(person, count)
        fate = dice.random()
        if fate > 0.2:
            world.publish(person, after=written)
        if fate > 0.8:
            world.publish(person, after=max(0, written - 2))
        written += count


async def _read_restlessly(world: World, person: Person, seed: int) -> list[int]:
    dice = random.Random(seed)
    seen: list[int] = []
    while len(seen) < WRITTEN:
        async with client(world, person, since=len(seen)) as socket:
            stay = dice.randrange(1, 60)
            while len(seen) < WRITTEN and stay > 0:
                message = await receive(socket)
                if message["type"] == "notification":
                    seen.append(message["seq"])
                    stay -= 1
    return seen
