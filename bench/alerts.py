"""How long an alert takes: from the POST of the expense that causes it to its message on the WebSocket."""

import asyncio
import json
import time
from dataclasses import dataclass

import websockets

from bench.load import Outcome, Summary, request
from bench.measures import RUNS
from bench.report import Row
from bench.system import Dialect, System

SECONDS = 10
CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Pace:
    """Writes a second, by users who take turns."""

    rate: int
    users: int

    @property
    def writes(self) -> int:
        return self.rate * SECONDS

    @property
    def writes_of_each(self) -> int:
        return self.writes // self.users


PACES = (Pace(rate=5, users=5), Pace(rate=200, users=100))
"""An idle system, where each alert finds it asleep, and a busy one, where nothing can be folded."""

STEP_PERCENT = 50
"""Each write is half of its user's limit, so that each crosses exactly one of the 20 thresholds."""

PATIENCE_S = 20.0


def alerting(dialect: Dialect) -> list[Row]:
    """Latency at a steady rate of writes, each by one of the listening users and each causing an alert."""
    rows = []
    for pace in PACES:
        with System(dialect) as system:
            runs = [asyncio.run(_run(system, pace, number)) for number in range(RUNS)]
        rows.append(Row.of(f"POST to WebSocket alert at {pace.rate}/s on {dialect}", Summary.of(runs)))
    return rows


async def _run(system: System, pace: Pace, run: int) -> Outcome:
    outcome = Outcome(seconds=SECONDS)
    people = [_prepare(system, pace, f"alerted-{run}-{number}") for number in range(pace.users)]
    sent_at: dict[tuple[int, int], float] = {}
    ready = asyncio.Barrier(pace.users + 1)
    listeners = [
        asyncio.create_task(_listen(system, pace, number, token, sent_at, outcome, ready))
        for number, token in enumerate(people)
    ]
    await ready.wait()
    await _write(system, pace, people, sent_at)
    _done, late = await asyncio.wait(listeners, timeout=PATIENCE_S)
    for listener in late:
        listener.cancel()
        outcome.failures.append(f"{len(outcome.latencies_ms)} of {pace.writes} alerts arrived")
    return outcome


def _prepare(system: System, pace: Pace, name: str) -> str:
    _id, token = system.new_user(name)
    thresholds = [STEP_PERCENT * step for step in range(1, pace.writes_of_each + 1)]
    budget = {"name": "All", "amount": "100.00", "thresholds": thresholds}
    system.call("POST", "/v1/budgets", token, budget)
    return token


async def _listen(
    system: System,
    pace: Pace,
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
        for _ in range(pace.writes_of_each):
            message = json.loads(await socket.recv())
            write = message["data"]["threshold"] // STEP_PERCENT
            outcome.latencies_ms.append((time.perf_counter() - sent_at[number, write]) * 1000)


async def _write(
    system: System, pace: Pace, people: list[str], sent_at: dict[tuple[int, int], float]
) -> None:
    """At a steady rate whatever the answers take, over connections that take turns."""
    links = [await asyncio.open_connection("127.0.0.1", system.api_port) for _ in range(CONNECTIONS)]
    created = asyncio.Semaphore(0)
    readers = [asyncio.create_task(_count_created(reader, created)) for reader, _ in links]
    body = json.dumps({"amount": "50.00"}).encode()
    begin = time.perf_counter()
    for number in range(pace.writes):
        await asyncio.sleep(max(0.0, begin + number / pace.rate - time.perf_counter()))
        person, (_, writer) = number % pace.users, links[number % CONNECTIONS]
        sent_at[person, number // pace.users + 1] = time.perf_counter()
        writer.write(request("POST", "/v1/expenses", people[person], body))
    async with asyncio.timeout(PATIENCE_S):
        for _ in range(pace.writes):
            await created.acquire()
    for reader in readers:
        reader.cancel()
    for _, writer in links:
        writer.close()


async def _count_created(reader: asyncio.StreamReader, created: asyncio.Semaphore) -> None:
    async for line in reader:
        if line.endswith(b"HTTP/1.1 201 Created\r\n"):
            created.release()
