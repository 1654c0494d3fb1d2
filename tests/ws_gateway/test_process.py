"""`python -m ws_gateway` as a process: how it starts, what it says and how it goes."""

import asyncio
import json
import os
import signal
import socket as sockets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from core.config import ENVIRONMENT_PREFIX
from tests.ws_gateway.clients import client, close_code, in_loop, numbers, redis_is, say_hello, until_ready
from tests.ws_gateway.world import World

REPOSITORY = Path(__file__).parents[2]

START_S = 60
"""For a process to be up, or to end by itself: on a busy machine its imports alone take ten seconds."""

END_S = 9
"""Longer than the gateway waits for its clients, and less than `websockets` would by itself."""


def start(world: World, **changes: str) -> subprocess.Popen[str]:
    settings = {name: str(value) for name, value in msgspec.structs.asdict(world.settings).items()} | changes
    return subprocess.Popen(
        [sys.executable, "-m", "ws_gateway"],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"]} | {ENVIRONMENT_PREFIX + k.upper(): v for k, v in settings.items()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def process(world: World, **changes: str) -> Iterator[subprocess.Popen[str]]:
    running = start(world, **changes)
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


async def is_up(world: World, running: subprocess.Popen[str]) -> None:
    async with asyncio.timeout(START_S):
        while True:
            assert running.poll() is None, "it has ended by itself"
            try:
                await redis_is(world, "up")
            except OSError:
                await asyncio.sleep(0.05)
            else:
                return


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@in_loop
async def test_a_signal_closes_all_sockets_with_restart_and_ends_the_process_cleanly(
    world: World, number: signal.Signals
) -> None:
    person = world.person()
    with process(world) as running:
        await is_up(world, running)
        async with client(world, person) as first, client(world, person) as second, client(world) as silent:
            await until_ready(first)
            await until_ready(second)
            running.send_signal(number)
            assert [await close_code(socket) for socket in (first, second, silent)] == [1012] * 3
            assert await asyncio.to_thread(running.wait, END_S) == 0


@in_loop
async def test_a_client_that_does_not_answer_cannot_hold_up_the_end(world: World) -> None:
    with process(world) as running:
        await is_up(world, running)
        async with client(world, world.person()) as socket:
            await until_ready(socket)
            socket.transport.pause_reading()
            slowloris = sockets.create_connection(("127.0.0.1", world.settings.ws_port))
            slowloris.sendall(b"GET /ws/notifications HTTP/1.1\r\n")
            running.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(running.wait, END_S) == 0
            slowloris.close()
            socket.transport.abort()


@in_loop
async def test_a_new_gateway_goes_on_where_the_killed_one_stopped(world: World) -> None:
    person = world.person()
    with process(world) as running:
        await is_up(world, running)
        async with client(world, person) as socket:
            await until_ready(socket)
            world.notify(person, after=0, count=3)
            assert await numbers(socket, 3) == [1, 2, 3]
            running.kill()
            assert await close_code(socket) == 1006
    world.notify(person, after=3, count=4)
    with process(world) as running:
        await is_up(world, running)
        async with client(world, person, since=3) as socket:
            assert await until_ready(socket) == ([4, 5, 6, 7], 7)


@in_loop
async def test_the_most_talkative_log_holds_no_token(world: World) -> None:
    person = world.person()
    token, ticket, header = world.token(person), world.ticket(person), world.token(person)
    with process(world, log_level="DEBUG") as running:
        await is_up(world, running)
        for credential in (token, ticket, ticket):
            async with client(world) as socket:
                await say_hello(socket, credential)
                await socket.send("chatter")
                await asyncio.wait_for(socket.recv(), 5) if credential is not ticket else None
        async with client(world, additional_headers={"Authorization": f"Bearer {header}"}) as socket:
            await until_ready(socket)
        running.send_signal(signal.SIGTERM)
        log = "".join(await asyncio.to_thread(running.communicate))
    assert "socket.opened" in log
    assert f"user_id={person.user_id}" in log
    for credential in (token, ticket, header):
        assert credential not in log
        assert credential.split(".")[2] not in log


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"ws_port": "0"}, "OUTLAY_WS_PORT"),
        ({"environment": "production"}, "OUTLAY_SECRET"),
        ({"redis_url": "http://localhost"}, "OUTLAY_REDIS_URL"),
        ({"database_url": "nonsense"}, "OUTLAY_DATABASE_URL"),
    ],
)
def test_wrong_settings_end_it_with_one_line(world: World, changes: dict[str, str], complaint: str) -> None:
    with process(world, **changes) as running:
        _, said = running.communicate(timeout=START_S)
        assert running.returncode == 2
        assert len(said.splitlines()) == 1
        assert complaint in said


def test_a_taken_port_ends_it_with_one_line(world: World) -> None:
    with sockets.create_server(("127.0.0.1", world.settings.ws_port)), process(world) as running:
        said, complaint = running.communicate(timeout=START_S)
        assert complaint == ""
        assert running.returncode == 1
        assert len(said.splitlines()) == 1
        assert "gateway.not_started" in said


def test_it_imports_neither_pandas_nor_celery_nor_the_other_processes() -> None:
    program = "import sys, json, ws_gateway.__main__; print(json.dumps(sorted(sys.modules)))"
    modules = json.loads(subprocess.check_output([sys.executable, "-c", program], cwd=REPOSITORY))
    assert not {"pandas", "numpy", "celery", "kombu", "falcon", "api", "workers"} & set(modules)
