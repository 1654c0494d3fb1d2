"""Webhooks a second to a receiver on this machine, beside a bare aiohttp client posting the same bodies."""

import asyncio
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import ClassVar
from uuid import UUID

import aiohttp
import uvloop
from sqlalchemy import func, insert, select, update

from bench.report import Row
from bench.system import Dialect, System, await_port
from core import clock
from core.broker import new_celery
from core.commands.ports import free_port
from core.config import load_settings
from core.database import Database
from core.ids import new_id
from core.job_names import SEND_DELIVERIES
from core.models import Channel, Delivery, Notification, User, table_of
from core.outgoing.webhooks import webhook_body
from core.rules.deliveries import Outcome
from core.rules.messages import Message
from core.services.delivery_settling import Settled
from workers.courier import CONNECTIONS, _Round
from workers.runtime import Runtime
from workers.senders import Senders

RUNS = 3
COUNT = 10_000
USERS = 10
AT_ONCE = 16
POLL_S = 0.05
PATIENCE_S = 120.0

DATA = {
    "budget_id": "0198f3a5-6c1e-7d42-9b07-5e2f8a41c3d6",
    "budget_name": "Groceries",
    "threshold": 80,
    "percent": 81.0,
    "spent": "324.10",
    "limit": "400.00",
    "currency": "EUR",
    "period_start": "2026-05-01",
    "period_end": "2026-06-01",
}
DELIVERIES = table_of(Delivery)


def webhooking(dialect: Dialect) -> list[Row]:
    """Ten thousand notifications of ten users, each with a webhook to the same receiver, 16 at a time."""
    with (
        _receiver() as port,
        System(dialect, processes=("api", "courier"), OUTLAY_PRIVATE_TARGETS="allow") as system,
    ):
        user_ids = [UUID(system.new_user(f"user{number}")[0]) for number in range(USERS)]
        database = Database(system.database_url, pool_size=1)
        for user_id in user_ids:
            _add_webhook(database, user_id, f"http://127.0.0.1:{port}/hook")
        rates, floors = [], []
        for run in range(RUNS):
            floors.append(_floor(port))
            rates.append(_send(system, database, user_ids, port, run))
        cpu = system.cpu_seconds("courier")
        system.stop("courier")
        lags = _lags(system, database, user_ids)
        database.close()
    rate, floor = median(rates), median(floors)
    return [
        Row(f"floor: bare aiohttp client, {AT_ONCE} at a time, beside {dialect}", f"{floor:,.0f}/s"),
        Row(
            f"webhooks to one receiver, {AT_ONCE} at a time, {dialect}",
            f"{rate:,.0f}/s",
            ratio=f"{rate / floor:.2f}",
        ),
        Row(f"… each of {RUNS} runs", ", ".join(f"{one:,.0f}" for one in rates)),
        Row("… processor time of the courier, a webhook", f"{cpu / (RUNS * COUNT) * 1e6:.0f} µs"),
        Row("… from an answer to the end of its commit", "", *_percentiles(lags)),
    ]


