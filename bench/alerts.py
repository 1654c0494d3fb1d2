"""How long an alert takes: from the POST of the expense that causes it to its message on the WebSocket."""

import asyncio
import json
import time

import websockets

from bench.load import Outcome, Summary, request
from bench.measures import RUNS
from bench.report import Row
from bench.system import Dialect, System

RATE = 200
SECONDS = 10
USERS = 100
CONNECTIONS = 32

STEP_PERCENT = 50
"""Each write is half of its user's limit, so that each crosses exactly one of the 20 thresholds."""

PATIENCE_S = 20.0


def alerting(dialect: Dialect) -> list[Row]:
    """Latency at 200 writes a second, each by one of 100 listening users and each causing an alert."""
    with System(dialect) as system:
        runs = [asyncio.run(_run(system, number)) for number in range(RUNS)]
        return [Row.of(f"POST to WebSocket alert at {RATE}/s on {dialect}", Summary.of(runs))]


async def _run(system: System, run: int) -> Outcome:
    outcome = Outcome(seconds=SECONDS)
    people = [_prepare(system, f"alerted-{run}-{number}") for number in range(USERS)]
    sent_at: dict[tuple[int, int], float] = {}
    ready = asyncio.Barrier(USERS + 1)
    listeners = [
        asyncio.create_task(_listen(system, number, token, sent_at, outcome, ready))
        for number, token in enumerate(people)
    ]
    await ready.wait()
    await _write(system, people, sent_at)
    _done, late = await asyncio.wait(listeners, timeout=PATIENCE_S)
    for listener in late:
        listener.cancel()
        outcome.failures.append(f"{len(outcome.latencies_ms)} of {RATE * SECONDS} alerts arrived")
    return outcome


def _prepare(system: System, name: str) -> str:
    _id, token = system.new_user(name)
    thresholds = [STEP_PERCENT * step for step in range(1, SECONDS * RATE // USERS + 1)]
    budget = {"name": "All", "amount": "100.00", "thresholds": thresholds}
    system.call("POST", "/v1/budgets", token, budget)
    return token


async def _listen(
    system: System,
    number: int,
    token: str,
    sent_at: dict[tuple[int, int], float],
    outcome: Outcome,
    ready: asyncio.Barrier,
) -> None:
    url = f"ws://127.0.0.1:{system.ws_port}/ws/notifications"
    async with websockets.connect(url, compression=None) as socket:
        await socket.send(json.dumps({"type": "auth", "token": token}))
        await socket.recv()
        await ready.wait()
        for _ in range(SECONDS * RATE // USERS):
            message = json.loads(await socket.recv())
            write = message["data"]["threshold"] // STEP_PERCENT
            outcome.latencies_ms.append((time.perf_counter() - sent_at[number, write]) * 1000)


async def _write(system: System, people: list[str], sent_at: dict[tuple[int, int], float]) -> None:
    """At a steady rate whatever the answers take, over connections that take turns."""
    links = [await asyncio.open_connection("127.0.0.1", system.api_port) for _ in range(CONNECTIONS)]
    created = asyncio.Semaphore(0)
    readers = [asyncio.create_task(_count_created(reader, created)) for reader, _ in links]
    body = json.dumps({"amount": "50.00"}).encode()
    begin = time.perf_counter()
    for number in range(SECONDS * RATE):
        await asyncio.sleep(max(0.0, begin + number / RATE - time.perf_counter()))
        person, (_, writer) = number % USERS, links[number % CONNECTIONS]
        sent_at[person, number // USERS + 1] = time.perf_counter()
        writer.write(request("POST", "/v1/expenses", people[person], body))
    async with asyncio.timeout(PATIENCE_S):
        for _ in range(SECONDS * RATE):
            await created.acquire()
    for reader in readers:
        reader.cancel()
    for _, writer in links:
        writer.close()


async def _count_created(reader: asyncio.StreamReader, created: asyncio.Semaphore) -> None:
    async for line in reader:
        if line.endswith(b"HTTP/1.1 201 Created\r\n"):
            created.release()
