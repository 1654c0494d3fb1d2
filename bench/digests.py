"""Ten thousand digests that are due at the same hour, and a tick with nothing to do."""

import os
import time
from datetime import date, timedelta
from statistics import median
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, text, update

from bench.measures import POLL_S
from bench.report import Row
from bench.system import Dialect, System
from core import clock
from core.database import Database
from core.ids import new_id
from core.models import (
    Budget,
    BudgetAmount,
    Category,
    DailySpending,
    DigestRun,
    Expense,
    Group,
    GroupMember,
    NotificationSettings,
    PairBalance,
    RecurringExpense,
    User,
)
from core.models.spending import UNCATEGORISED
from core.queries.digest_figures import digest_figures
from core.rules.digests import DigestPlan, told_period
from workers.tasks.digests import stage_digests

USERS = 10_000
EXPENSES = 40
"""Of each user, one a day; in a year, by which the unusual is told, they are what somebody has who has
begun a while ago."""
CATEGORIES = 5
BUDGETS = 2
HOUSEHOLD_EVERY = 3
"""One user of so many shares a group with another one, has something recurring, and spends abroad."""
RECURRING = 3
ALONE = 500
TICKS = 50
BATCH_USERS = 500


def digesting(dialect: Dialect) -> list[Row]:
    """From the tick until the last digest is computed, with a builder process for each core."""
    with System(dialect, processes=(), builder_processes=os.cpu_count() or 1) as system:
        database = Database(system.database_url, pool_size=2)
        people = [new_id() for _ in range(USERS)]
        for first in range(0, USERS, BATCH_USERS):
            of_batch = people[first : first + BATCH_USERS]
            _fill(database, of_batch)
            _fill_households(database, of_batch[::HOUSEHOLD_EVERY])
        if dialect == "postgresql":
            with database.engine.begin() as connection:
                connection.execute(text("ANALYZE"))
        ticks = [_tick(database) for _ in range(TICKS)]
        floor = _alone(database, people[:ALONE])
        _make_due(database)
        for name in ("builder", "worker", "beat"):
            system.start(name)
        started = time.perf_counter()
        stage_digests(database)
        staged = time.perf_counter() - started
        while _left(database):
            time.sleep(POLL_S)
        seconds = time.perf_counter() - started
        database.close()
        rate = USERS / seconds
        return [
            Row(f"tick of digests with nothing due, {USERS:,} users, on {dialect}", "", *_times(ticks)),
            Row("floor: the figures of digests alone, in one process", f"{floor:,.0f}/s"),
            Row(f"staging {USERS:,} digests on {dialect}", f"{staged:.1f} s"),
            Row(
                f"{USERS:,} digests on {dialect}, from the tick to the last",
                f"{seconds:.1f} s, {rate:,.0f}/s",
                ratio=f"{rate / floor:.2f}",
            ),
        ]


def _times(times: list[float]) -> tuple[str, str]:
    return f"{median(times):.1f} ms", f"{max(times):.1f} ms"


def _tick(database: Database) -> float:
    started = time.perf_counter()
    stage_digests(database)
    return (time.perf_counter() - started) * 1000


def _alone(database: Database, people: list[UUID]) -> float:
    """Digests a second."""
    period = told_period(DigestPlan("weekly", 8, 1, 1), clock.now().date())
    started = time.perf_counter()
    for user_id in people:
        with database.snapshot_rows() as rows:
            digest_figures(rows, [(user_id, "weekly", period)])
    return len(people) / (time.perf_counter() - started)


def _make_due(database: Database) -> None:
    with database.transaction() as session:
        now = clock.now()
        values = {
            "digest_weekday": now.isoweekday(),
            "digest_hour": 0,
            "next_digest_on": now.date(),
            "next_digest_at": now,
        }
        session.execute(update(NotificationSettings).values(values))


def _left(database: Database) -> int:
    with database.reading() as session:
        done = session.scalar(
            select(func.count()).select_from(DigestRun).where(DigestRun.state.in_(("sent", "skipped")))
        )
        return USERS - (done or 0)