@contextmanager
def _receiver() -> Iterator[int]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "bench.webhook_receiver", str(port)])
    try:
        await_port(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def _received(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
        return int(answer.read())


def _floor(port: int) -> float:
    """Posts a second of as little as there can be around aiohttp's client."""

    async def post() -> float:
        url, left = f"http://127.0.0.1:{port}/hook", iter(range(COUNT))
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:

            async def work() -> None:
                for number in left:
                    body = webhook_body(
                        kind="budget.threshold", created_at=clock.now(), seq=number, data=DATA
                    )
                    async with session.post(url, data=body) as answer:
                        await answer.read()

            started = time.perf_counter()
            await asyncio.gather(*(work() for _ in range(AT_ONCE)))
            return COUNT / (time.perf_counter() - started)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(post())


def _send(system: System, database: Database, user_ids: list[UUID], port: int, run: int) -> float:
    """Messages a second, from the first one that arrives until all are noted as sent."""
    _stage(database, user_ids, first=run * (COUNT // USERS) + 1)
    before = _received(port)
    celery = new_celery(load_settings(system.environment), is_current=False)
    celery.send_task(SEND_DELIVERIES)
    deadline = time.monotonic() + PATIENCE_S
    while _received(port) == before:
        time.sleep(0.001)
    started = time.perf_counter()
    while (waiting := _waiting(database)) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    seconds = time.perf_counter() - started
    celery.close()
    if waiting or _received(port) != before + COUNT:
        raise RuntimeError(f"{waiting} wait, {_received(port) - before} of {COUNT} have arrived")
    return COUNT / seconds


def _add_webhook(database: Database, user_id: UUID, url: str) -> None:
    now = clock.now()
    values = {
        "user_id": user_id, "id": new_id(), "kind": "webhook", "url": url, "host": "127.0.0.1", "kinds": [],
        "state": "active", "secret_issue": 1, "version": 1, "created_at": now, "updated_at": now,
    }  # fmt: skip
    with database.transaction() as session:
        session.execute(insert(table_of(Channel)).values(values))


def _stage(database: Database, user_ids: list[UUID], *, first: int) -> None:
    now, numbers = clock.now(), range(first, first + COUNT // USERS)
    channels = table_of(Channel)
    with database.transaction() as session:
        found = session.execute(select(channels.c.user_id, channels.c.id).where(channels.c.kind == "webhook"))
        ids = {row.user_id: row.id for row in found}
        common = {
            "state": "pending",
            "host": "127.0.0.1",
            "attempts": 0,
            "available_at": now,
            "created_at": now,
        }
        for user_id in user_ids:
            session.execute(
                insert(table_of(Notification)),
                [
                    {
                        "user_id": user_id,
                        "seq": seq,
                        "kind": "budget.threshold",
                        "data": DATA,
                        "created_at": now,
                    }
                    for seq in numbers
                ],
            )
            session.execute(
                insert(DELIVERIES),
                [
                    {**common, "user_id": user_id, "id": new_id(), "channel_id": ids[user_id], "seq": seq}
                    for seq in numbers
                ],
            )
            session.execute(update(User).where(User.id == user_id).values(notification_seq=numbers[-1]))
    database.learn(DELIVERIES, table_of(Notification))


def _waiting(database: Database) -> int:
    with database.reading() as session:
        query = (
            select(func.count()).select_from(DELIVERIES).where(DELIVERIES.c.state.in_(("pending", "failed")))
        )
        return session.execute(query).scalar_one()


class _TimedRound(_Round):
    """Tells how long each result waits for the end of its commit, in milliseconds."""

    lags: ClassVar[list[float]] = []
    taken: ClassVar[dict[UUID, float]] = {}

    def _take(self, message: Message, outcome: Outcome) -> None:
        self.taken[message.id] = time.perf_counter()
        super()._take(message, outcome)

    def _note(self, batch: Sequence[Settled]) -> None:
        super()._note(batch)
        now = time.perf_counter()
        self.lags.extend((now - self.taken[one.message.id]) * 1000 for one in batch)


def _lags(system: System, database: Database, user_ids: list[UUID]) -> list[float]:
    """Of another round, by a courier in this process."""
    _stage(database, user_ids, first=RUNS * (COUNT // USERS) + 1)
    runtime = Runtime(load_settings(system.environment), {}, connections=CONNECTIONS)
    try:
        while _waiting(database):
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_TimedRound(runtime, Senders(runtime), {}, set(), None).run())
    finally:
        runtime.close()
    return _TimedRound.lags


def _percentiles(times: list[float]) -> tuple[str, str]:
    ordered = sorted(times)
    return f"{ordered[len(ordered) // 2]:.1f} ms", f"{ordered[len(ordered) * 99 // 100]:.1f} ms"
