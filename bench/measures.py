"""The measurements, one function each; each answers rows of a table."""

import asyncio
import itertools
import json
import os
import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import partial
from statistics import median
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, text

from bench.floors import decoding_api, insert_load
from bench.load import Summary, measure, request, run_load
from bench.report import Row
from bench.system import Dialect, System
from core.clock import now
from core.database import Database
from core.ids import new_id
from core.models import DailySpending, Expense, OutboxRow

RUNS = 3
SECONDS = 6.0
CONNECTIONS = 32

LIST_OF = 50_000
SMALL, LARGE = 1_000, 1_000_000

BURST = 20_000
BURST_USERS = 100

INSERT_BATCH = 10_000
POLL_S = 0.02
SETTLE_S = 3.0
"""After the start, before memory is read."""


def posts(token: str, category_ids: list[str]) -> Iterator[bytes]:
    """Expenses over a month and all categories, as a client writes them."""
    first = date.today().replace(day=1)  # noqa: DTZ011 - any days will do
    for number in itertools.count():
        body = {
            "amount": f"{number % 90 + 1}.{number % 100:02d}",
            "category_id": category_ids[number % len(category_ids)],
            "spent_on": str(first + timedelta(days=number % 28)),
            "payee": "Corner Bakery",
        }
        yield request("POST", "/v1/expenses", token, json.dumps(body).encode())


def categories_of(system: System, token: str) -> list[str]:
    return [category["id"] for category in system.call("GET", "/v1/categories", token)["items"]]


def posting(dialect: Dialect) -> list[Row]:
    """POST /v1/expenses over 32 connections, with everything running, beside its floors."""
    with System(dialect) as system:
        user_id, token = system.new_user("poster")
        category_ids = categories_of(system, token)
        system.call("POST", "/v1/budgets", token, {"name": "All", "amount": "100000000"})
        rows = []
        if dialect == "postgresql":
            ids = [UUID(one) for one in category_ids]
            runs = [
                insert_load(system.database_url, UUID(user_id), ids, connections=8, seconds=SECONDS)
                for _ in range(RUNS)
            ]
            rows.append(Row.of("floor: the same inserts, bare psycopg, 8 connections", Summary.of(runs)))
        with decoding_api() as port:
            floor = measure(port, lambda: posts(token, category_ids), **load())
        rows.append(Row.of("floor: Falcon decodes and answers", floor))
        summary = measure(system.api_port, lambda: posts(token, category_ids), **load())
        rows.append(Row.of(f"POST /v1/expenses on {dialect}", summary, floor=floor))
        return rows


def load() -> dict[str, Any]:
    return {"connections": CONNECTIONS, "seconds": SECONDS, "runs": RUNS}


def listing(dialect: Dialect) -> list[Row]:
    """GET /v1/expenses: 20 rows of 50,000, by an API process for each core."""
    with System(dialect, api_processes=os.cpu_count() or 1) as system:
        user_id, token = system.new_user("reader")
        insert_expenses(system, user_id, categories_of(system, token), LIST_OF)
        reads = request("GET", "/v1/expenses?limit=20", token)
        with decoding_api() as port:
            floor = measure(port, lambda: itertools.repeat(request("GET", "/v1/expenses")), **load())
        summary = measure(system.api_port, partial(itertools.repeat, reads), **load())
        return [
            Row.of("floor: Falcon answers", floor),
            Row.of(f"GET /v1/expenses, 20 of {LIST_OF:,} on {dialect}", summary, floor=floor),
        ]


def growth(dialect: Dialect) -> list[Row]:
    """A user with a million expenses beside one with a thousand: writing, reading a budget, searching."""
    with System(dialect) as system:
        for size in (SMALL, LARGE):
            user_id, token = system.new_user(f"owner-{size}")
            insert_expenses(system, user_id, categories_of(system, token), size)
            system.call("POST", "/v1/budgets", token, {"name": "All", "amount": "100000000"})
        rows: list[Row] = []
        for name, make, connections in (
            ("POST /v1/expenses", posts, CONNECTIONS),
            ("GET /v1/budgets", budget_reads, CONNECTIONS),
            ("GET /v1/expenses?q= for what is not there", searches, 1),
        ):
            few: Summary | None = None
            for size in (SMALL, LARGE):
                token = system.login(f"owner-{size}")
                requests = partial(make, token, categories_of(system, token))
                summary = measure(system.api_port, requests, **{**load(), "connections": connections})
                rows.append(Row.of(f"{name} beside {size:,} expenses on {dialect}", summary, floor=few))
                few = summary
        return rows


