"""Analytics beside a million expenses of one user in ten years; of another's, a twentieth is in dollars."""

import itertools
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

from sqlalchemy import Table, text

from bench.floors import decoding_api
from bench.load import Summary, measure, request
from bench.measures import INSERT_BATCH, RUNS, SECONDS, categories_of
from bench.report import Row
from bench.system import Dialect, System
from core.clock import now
from core.database import Database
from core.ids import new_id
from core.many_rows import insert_rows
from core.models import DailySpending, Expense, table_of
from core.rate_files import RATES_BATCH, DailyRate
from core.rules.conversion import RATE_SCALE
from core.services.exchange_rates import store_rates

EXPENSES = 1_000_000
FIRST, LAST = date(2016, 1, 1), date(2025, 12, 31)
DAYS = (LAST - FIRST).days + 1
YEAR = "from=2025-01-01&to=2025-12-31"
ALL_TIME = f"from={FIRST}&to={LAST}"
FOREIGN_EVERY = 20
SEED = 4

CALLS = {
    "summary of a year": f"summary?{YEAR}",
    "breakdown of a year by category": f"breakdown?by=category&{YEAR}",
    "breakdown of a year by month": f"breakdown?by=month&{YEAR}",
    "summary of all time": f"summary?{ALL_TIME}",
    "breakdown of all time by category": f"breakdown?by=category&{ALL_TIME}",
    "breakdown of all time by month": f"breakdown?by=month&{ALL_TIME}",
    "breakdown of a year by payee, from the expenses": f"breakdown?by=payee&{YEAR}",
    "forecast": "forecast",
    "subscriptions": "subscriptions",
    "anomalies": f"anomalies?{YEAR}",
}

OWNERS = {"one-currency": 0, "two-currencies": FOREIGN_EVERY}
"""Names of users, and the how-manieth expense is in dollars."""

ONCE = frozenset(
    {
        "breakdown of a year by payee, from the expenses",
        "forecast",
        "subscriptions",
        "anomalies",
    }
)
"""Calls where a second currency makes no difference worth a minute of measuring."""

Spent = tuple[date, int, int, str]
"""Day, number of the category, cents, currency."""


def analysing(dialect: Dialect) -> list[Row]:
    """Summary and breakdowns, one at a time, beside pandas with the same expenses in memory, and hledger."""
    with System(dialect, processes=("api",)) as system:
        for name, foreign_every in OWNERS.items():
            user_id, token = system.new_user(name)
            category_ids = [UUID(one) for one in categories_of(system, token)]
            fill(system, UUID(user_id), category_ids, foreign_every)
        with decoding_api() as port:
            reads = partial(itertools.repeat, request("GET", "/v1/expenses"))
            floor = measure(port, reads, connections=1, seconds=SECONDS, runs=RUNS)
        rows = [Row.of("floor: Falcon answers, one at a time", floor)]
        for (name, path), owner in itertools.product(CALLS.items(), OWNERS):
            if OWNERS[owner] and name in ONCE:
                continue
            # A token does not last for all of them.
            reads = partial(itertools.repeat, request("GET", f"/v1/analytics/{path}", system.login(owner)))
            found: Summary = measure(system.api_port, reads, connections=1, seconds=SECONDS, runs=RUNS)
            rows.append(Row.of(f"{name}, {owner.replace('-', ' ')}, {dialect}", found))
    if dialect == "postgresql":
        rows += _by_pandas(len(category_ids))
        rows += _by_hledger(len(category_ids))
    return rows


