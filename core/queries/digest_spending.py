"""What the users of many digests have spent, in as few statements for twenty-five as for one."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select, text

from core.database import Reader
from core.models import DailySpending, Expense, table_of
from core.models.spending import UNCATEGORISED
from core.queries.analytics import counted_once
from core.queries.exchange_rates import Converted
from core.queries.spending_totals import Scope, Sum, sum_by_category, sum_by_day
from core.rules.periods import Period

TOTALS = table_of(DailySpending)
EXPENSES = table_of(Expense)

OF_USERS = select(
    TOTALS.c.user_id,
    TOTALS.c.day,
    TOTALS.c.category_id,
    TOTALS.c.currency,
    TOTALS.c.amount_minor,
    TOTALS.c["count"],
).where(
    TOTALS.c.user_id.in_(bindparam("user_ids", expanding=True)),
    TOTALS.c.day >= bindparam("first"),
    TOTALS.c.day < bindparam("end"),
)
LINES_OF_USERS = (
    select(EXPENSES.c.user_id, EXPENSES.c.spent_on, func.sum(EXPENSES.c.line_count - 1).label("extra"))
    .where(
        EXPENSES.c.user_id.in_(bindparam("user_ids", expanding=True)),
        EXPENSES.c.spent_on >= bindparam("first"),
        EXPENSES.c.spent_on < bindparam("end"),
        EXPENSES.c.deleted_at.is_(None),
        # Written out, as SQLite takes a partial index only for the very condition that it was made with.
        text("line_count > 0"),
    )
    .group_by(EXPENSES.c.user_id, EXPENSES.c.spent_on)
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose spending, in which currency, of which days, and of which days before them."""

    user_id: UUID
    currency: str
    period: Period
    before: Period

    def scope(self, period: Period) -> Scope:
        return Scope(
            user_id=self.user_id,
            first_day=period.start,
            last_day=period.last_day,
            currency=self.currency,
        )


@dataclass(slots=True)
class Spent:
    """Sums as analytics have them; `converted` is of the period itself."""

    whole: Sum = field(default_factory=Sum)
    before: Sum = field(default_factory=Sum)
    by_category: dict[UUID | None, Sum] = field(default_factory=dict)
    before_by_category: dict[UUID | None, Sum] = field(default_factory=dict)
    by_day: dict[date, Sum] = field(default_factory=dict)
    converted: Sequence[Converted] = ()
    unconverted: Mapping[str, Sum] = field(default_factory=dict)
    before_unconverted: Mapping[str, Sum] = field(default_factory=dict)


def spending_of_users(session: Reader, wanted: Sequence[Wanted]) -> dict[UUID, Spent]:
    """By user; who has spent in other currencies as well costs some statements more."""
    if not wanted:
        return {}
    parameters = {
        "user_ids": [one.user_id for one in wanted],
        "first": min(one.before.start for one in wanted),
        "end": max(one.period.end for one in wanted),
    }
    rows: defaultdict[UUID, list[Any]] = defaultdict(list)
    for row in session.execute(OF_USERS, parameters).all():
        rows[row.user_id].append(row)
    extra: defaultdict[UUID, dict[date, int]] = defaultdict(dict)
    for user_id, day, count in session.execute(LINES_OF_USERS, parameters).all():
        extra[user_id][day] = int(count)
    found = {}
    for one in wanted:
        own = rows[one.user_id]
        if all(row.currency == one.currency for row in own):
            found[one.user_id] = _added_up(one, own, extra[one.user_id])
        else:
            found[one.user_id] = _converted(session, one)
    return found


def _added_up(wanted: Wanted, rows: Sequence[Any], extra: Mapping[date, int]) -> Spent:
    """`extra` are the lines by day beyond the first of each expense, which is counted once."""
    spent = Spent()
    for row in rows:
        minor, count = row.amount_minor, row.count
        key = None if row.category_id == UNCATEGORISED else row.category_id
        if row.day in wanted.period:
            spent.whole.add(minor, count)
            spent.by_category.setdefault(key, Sum()).add(minor, count)
            spent.by_day.setdefault(row.day, Sum()).add(minor, count)
        elif row.day in wanted.before:
            spent.before.add(minor, count)
            spent.before_by_category.setdefault(key, Sum()).add(minor, count)
    for day, count in extra.items():
        if day in wanted.period:
            spent.whole.count -= count
        elif day in wanted.before:
            spent.before.count -= count
    return spent


def _converted(session: Reader, wanted: Wanted) -> Spent:
    scope = wanted.scope(wanted.period)
    scope_before = replace(scope, first_day=wanted.before.start, last_day=wanted.before.last_day)
    sums, before = sum_by_category(session, scope), sum_by_category(session, scope_before)
    return Spent(
        whole=counted_once(session, scope, sums),
        before=counted_once(session, scope_before, before),
        by_category=sums.by_key,
        before_by_category=before.by_key,
        by_day=sum_by_day(session, scope).by_key,
        converted=sums.converted,
        unconverted=sums.unconverted,
        before_unconverted=before.unconverted,
    )