def budget_reads(token: str, _category_ids: list[str]) -> Iterator[bytes]:
    return itertools.repeat(request("GET", "/v1/budgets", token))


def searches(token: str, _category_ids: list[str]) -> Iterator[bytes]:
    return itertools.repeat(request("GET", "/v1/expenses?q=unicorn", token))


def bursting(dialect: Dialect) -> list[Row]:
    """How long after the last of 20,000 expenses of 100 users all of their budgets are evaluated."""
    with System(dialect) as system:
        tokens = [system.new_user(f"user-{number}")[1] for number in range(BURST_USERS)]
        for token in tokens:
            system.call("POST", "/v1/budgets", token, {"name": "All", "amount": "100"})
        delays = [_burst(system, tokens) for _ in range(RUNS)]
        label = f"{BURST:,} expenses of {BURST_USERS} users on {dialect}: evaluated after the last write"
        return [Row(label, f"{median(delays):.2f} s")]


def _burst(system: System, tokens: list[str]) -> float:
    body = json.dumps({"amount": "1.00", "payee": "Corner Bakery"}).encode()
    requests = (request("POST", "/v1/expenses", tokens[n % len(tokens)], body) for n in range(BURST))
    outcome = asyncio.run(
        run_load(system.api_port, requests, connections=CONNECTIONS, seconds=float("inf"), warm_up_s=0)
    )
    if outcome.failures:
        raise RuntimeError(outcome.failures[0])
    started = time.perf_counter()
    database = Database(system.database_url, pool_size=1)
    while True:
        with database.reading() as session:
            if not session.scalar(select(func.count()).select_from(OutboxRow)):
                break
        time.sleep(POLL_S)
    database.close()
    return time.perf_counter() - started


def memory(dialect: Dialect) -> list[Row]:
    """Resident memory of each process at rest."""
    with System(dialect) as system:
        system.new_user("somebody")
        time.sleep(SETTLE_S)
        return [
            Row(f"memory of {name} on {dialect}", f"{mb:.0f} MB") for name, mb in system.memory_mb().items()
        ]


def insert_expenses(system: System, user_id: str, category_ids: list[str], count: int) -> None:
    """Expenses over three years with their daily totals, straight into the database."""
    today = date.today()  # noqa: DTZ011 - any days will do
    days = [today - timedelta(days=number) for number in range(1_000)]
    ids = [UUID(one) for one in category_ids]
    moment = now()
    totals: dict[tuple[date, UUID], int] = {}
    database = Database(system.database_url, pool_size=1)
    for first in range(0, count, INSERT_BATCH):
        rows = []
        for number in range(first, min(first + INSERT_BATCH, count)):
            day, category_id = days[number % len(days)], ids[number % len(ids)]
            totals[day, category_id] = totals.get((day, category_id), 0) + 1
            rows.append(_expense(UUID(user_id), day, category_id, moment))
        with database.transaction() as session:
            session.execute(insert(Expense.__table__), rows)  # type: ignore[arg-type]
    with database.transaction() as session:
        session.execute(
            insert(DailySpending.__table__),  # type: ignore[arg-type]
            [
                {
                    "user_id": UUID(user_id),
                    "day": day,
                    "category_id": category_id,
                    "currency": "EUR",
                    "amount_minor": 1234 * n,
                    "count": n,
                }
                for (day, category_id), n in totals.items()
            ],
        )
    if system.dialect == "postgresql":
        # As autovacuum would within a minute.
        with database.engine.begin() as connection:
            connection.execute(text("ANALYZE"))
    database.close()


def _expense(user_id: UUID, day: date, category_id: UUID, moment: datetime) -> dict[str, Any]:
    return {
        "user_id": user_id,
        "id": new_id(),
        "amount_minor": 1234,
        "currency": "EUR",
        "category_id": category_id,
        "spent_on": day,
        "payee": "Corner Bakery",
        "payee_key": "corner bakery",
        "search_text": "corner bakery",
        "source": "manual",
        "line_count": 0,
        "tag_count": 0,
        "version": 1,
        "created_at": moment,
        "updated_at": moment,
    }
