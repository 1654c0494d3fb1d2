"""Posting 10,000 recurring expenses that fall due at the same midnight, and a tick with nothing to do.

Beside it the floor: as many rows inserted into the table of expenses, past all of us, and nothing else.
"""

import time
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from statistics import median, quantiles
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, text, update

from bench.report import Row
from bench.system import Dialect, System
from core import clock
from core.database import Database
from core.ids import new_id
from core.many_rows import insert_rows
from core.models import (
    Category,
    Expense,
    OutboxRow,
    RecurringExpense,
    RecurringOccurrence,
    User,
    table_of,
)
from workers.tasks.recurring_expenses import post_all

DUE = 10_000
MANY_USERS, FEW_USERS = 10_000, 100
"""At most a hundred of each: one has no more than `MAX_RECURRING`."""

TICKS = 300
PATIENCE_S = 300.0
RUNS = 3

RECURRING = table_of(RecurringExpense)
EXPENSES = table_of(Expense)


def recurring(dialect: Dialect) -> list[Row]:
    """By one process of ours, beside no other: the budgets are evaluated by others."""
    return [row for users in (FEW_USERS, MANY_USERS) for row in _measured(dialect, users)]


def _measured(dialect: Dialect, users: int) -> list[Row]:
    with System(dialect, processes=()) as system:
        database = Database(system.database_url, pool_size=1)
        _prepare(database, users)
        inserted = median(_seconds(lambda: _insert(database)) for _ in range(RUNS))
        posted = median(_post(database, day) for day in range(RUNS))
        ticks = [_seconds(lambda: _tick(database)) * 1000 for _ in range(TICKS)]
        database.close()
    label = f"{DUE:,} recurring expenses of {users:,} users on {dialect}"
    ratio = f"{inserted / posted:.2f}"
    return [
        Row(
            f"floor: {DUE:,} expenses inserted on {dialect}", f"{DUE / inserted:,.0f}/s", f"{inserted:.2f} s"
        ),
        Row(f"{label}, all due: posted", f"{DUE / posted:,.0f}/s", f"{posted:.2f} s", ratio=ratio),
        Row(
            f"a tick beside {label}, none due",
            "",
            f"{median(ticks):.2f} ms",
            f"{quantiles(ticks, n=100)[98]:.2f} ms",
        ),
    ]


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _tick(database: Database) -> int:
    return post_all(database, wake=_nobody, time_s=PATIENCE_S)


def _nobody(_jobs: Iterable[str]) -> None:
    """There are no workers to be woken."""


def _post(database: Database, number: int) -> float:
    """Let all of them be due today, and post them; the seconds that it takes."""
    today = clock.now().date()
    with database.transaction() as session:
        session.execute(delete(RecurringOccurrence))
        session.execute(delete(OutboxRow))
        session.execute(
            update(RECURRING).values(
                next_on=today, next_at=clock.now(), handled_through=today - timedelta(days=1)
            )
        )
    _learn(database)
    seconds = _seconds(lambda: _tick(database))
    with database.reading() as session:
        count = session.scalar(select(func.count()).select_from(RecurringOccurrence))
        expenses = session.scalar(select(func.count()).where(EXPENSES.c.source == "recurring"))
    if (count, expenses) != (DUE, DUE * (number + 1)):
        raise RuntimeError(f"{count} of {DUE} were posted")
    return seconds


def _learn(database: Database) -> None:
    if database.dialect == "postgresql":
        # As autovacuum would within a minute.
        with database.engine.begin() as connection:
            connection.execute(text("ANALYZE"))


def _prepare(database: Database, users: int) -> None:
    now, today = clock.now(), clock.now().date()
    owners = [(new_id(), new_id()) for _ in range(users)]
    stamps = {"version": 1, "created_at": now, "updated_at": now}
    with database.transaction() as session:
        session.execute(insert(User), [_user(user_id, stamps) for user_id, _ in owners])
        session.execute(
            insert(Category),
            [
                {"user_id": user_id, "id": category_id, "name": "Home", "name_key": "home", **stamps}
                for user_id, category_id in owners
            ],
        )
        insert_rows(
            session, RECURRING, [_row(*owners[number % users], today, stamps) for number in range(DUE)]
        )


def _user(user_id: UUID, stamps: dict[str, Any]) -> dict[str, Any]:
    name = f"u{user_id.hex}"
    return {
        "id": user_id, "username": name, "username_key": name, "email": f"{name}@example.com",
        "email_key": f"{name}@example.com", "display_name": name, "password_hash": "-",
        "timezone": "Europe/Berlin", "currency": "EUR", "is_active": True, "notification_seq": 0, **stamps,
    }  # fmt: skip


def _row(user_id: UUID, category_id: UUID, today: date, stamps: dict[str, Any]) -> dict[str, Any]:
    return {
        "user_id": user_id,
        "id": new_id(),
        "amount_minor": 90_000,
        "currency": "EUR",
        "category_id": category_id,
        "payee": "Landlord",
        "note": None,
        "tags": [],
        "lines": [],
        "rule": "FREQ=MONTHLY",
        "starts_on": today,
        "is_variable": False,
        "is_paused": False,
        "handled_through": today,
        "reminded_through": today,
        **stamps,
    }


def _insert(database: Database) -> None:
    """The expenses alone: no totals, no notifications, nothing that is to follow."""
    now = clock.now()
    with database.transaction() as session:
        owner = session.scalars(select(User.id).limit(1)).one()
        rows = [
            {
                "user_id": owner,
                "id": new_id(),
                "amount_minor": 90_000,
                "currency": "EUR",
                "spent_on": now.date(),
                "payee": "Landlord",
                "payee_key": "landlord",
                "search_text": "landlord",
                "source": "manual",
                "line_count": 0,
                "tag_count": 0,
                "version": 1,
                "created_at": now,
                "updated_at": now,
            }
            for _ in range(DUE)
        ]
        insert_rows(session, EXPENSES, rows)