def _fill(database: Database, people: list[UUID]) -> None:
    """Users with categories, budgets, expenses with their totals, and a weekly digest of some other day."""
    now, today = clock.now(), clock.now().date()
    stamps = {"created_at": now, "updated_at": now, "version": 1}
    rows: dict[Any, list[dict[str, Any]]] = {
        model: []
        for model in (
            User, NotificationSettings, Category, Budget, BudgetAmount, Expense, DailySpending
        )
    }  # fmt: skip
    for user_id in people:
        own = {"user_id": user_id}
        name = user_id.hex
        rows[User].append(
            {"id": user_id, "username": name, "username_key": name, "email": name, "email_key": name}
            | {"display_name": name, "password_hash": "-", "timezone": "UTC", "currency": "EUR"}
            | {"is_active": True, "notification_seq": 0, **stamps}
        )
        rows[NotificationSettings].append(own | _settings(now, today))
        categories = [new_id() for _ in range(CATEGORIES)]
        rows[Category] += [
            {**own, "id": one, "name": one.hex, "name_key": one.hex, **stamps} for one in categories
        ]
        for _ in range(BUDGETS):
            budget_id = new_id()
            rows[Budget].append(own | {"id": budget_id} | _budget(today) | stamps)
            rows[BudgetAmount].append(
                {**own, "budget_id": budget_id, "effective_on": date(1900, 1, 1), "amount_minor": 50_000}
            )
        for number in range(EXPENSES):
            spent = {
                "category_id": categories[number % CATEGORIES],
                "currency": "EUR",
                "amount_minor": 1_000 + number * 37,
            }
            day = today - timedelta(days=1 + number)
            rows[Expense].append(own | _expense(day) | spent | stamps)
            rows[DailySpending].append({**own, **spent, "day": day, "count": 1})
    with database.transaction() as session:
        for model, of_model in rows.items():
            session.execute(insert(model.__table__), of_model)


def _fill_households(database: Database, people: list[UUID]) -> None:
    """A group for each two of them, with a debt; three recurring expenses, and an expense in dollars."""
    now, today = clock.now(), clock.now().date()
    stamps = {"created_at": now, "updated_at": now, "version": 1}
    rows: dict[Any, list[dict[str, Any]]] = {
        model: [] for model in (Group, GroupMember, PairBalance, RecurringExpense, Expense, DailySpending)
    }
    for pair in zip(people[::2], people[1::2], strict=False):
        group_id, members = new_id(), (new_id(), new_id())
        rows[Group].append({"id": group_id} | _group() | stamps)
        rows[GroupMember] += [
            {"group_id": group_id, "id": member, "user_id": user_id, "display_name": "Somebody"}
            | {"role": "owner", "mirrors_expenses": True, **stamps}
            for member, user_id in zip(members, pair, strict=True)
        ]
        rows[PairBalance] += [
            {"group_id": group_id, "member_id": one, "counterparty_id": other, "currency": "EUR"}
            | {"amount_minor": minor}
            for one, other, minor in ((*members, 1_250), (*reversed(members), -1_250))
        ]
    day = today - timedelta(days=1)
    for user_id in people:
        own = {"user_id": user_id}
        rows[RecurringExpense] += [own | _recurring(today, number) | stamps for number in range(RECURRING)]
        spent = {"currency": "USD", "amount_minor": 2_000, "category_id": UNCATEGORISED}
        rows[Expense].append(own | _expense(day) | spent | {"category_id": None} | stamps)
        rows[DailySpending].append({**own, **spent, "day": day, "count": 1})
    with database.transaction() as session:
        for model, of_model in rows.items():
            session.execute(insert(model.__table__), of_model)


def _group() -> dict[str, Any]:
    return {
        "name": "Flat",
        "currency": "EUR",
        "simplify_debts": True,
        "default_split": {"method": "equal"},
        "settlement_days": 7,
    }


def _recurring(today: date, number: int) -> dict[str, Any]:
    return {
        "id": new_id(),
        "amount_minor": 90_000,
        "currency": "EUR",
        "payee": "Landlord",
        "tags": [],
        "lines": [],
        "rule": "FREQ=MONTHLY",
        "starts_on": today + timedelta(days=1 + number),
        "next_on": today + timedelta(days=1 + number),
        "next_at": clock.now() + timedelta(days=1 + number),
        "is_variable": False,
        "is_paused": False,
        "handled_through": today,
        "reminded_through": today,
    }


def _settings(now: Any, today: date) -> dict[str, Any]:
    return {
        "choices": {},
        "lets_exceeded_pass": False,
        "digest_frequency": "weekly",
        "digest_hour": 8,
        "digest_weekday": 1,
        "digest_day": 1,
        "has_empty_digests": False,
        "next_digest_on": today + timedelta(days=3),
        "next_digest_at": now + timedelta(days=3),
        "version": 1,
        "updated_at": now,
    }


def _budget(today: date) -> dict[str, Any]:
    return {
        "name": "Budget",
        "currency": "EUR",
        "period_kind": "monthly",
        "period_every": 1,
        "period_anchor": today.replace(day=1),
        "thresholds": [80, 100],
        "rollover": "none",
        "has_pace_alert": False,
        "starts_on": today.replace(day=1),
    }


def _expense(day: date) -> dict[str, Any]:
    return {
        "id": new_id(),
        "spent_on": day,
        "payee": "Corner Bakery",
        "payee_key": "corner bakery",
        "search_text": "corner bakery",
        "source": "manual",
        "line_count": 0,
        "tag_count": 0,
    }