def spent(categories: int, foreign_every: int = 0) -> Iterator[Spent]:
    """The same for every program that is measured."""
    chance = random.Random(SEED)
    for number in range(EXPENSES):
        day = FIRST + timedelta(days=number * DAYS // EXPENSES)
        currency = "USD" if foreign_every and number % foreign_every == 0 else "EUR"
        yield day, chance.randrange(categories), chance.randrange(50, 20_000), currency


def fill(system: System, user_id: UUID, category_ids: list[UUID], foreign_every: int) -> None:
    """The expenses with their totals, straight into the database, and a rate for each working day."""
    database = Database(system.database_url, pool_size=1)
    days = [FIRST + timedelta(days=number) for number in range(DAYS)]
    rates = [DailyRate(day, "USD", RATE_SCALE + day.toordinal()) for day in days if day.weekday() < 5]
    for first in range(0, len(rates), RATES_BATCH):
        with database.transaction() as session:
            store_rates(session, rates=rates[first : first + RATES_BATCH], source="bench")
    totals: dict[tuple[date, UUID, str], list[int]] = {}
    expenses = enumerate(spent(len(category_ids), foreign_every))
    while batch := list(itertools.islice(expenses, INSERT_BATCH)):
        rows = []
        for number, (day, category, minor, currency) in batch:
            total = totals.setdefault((day, category_ids[category], currency), [0, 0])
            total[0] += minor
            total[1] += 1
            rows.append(_row(number, user_id, category_ids[category], day, minor, currency))
        _insert(database, table_of(Expense), rows)
    sums = [
        {
            "user_id": user_id,
            "day": day,
            "category_id": category_id,
            "currency": currency,
            "amount_minor": minor,
            "count": count,
        }
        for (day, category_id, currency), (minor, count) in totals.items()
    ]
    _insert(database, table_of(DailySpending), sums)
    # As autovacuum would within a minute.
    if system.dialect == "postgresql":
        with database.engine.begin() as connection:
            connection.execute(text("ANALYZE"))
    database.close()


def _insert(database: Database, table: Table, rows: list[dict[str, Any]]) -> None:
    with database.transaction() as session:
        insert_rows(session, table, rows)


def _row(
    number: int, user_id: UUID, category_id: UUID, day: date, minor: int, currency: str
) -> dict[str, Any]:
    moment, payee = now(), f"Shop {number % 500}"
    return {
        "user_id": user_id,
        "id": new_id(),
        "amount_minor": minor,
        "currency": currency,
        "category_id": category_id,
        "spent_on": day,
        "payee": payee,
        "payee_key": payee.casefold(),
        "search_text": payee.casefold(),
        "source": "manual",
        "line_count": 0,
        "tag_count": 0,
        "version": 1,
        "created_at": moment,
        "updated_at": moment,
    }


def _by_pandas(categories: int) -> list[Row]:
    """With all of the expenses in memory already."""
    import pandas as pd

    frame = pd.DataFrame(spent(categories), columns=["day", "category", "minor", "currency"])
    frame["day"] = pd.to_datetime(frame["day"])
    frame = frame.astype({"category": "category", "currency": "category"})

    def sums(first: date, key: Callable[[Any], Any]) -> None:
        own = frame[frame.day >= pd.Timestamp(first)]
        own.groupby(key(own), observed=True).minor.sum()

    year = date(2025, 1, 1)
    return [
        _timed("pandas: a year by category", lambda: sums(year, lambda own: own.category)),
        _timed("pandas: a year by month", lambda: sums(year, lambda own: own.day.dt.to_period("M"))),
        _timed("pandas: all time by category", lambda: sums(FIRST, lambda own: own.category)),
        _timed("pandas: all time by month", lambda: sums(FIRST, lambda own: own.day.dt.to_period("M"))),
    ]


def _timed(name: str, work: Callable[[], None]) -> Row:
    times = []
    for _ in range(RUNS * 3):
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) * 1000)
    return Row(name, "", f"{median(times):.1f} ms", f"{max(times):.1f} ms")


def _by_hledger(categories: int) -> list[Row]:
    """It reads its journal anew for each question, so one run tells enough."""
    program = shutil.which("hledger")
    if program is None:
        return [Row("hledger: not installed", "")]
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "all.journal"
        with journal.open("w") as file:
            for day, category, minor, currency in spent(categories):
                amount = f"{minor // 100}.{minor % 100:02d}"
                file.write(f"{day} shop\n  expenses:{category}  {currency} {amount}\n  assets\n\n")
        rows = []
        for name, options in (
            ("hledger: a year by category", ["balance", "expenses", "-b", "2025-01-01", "-e", "2026-01-01"]),
            ("hledger: all time by month", ["balance", "expenses", "--monthly", "--depth", "1"]),
        ):
            started = time.perf_counter()
            subprocess.run([program, "-f", journal, *options], check=True, stdout=subprocess.DEVNULL)
            rows.append(Row(f"{name} (one run)", "", f"{(time.perf_counter() - started) * 1000:,.0f} ms"))
        return rows
