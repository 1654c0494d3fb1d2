"""What expenses tell: charges that come back, amounts out of the ordinary, what a month will cost."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, String, bindparam, select, type_coerce, union_all

from core.database import Reader
from core.models import Expense, ExpenseLine, table_of
from core.queries.analytics import category_labels
from core.queries.spending_totals import Scope, Sum, rates_for, sum_by_day, sum_whole
from core.rules.anomalies import outlier_bound, times_tenths, usual_amount
from core.rules.forecasts import HISTORY_DAYS, Forecast, forecast_month
from core.rules.money import format_amount
from core.rules.periods import Period
from core.rules.series import shifted, start_of
from core.rules.subscriptions import Charge, Recurrence, find_recurrences

EXPENSES = table_of(Expense)
LINES = table_of(ExpenseLine)

CHARGES_DAYS = 800
"""Two years and some weeks: a yearly charge shows from its second time on."""

USUAL_DAYS = 365
"""A year of amounts tells what is usual: all seasons, and not how things were long ago."""

MAX_EXPENSES = 50_000
"""The newest that are looked at, a hundred a day: a bound on the memory and time of an answer."""

MAX_ANOMALIES = 100
"""Nobody reads further; those furthest out come first."""


@dataclass(frozen=True, slots=True)
class Subscription:
    payee: str
    currency: str
    recurrence: Recurrence


@dataclass(frozen=True, slots=True)
class Anomaly:
    """An expense, or the line of one, and what is usual in its category; `times_tenths` is of the usual."""

    expense_id: UUID
    spent_on: date
    payee: str | None
    category_id: UUID | None
    amount_minor: int
    currency: str
    usual_minor: int
    times_tenths: int
    words: str


@dataclass(frozen=True, slots=True)
class DueCharge:
    """`converted_minor` is None, and does not count, where there is no rate."""

    payee: str
    day: date
    amount_minor: int
    currency: str
    converted_minor: int | None


@dataclass(frozen=True, slots=True)
class MonthForecast:
    month: Period
    forecast: Forecast
    due: Sequence[DueCharge]
    unconverted: Mapping[str, Sum]


_NEWEST = (
    EXPENSES.c.user_id == bindparam("user_id"),
    EXPENSES.c.spent_on.between(bindparam("first"), bindparam("last")),
    EXPENSES.c.deleted_at.is_(None),
)
CHARGES = (
    select(
        EXPENSES.c.payee_key,
        EXPENSES.c.payee,
        EXPENSES.c.currency,
        EXPENSES.c.spent_on,
        EXPENSES.c.amount_minor,
    )
    .where(*_NEWEST, EXPENSES.c.payee_key != "", EXPENSES.c.amount_minor > 0)
    .order_by(EXPENSES.c.spent_on.desc(), EXPENSES.c.id.desc())
    .limit(MAX_EXPENSES)
)


def _raw(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """An id as the driver has it, on SQLite a text: to make an object of each takes longer than all else."""
    return type_coerce(column, String())


_WHOLE = select(
    _raw(EXPENSES.c.id).label("id"),
    EXPENSES.c.spent_on,
    EXPENSES.c.payee,
    _raw(EXPENSES.c.category_id).label("category_id"),
    EXPENSES.c.currency,
    EXPENSES.c.amount_minor,
).where(*_NEWEST, EXPENSES.c.line_count == 0, EXPENSES.c.amount_minor > 0)
_LINES = (
    select(
        _raw(EXPENSES.c.id).label("id"),
        EXPENSES.c.spent_on,
        EXPENSES.c.payee,
        _raw(LINES.c.category_id).label("category_id"),
        EXPENSES.c.currency,
        LINES.c.amount_minor,
    )
    .join(LINES, (LINES.c.user_id == EXPENSES.c.user_id) & (LINES.c.expense_id == EXPENSES.c.id))
    .where(*_NEWEST, EXPENSES.c.line_count > 0, LINES.c.amount_minor > 0)
)
_PARTS = union_all(_WHOLE, _LINES).subquery("parts")
SAMPLES = select(_PARTS).order_by(_PARTS.c.spent_on.desc(), _PARTS.c.id.desc()).limit(MAX_EXPENSES)


def find_subscriptions(session: Reader, *, user_id: UUID, today: date) -> list[Subscription]:
    """Charges that come back, those that go on first, each beginning with what costs most in a year.

    Costs of different currencies are compared as they are written; nothing is added up.
    """
    found = list(_subscriptions(session, user_id, today, today))
    return sorted(
        found,
        key=lambda one: (one.recurrence.is_ended, -one.recurrence.yearly_minor, one.payee, one.currency),
    )


def _subscriptions(session: Reader, user_id: UUID, today: date, last_day: date) -> Iterator[Subscription]:
    parameters = {"user_id": user_id, "first": today - timedelta(days=CHARGES_DAYS), "last": last_day}
    charges: defaultdict[tuple[str, str], list[Charge]] = defaultdict(list)
    names: dict[str, str] = {}
    # A row at a time takes twice as long to fetch.
    for key, payee, currency, day, minor in session.execute(CHARGES, parameters).all():
        charges[key, currency].append(Charge(day, minor))
        names.setdefault(key, payee)  # as it is written on the newest
    for (key, currency), its in charges.items():
        for recurrence in find_recurrences(its, today=today):
            yield Subscription(names[key], currency, recurrence)


def find_anomalies(
    session: Reader,
    *,
    user_id: UUID,
    first_day: date,
    last_day: date,
    labels: Mapping[UUID | None, str] | None = None,
) -> list[Anomaly]:
    """Expenses of the range that are out of the ordinary for their category, the furthest out first.

    What is ordinary tell the category's amounts in the same currency in the year up to the range's end. Who
    has the `category_labels` already gives them.
    """
    first = min(first_day, last_day - timedelta(days=USUAL_DAYS))
    rows = session.execute(SAMPLES, {"user_id": user_id, "first": first, "last": last_day}).all()
    groups: defaultdict[tuple[Any, str], list[Any]] = defaultdict(list)
    for row in rows:
        groups[row.category_id, row.currency].append(row)
    labels = category_labels(session, user_id=user_id) if labels is None else labels
    found = []
    for group in groups.values():
        amounts = [row.amount_minor for row in group]
        bound, usual = outlier_bound(amounts), usual_amount(amounts)
        if bound is None or usual is None:
            continue
        category_id = None if group[0].category_id is None else UUID(str(group[0].category_id))
        found += [
            _anomaly(row, usual, category_id, labels[category_id])
            for row in group
            if row.amount_minor >= bound and row.spent_on >= first_day
        ]
    found.sort(key=lambda one: (-one.times_tenths, one.spent_on, one.expense_id))
    return found[:MAX_ANOMALIES]


def _anomaly(row: Any, usual: int, category_id: UUID | None, label: str) -> Anomaly:
    currency, times = row.currency, times_tenths(row.amount_minor, usual)
    at = f" at {row.payee}" if row.payee else ""
    ratio = f"{times // 10}.{times % 10}"
    words = (
        f"{label}: {format_amount(row.amount_minor, currency)} {currency}{at} is {ratio} times "
        f"the usual {format_amount(usual, currency)} {currency}."
    )
    return Anomaly(
        UUID(str(row.id)),
        row.spent_on,
        row.payee,
        category_id,
        row.amount_minor,
        currency,
        usual,
        times,
        words,
    )


def forecast(session: Reader, *, user_id: UUID, currency: str, today: date) -> MonthForecast:
    """What the running month will have cost: spent and dated ahead, due again, and everyday spending."""
    start = start_of(today, "month")
    month = Period(start, shifted(start, "month", 1))
    scope = Scope(user_id=user_id, first_day=start, last_day=month.last_day, currency=currency)
    spent = sum_whole(session, scope)
    history = Scope(
        user_id=user_id, first_day=start - timedelta(days=HISTORY_DAYS), last_day=today, currency=currency
    )
    everyday = {day: one.minor for day, one in sum_by_day(session, history).by_key.items()}
    # Also what is dated ahead: a rent that is entered already is not due once more.
    recurring = list(_subscriptions(session, user_id, today, month.last_day))
    wide = Scope(user_id=user_id, first_day=history.first_day, last_day=month.last_day, currency=currency)
    rates = rates_for(session, wide, {one.currency for one in recurring} - {currency})
    due = []
    for one in recurring:
        for charge in one.recurrence.charges:
            converted = rates.convert(charge.amount_minor, one.currency, currency, charge.day)
            if charge.day in everyday and converted is not None:
                everyday[charge.day] -= converted.amount_minor
        for day in one.recurrence.due_between(today + timedelta(days=1), month.last_day):
            # Nobody knows a later day's rate yet.
            converted = rates.convert(one.recurrence.amount_minor, one.currency, currency, today)
            due.append(
                DueCharge(
                    one.payee,
                    day,
                    one.recurrence.amount_minor,
                    one.currency,
                    None if converted is None else converted.amount_minor,
                )
            )
    result = forecast_month(
        month,
        today,
        spent_minor=spent.whole.minor,
        due_minor=sum(one.converted_minor or 0 for one in due),
        everyday=everyday,
    )
    return MonthForecast(month, result, sorted(due, key=lambda one: (one.day, one.payee)), spent.unconverted)
