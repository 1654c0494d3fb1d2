"""Keeping the rates that are published, and telling the budgets and reports on which they bear."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Executable, func, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core import clock
from core.models import Budget, DailySpending, ExchangeRate, Report, table_of
from core.rate_files import RATES_BATCH, DailyRate
from core.rules.periods import MAX_DAY
from core.services.spending import ask_for_evaluations

RATES = table_of(ExchangeRate)
BUDGETS = table_of(Budget)
REPORTS = table_of(Report)
SPENDING = table_of(DailySpending)

# Each currency of a user's once: there may be hundreds of budgets and reports in it.
BUDGETED = (
    select(BUDGETS.c.user_id, BUDGETS.c.currency, literal(MAX_DAY + timedelta(days=1)).label("until"))
    .where(BUDGETS.c.archived_at.is_(None))
    .distinct()
)
REPORTED = select(
    REPORTS.c.user_id, REPORTS.c.currency, func.max(REPORTS.c.bears_until).label("until")
).group_by(REPORTS.c.user_id, REPORTS.c.currency)
"""In which currencies users have what others are converted into, and until which day."""

MAX_SOURCE = 200
"""The column's; a longer address is cut."""


def _put_statement(insert: postgresql.Insert | sqlite.Insert) -> Executable:
    return insert.on_conflict_do_update(
        index_elements=["currency", "day"],
        set_={name: insert.excluded[name] for name in ("rate", "source", "fetched_at")},
    )


PUT = {
    "postgresql": _put_statement(postgresql.insert(RATES)),
    "sqlite": _put_statement(sqlite.insert(RATES)),
}


def store_rates(session: Session, *, rates: Sequence[DailyRate], source: str) -> int:
    """Keep rates that are new or corrected, at most `RATES_BATCH`; answers how many were.

    What is known already stays as it is, with its source, so that fetching the same file again does nothing.
    """
    if len(rates) > RATES_BATCH:
        raise ValueError(f"at most {RATES_BATCH} rates at a time")
    known = _known(session, rates)
    news = {
        (one.currency, one.day): one.rate for one in rates if known.get((one.currency, one.day)) != one.rate
    }
    if not news:
        return 0
    now = clock.now()
    rows: list[dict[str, Any]] = [
        {"currency": currency, "day": day, "rate": rate, "source": source[:MAX_SOURCE], "fetched_at": now}
        for (currency, day), rate in sorted(news.items())
    ]
    session.execute(PUT[session.get_bind().dialect.name], rows)
    ask_for_evaluations(session, _converting_users(session, min(day for _, day in news)))
    return len(news)


def _known(session: Session, rates: Sequence[DailyRate]) -> dict[tuple[str, date], int]:
    if not rates:
        return {}
    days = [one.day for one in rates]
    query = select(RATES.c.currency, RATES.c.day, RATES.c.rate).where(
        RATES.c.day.between(min(days), max(days))
    )
    return {(row.currency, row.day): row.rate for row in session.execute(query)}


def _converting_users(session: Session, first_day: date) -> Mapping[UUID, date | None]:
    """Users with a budget or report in another currency than what they spent, and the first such day."""
    found: dict[UUID, date | None] = {}
    for wanted in (BUDGETED.subquery(), REPORTED.subquery()):
        is_foreign = (SPENDING.c.user_id == wanted.c.user_id) & (SPENDING.c.currency != wanted.c.currency)
        query = (
            select(SPENDING.c.user_id, func.min(SPENDING.c.day))
            .join(wanted, is_foreign & (SPENDING.c.day < wanted.c.until))
            .where(SPENDING.c.day >= first_day)
            .group_by(SPENDING.c.user_id)
        )
        for user_id, day in session.execute(query):
            found[user_id] = min(day, found.get(user_id) or day)
    return found
